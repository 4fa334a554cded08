"""Fine and Gray's model of the subdistribution hazard, in time n log n.

Written here because greenwood 0.8 raises an IndexError where nobody is censored and leaves out of
the variance that the censoring weights are estimated.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from features.life_table import LifeTable
from features.outcome import Outcome
from features.times import step_values

_MAX_STEPS = 50
_TOLERANCE = 1e-10
_FLAT = 1e-8


class FineGray(NamedTuple):
    """Coefficients of shape (p,), log subdistribution hazard ratios, and their covariance."""

    coef: np.ndarray
    covariance: np.ndarray


def fine_gray(outcome: Outcome, covariates: np.ndarray) -> FineGray:
    """Fit the subdistribution hazard of the event, with Breslow ties.

    Parameters
    ----------
    outcome : Outcome of n patients
        With competing events; without them it is a Cox model.
    covariates : ndarray of shape (n, p), float

    Returns
    -------
    FineGray
        NaN where the likelihood has no maximum that Newton's method finds.

    Notes
    -----
    A patient with a competing event stays in the risk set with weight G(t-) / G(T-), where G is the
    Kaplan-Meier curve of censoring, events at the time of a censoring being at risk of it. The
    covariance is the sandwich of the paper; it counts that G is estimated.

    References
    ----------
    Fine and Gray, JASA 1999, 10.1080/01621459.1999.10474144; equal to R's cmprsk::crr.
    """
    x = np.asarray(covariates, dtype=float)
    order = np.argsort(outcome.time, kind="stable")
    x = x[order] - x.mean(axis=0)
    data = _Sorted(outcome.take(order))
    undefined = FineGray(np.full(x.shape[1], np.nan), np.full((x.shape[1],) * 2, np.nan))
    if not outcome.n_events:
        return undefined
    coef = np.zeros(x.shape[1])
    for _ in range(_MAX_STEPS):
        score, information = _score(data, x, coef)
        try:
            step = np.linalg.solve(information, score)
        except np.linalg.LinAlgError:
            return undefined
        coef = coef + step
        if not np.isfinite(coef).all() or np.abs(x @ coef).max() > 50:
            return undefined
        if np.abs(step).max() < _TOLERANCE:
            break
    else:
        return undefined
    start, end = (_score(data, x, b)[1] for b in (np.zeros_like(coef), coef))
    # Where the likelihood rises for ever, the search ends when its curvature is used up.
    if (np.diag(end) < _FLAT * np.diag(start)).any():
        return undefined
    bread = np.linalg.inv(end)
    parts = _influence(data, x, coef)
    return FineGray(coef, bread @ (parts.T @ parts) @ bread)


class _Sorted:
    """Patients sorted by time, and the curve of censoring.

    Attributes
    ----------
    time, event, other : ndarray of shape (n,)
        Months, the event, the competing event.
    times, deaths : ndarray of shape (m,)
        Distinct event times, increasing, and events at each.
    censored_at, hazard, at_risk : ndarray of shape (k,)
        Distinct censoring times, censored over at risk, and at risk at each.
    """

    def __init__(self, outcome: Outcome) -> None:
        self.time, self.event = outcome.time, outcome.event
        self.other = (
            np.zeros(len(outcome), dtype=bool) if outcome.competing is None else outcome.competing
        )
        self.times, self.deaths = np.unique(self.time[self.event], return_counts=True)
        # As in cmprsk, who has an event at the time of a censoring could still be censored there.
        self._censoring = LifeTable.count(self.time, ~self.event & ~self.other)
        some = self._censoring.events > 0
        self.censored_at, self.at_risk, self.hazard = (
            part[some]
            for part in (self._censoring.times, self._censoring.at_risk, self._censoring.hazard)
        )
        self.before_event = self.before(self.times)
        own = self.before(self.time)
        # Weight of a competing event's patient over G(t-); 0 for the others.
        self.weight = np.divide(1.0, own, out=np.zeros(len(own)), where=self.other & (own > 0))

    def before(self, time: np.ndarray) -> np.ndarray:
        """Probability of not having been censored before `time`."""
        table = self._censoring
        return step_values(time, table.times, table.survival, before=1.0, side="left")

    def risk_sums(self, values: np.ndarray) -> np.ndarray:
        """Weighted sums of `values`, shape (n, ...), over the risk set of each event time."""
        zero = np.zeros((1, *values.shape[1:]))
        at_least = np.concatenate([np.cumsum(values[::-1], axis=0)[::-1], zero])
        shaped = self.weight.reshape(-1, *[1] * (values.ndim - 1))
        earlier = np.concatenate([zero, np.cumsum(values * shaped, axis=0)])
        first = np.searchsorted(self.time, self.times, side="left")
        scale = self.before_event.reshape(-1, *[1] * (values.ndim - 1))
        return at_least[first] + scale * earlier[first]


def _moments(data: _Sorted, x: np.ndarray, coef: np.ndarray) -> tuple[np.ndarray, ...]:
    """exp(x beta) of each patient; sum of it and mean of x over each risk set."""
    risk = np.exp(x @ coef)
    total = data.risk_sums(risk)
    mean = data.risk_sums(x * risk[:, np.newaxis]) / total[:, np.newaxis]
    return risk, total, mean


def _score(data: _Sorted, x: np.ndarray, coef: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    risk, total, mean = _moments(data, x, coef)
    squares = x[:, :, np.newaxis] * x[:, np.newaxis, :] * risk[:, np.newaxis, np.newaxis]
    second = data.risk_sums(squares) / total[:, np.newaxis, np.newaxis]
    spread = second - mean[:, :, np.newaxis] * mean[:, np.newaxis, :]
    score = x[data.event].sum(axis=0) - (data.deaths[:, np.newaxis] * mean).sum(axis=0)
    return score, (data.deaths[:, np.newaxis, np.newaxis] * spread).sum(axis=0)


def _influence(data: _Sorted, x: np.ndarray, coef: np.ndarray) -> np.ndarray:
    """Each patient's part of the score, shape (n, p): eta of the paper plus psi of the weights."""
    risk, total, mean = _moments(data, x, coef)
    step = data.deaths / total
    weighted = step * data.before_event
    plain, plain_mean = _running(step, mean)
    later, later_mean = _running(weighted, mean)
    # Event times up to each patient's own.
    upto = np.searchsorted(data.times, data.time, side="right")

    eta = -risk[:, np.newaxis] * (x * plain[upto][:, np.newaxis] - plain_mean[upto])
    own = np.searchsorted(data.times, data.time[data.event])
    eta[data.event] += x[data.event] - mean[own]
    rest = later[-1] - later[upto], later_mean[-1] - later_mean[upto]
    stays = (risk * data.weight)[:, np.newaxis]
    eta -= stays * (x * rest[0][:, np.newaxis] - rest[1])
    if not len(data.censored_at):
        return eta

    # A censoring at u lowers G after u, and with it the weights of those with a competing event
    # up to u at all event times after u.
    early = np.searchsorted(data.time, data.censored_at, side="left")
    after = np.searchsorted(data.times, data.censored_at, side="right")
    sums, moments = _running(risk * data.weight, x)
    tail = later[-1] - later[after], later_mean[-1] - later_mean[after]
    q = moments[early] * tail[0][:, np.newaxis] - sums[early][:, np.newaxis] * tail[1]
    ratio = q / data.at_risk[:, np.newaxis]
    lost = _running_rows(ratio * data.hazard[:, np.newaxis])
    seen = np.searchsorted(data.censored_at, data.time, side="right")
    psi = -lost[seen]
    censored = ~data.event & ~data.other
    psi[censored] += ratio[np.searchsorted(data.censored_at, data.time[censored])]
    return eta + psi


def _running(values: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of values, and of values times rows, over the first 0, 1, ... entries."""
    sums = np.append(0.0, np.cumsum(values))
    return sums, _running_rows(rows * values[:, np.newaxis])


def _running_rows(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0)])
