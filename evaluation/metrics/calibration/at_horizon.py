"""Calibration at one horizon: in the large, slope, and by groups of predicted risk.

Predictions are probabilities of the event: where another event competes, cumulative incidences.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from evaluation.estimates import check_patients
from evaluation.metrics.observed import (
    ObservedProbability,
    Z,
    estimator_name,
    observed_probability,
    replicate_event_free,
)
from evaluation.statistics import CoxFit, competing_events
from features.outcome import Outcome

# Predicted probabilities are clipped to [LOG_CLIP, 1 - LOG_CLIP] where a logarithm is taken of
# them, and nowhere else.
LOG_CLIP = 1e-8


class ObservedExpected(NamedTuple):
    """Observed over expected event probability; above 1 when risk is underestimated."""

    observed: float
    expected: float
    ratio: float
    ci_low: float
    ci_high: float


class CalibrationSlope(NamedTuple):
    """Slope of what happened on what was predicted; below 1 when predictions are too extreme."""

    slope: float
    standard_error: float
    ci_low: float
    ci_high: float


def observed_expected(
    outcome: Outcome, event_probability: np.ndarray, horizon: float
) -> ObservedExpected:
    """Calibration in the large: observed event probability over the mean predicted one.

    The interval is exp(log(O/E) -+ 1.96 se(O) / O); it takes the predictions as given.

    Parameters
    ----------
    outcome : Outcome of n patients
    event_probability : ndarray of shape (n,)
        Predicted probability of the event by the horizon. Not survival.
    horizon : float
        Months.

    Returns
    -------
    ObservedExpected
        Ratio and limits NaN when a prediction is NaN or the horizon is beyond follow-up; limits
        NaN when the observed probability is 0 or 1.

    Raises
    ------
    ValueError
        When event_probability does not hold one probability a patient.

    References
    ----------
    McLernon et al., Ann Intern Med 2023, 10.7326/M22-0844
    """
    event_probability = checked_probabilities(event_probability, outcome)
    return ratio_of(observed_probability(outcome, horizon), float(event_probability.mean()))


def ratio_of(observed: ObservedProbability, expected: float) -> ObservedExpected:
    """Observed over expected with the interval of `observed_expected`."""
    ratio = observed.estimate / expected if expected > 0 else np.nan
    spread = 1.96 * observed.standard_error / observed.estimate if observed.estimate > 0 else np.nan
    return ObservedExpected(
        observed.estimate, expected, ratio, ratio * np.exp(-spread), ratio * np.exp(spread)
    )


def replicate_observed_expected(
    outcome: Outcome, event_probability: np.ndarray, horizon: float, counts: np.ndarray
) -> np.ndarray:
    """O/E ratio in each bootstrap replicate.

    Parameters and errors are those of `observed_expected`; `counts` of shape (B, n) says how often
    each replicate holds each patient.

    Returns
    -------
    ndarray of shape (B,)
        NaN in a replicate that is not followed up to the horizon.
    """
    event_probability = checked_probabilities(event_probability, outcome)
    counts = np.asarray(counts, dtype=float)
    observed = 1.0 - replicate_event_free(outcome, [horizon], counts)[:, 0]
    expected = counts @ event_probability / counts.sum(axis=1)
    return np.divide(observed, expected, out=np.full(len(counts), np.nan), where=expected > 0)


def calibration_slope(outcome: Outcome, event_probability: np.ndarray) -> CalibrationSlope:
    """Cox regression of the outcome on log(-log(1 - predicted risk)), ties by Efron.

    It uses the whole follow-up, not only that before the horizon of the prediction.

    Parameters
    ----------
    outcome : Outcome of n patients
    event_probability : ndarray of shape (n,)
        Predicted probability of the event by any one horizon; clipped for the logarithm.

    Returns
    -------
    CalibrationSlope
        With the Wald 95% interval. All NaN without an event, when a prediction is NaN, or when all
        predictions are the same.

    Raises
    ------
    ValueError
        When event_probability does not hold one probability a patient.

    References
    ----------
    van Houwelingen, Stat Med 2000, 19:3401-3415
    """
    covariate = complementary_log_log(checked_probabilities(event_probability, outcome))
    if np.isnan(covariate).any():
        return CalibrationSlope(np.nan, np.nan, np.nan, np.nan)
    fit = CoxFit.fit(outcome, covariate[:, None])
    slope = float(fit.coef[0])
    error = float(np.sqrt(fit.covariance[0, 0]))
    return CalibrationSlope(slope, error, slope - Z * error, slope + Z * error)


def replicate_slopes(
    outcome: Outcome, event_probability: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Calibration slope in each bootstrap replicate, the counts taken as case weights.

    Parameters and errors are those of `calibration_slope`; `counts` of shape (B, n) says how often
    each replicate holds each patient.

    Returns
    -------
    ndarray of shape (B,)
        NaN in a replicate where the slope has no finite estimate.
    """
    covariate = complementary_log_log(checked_probabilities(event_probability, outcome))
    counts = np.atleast_2d(counts)
    if np.isnan(covariate).any():
        return np.full(len(counts), np.nan)
    return CoxFit.fit(outcome, covariate[:, None], counts).coef[:, 0]


