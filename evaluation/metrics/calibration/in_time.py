"""Calibration in the large at every time of a grid: observed against mean predicted probability."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from evaluation.estimates import check_patients, estimate_rows, missing_predictions
from evaluation.metrics.calibration.at_horizon import ratio_of
from evaluation.metrics.observed import observed_probabilities, replicate_event_free
from evaluation.metrics.over_time import increasing_times
from features.outcome import Outcome

GREENWOOD = "log(O/E) with Greenwood's error, predictions fixed"
KNOWN_WEIGHTS = "log(O/E) with the error of the weighted share, predictions and weights fixed"


def calibration_in_time(
    outcome: Outcome, survival: np.ndarray, times: ArrayLike, counts: np.ndarray | None = None
) -> pd.DataFrame:
    """Observed over expected event probability at each time.

    Parameters
    ----------
    outcome : Outcome of n patients
    survival : ndarray of shape (n, m)
        Predicted probability of being event-free after each time. Not an event probability.
    times : array-like of shape (m,)
        Months, increasing.
    counts : ndarray of shape (B, n), optional
        How often each bootstrap replicate holds each patient; without them the interval is that of
        `observed_expected`.

    Returns
    -------
    DataFrame, one row a time
        `time`, `observed` (1 - Kaplan-Meier), `expected` (mean prediction), `estimate` (O/E; above
        1 risk is underestimated), `ci_low`, `ci_high`, `ci_method`, `n_at_risk` (followed beyond
        the time), `note`.

    Raises
    ------
    ValueError
        When times are not increasing or survival has another shape.
    """
    times, risk = _checked(outcome, survival, times)
    known = observed_probabilities(outcome, times)
    means = risk.mean(axis=0).tolist()
    each = [ratio_of(one, mean) for one, mean in zip(known, means, strict=True)]
    beyond = f"is beyond the follow-up of the outcome ({outcome.follow_up:g})"
    lost = [f"{t:g} months {beyond}" if np.isnan(known[i][0]) else "" for i, t in enumerate(times)]
    obstacles = [missing_predictions(risk[:, i]) or lost[i] for i in range(len(times))]
    replicates = None
    if counts is not None:
        observed, expected = _replicates(outcome, risk, times, counts)
        unknown = np.full(observed.shape, np.nan)
        replicates = np.divide(observed, expected, out=unknown, where=expected > 0)
    notes = ["the expected probability is 0" if mean == 0 else "" for mean in means]
    table = estimate_rows([row.ratio for row in each], replicates, obstacles, notes)
    if counts is None:
        known = table["estimate"].notna()
        table["ci_low"] = np.where(known, [row.ci_low for row in each], np.nan)
        table["ci_high"] = np.where(known, [row.ci_high for row in each], np.nan)
        method = GREENWOOD if outcome.censoring is None else KNOWN_WEIGHTS
        table["ci_method"] = np.where(known, method, "")
    table.insert(0, "time", times)
    table.insert(1, "observed", [row.observed for row in each])
    table.insert(2, "expected", [row.expected for row in each])
    table.insert(7, "n_at_risk", [int((outcome.time > time).sum()) for time in times])
    return table


def _replicates(
    outcome: Outcome, risk: np.ndarray, times: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    counts = np.asarray(counts, dtype=float)
    expected = counts @ risk / counts.sum(axis=1, keepdims=True)
    return 1.0 - replicate_event_free(outcome, times, counts), expected


def _checked(
    outcome: Outcome, survival: np.ndarray, times: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    check_patients(outcome)
    times = increasing_times(times)
    survival = np.asarray(survival, dtype=float)
    if survival.shape != (len(outcome), len(times)):
        raise ValueError(
            f"survival has shape {survival.shape}; expected ({len(outcome)}, {len(times)})"
        )
    return times, 1.0 - survival
