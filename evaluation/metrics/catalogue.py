"""Every metric that a table or a report holds, one entry each.

A new metric is a kernel in a file of its own and an entry here, in the tuple of those beside which
it is reported. What asks for a metric finds it here by name and reads its fields.
"""

from __future__ import annotations

import re
import weakref
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from evaluation.metrics.auc import integrated_auc, replicate_auc
from evaluation.metrics.brier import (
    brier_losses,
    integrated_brier,
    null_losses,
    replicate_scores,
    scaled_brier,
)
from evaluation.metrics.calibration.at_horizon import replicate_observed_expected, replicate_slopes
from evaluation.metrics.calibration.curve import ERRORS, METHOD, replicate_calibration_errors
from evaluation.metrics.calibration.intercept import replicate_intercepts_at_horizon
from evaluation.metrics.decision_curve import replicate_net_benefit
from evaluation.metrics.discrimination import harrell_c, uno_c
from evaluation.metrics.metric import DIFFERENCE, Kernel, Metric, column_of
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

RULE = "trapezoid from the first time of the grid"
NULL_MODEL = "null model: {} of all patients, not out-of-fold"
SHARE = (0.0, 1.0)
LOSS = (0.0, np.inf)
NO_PAIR = "no comparable pair of patients within a fold"
NO_CASE = "no fold holds both an event by then and a patient followed beyond"
NOBODY_APART = "predicted risks do not vary within a fold, or separate the events"
# Before a quarter of tau few have had the event, and AUC(t) rests on them.
AUC_FROM = 0.25
KNOTS = 3

# -- kernels: the metric, outcome, prediction, fold, samples -> one value a sample ----------------


def _harrell_c(
    at: Metric,
    outcome: Outcome,
    p: SurvivalPrediction,
    fold: np.ndarray | None,
    samples: np.ndarray,
) -> np.ndarray:
    return np.asarray(harrell_c(outcome, p.risk_score, counts=samples, group=fold))


def _uno_c(
    at: Metric,
    outcome: Outcome,
    p: SurvivalPrediction,
    fold: np.ndarray | None,
    samples: np.ndarray,
) -> np.ndarray:
    return np.asarray(uno_c(outcome, p.risk_score, at.horizon, counts=samples, group=fold))


def _half(at: Metric, outcome: Outcome, p: SurvivalPrediction) -> float:
    return 0.5


def _brier(
    at: Metric,
    outcome: Outcome,
    p: SurvivalPrediction,
    fold: np.ndarray | None,
    samples: np.ndarray,
) -> np.ndarray:
    losses = brier_losses(outcome, p.at(at.horizon)[:, None], [at.horizon])
    return replicate_scores(losses, samples)[:, 0]


def _shuffled_brier(at: Metric, outcome: Outcome, p: SurvivalPrediction) -> float:
    return float(_shuffled(outcome, p.at(at.horizon)[:, None], np.array([at.horizon]))[0])


def _ibs(
    at: Metric,
    outcome: Outcome,
    p: SurvivalPrediction,
    fold: np.ndarray | None,
    samples: np.ndarray,
) -> np.ndarray:
    last = column_of(p.times, at.horizon) + 1
    losses = brier_losses(outcome, p.survival[:, :last], p.times[:last])
    per_patient = integrated_brier(losses, p.times[:last])
    return replicate_scores(per_patient[:, None], samples)[:, 0]


def _shuffled_ibs(at: Metric, outcome: Outcome, p: SurvivalPrediction) -> float:
    last = column_of(p.times, at.horizon) + 1
    scores = _shuffled(outcome, p.survival[:, :last], p.times[:last])
    return float(integrated_brier(scores, p.times[:last]))


def _ipa(
    at: Metric,
    outcome: Outcome,
    p: SurvivalPrediction,
    fold: np.ndarray | None,
    samples: np.ndarray,
) -> np.ndarray:
    null = replicate_scores(null_losses(outcome, [at.horizon]), samples)[:, 0]
    return scaled_brier(_brier(at, outcome, p, fold, samples), null)


def _shuffled_ipa(at: Metric, outcome: Outcome, p: SurvivalPrediction) -> float:
    null = null_losses(outcome, [at.horizon]).mean(axis=0)
    return float(scaled_brier(np.array([_shuffled_brier(at, outcome, p)]), null)[0])


