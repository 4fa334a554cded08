"""Predicted risk of those who had the event by a horizon, those event-free, and those unknown.

Histogram and summary by what happened -> difference of the means. Patients censored before the
horizon are shown apart; the others carry the weights for censoring that make up for them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.estimates import missing_predictions
from evaluation.metrics.calibration.at_horizon import checked_probabilities
from evaluation.statistics import censoring_weights
from features.outcome import Outcome

EVENT = "Event"
EVENT_FREE = "Event-free"
CENSORED = "Censored before"
UNWEIGHTED = "patients counted once: what happened to them is not known"
_QUARTILES = (0.25, 0.5, 0.75)


def risk_distribution(
    outcome: Outcome,
    event_probability: np.ndarray,
    horizon: float,
    bins: int = 20,
) -> pd.DataFrame:
    """Histogram of predicted risk by what happened by the horizon.

    Parameters
    ----------
    outcome : Outcome of n patients
    event_probability : ndarray of shape (n,)
        Predicted probability of the event by the horizon. Not survival.
    horizon : float
        Months.
    bins : int
        Equal bins of [0, 1], closed on the left.

    Returns
    -------
    DataFrame, one row a group and bin
        `group` ("Event", "Event-free", "Censored before"), `low`, `high`, `n` patients, `share` of
        the group: weighted for censoring, in the last group plain. NaN where the group is empty, a
        weight is unknown or a prediction is NaN; `risk_summary` says why.

    Raises
    ------
    ValueError
        When event_probability does not hold one probability a patient.
    """
    event_probability = checked_probabilities(event_probability, outcome)
    edges = np.arange(bins + 1) / bins
    known = ~np.isnan(event_probability)
    place = np.minimum((np.nan_to_num(event_probability) * bins).astype(int), bins - 1)
    parts = []
    for group, weight in _group_weights(outcome, horizon).items():
        weight = np.where(known | (weight == 0), weight, np.nan)
        filled = np.bincount(place, weights=weight, minlength=bins)
        total = weight.sum()
        parts.append(
            pd.DataFrame(
                {
                    "group": group,
                    "low": edges[:-1],
                    "high": edges[1:],
                    "n": np.bincount(place[known & (weight > 0)], minlength=bins),
                    "share": filled / total if total > 0 else np.full(bins, np.nan),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def risk_summary(
    outcome: Outcome,
    event_probability: np.ndarray,
    horizon: float,
) -> pd.DataFrame:
    """Number, share and quartiles of predicted risk of each group.

    Parameters and errors are those of `risk_distribution`.

    Returns
    -------
    DataFrame, one row a group
        `group`, `n`, `share` of all patients, weighted for censoring (NaN for the censored, whose
        weight the others carry), `mean`, `q25`, `median`, `q75` of predicted risk, weighted
        likewise, `note`.
    """
    event_probability = checked_probabilities(event_probability, outcome)
    missing = missing_predictions(event_probability)
    rows = []
    for group, weight in _group_weights(outcome, horizon).items():
        members = ~(weight == 0)
        censored = group == CENSORED
        note = UNWEIGHTED if censored else ""
        if np.isnan(weight).any():
            note = f"weights for censoring are unknown at {horizon:g} months"
        elif not members.any():
            note = "no patient"
        values = event_probability[members]
        usable = members.any() and not np.isnan(weight).any() and not np.isnan(values).any()
        numbers = dict.fromkeys(["mean", "q25", "median", "q75"], np.nan)
        if usable:
            own = weight[members]
            quartiles = _weighted_quantiles(values, own)
            numbers = dict(zip(numbers, [np.average(values, weights=own), *quartiles], strict=True))
        share = np.nan if censored else weight.sum() / len(outcome)
        row = {"group": group, "n": int(members.sum()), "share": share, **numbers}
        rows.append(row | {"note": "; ".join(filter(None, [missing, note]))})
    return pd.DataFrame(rows)


def discrimination_slope(
    outcome: Outcome,
    event_probability: np.ndarray,
    horizon: float,
    counts: np.ndarray | None = None,
) -> np.ndarray:
    """Mean predicted risk of those with the event minus that of those event-free.

    Parameters and errors are those of `risk_distribution`; `counts` of shape (B, n) says how often
    each bootstrap replicate holds each patient, the weights for censoring held fixed.

    Returns
    -------
    ndarray of shape (B,), or (1,) without counts
        0 without discrimination, 1 at best; NaN without an event or nobody event-free, or where a
        weight or a prediction is unknown.

    References
    ----------
    Yates, Organ Behav Hum Perform 1982, 10.1016/0030-5073(82)90237-9
    """
    event_probability = checked_probabilities(event_probability, outcome)
    samples = np.ones((1, len(outcome))) if counts is None else np.asarray(counts, dtype=float)
    groups = _group_weights(outcome, horizon)
    means = []
    for group in (EVENT, EVENT_FREE):
        total = samples @ groups[group]
        product = samples @ (groups[group] * event_probability)
        means.append(np.divide(product, total, out=np.full(len(samples), np.nan), where=total > 0))
    return np.asarray(means[0] - means[1])


def _group_weights(outcome: Outcome, horizon: float) -> dict[str, np.ndarray]:
    """Weight of each patient in each group, shape (n,); 0 outside it, NaN where unknown."""
    weights = censoring_weights(outcome, [horizon])[:, 0]
    event = outcome.event & (outcome.time <= horizon)
    event_free = outcome.time > horizon
    beyond = horizon > outcome.follow_up
    # Where nobody can stand for the censored, the shares of the other groups are unknown too.
    unknown = np.isnan(weights[~event & ~event_free]).any()
    lost = unknown or (beyond and not outcome.event.all())
    return {
        EVENT: np.where(event, np.nan if lost else weights, 0.0),
        EVENT_FREE: np.where(event_free, np.nan if lost else weights, 0.0),
        CENSORED: (~event & ~event_free).astype(float),
    }


def _weighted_quantiles(values: np.ndarray, weights: np.ndarray) -> list[float]:
    """Smallest values with at least a quarter, a half and three quarters of the weight."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    # Rounding of the sum must not move a quantile by one patient.
    return [float(values[order][np.searchsorted(reached, q - 1e-12)]) for q in _QUARTILES]
