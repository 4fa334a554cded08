"""Cumulative incidence of the event when competing events end follow-up: Aalen-Johansen.

Taking a competing event for a censoring and reading 1 - Kaplan-Meier overstates the probability:
patients who can no longer have the event would be counted as if they still could.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from evaluation.statistics.censoring import (
    WEIGHTED,
    CensoringModel,
    censoring_of,
    share_with_error,
    weighted_share,
)
from features.life_table import LifeTable, log_log_limits
from features.outcome import Outcome


def competing_events(outcome: Outcome) -> np.ndarray:
    """Flags of the competing events, shape (n,); all False when the endpoint knows none."""
    if outcome.competing is None:
        return np.zeros(len(outcome), dtype=bool)
    return outcome.competing


def any_event(outcome: Outcome) -> Outcome:
    """The outcome with the event of interest or a competing one as its event."""
    if not outcome.has_competing:
        return outcome
    return replace(outcome, event=outcome.event | competing_events(outcome), competing=None)


def fit_competing_censoring(outcome: Outcome) -> CensoringModel:
    """The outcome's own, or Kaplan-Meier of the censoring time; a competing event is none."""
    return censoring_of(any_event(outcome))


def incidence_by_cause(outcome: Outcome, horizons: ArrayLike) -> pd.DataFrame:
    """Aalen-Johansen probability of each kind of event by each horizon.

    Parameters
    ----------
    outcome : Outcome of n patients
        `competing` may be None; the cumulative incidence is then 1 - Kaplan-Meier.
    horizons : array-like of shape (n_horizons,)
        Months.

    Returns
    -------
    DataFrame, one row a kind of event and horizon
        `cause` ("event", "competing"), `horizon`, `estimate`, `std_error`, `ci_low`, `ci_high`
        (95%, symmetric for log(-log(1 - estimate)), as Kaplan-Meier's log-log limits are),
        `ci_method`, `n_risk` (followed at the horizon), `n_event` (of this kind, by the horizon),
        `note`. Beyond follow-up NaN with the reason, unless everybody has had one of the events;
        error and limits NaN where the estimate is 0 or 1.

    Raises
    ------
    ValueError
        Without patients.

    References
    ----------
    Aalen and Johansen, Scand J Stat 1978; the variance of Marubini and Valsecchi 1995, which is
    that of R's `survival::survfit` and `etm`; the limits are those of `etm`. greenwood's
    `AalenJohansen` gives the same, in a time that grows with the square of n.
    """
    horizons = np.atleast_1d(np.asarray(horizons, dtype=float))
    competing = competing_events(outcome)
    table = LifeTable.of(outcome)
    # Once everyone has had an event, the curve is known to stay where it is.
    known = (horizons <= outcome.follow_up) | (table.survival[-1] == 0.0)
    estimator = "Aalen-Johansen" if outcome.censoring is None else WEIGHTED
    rows = []
    for cause, had in (("event", outcome.event), ("competing", competing)):
        if outcome.censoring is None:
            estimate = table.at(horizons, table.incidence(cause), before=0.0)
            error = table.at(horizons, table.incidence_error(cause), before=0.0)
        else:
            estimate, error = share_with_error(any_event(outcome), horizons, had)
        inside = known & (estimate > 0) & (estimate < 1)
        error = np.where(inside, error, np.nan)
        free = np.where(inside, 1.0 - estimate, np.nan)
        low, high = log_log_limits(free, error / free)
        beyond = f"beyond the follow-up of the outcome ({outcome.follow_up:g} months)"
        rows.append(
            pd.DataFrame(
                {
                    "cause": cause,
                    "horizon": horizons,
                    "estimate": np.where(known, estimate, np.nan),
                    "std_error": error,
                    "ci_low": 1.0 - high,
                    "ci_high": 1.0 - low,
                    "ci_method": f"{estimator}, log-log of 1 - incidence",
                    "n_risk": (outcome.time >= horizons[:, None]).sum(axis=1),
                    "n_event": (had & (outcome.time <= horizons[:, None])).sum(axis=1),
                    "note": np.where(known, "", beyond),
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


def replicate_incidence(outcome: Outcome, times: ArrayLike, counts: np.ndarray) -> np.ndarray:
    """Aalen-Johansen probability of the event in each bootstrap replicate.

    Parameters
    ----------
    outcome : Outcome of n patients
    times : array-like of shape (n_times,)
        Months, in any order.
    counts : ndarray of shape (B, n)
        How often each replicate holds each patient.

    Returns
    -------
    ndarray of shape (B, n_times)
        NaN beyond the last patient of the replicate, unless all of its patients have had an event.

    Raises
    ------
    ValueError
        Without patients.
    """
    times = np.asarray(times, dtype=float)
    if outcome.censoring is not None:
        return weighted_share(any_event(outcome), times, counts, outcome.event)
    table = LifeTable.of(outcome, counts)
    incidence = table.at(times, table.incidence(), before=0.0)
    free = table.at(times, table.survival, before=1.0)
    return np.where((times <= table.follow_up[:, None]) | (free <= 0.0), incidence, np.nan)
