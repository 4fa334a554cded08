"""Cumulative incidence of the event when competing events end follow-up: Aalen-Johansen.

Taking a competing event for a censoring and reading 1 - Kaplan-Meier overstates the probability:
patients who can no longer have the event would be counted as if they still could.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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
from features.outcome import Outcome
from features.times import step_values

_Z = 1.959963984540054


def competing_events(outcome: Outcome) -> np.ndarray:
    """Flags of the competing events, shape (n,); all False when the endpoint knows none."""
    if outcome.competing is None:
        return np.zeros(len(outcome), dtype=bool)
    return outcome.competing


def any_event(outcome: Outcome) -> Outcome:
    """The outcome with the event of interest or a competing one as its event."""
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
    if not len(outcome):
        raise ValueError("outcome holds no patients; a cumulative incidence needs at least one")
    horizons = np.atleast_1d(np.asarray(horizons, dtype=float))
    competing = competing_events(outcome)
    steps = _steps(outcome, np.ones((1, len(outcome))))
    # Once everyone has had an event, the curve is known to stay where it is.
    last = outcome.time == outcome.follow_up
    ended = bool((outcome.event | competing)[last].all())
    known = (horizons <= outcome.follow_up) | ended
    estimator = "Aalen-Johansen" if outcome.censoring is None else WEIGHTED
    tables = []
    for cause, had in (("event", outcome.event), ("competing", competing)):
        if outcome.censoring is None:
            curve, variance = _curve_and_variance(steps, had, horizons)
            estimate = step_values(horizons, steps.times, curve, before=0.0)
            error = np.sqrt(variance)
        else:
            estimate, error = share_with_error(any_event(outcome), horizons, had)
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
                    "ci_method": f"{estimator}, log-log of 1 - incidence",
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
    if outcome.censoring is not None:
        return weighted_share(any_event(outcome), times, counts, outcome.event)
    steps = _steps(outcome, np.asarray(counts, dtype=float))
    incidence = step_values(times, steps.times, steps.incidence(outcome.event), before=0.0)
    follow_up = steps.times[np.maximum((steps.at_risk > 0).sum(axis=1), 1) - 1]
    left = step_values(times, steps.times, steps.event_free, before=1.0)
    return np.where((times <= follow_up[:, None]) | (left <= 0.0), incidence, np.nan)


@dataclass(frozen=True)
class _Steps:
    """Life table at the m distinct times, of a cohort or B replicates; arrays of shape (B, m)."""

    times: np.ndarray
    at_risk: np.ndarray
    ended: np.ndarray
    event_free: np.ndarray
    order: np.ndarray
    first: np.ndarray
    weights: np.ndarray

    @property
    def event_free_before(self) -> np.ndarray:
        start = np.ones((len(self.event_free), 1))
        return np.concatenate([start, self.event_free[:, :-1]], axis=1)

    def number(self, had: np.ndarray) -> np.ndarray:
        """Weighted number of the flagged patients who leave at each time."""
        return np.add.reduceat(self.weights * had[self.order], self.first, axis=1)

    def incidence(self, had: np.ndarray) -> np.ndarray:
        """Aalen-Johansen curve of the flagged kind of event."""
        hazard = self.number(had) / np.maximum(self.at_risk, 1e-300)
        return np.cumsum(self.event_free_before * hazard, axis=1)


def _steps(outcome: Outcome, counts: np.ndarray) -> _Steps:
    order = np.argsort(outcome.time, kind="stable")
    times, first = np.unique(outcome.time[order], return_index=True)
    weights = counts[:, order]
    leaving = np.add.reduceat(weights, first, axis=1)
    at_risk = np.cumsum(leaving[:, ::-1], axis=1)[:, ::-1]
    ended = np.add.reduceat(weights * any_event(outcome).event[order], first, axis=1)
    event_free = np.cumprod(1.0 - ended / np.maximum(at_risk, 1e-300), axis=1)
    return _Steps(times, at_risk, ended, event_free, order, first, weights)


def _curve_and_variance(
    steps: _Steps, had: np.ndarray, horizons: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Curve of one kind of event (m,), and its variance at the horizons.

    With F the curve, S the event-free probability, Y at risk, d events of all kinds and d1 of this
    one, the variance at t sums over times s <= t: (F(t) - F(s))^2 d / (Y (Y - d))
    + S(s-)^2 d1 (Y - d1) / Y^3 - 2 (F(t) - F(s)) S(s-) d1 / Y^2. Expanding the squares leaves
    cumulative sums.
    """
    curve = steps.incidence(had)[0]
    at_risk, ended, own = steps.at_risk[0], steps.ended[0], steps.number(had)[0]
    before = steps.event_free_before[0]
    remaining = at_risk - ended
    # When all at risk have an event, F stays where it is and the first term is 0.
    any_kind = np.divide(ended, at_risk * remaining, out=np.zeros_like(ended), where=remaining > 0)
    covariance = before * own / at_risk**2
    sums = [
        any_kind,
        any_kind * curve,
        any_kind * curve**2,
        before**2 * own * (at_risk - own) / at_risk**3,
        covariance,
        covariance * curve,
    ]
    a, b, c, d, e, f = (
        step_values(horizons, steps.times, np.cumsum(term), before=0.0) for term in sums
    )
    at = step_values(horizons, steps.times, curve, before=0.0)
    variance = at**2 * a - 2 * at * b + c + d - 2 * (at * e - f)
    return curve, np.maximum(variance, 0.0)


def _log_log_limits(
    estimate: np.ndarray, standard_error: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    free = 1.0 - estimate
    spread = _Z * standard_error / (free * np.abs(np.log(free)))
    return 1.0 - free ** np.exp(-spread), 1.0 - free ** np.exp(spread)
