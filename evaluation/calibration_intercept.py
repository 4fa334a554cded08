"""Calibration intercept: by how much predicted risk is off on the complementary log-log scale.

That is the scale of the log cumulative hazard, on which the calibration slope is estimated too. 0
is calibrated; above 0 risk is underestimated, and exp(intercept) is the ratio of hazards.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from evaluation.calibration import (
    Z_95,
    checked_probabilities,
    complementary_log_log,
    observed_probability,
)
from evaluation.censoring import replicate_survival
from evaluation.estimates import check_patients
from features.outcome import Outcome

# Beyond this shift of the log hazard a probability is 0 or 1 to the last digit.
_FARTHEST = 60.0


class CalibrationIntercept(NamedTuple):
    """Shift of cloglog(prediction), with the Wald 95% interval.

    `left_out` counts events at a predicted cumulative hazard of 0, which have no logarithm.
    """

    intercept: float
    standard_error: float
    ci_low: float
    ci_high: float
    left_out: int = 0


def calibration_intercept(outcome: Outcome, cumulative_hazard: np.ndarray) -> CalibrationIntercept:
    """Over the whole follow-up: log of observed over expected events.

    The Poisson regression of the event on an offset, log of the predicted cumulative hazard at each
    patient's own time.

    Parameters
    ----------
    outcome : Outcome of n patients
    cumulative_hazard : ndarray of shape (n,)
        -log of predicted survival at the patient's own time, >= 0. Not a probability.

    Returns
    -------
    CalibrationIntercept
        All NaN without an event, where a hazard is NaN, or where none is above 0.

    Raises
    ------
    ValueError
        When cumulative_hazard does not hold one value >= 0 a patient.

    References
    ----------
    Crowson, Atkinson and Therneau, Stat Methods Med Res 2016, 10.1177/0962280213497434
    """
    hazard = _hazards(cumulative_hazard, outcome)
    events = int((outcome.event & (hazard > 0)).sum())
    intercept = float(replicate_intercepts(outcome, hazard, np.ones((1, len(hazard))))[0])
    error = 1.0 / np.sqrt(events) if np.isfinite(intercept) else np.nan
    left_out = int((outcome.event & (hazard == 0)).sum())
    return _with_limits(intercept, error)._replace(left_out=left_out)


def replicate_intercepts(
    outcome: Outcome, cumulative_hazard: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """`calibration_intercept` of each bootstrap replicate; counts (B, n) -> (B,)."""
    hazard = _hazards(cumulative_hazard, outcome)
    counts = np.asarray(counts, dtype=float)
    observed = counts @ (outcome.event & (hazard > 0)).astype(float)
    expected = counts @ hazard
    defined = (observed > 0) & (expected > 0) & np.isfinite(expected)
    result = np.full(len(counts), np.nan)
    result[defined] = np.log(observed[defined] / expected[defined])
    return result


def intercept_at_horizon(
    outcome: Outcome, event_probability: np.ndarray, horizon: float
) -> CalibrationIntercept:
    """At one horizon: the shift that makes the mean prediction equal the Kaplan-Meier probability.

    It solves mean(1 - (1 - p)^exp(a)) = 1 - KM(horizon) for a: recalibration in the large with the
    slope kept at 1. The interval takes the predictions as given (delta method from Greenwood's
    error).

    Parameters
    ----------
    outcome : Outcome of n patients
    event_probability : ndarray of shape (n,)
        Predicted probability of the event by the horizon. Not survival.
    horizon : float
        Months.

    Returns
    -------
    CalibrationIntercept
        All NaN when a prediction is NaN, the horizon is beyond follow-up, or the observed
        probability is 0 or 1.

    Raises
    ------
    ValueError
        When event_probability does not hold one probability a patient.
    """
    event_probability = checked_probabilities(event_probability, outcome)
    observed = observed_probability(outcome, horizon)
    scores = complementary_log_log(event_probability)
    intercept = float(_shifts(np.ones((1, len(scores))), scores, np.array([observed.estimate]))[0])
    hazard = np.exp(scores + intercept)
    change = float((hazard * np.exp(-hazard)).mean())
    return _with_limits(intercept, observed.standard_error / change if change > 0 else np.nan)


def replicate_intercepts_at_horizon(
    outcome: Outcome, event_probability: np.ndarray, horizon: float, counts: np.ndarray
) -> np.ndarray:
    """`intercept_at_horizon` of each bootstrap replicate; counts (B, n) -> (B,)."""
    event_probability = checked_probabilities(event_probability, outcome)
    observed = 1.0 - replicate_survival(outcome, [horizon], counts)[:, 0]
    return _shifts(np.asarray(counts), complementary_log_log(event_probability), observed)


def _with_limits(intercept: float, error: float) -> CalibrationIntercept:
    limits = (float(intercept - Z_95 * error), float(intercept + Z_95 * error))
    return CalibrationIntercept(intercept, float(error), *limits)


def _hazards(cumulative_hazard: np.ndarray, outcome: Outcome) -> np.ndarray:
    check_patients(outcome)
    hazard = np.asarray(cumulative_hazard, dtype=float)
    if hazard.shape != (len(outcome),):
        raise ValueError(
            f"cumulative_hazard has shape {hazard.shape}; expected one value a patient, "
            f"({len(outcome)},)"
        )
    if (hazard < 0).any():
        raise ValueError("cumulative_hazard must be >= 0; pass -log(survival), not log(survival)")
    return hazard


@njit(cache=True, nogil=True)
def _shifts(weights: np.ndarray, scores: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Solve mean(1 - exp(-exp(score + a))) = observed in each replicate.

    Newton's method, by bisection where it would leave the bracket.
    """
    n_replicates, n = weights.shape
    shifts = np.full(n_replicates, np.nan)
    for replicate in range(n_replicates):
        target = observed[replicate]
        if not (target > 0.0 and target < 1.0):
            continue
        low, high = -_FARTHEST, _FARTHEST
        shift = 0.0
        for _ in range(200):
            total = mean = change = 0.0
            for i in range(n):
                weight = float(weights[replicate, i])
                if weight > 0.0:
                    hazard = np.exp(scores[i] + shift)
                    event_free = np.exp(-hazard)
                    total += weight
                    mean += weight * (1.0 - event_free)
                    change += weight * hazard * event_free
            excess = (mean - target * total) / total
            if np.isnan(excess):
                break
            if excess > 0.0:
                high = shift
            else:
                low = shift
            proposal = shift - excess * total / change if change > 0.0 else low
            if not (proposal > low and proposal < high):
                proposal = 0.5 * (low + high)
            if abs(proposal - shift) < 1e-11:
                shifts[replicate] = proposal
                break
            shift = proposal
    return shifts
