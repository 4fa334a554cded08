"""How each metric is computed from predictions, for every set of patients at once."""

from __future__ import annotations

import weakref
from collections import deque

import numpy as np

from evaluation.metrics.auc import replicate_auc
from evaluation.metrics.brier import brier_losses, null_losses, replicate_scores, scaled_brier
from evaluation.metrics.calibration import (
    replicate_calibration_errors,
    replicate_intercepts_at_horizon,
    replicate_observed_expected,
    replicate_slopes,
)
from evaluation.metrics.decision_curve import replicate_net_benefit
from evaluation.metrics.discrimination import harrell_c, uno_c
from evaluation.metrics.metric import Asked, Kernel
from evaluation.metrics.over_time import mean_over_time

# Before a quarter of tau few have had the event, and AUC(t) rests on them.
AUC_FROM = 0.25
KNOTS = 3


def harrell(asked: Asked) -> np.ndarray:
    """Harrell's C of the risk score."""
    order = asked.prediction.risk_score
    return np.asarray(harrell_c(asked.outcome, order, counts=asked.samples, group=asked.fold))


def uno(asked: Asked) -> np.ndarray:
    """Uno's C of the risk score up to the horizon; under competing events that of Wolbers."""
    settings = asked.outcome, asked.prediction.risk_score, asked.horizon
    return np.asarray(uno_c(*settings, counts=asked.samples, group=asked.fold))


def half(asked: Asked) -> float:
    """What a concordance is without information."""
    return 0.5


def brier(asked: Asked) -> np.ndarray:
    """Brier score at the horizon."""
    losses = brier_losses(asked.outcome, asked.survival[:, None], [asked.horizon])
    return replicate_scores(losses, asked.samples)[:, 0]


def shuffled_brier(asked: Asked) -> float:
    """Brier score at the horizon of another patient's prediction."""
    return float(_shuffled(asked, asked.survival[:, None], np.array([asked.horizon]))[0])


def ibs(asked: Asked) -> np.ndarray:
    """Integrated Brier score over the predicted times up to the horizon."""
    survival, times = asked.curves()
    per_patient = mean_over_time(brier_losses(asked.outcome, survival, times), times)
    return replicate_scores(per_patient[:, None], asked.samples)[:, 0]


def shuffled_ibs(asked: Asked) -> float:
    """Integrated Brier score of another patient's prediction."""
    survival, times = asked.curves()
    return float(mean_over_time(_shuffled(asked, survival, times), times))


def ipa(asked: Asked) -> np.ndarray:
    """Index of prediction accuracy: 1 - Brier / Brier of the null model."""
    null = null_losses(asked.outcome, [asked.horizon])
    return scaled_brier(brier(asked), replicate_scores(null, asked.samples)[:, 0])


def shuffled_ipa(asked: Asked) -> float:
    """The same of another patient's prediction."""
    null = null_losses(asked.outcome, [asked.horizon]).mean(axis=0)
    return float(scaled_brier(np.array([shuffled_brier(asked)]), null)[0])


def _shuffled(asked: Asked, survival: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Mean loss over all pairs of one patient's outcome and another's prediction, (n_times,).

    The loss w (y - S)^2 averages over independent S to w (y^2 - 2 y E S + E S^2), which three
    constant predictions give: 0, 1/2 and 1.
    """
    at_0, at_half, at_1 = (
        brier_losses(asked.outcome, np.full(survival.shape, value), times).mean(axis=0)
        for value in (0, 0.5, 1)
    )
    # A quadratic a + b S + c S^2 through the three.
    c = 2.0 * (at_1 - 2.0 * at_half + at_0)
    b = at_1 - at_0 - c
    return at_0 + b * survival.mean(axis=0) + c * (survival**2).mean(axis=0)


def auc(asked: Asked) -> np.ndarray:
    """Cumulative/dynamic AUC at the horizon of the event probability predicted there."""
    settings = asked.outcome, asked.risk, [asked.horizon], asked.samples
    return replicate_auc(*settings, group=asked.fold)[:, 0]


def mean_auc(asked: Asked) -> np.ndarray:
    """Mean of AUC(t) over the predicted times from a quarter of the horizon to it."""
    survival, times = asked.curves()
    first = int(np.searchsorted(times, AUC_FROM * asked.horizon - 1e-9))
    times = times[first:]
    if len(times) < 2:
        return np.full(len(asked.samples), np.nan)
    risk = 1.0 - survival[:, first:]
    each = replicate_auc(asked.outcome, risk, times, asked.samples, group=asked.fold)
    return mean_over_time(each, times)


def observed_expected(asked: Asked) -> np.ndarray:
    """Observed event probability over the mean predicted one."""
    return replicate_observed_expected(asked.outcome, asked.risk, asked.horizon, asked.samples)


def slope(asked: Asked) -> np.ndarray:
    """Calibration slope: Cox coefficient of cloglog of the predicted risk."""
    if not tells_apart(asked.risk, asked.fold):
        return np.full(len(asked.samples), np.nan)
    return replicate_slopes(asked.outcome, asked.risk, asked.samples)


def no_slope(asked: Asked) -> float:
    """A prediction that is independent of the outcome has slope 0."""
    return 0.0


def intercept(asked: Asked) -> np.ndarray:
    """Shift of cloglog(prediction) that makes the mean prediction the observed probability."""
    return replicate_intercepts_at_horizon(asked.outcome, asked.risk, asked.horizon, asked.samples)


def net_benefit(asked: Asked) -> np.ndarray:
    """Net benefit of treating those whose predicted event probability reaches the threshold."""
    settings = asked.outcome, asked.risk, asked.horizon, asked.threshold
    return replicate_net_benefit(*settings, asked.samples)


# One regression serves ICI, E50 and E90, which are asked for one after the other: its results, for
# as long as what they are of exists.
_Regression = tuple[tuple[weakref.ref, ...], float, np.ndarray]
_REGRESSIONS: deque[_Regression] = deque(maxlen=64)


def calibration_error(place: int) -> Kernel:
    """The kernel of ICI, E50 or E90, by its place among `calibration.curve.ERRORS`."""

    def kernel(asked: Asked) -> np.ndarray:
        if not tells_apart(asked.risk, asked.fold):
            return np.full(len(asked.samples), np.nan)
        return _calibration_errors(asked)[:, place]

    return kernel


def _calibration_errors(asked: Asked) -> np.ndarray:
    own = asked.outcome, asked.prediction, asked.samples
    for kept, at, result in tuple(_REGRESSIONS):
        if at == asked.horizon and all(a() is b for a, b in zip(kept, own, strict=True)):
            return result
    settings = asked.outcome, asked.risk, asked.horizon, asked.samples
    found = replicate_calibration_errors(*settings, knots=KNOTS)
    _REGRESSIONS.append((tuple(weakref.ref(one) for one in own), asked.horizon, found))
    return found


def tells_apart(risk: np.ndarray, fold: np.ndarray | None) -> bool:
    """Whether predictions differ within some fold.

    Those of the null model differ between folds alone, by who trained them; a regression on them
    would measure nothing but that.
    """
    if fold is None:
        return True
    order = np.lexsort((risk, fold))
    same_fold = np.diff(np.asarray(fold)[order]) == 0
    return bool((same_fold & (np.diff(risk[order]) > 0)).any())
