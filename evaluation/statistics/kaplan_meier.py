"""Kaplan-Meier survival of one group of patients, plain or weighted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from features.life_table import LifeTable, time_at_level
from features.outcome import Outcome


class MedianTime(NamedTuple):
    """Median time in months and its 95% limits; NaN where the curve does not reach 50%."""

    median: float
    ci_low: float
    ci_high: float


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


def kaplan_meier(outcome: Outcome, conf_type: str = "log-log") -> pd.DataFrame:
    """Kaplan-Meier curve with Greenwood's standard error and 95% pointwise limits.

    Parameters
    ----------
    outcome : Outcome
        Time in months and event of at least one patient. Events precede
        censorings at tied times; zero times are kept.
    conf_type : {"log-log", "log", "plain"}
        Scale on which the limits are symmetric. R's survfit defaults to "log".

    Returns
    -------
    DataFrame
        One row a distinct observed time (months), increasing: time, survival
        (probability just after `time`), std_error, ci_low, ci_high, n_risk (just
        before `time`), n_event, n_censor. No row is added at time 0. std_error
        and limits are NaN where survival is 0; log-log limits also where it is
        1, as in R, since nothing was observed that could bound them.

    Raises
    ------
    ValueError
        Without patients, or for an unknown `conf_type`.

    References
    ----------
    Kaplan and Meier, 1958; Greenwood, 1926. Held to R's survfit.
    """
    table = LifeTable.count(outcome.time, outcome.event)
    low, high = table.limits(conf_type)
    return pd.DataFrame(
        {
            "time": table.times,
            "survival": table.survival,
            "std_error": table.std_error,
            "ci_low": low,
            "ci_high": high,
            "n_risk": table.at_risk.astype(int),
            "n_event": table.events.astype(int),
            "n_censor": table.censored.astype(int),
        }
    )


def median_time(outcome: Outcome, conf_type: str = "log-log") -> MedianTime:
    """Median time in months, with the limits where the interval of S(t) meets 50%.

    Follows the table R prints for a survfit: the first time with S(t) below 0.5;
    where S(t) stays at exactly 0.5 up to a later drop, the midpoint of that flat
    part; where it stays there to the end of follow-up, its first time. Each limit
    applies the same rule to the curve of pointwise limits (Brookmeyer and Crowley,
    1982), so `ci_high` is NaN where the upper curve never comes down to 50%.
    """
    table = LifeTable.count(outcome.time, outcome.event)
    curves = np.stack([table.survival, *table.limits(conf_type)])
    return MedianTime(*time_at_level(table.times, curves).tolist())


def survival_at(outcome: Outcome, horizons: ArrayLike, conf_type: str = "log-log") -> pd.DataFrame:
    """Kaplan-Meier survival probability at each horizon, with 95% limits.

    Parameters
    ----------
    outcome : Outcome
        Time in months and event of at least one patient.
    horizons : array-like of shape (n_horizons,)
        Months from the index date.
    conf_type : {"log-log", "log", "plain"}
        As in `kaplan_meier`.

    Returns
    -------
    DataFrame
        One row a horizon, in the order given: horizon, survival, std_error,
        ci_low, ci_high, n_risk (still followed at the horizon), n_event (events up
        to and including it). Beyond the longest follow-up the estimate, its
        error and limits are NaN: the curve is never carried forward.
    """
    table = LifeTable.count(outcome.time, outcome.event)
    horizons = np.atleast_1d(np.asarray(horizons, dtype=float))
    low, high = table.limits(conf_type)
    columns = {
        "survival": table.at(horizons, table.survival, before=1.0),
        "std_error": table.at(horizons, table.std_error, before=0.0),
        "ci_low": table.at(horizons, low, before=np.nan),
        "ci_high": table.at(horizons, high, before=np.nan),
    }
    known = horizons <= outcome.follow_up
    return pd.DataFrame(
        {"horizon": horizons}
        | {name: np.where(known, values, np.nan) for name, values in columns.items()}
        | {
            "n_risk": number_at_risk(outcome, horizons),
            "n_event": table.at(horizons, np.cumsum(table.events), before=0).astype(int),
        }
    )


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


def number_at_risk(outcome: Outcome, times: ArrayLike) -> np.ndarray:
    """Count the patients with neither event nor censoring before each time (months).

    Returns
    -------
    ndarray of shape (n_times,), int
        Patients with an observed time >= `times`.
    """
    return len(outcome) - np.searchsorted(np.sort(outcome.time), np.atleast_1d(times), side="left")