def grouped_calibration(
    outcome: Outcome, event_probability: np.ndarray, horizon: float, groups: int = 5
) -> pd.DataFrame:
    """Predicted and observed event probability in quantile groups of predicted risk.

    Parameters
    ----------
    outcome : Outcome of n patients
    event_probability : ndarray of shape (n,)
        Predicted probability of the event by the horizon, without NaN.
    horizon : float
        Months.
    groups : int
        Fewer come back when predictions tie across the limits of a group.

    Returns
    -------
    DataFrame, one row a group from low to high risk
        `group` from 1, `n`, `events` by the horizon, `expected` (mean predicted probability),
        `observed` (Kaplan-Meier, or Aalen-Johansen), `standard_error`, `ci_low`, `ci_high`
        (log-log transform, as `ci_method` says). Observed is NaN in a group not followed up to the
        horizon. With competing events also `competing`, their number by the horizon, and `note`,
        the reason where observed is NaN.

    Raises
    ------
    ValueError
        When event_probability does not hold one probability a patient, or holds NaN.
    """
    event_probability = checked_probabilities(event_probability, outcome)
    if np.isnan(event_probability).any():
        raise ValueError("event_probability is NaN for some patients; leave this horizon out")
    # Quantiles as R's type 7, groups closed on the right.
    limits = np.quantile(event_probability, np.linspace(0.0, 1.0, groups + 1)[1:-1])
    below = np.searchsorted(limits, event_probability, side="left")
    members = [below == k for k in np.unique(below)]
    table = pd.DataFrame(
        _calibration_row(number, outcome.take(own), event_probability[own], horizon)
        for number, own in enumerate(members, start=1)
    ).assign(ci_method=estimator_name(outcome))
    if outcome.has_competing:
        competing = competing_events(outcome) & (outcome.time <= horizon)
        table.insert(3, "competing", [int(competing[own].sum()) for own in members])
        ends = [f"beyond the follow-up of the outcome ({outcome.time[own].max():g} months)"
                for own in members]  # fmt: skip
        table["note"] = np.where(table["observed"].isna(), ends, "")
    return table


def complementary_log_log(probability: np.ndarray) -> np.ndarray:
    """log(-log(1 - p)), of p clipped to [1e-8, 1 - 1e-8]; NaN stays NaN."""
    return np.log(-np.log1p(-np.clip(probability, LOG_CLIP, 1.0 - LOG_CLIP)))


def _calibration_row(
    group: int, outcome: Outcome, event_probability: np.ndarray, horizon: float
) -> dict[str, object]:
    observed = observed_probability(outcome, horizon)
    return {
        "group": group,
        "n": len(outcome),
        "events": int((outcome.event & (outcome.time <= horizon)).sum()),
        "expected": event_probability.mean(),
        "observed": observed.estimate,
        "standard_error": observed.standard_error,
        "ci_low": observed.ci_low,
        "ci_high": observed.ci_high,
    }


def checked_probabilities(event_probability: np.ndarray, outcome: Outcome) -> np.ndarray:
    """One probability a patient as an array, NaN allowed; a ValueError for anything else."""
    check_patients(outcome)
    event_probability = np.asarray(event_probability, dtype=float)
    if event_probability.shape != (len(outcome),):
        raise ValueError(
            f"event_probability has shape {event_probability.shape}; expected one value a patient, "
            f"({len(outcome)},)"
        )
    if (event_probability < 0).any() or (event_probability > 1).any():
        raise ValueError("event_probability must lie in [0, 1]; pass probabilities, not scores")
    return event_probability