def _shuffled(outcome: Outcome, survival: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Mean loss over all pairs of one patient's outcome and another's prediction, (n_times,).

    The loss w (y - S)^2 averages over independent S to w (y^2 - 2 y E S + E S^2), which three
    constant predictions give: 0, 1/2 and 1.
    """
    shape = survival.shape
    at_0, at_half, at_1 = (
        brier_losses(outcome, np.full(shape, value), times).mean(axis=0) for value in (0, 0.5, 1)
    )
    # A quadratic a + b S + c S^2 through the three.
    c = 2.0 * (at_1 - 2.0 * at_half + at_0)
    b = at_1 - at_0 - c
    return at_0 + b * survival.mean(axis=0) + c * (survival**2).mean(axis=0)


def _auc(
    at: Metric,
    outcome: Outcome,
    p: SurvivalPrediction,
    fold: np.ndarray | None,
    samples: np.ndarray,
) -> np.ndarray:
    risk = 1.0 - p.at(at.horizon)
    return replicate_auc(outcome, risk, [at.horizon], samples, group=fold)[:, 0]


def _integrated_auc(
    at: Metric,
    outcome: Outcome,
    p: SurvivalPrediction,
    fold: np.ndarray | None,
    samples: np.ndarray,
) -> np.ndarray:
    last = column_of(p.times, at.horizon) + 1
    first = int(np.searchsorted(p.times[:last], AUC_FROM * at.horizon - 1e-9))
    times = p.times[first:last]
    if len(times) < 2:
        return np.full(len(samples), np.nan)
    auc = replicate_auc(outcome, p.event_probability[:, first:last], times, samples, group=fold)
    return integrated_auc(auc, times)


def _observed_expected(
    at: Metric,
    outcome: Outcome,
    p: SurvivalPrediction,
    fold: np.ndarray | None,
    samples: np.ndarray,
) -> np.ndarray:
    return replicate_observed_expected(outcome, 1.0 - p.at(at.horizon), at.horizon, samples)


def _slope(
    at: Metric,
    outcome: Outcome,
    p: SurvivalPrediction,
    fold: np.ndarray | None,
    samples: np.ndarray,
) -> np.ndarray:
    risk = 1.0 - p.at(at.horizon)
    if not tells_apart(risk, fold):
        return np.full(len(samples), np.nan)
    return replicate_slopes(outcome, risk, samples)


def _intercept(
    at: Metric,
    outcome: Outcome,
    p: SurvivalPrediction,
    fold: np.ndarray | None,
    samples: np.ndarray,
) -> np.ndarray:
    return replicate_intercepts_at_horizon(outcome, 1.0 - p.at(at.horizon), at.horizon, samples)


def _net_benefit(
    at: Metric,
    outcome: Outcome,
    p: SurvivalPrediction,
    fold: np.ndarray | None,
    samples: np.ndarray,
) -> np.ndarray:
    risk = 1.0 - p.at(at.horizon)
    return replicate_net_benefit(outcome, risk, at.horizon, at.threshold, samples)


# One regression serves ICI, E50 and E90, which are asked for one after the other: its results, as
# long as what they are of exists.
_Regression = tuple[tuple[weakref.ref, ...], float, np.ndarray]
_REGRESSIONS: deque[_Regression] = deque(maxlen=64)


def _calibration_errors(
    outcome: Outcome, p: SurvivalPrediction, horizon: float, samples: np.ndarray
) -> np.ndarray:
    asked = outcome, p, samples
    for kept, at, result in tuple(_REGRESSIONS):
        if at == horizon and all(one() is own for one, own in zip(kept, asked, strict=True)):
            return result
    found = replicate_calibration_errors(
        outcome, 1.0 - p.at(horizon), horizon, samples, knots=KNOTS
    )
    _REGRESSIONS.append((tuple(weakref.ref(one) for one in asked), horizon, found))
    return found


def _calibration_error(place: int) -> Kernel:
    def kernel(
        at: Metric,
        outcome: Outcome,
        p: SurvivalPrediction,
        fold: np.ndarray | None,
        samples: np.ndarray,
    ) -> np.ndarray:
        if not tells_apart(1.0 - p.at(at.horizon), fold):
            return np.full(len(samples), np.nan)
        return _calibration_errors(outcome, p, at.horizon, samples)[:, place]

    return kernel


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


# -- metrics of predicted survival ----------------------------------------------------------------

HARRELL_C = Metric(
    "harrell_c", "Harrell C", _harrell_c, "higher", "order", "none", "overall",
    undefined=NO_PAIR, without_information=_half, bounds=SHARE,
)  # fmt: skip
UNO_C = replace(HARRELL_C, key="uno_c", label="Uno C", kernel=_uno_c, place="tau")
IBS = Metric(
    "ibs", "IBS", _ibs, "lower", "grid", "tau", "overall", digits=3,
    note=RULE, without_information=_shuffled_ibs, bounds=LOSS,
)  # fmt: skip
BRIER = Metric(
    "brier", "Brier", _brier, "lower", "horizon", "horizon", "horizon", digits=3,
    without_information=_shuffled_brier, bounds=LOSS,
)  # fmt: skip
IPA = Metric(
    "ipa", "IPA", _ipa, "higher", "horizon", "horizon", "horizon",
    undefined="the null model is never wrong", note=NULL_MODEL.format("Kaplan-Meier"),
    without_information=_shuffled_ipa, bounds=(-np.inf, 1.0),
)  # fmt: skip
OBSERVED_EXPECTED = Metric(
    "calibration_oe", "O/E", _observed_expected, "one", "horizon", "horizon", "calibration",
    undefined="the expected probability is 0", near_1_out_of_fold=True,
)  # fmt: skip
SLOPE = Metric(
    "calibration_slope", "Slope", _slope, "one", "horizon", "horizon", "calibration",
    undefined=NOBODY_APART,
    # A prediction that is independent of the outcome has slope 0.
    without_information=lambda _metric, _outcome, _prediction: 0.0,
)  # fmt: skip
INTEGRATED_AUC = Metric(
    "integrated_auc", "Mean AUC", _integrated_auc, "higher", "grid", "tau", "overall",
    undefined=NO_CASE,
    note_at=lambda tau: f"mean of AUC(t), trapezoid, {AUC_FROM * tau:g} to {tau:g} months",
    without_information=_half, bounds=SHARE,
)  # fmt: skip
AUC = Metric(
    "auc", "AUC", _auc, "higher", "horizon", "horizon", "horizon",
    undefined=NO_CASE, without_information=_half, bounds=SHARE,
)  # fmt: skip
INTERCEPT = Metric(
    "calibration_intercept", "Intercept", _intercept, "zero", "horizon", "horizon", "calibration",
    undefined="the observed probability is 0 or 1",
    note="slope kept at 1; above 0 risk is underestimated",
)  # fmt: skip
ICI, E50, E90 = CALIBRATION_ERRORS = tuple(
    Metric(
        key, key.upper(), _calibration_error(place), "lower", "horizon", "horizon", "calibration",
        digits=3, undefined=NOBODY_APART, note=METHOD.format(KNOTS), bounds=LOSS,
    )
    for place, key in enumerate(ERRORS[:3])
)  # fmt: skip
NET_BENEFIT = Metric(
    "net_benefit", "Net benefit", _net_benefit, "higher", "horizon", "threshold", "utility",
    digits=3, undefined="the patients flagged are not followed up to the horizon",
)  # fmt: skip
D_CALIBRATION = Metric(
    "d_calibration_p", "D-calibration p", None, "higher", "grid", "tau", "overall"
)

# -- the same kernels on a predicted cumulative incidence -----------------------------------------

COMPETING_C = replace(
    UNO_C, key="competing_c", label="C, competing events", competing_for=(UNO_C, HARRELL_C)
)
COMPETING_IBS = replace(IBS, key="competing_ibs", label="IBS of incidence", competing_for=(IBS,))
COMPETING_AUC = replace(AUC, key="competing_auc", undefined=NO_PAIR, competing_for=(AUC,))
COMPETING_BRIER = replace(
    BRIER, key="competing_brier", label="Brier of incidence", competing_for=(BRIER,)
)
COMPETING_IPA = replace(
    IPA, key="competing_ipa", label="IPA of incidence", note=NULL_MODEL.format("Aalen-Johansen"),
    competing_for=(IPA,),
)  # fmt: skip
COMPETING_OBSERVED_EXPECTED = replace(
    OBSERVED_EXPECTED, key="competing_oe", label="O/E of incidence",
    competing_for=(OBSERVED_EXPECTED,),
)  # fmt: skip

# Also corrected for optimism.
STANDARD = (HARRELL_C, UNO_C, IBS, BRIER, IPA, OBSERVED_EXPECTED, SLOPE)
FURTHER = (INTEGRATED_AUC, AUC, INTERCEPT, *CALIBRATION_ERRORS, NET_BENEFIT)
COMPETING = (
    COMPETING_C,
    COMPETING_IBS,
    COMPETING_AUC,
    COMPETING_BRIER,
    COMPETING_IPA,
    COMPETING_OBSERVED_EXPECTED,
)
CATALOGUE = {metric.key: metric for metric in (*STANDARD, *FURTHER, D_CALIBRATION, *COMPETING)}
_NAME = re.compile(
    rf"(?P<key>{'|'.join(CATALOGUE)})(?:_(?P<threshold>\d+(?:\.\d+)?(?:e-\d+)?))?(?P<difference>{DIFFERENCE})?"
)


def find_metric(name: str) -> Metric | None:
    """The metric of a name in a table, its threshold and whether it is a difference; or None."""
    told = _NAME.fullmatch(name)
    if told is None:
        return None
    metric = CATALOGUE[told["key"]]
    if (metric.place == "threshold") != (told["threshold"] is not None):
        return None
    threshold = float(told["threshold"] or np.nan)
    return replace(metric, threshold=threshold, difference=told["difference"] is not None)


def metric_of(name: str) -> Metric:
    """The metric of a name in a table.

    Raises
    ------
    KeyError
        For a name that is not in the catalogue.

    Examples
    --------
    >>> metric_of("net_benefit_0.2_difference").threshold
    0.2
    """
    found = find_metric(name)
    if found is None:
        raise KeyError(f"{name!r} is no metric of the catalogue: {', '.join(CATALOGUE)}")
    return found


def metric_label(name: str, horizon: float = np.nan) -> str:
    """'Harrell C', 'Brier 12 mo': a metric as a reader sees it.

    Examples
    --------
    >>> metric_label("net_benefit_0.2", 6)
    'Net benefit at 20% 6 mo'
    """
    metric = metric_of(name)
    at = "" if np.isnan(metric.threshold) else f" at {metric.threshold:.0%}"
    months = f" {horizon:g} mo" if metric.has_horizon and np.isfinite(horizon) else ""
    return f"{metric.label}{at}{months}"


def stored_name(name: str, horizon: float) -> str:
    """'ibs', 'brier_12m': a metric as MLflow stores it."""
    alone = not metric_of(name).has_horizon or np.isnan(horizon)
    return name if alone else f"{name}_{horizon:g}m"


def is_one_of(name: str, *metrics: Metric) -> bool:
    """Whether a name is of one of these metrics, or of what stands for it under competing events.

    Examples
    --------
    >>> is_one_of("competing_ibs", IBS), is_one_of("brier", IBS)
    (True, False)
    """
    found = find_metric(name)
    keys = {metric.key for metric in metrics}
    return found is not None and any(m.key in keys for m in (found, *found.competing_for))


def rows_of(names: Iterable[str], *metrics: Metric) -> np.ndarray:
    """`is_one_of` for each name of a column, shape (n,)."""
    return np.array([is_one_of(name, *metrics) for name in names], dtype=bool)


def version_for(outcome: Outcome, metric: Metric) -> Metric:
    """The metric, or what stands for it where the outcome has competing events."""
    if not outcome.has_competing:
        return metric
    return next(one for one in COMPETING if is_one_of(one.key, metric))


def placed(
    metrics: Iterable[Metric], horizons: Sequence[float], tau: float, thresholds: Sequence[float]
) -> list[Metric]:
    """Those of one value up to tau, then each of the others at each horizon and threshold."""
    metrics = list(metrics)
    found = [metric.at(tau) for metric in metrics if not metric.has_horizon]
    for horizon in horizons:
        for metric in metrics:
            if metric.place == "threshold":
                found += [metric.at(horizon, threshold) for threshold in thresholds]
            elif metric.has_horizon:
                found.append(metric.at(horizon))
    return found


def standard_metrics(horizons: Sequence[float], tau: float) -> list[Metric]:
    """Harrell's and Uno's C and IBS; Brier, IPA, O/E and slope at each horizon (months)."""
    return placed(STANDARD, horizons, tau, ())


def cohort_metrics(
    outcome: Outcome, horizons: Sequence[float], tau: float, thresholds: Sequence[float] = ()
) -> list[Metric]:
    """Every metric that a training and an external validation report for this endpoint.

    Parameters
    ----------
    outcome : Outcome of n patients
        With competing events the metrics are those of the cumulative incidence: the predicted event
        probability must be one. A learner that took competing events for censorings predicts more.
    horizons : sequence of float
        Months.
    tau : float
        Months; the end of what is integrated.
    thresholds : sequence of float
        Event probabilities at which one would act, for the net benefit.
    """
    if outcome.has_competing:
        return placed(COMPETING, horizons, tau, ())
    return standard_metrics(horizons, tau) + placed(FURTHER, horizons, tau, thresholds)
