"""AUC(t), smooth calibration, intercept and net benefit as metrics, beside the standard ones.

`cohort_metrics` is what a training and an external validation report: the standard metrics and
these, or those under competing events where the endpoint has them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from evaluation.metrics.auc import integrated_auc, replicate_auc
from evaluation.metrics.calibration.curve import ERRORS, METHOD, replicate_calibration_errors
from evaluation.metrics.calibration.intercept import replicate_intercepts_at_horizon
from evaluation.metrics.competing import competing_metrics
from evaluation.metrics.metric import (
    LOSS,
    NOBODY_APART,
    SHARE,
    Metric,
    column_of,
    half,
    standard_metrics,
    tells_apart,
)
from evaluation.validation.incremental_value import net_benefit_metric
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

# Before a quarter of tau few have had the event, and AUC(t) rests on them.
AUC_FROM = 0.25
NO_CASE = "no fold holds both an event by then and a patient followed beyond"
KNOTS = 3


def has_competing(outcome: Outcome) -> bool:
    """Whether some patient's follow-up ended with a competing event."""
    return outcome.competing is not None and bool(outcome.competing.any())


def cohort_metrics(
    outcome: Outcome, horizons: Sequence[float], tau: float, thresholds: Sequence[float] = ()
) -> list[Metric]:
    """Every metric that a table of performance holds for this endpoint.

    Parameters
    ----------
    outcome : Outcome of n patients
        With competing events the metrics are those of the cumulative incidence.
    horizons : sequence of float
        Months.
    tau : float
        Months; the end of what is integrated.
    thresholds : sequence of float
        Event probabilities at which one would act, for the net benefit.
    """
    if has_competing(outcome):
        return competing_metrics(horizons, tau)
    metrics = [*standard_metrics(horizons, tau), integrated_auc_metric(tau)]
    for horizon in horizons:
        metrics += [auc_metric(horizon), intercept_metric(horizon)]
        metrics += calibration_error_metrics(horizon)
        metrics += [net_benefit_metric(horizon, threshold) for threshold in thresholds]
    return metrics


def auc_metric(horizon: float) -> Metric:
    """Cumulative/dynamic AUC at a horizon of the event probability predicted there."""

    def evaluate(
        outcome: Outcome, p: SurvivalPrediction, fold: np.ndarray | None, samples: np.ndarray
    ) -> np.ndarray:
        values = replicate_auc(outcome, 1.0 - p.at(horizon), [horizon], samples, group=fold)
        return values[:, 0]

    return Metric(
        "auc", horizon, evaluate, "higher", "horizon", NO_CASE, no_information=half, bounds=SHARE
    )


def integrated_auc_metric(tau: float) -> Metric:
    """Mean of AUC(t) over the predicted times from a quarter of tau to tau (trapezoid)."""

    def evaluate(
        outcome: Outcome, p: SurvivalPrediction, fold: np.ndarray | None, samples: np.ndarray
    ) -> np.ndarray:
        last = column_of(p.times, tau) + 1
        first = int(np.searchsorted(p.times[:last], AUC_FROM * tau - 1e-9))
        times = p.times[first:last]
        if len(times) < 2:
            return np.full(len(samples), np.nan)
        marker = p.event_probability[:, first:last]
        auc = replicate_auc(outcome, marker, times, samples, group=fold)
        return integrated_auc(auc, times)

    return Metric(
        "integrated_auc",
        tau,
        evaluate,
        "higher",
        "grid",
        NO_CASE,
        f"mean of AUC(t), trapezoid, {AUC_FROM * tau:g} to {tau:g} months",
        half,
        SHARE,
    )


def intercept_metric(horizon: float) -> Metric:
    """Shift of cloglog(prediction) that makes the mean prediction the Kaplan-Meier estimate."""

    def evaluate(
        outcome: Outcome, p: SurvivalPrediction, fold: np.ndarray | None, samples: np.ndarray
    ) -> np.ndarray:
        return replicate_intercepts_at_horizon(outcome, 1.0 - p.at(horizon), horizon, samples)

    return Metric(
        "calibration_intercept",
        horizon,
        evaluate,
        "zero",
        "horizon",
        "the observed probability is 0 or 1",
        "slope kept at 1; above 0 risk is underestimated",
    )


def calibration_error_metrics(horizon: float) -> list[Metric]:
    """ICI, E50 and E90: mean, median and 90% quantile of |smooth curve - prediction|."""
    # One regression serves all three: what was computed is kept as long as these metrics are.
    known: list[tuple[Outcome, SurvivalPrediction, np.ndarray, np.ndarray]] = []

    def errors(outcome: Outcome, p: SurvivalPrediction, samples: np.ndarray) -> np.ndarray:
        for own, predicted, counted, result in known:
            if own is outcome and predicted is p and counted is samples:
                return result
        risk = 1.0 - p.at(horizon)
        found = replicate_calibration_errors(outcome, risk, horizon, samples, knots=KNOTS)
        known.append((outcome, p, samples, found))
        return found

    return [_calibration_error(errors, i, name, horizon) for i, name in enumerate(ERRORS[:3])]


def _calibration_error(
    errors: Callable[[Outcome, SurvivalPrediction, np.ndarray], np.ndarray],
    place: int,
    name: str,
    horizon: float,
) -> Metric:
    def evaluate(
        outcome: Outcome, p: SurvivalPrediction, fold: np.ndarray | None, samples: np.ndarray
    ) -> np.ndarray:
        if not tells_apart(1.0 - p.at(horizon), fold):
            return np.full(len(samples), np.nan)
        return errors(outcome, p, samples)[:, place]

    return Metric(
        name,
        horizon,
        evaluate,
        "lower",
        "horizon",
        NOBODY_APART,
        METHOD.format(KNOTS),
        bounds=LOSS,
    )
