"""Cumulative incidence of the event when competing events end follow-up: Aalen-Johansen.

Taking a competing event for a censoring and reading 1 - Kaplan-Meier overstates the probability:
patients who can no longer have the event would be counted as if they still could.
"""

from __future__ import annotations

from dataclasses import replace

import greenwood
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from evaluation.censoring import CensoringDistribution, fit_censoring
from features.outcome import Outcome
from models.prediction import step_values

CI_METHOD = "Aalen-Johansen, log-log of 1 - incidence"
_Z = 1.959963984540054


def competing_events(outcome: Outcome) -> np.ndarray:
    """Flags of the competing events, shape (n,); all False when the endpoint knows none."""
    if outcome.competing is None:
        return np.zeros(len(outcome), dtype=bool)
    return outcome.competing


def any_event(outcome: Outcome) -> Outcome:
    """The outcome with the event of interest or a competing one as its event."""
    return replace(outcome, event=outcome.event | competing_events(outcome), competing=None)


def fit_competing_censoring(outcome: Outcome) -> CensoringDistribution:
    """Kaplan-Meier estimate of the censoring time; a competing event is no censoring."""
    return fit_censoring(any_event(outcome))


def cumulative_incidence(outcome: Outcome, horizons: ArrayLike) -> pd.DataFrame:
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
    Aalen and Johansen, Scand J Stat 1978. The engine is greenwood; its standard error is that of
    R's `survival::survfit` and `etm`, the limits those of `etm`.
    """
    if not len(outcome):
        raise ValueError("outcome holds no patients; a cumulative incidence needs at least one")
    horizons = np.atleast_1d(np.asarray(horizons, dtype=float))
    competing = competing_events(outcome)
    kinds = ["event", "competing"]
    kind = np.where(outcome.event, "event", np.where(competing, "competing", "censored"))
    fit = greenwood.AalenJohansen().fit(
        greenwood.Surv(
            time=outcome.time, event=pd.Categorical(kind, categories=["censored", *kinds])
        )
    )
    steps = fit.to_frame(format="pandas")
    # Once everyone has had an event, the curve is known to stay where it is.
    last = outcome.time == outcome.follow_up
    ended = bool((outcome.event | competing)[last].all())
    known = (horizons <= outcome.follow_up) | ended
    tables = []
    for cause, had in zip(kinds, (outcome.event, competing), strict=True):
        curve = steps[steps["cause"] == cause].sort_values("time")
        time = curve["time"].to_numpy()
        estimate = step_values(horizons, time, curve["estimate"].to_numpy(), before=0.0)
        error = step_values(horizons, time, curve["std_error"].to_numpy(), before=0.0)
        inside = known & (estimate > 0) & (estimate < 1)
        error = np.where(inside, error, np.nan)
        low, high = _log_log_limits(np.where(inside, estimate, 0.5), error)
        beyond = f"beyond the follow-up of the outcome ({outcome.follow_up:g} months)"
        tables.append(
            pd.DataFrame(
                {
                    "cause": cause,
                    "horizon": horizons,
                    "estimate": np.where(known, estimate, np.nan),
                    "std_error": error,
                    "ci_low": low,
                    "ci_high": high,
                    "ci_method": CI_METHOD,
                    "n_risk": (outcome.time >= horizons[:, None]).sum(axis=1),
                    "n_event": (had & (outcome.time <= horizons[:, None])).sum(axis=1),
                    "note": np.where(known, "", beyond),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


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
    if not len(outcome):
        raise ValueError("outcome holds no patients; a cumulative incidence needs at least one")
    times = np.asarray(times, dtype=float)
    order = np.argsort(outcome.time, kind="stable")
    steps, first = np.unique(outcome.time[order], return_index=True)
    weights = np.asarray(counts, dtype=float)[:, order]
    leaving = np.add.reduceat(weights, first, axis=1)
    at_risk = np.cumsum(leaving[:, ::-1], axis=1)[:, ::-1]
    some = np.maximum(at_risk, 1e-300)
    hazard = np.add.reduceat(weights * outcome.event[order], first, axis=1) / some
    all_causes = np.add.reduceat(weights * any_event(outcome).event[order], first, axis=1) / some
    event_free = np.cumprod(1.0 - all_causes, axis=1)
    before = np.concatenate([np.ones((len(weights), 1)), event_free[:, :-1]], axis=1)
    incidence = step_values(times, steps, np.cumsum(before * hazard, axis=1), before=0.0)
    follow_up = steps[np.maximum((at_risk > 0).sum(axis=1), 1) - 1]
    left = step_values(times, steps, event_free, before=1.0)
    return np.where((times <= follow_up[:, None]) | (left <= 0.0), incidence, np.nan)


def _log_log_limits(
    estimate: np.ndarray, standard_error: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    free = 1.0 - estimate
    spread = _Z * standard_error / (free * np.abs(np.log(free)))
    return 1.0 - free ** np.exp(-spread), 1.0 - free ** np.exp(spread)
