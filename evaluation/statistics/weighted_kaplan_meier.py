"""Weighted Kaplan-Meier of one group, its restricted mean, and each patient's influence on them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from features.outcome import Outcome


class WeightedSurvival(NamedTuple):
    """Survival and restricted mean of one weighted group of n patients.

    Attributes
    ----------
    survival : ndarray of shape (n_horizons,)
        NaN beyond follow-up, unless survival has reached 0 there.
    rmst : float
        Mean months without event up to tau; NaN where the curve is not known up to tau.
    survival_by_weight : ndarray of shape (n, n_horizons)
        Derivative by each patient's weight.
    rmst_by_weight : ndarray of shape (n,)
    """

    survival: np.ndarray
    rmst: float
    survival_by_weight: np.ndarray
    rmst_by_weight: np.ndarray


def weighted_survival(
    outcome: Outcome, weights: np.ndarray, horizons: ArrayLike, tau: float
) -> WeightedSurvival:
    """Kaplan-Meier survival and restricted mean under weights, with derivatives by the weights.

    Parameters
    ----------
    outcome : Outcome of n patients of one arm
    weights : ndarray of shape (n,)
        At least 0; their scale does not matter.
    horizons : array-like of shape (n_horizons,)
        Months.
    tau : float
        Months, where the restricted mean ends.

    Returns
    -------
    WeightedSurvival
        With unit weights the derivative is the infinitesimal jackknife of R's survfit and
        `survival::pseudo`; the sum of its squares is a variance near Greenwood's.

    References
    ----------
    Xie and Liu, Stat Med 2005;24:3089 (weighted Kaplan-Meier); Efron, The jackknife, the bootstrap
    and other resampling plans, 1982 (infinitesimal jackknife).
    """
    horizons = np.atleast_1d(np.asarray(horizons, dtype=float))
    weight = np.asarray(weights, dtype=float)
    n = len(outcome)
    if not (weight > 0).any():
        nothing = np.full(len(horizons), np.nan)
        return WeightedSurvival(
            nothing, np.nan, np.full((n, len(horizons)), np.nan), np.full(n, np.nan)
        )
    times, place = np.unique(outcome.time, return_inverse=True)
    events, at_risk = _events_at_risk(outcome, weight, place, len(times))
    survival, staying = _steps(events, at_risk)
    # Where everybody at risk has the event, survival is 0 from then on and so is its derivative.
    inverse = np.divide(1.0, at_risk - events, out=np.zeros(len(times)), where=staying)
    hazard = np.divide(events, at_risk, out=np.zeros(len(times)), where=at_risk > 0) * inverse
    cumulative = np.cumsum(hazard)

    follow_up = float(outcome.time[weight > 0].max())
    known = (horizons <= follow_up) | (survival[-1] == 0)
    column = np.searchsorted(times, horizons, side="right") - 1
    value = np.where(column >= 0, survival[column], 1.0)
    own_event = outcome.event * inverse[place]
    passed = outcome.time[:, None] <= horizons
    up_to = np.where(passed, cumulative[place][:, None], _at(cumulative, column))
    by_weight = -value * (own_event[:, None] * passed - up_to)

    rmst, rmst_by_weight = np.nan, np.full(n, np.nan)
    if tau <= follow_up or survival[-1] == 0:
        # Pieces of the curve: [0, t1), [t1, t2), ... up to tau, with the hazard summed so far.
        edges = np.minimum(np.concatenate([[0.0], times, [max(tau, times[-1])]]), tau)
        heights = np.concatenate([[1.0], survival])
        areas = np.diff(edges) * heights
        rmst = float(areas.sum())
        after = np.cumsum(areas[::-1])[::-1]  # area from the start of each piece to tau
        summed = np.concatenate([[0.0], np.cumsum(areas * np.concatenate([[0.0], cumulative]))])
        from_own = after[place + 1]
        rmst_by_weight = -(own_event * from_own - summed[place + 1] - cumulative[place] * from_own)
    return WeightedSurvival(
        np.where(known, value, np.nan), rmst, np.where(known, by_weight, np.nan), rmst_by_weight
    )


def weighted_kaplan_meier(outcome: Outcome, weights: np.ndarray) -> pd.DataFrame:
    """Curve of one weighted group, for a picture.

    Returns
    -------
    DataFrame
        One row a distinct observed time (months), increasing: time, survival, n_risk (sum of the
        weights at risk just before), n_event, n_censor (sums of weights).
    """
    weight = np.asarray(weights, dtype=float)
    times, place = np.unique(outcome.time, return_inverse=True)
    events, at_risk = _events_at_risk(outcome, weight, place, len(times))
    censored = np.bincount(place, weights=weight * ~outcome.event, minlength=len(times))
    survival, _ = _steps(events, at_risk)
    return pd.DataFrame(
        {
            "time": times,
            "survival": survival,
            "n_risk": at_risk,
            "n_event": events,
            "n_censor": censored,
        }
    )


def _events_at_risk(
    outcome: Outcome, weight: np.ndarray, place: np.ndarray, m: int
) -> tuple[np.ndarray, np.ndarray]:
    events = np.bincount(place, weights=weight * outcome.event, minlength=m)
    leaving = np.bincount(place, weights=weight, minlength=m)
    return events, np.cumsum(leaving[::-1])[::-1]


def _steps(events: np.ndarray, at_risk: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Survival after each time, and where somebody at risk stays without the event."""
    # A remainder of rounding is nobody.
    staying = at_risk - events > 1e-12 * at_risk.max(initial=0.0)
    factor = np.divide(at_risk - events, at_risk, out=np.zeros(len(events)), where=staying)
    # Beyond the last patient with any weight the curve stays where it is.
    factor[(events <= 0) & ~staying] = 1.0
    return np.cumprod(factor), staying


def _at(steps: np.ndarray, column: np.ndarray) -> np.ndarray:
    return np.where(column >= 0, steps[column], 0.0)
