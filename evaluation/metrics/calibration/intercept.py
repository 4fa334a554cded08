"""Calibration intercept: by how much predicted risk is off on the complementary log-log scale.

That is the scale of the log cumulative hazard, on which the calibration slope is estimated too. 0
is calibrated; above 0 risk is underestimated, and exp(intercept) is the ratio of hazards.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from evaluation.metrics.calibration.at_horizon import (
    checked_probabilities,
    complementary_log_log,
)
from evaluation.metrics.observed import replicate_event_free
from features.outcome import Outcome

# Beyond this shift of the log hazard a probability is 0 or 1 to the last digit.
_FARTHEST = 60.0


def replicate_intercepts_at_horizon(
    outcome: Outcome, event_probability: np.ndarray, horizon: float, counts: np.ndarray
) -> np.ndarray:
    """The shift that makes the mean prediction equal the Kaplan-Meier probability, by replicate.

    It solves mean(1 - (1 - p)^exp(a)) = 1 - KM(horizon) for a: recalibration in the large with the
    slope kept at 1.

    Parameters
    ----------
    outcome : Outcome of n patients
    event_probability : ndarray of shape (n,)
        Predicted probability of the event by the horizon. Not survival.
    horizon : float
        Months.
    counts : ndarray of shape (B, n)
        How often each bootstrap replicate holds each patient.

    Returns
    -------
    ndarray of shape (B,)
        NaN when a prediction is NaN, the horizon is beyond follow-up, or the observed probability
        is 0 or 1.

    Raises
    ------
    ValueError
        When event_probability does not hold one probability a patient.
    """
    event_probability = checked_probabilities(event_probability, outcome)
    observed = 1.0 - replicate_event_free(outcome, [horizon], counts)[:, 0]
    return _shifts(np.asarray(counts), complementary_log_log(event_probability), observed)


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
