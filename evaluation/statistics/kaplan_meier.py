"""Kaplan-Meier survival of one group of patients: curve, median, horizons, numbers at risk."""

from __future__ import annotations

from typing import NamedTuple

import greenwood as gw
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from features.outcome import Outcome

# R's survfit compares survival with 0.5 up to this rounding error.
_TOLERANCE = float(np.sqrt(np.finfo(float).eps))


class MedianTime(NamedTuple):
    """Median time in months and its 95% limits; NaN where the curve does not reach 50%."""

    median: float
    ci_low: float
    ci_high: float


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
    Kaplan and Meier, 1958; Greenwood, 1926; the engine is greenwood, held to R's survfit.
    """
    if len(outcome) == 0:
        raise ValueError("outcome holds no patients; a Kaplan-Meier curve needs at least one")
    fit = gw.KaplanMeier(conf_type=conf_type).fit(gw.Surv(time=outcome.time, event=outcome.event))
    table = fit.to_frame(format="pandas").rename(
        columns={"estimate": "survival", "conf_low": "ci_low", "conf_high": "ci_high"}
    )
    if conf_type == "log-log":
        table.loc[table["survival"] == 1, ["ci_low", "ci_high"]] = np.nan
    counts = ["n_risk", "n_event", "n_censor"]
    table[counts] = table[counts].astype(int)
    return table[["time", "survival", "std_error", "ci_low", "ci_high", *counts]]


def median_time(outcome: Outcome, conf_type: str = "log-log") -> MedianTime:
    """Median time in months, with the limits where the interval of S(t) meets 50%.

    Follows the table R prints for a survfit: the first time with S(t) below 0.5;
    where S(t) stays at exactly 0.5 up to a later drop, the midpoint of that flat
    part; where it stays there to the end of follow-up, its first time. Each limit
    applies the same rule to the curve of pointwise limits (Brookmeyer and Crowley,
    1982), so `ci_high` is NaN where the upper curve never comes down to 50%.
    """
    curve = kaplan_meier(outcome, conf_type)
    time = curve["time"].to_numpy()
    return MedianTime(
        *(_first_below_half(time, curve[c].to_numpy()) for c in ("survival", "ci_low", "ci_high"))
    )


def _first_below_half(time: np.ndarray, survival: np.ndarray) -> float:
    reached = survival < 0.5 + _TOLERANCE
    if not reached.any():
        return np.nan
    time, survival = time[reached], survival[reached]
    lower = survival < survival[0]
    if abs(survival[0] - 0.5) < _TOLERANCE and lower.any():
        return float((time[0] + time[lower][0]) / 2)
    return float(time[0])


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
    curve = kaplan_meier(outcome, conf_type)
    horizons = np.atleast_1d(np.asarray(horizons, dtype=float))
    start = pd.DataFrame(
        {"survival": [1.0], "std_error": [0.0], "ci_low": np.nan, "ci_high": np.nan}
    )
    steps = pd.concat([start, curve[list(start)]], ignore_index=True)
    at = steps.iloc[np.searchsorted(curve["time"], horizons, side="right")].reset_index(drop=True)
    at[horizons > outcome.follow_up] = np.nan
    at.insert(0, "horizon", horizons)
    at["n_risk"] = number_at_risk(outcome, horizons)
    at["n_event"] = np.searchsorted(np.sort(outcome.time[outcome.event]), horizons, side="right")
    return at


def number_at_risk(outcome: Outcome, times: ArrayLike) -> np.ndarray:
    """Count the patients with neither event nor censoring before each time (months).

    Returns
    -------
    ndarray of shape (n_times,), int
        Patients with an observed time >= `times`.
    """
    return len(outcome) - np.searchsorted(np.sort(outcome.time), np.atleast_1d(times), side="left")
