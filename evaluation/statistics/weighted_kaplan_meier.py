"""Weighted Kaplan-Meier of one group, its restricted mean, and each patient's influence on them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from features.life_table import LifeTable
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
    table = LifeTable.count(outcome.time, outcome.event, weights=weight)
    # Where everybody has had the event, survival is known to stay 0.
    ended = table.survival[-1] == 0
    known = ended | (horizons <= table.follow_up)
    rmst, rmst_by_weight = np.nan, np.full(n, np.nan)
    if ended or tau <= table.follow_up:
        rmst, rmst_by_weight = (
            float(table.restricted_mean(tau)),
            table.restricted_mean_influence(tau),
        )
    return WeightedSurvival(
        np.where(known, table.at(horizons, table.survival, before=1.0), np.nan),
        rmst,
        np.where(known, table.survival_influence(horizons), np.nan),
        rmst_by_weight,
    )


def weighted_kaplan_meier(outcome: Outcome, weights: np.ndarray) -> pd.DataFrame:
    """Curve of one weighted group, for a picture.

    Returns
    -------
    DataFrame
        One row a distinct observed time (months), increasing: time, survival, n_risk (sum of the
        weights at risk just before), n_event, n_censor (sums of weights).
    """
    table = LifeTable.count(outcome.time, outcome.event, weights=np.asarray(weights, dtype=float))
    return pd.DataFrame(
        {
            "time": table.times,
            "survival": table.survival,
            "n_risk": table.at_risk,
            "n_event": table.events,
            "n_censor": table.censored,
        }
    )
