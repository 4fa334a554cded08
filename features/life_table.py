"""The life table: who is at risk, and who leaves, at each time of a cohort.

Kaplan-Meier, Nelson-Aalen, Aalen-Johansen, the censoring distribution, the restricted mean and the
median are all read from five columns: time, at risk, events, competing events, censored. So there
is one type that counts them, for one cohort or for B replicates of it in one pass (weights of
shape (B, n)), and each estimate is a few lines on the counts. It keeps nothing flat that is not
known: what happens beyond follow-up is for the caller to say, who knows how a reader is told. A
patient may come under observation later than time 0 (`entry`): he is at risk at t where
entry < t <= time. Events come before competing events and censorings of the same time in that
whoever leaves at t is at risk at t, and only who has no event at t can be censored there.

Where nothing competes, `survival` is Kaplan-Meier and `incidence` is 1 - Kaplan-Meier. To take
competing events for censorings, which is right for a hazard and wrong for a probability, the table
is made without them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from features.outcome import Outcome
from features.times import one_time, step_values

# The 97.5% point of the normal distribution.
Z = 1.959963984540054
# R's survfit compares survival with a level up to this rounding error.
_TOLERANCE = float(np.sqrt(np.finfo(float).eps))
# A share of all at risk that is a remainder of rounding, and nobody.
_NOBODY = 1e-12


class _Patients(NamedTuple):
    """What a derivative by a patient's weight needs: arrays of shape (n,)."""

    time: np.ndarray
    ended: np.ndarray
    entered: np.ndarray | None


@dataclass(frozen=True)
class LifeTable:
    """Counts at m distinct times, of one cohort, shape (m,), or of B replicates, (B, m).

    Attributes
    ----------
    times : ndarray of shape (m,)
        Months, increasing.
    at_risk, events, censored : ndarray of shape (..., m)
        Sums of the weights: at risk just before each time, with the event at it, censored at it.
    competing : ndarray of shape (..., m), or None
        With a competing event. None where nothing competes.
    """

    times: np.ndarray
    at_risk: np.ndarray
    events: np.ndarray
    censored: np.ndarray
    competing: np.ndarray | None = None
    _patients: _Patients | None = None

    @classmethod
    def of(
        cls,
        outcome: Outcome,
        weights: np.ndarray | None = None,
        entry: ArrayLike | None = None,
    ) -> LifeTable:
        """Count an outcome; its competing events compete. Parameters as in `count`."""
        return cls.count(outcome.time, outcome.event, outcome.competing, weights, entry)

    @classmethod
    def count(
        cls,
        time: np.ndarray,
        event: np.ndarray,
        competing: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        entry: ArrayLike | None = None,
    ) -> LifeTable:
        """Count n patients.

        Parameters
        ----------
        time : ndarray of shape (n,)
            Months, equal where they are one time: see `features.times`.
        event, competing : ndarray of shape (n,), bool
        weights : ndarray of shape (n,) or (B, n), optional
            Case weights, counts of bootstrap replicates or flags of the patients of each of B arms;
            1 for everybody by default.
        entry : array-like of shape (n,), optional
            Months at which each patient comes under observation, before his own time; 0, the
            default, is the start, and such a patient is at risk at month 0 as well.

        Raises
        ------
        ValueError
            Without patients, and where an entry is negative or not before the patient's time.
        """
        if not len(time):
            raise ValueError("the outcome holds no patients; a life table needs at least one")
        weights = np.ones(len(time)) if weights is None else np.asarray(weights)
        if weights.dtype == bool:
            weights = weights.astype(float)
        order: np.ndarray | slice = slice(None)
        if (time[1:] < time[:-1]).any():
            order = np.argsort(time, kind="stable")
        sorted_time, sorted_weights = time[order], weights[..., order]
        first = np.flatnonzero(np.append(True, sorted_time[1:] > sorted_time[:-1]))
        times = sorted_time[first]

        def number(flags: np.ndarray) -> np.ndarray:
            sums = np.add.reduceat(sorted_weights * flags[order], first, axis=-1)
            return sums.astype(float, copy=False)

        ended = event if competing is None else event | competing
        others = None if competing is None else number(competing)
        table = cls.from_counts(times, number(event), number(~ended), others)
        at_risk, entered = table.at_risk, None
        if entry is not None:
            entry = one_time(entry)
            if not ((entry >= 0) & ((entry < time) | (entry == 0))).all():
                raise ValueError("entry must be at least 0, and before the patient's own time")
            # Not yet at risk at any time up to the entry.
            entered = np.where(entry > 0, np.searchsorted(times, entry, side="right"), 0)
            coming = np.zeros((*at_risk.shape[:-1], len(times) + 1))
            np.add.at(np.moveaxis(coming, -1, 0), entered, np.moveaxis(weights, -1, 0))
            at_risk = at_risk - np.cumsum(coming[..., ::-1], axis=-1)[..., -2::-1]
            at_risk[at_risk <= _NOBODY * at_risk.max(axis=-1, keepdims=True)] = 0.0
        return replace(table, at_risk=at_risk, _patients=_Patients(time, ended, entered))

    @classmethod
    def from_counts(
        cls,
        times: np.ndarray,
        events: np.ndarray,
        censored: np.ndarray,
        competing: np.ndarray | None = None,
    ) -> LifeTable:
        """From who leaves at each time, where all are there from the start: columns as above."""
        leaving = events + censored if competing is None else events + competing + censored
        at_risk = np.cumsum(leaving[..., ::-1], axis=-1)[..., ::-1]
        return cls(times, at_risk, events, censored, competing)

    @property
    def ended(self) -> np.ndarray:
        """Events of all kinds at each time, shape (..., m)."""
        return self.events if self.competing is None else self.events + self.competing

    @cached_property
    def hazard(self) -> np.ndarray:
        """Share of those at risk who have an event of any kind, shape (..., m)."""
        ended, at_risk = self.ended, self.at_risk
        share = _share(ended, at_risk, at_risk > 0)
        share[~self._staying & (ended > 0)] = 1.0
        return share

    @cached_property
    def survival(self) -> np.ndarray:
        """Probability of no event of any kind, from each time on: Kaplan-Meier, shape (..., m)."""
        return np.cumprod(1.0 - self.hazard, axis=-1)

    @property
    def survival_before(self) -> np.ndarray:
        """Survival just before each time, shape (..., m)."""
        start = np.ones_like(self.survival[..., :1])
        return np.concatenate([start, self.survival[..., :-1]], axis=-1)

    @property
    def cumulative_hazard(self) -> np.ndarray:
        """Hazard summed up to and including each time: Nelson-Aalen, shape (..., m)."""
        return np.cumsum(self.hazard, axis=-1)

    @property
    def censoring(self) -> np.ndarray:
        """G, the probability of not being censored, from each time on, shape (..., m).

        Who has an event at t is no longer there to be censored at t.
        """
        share = _share(self.censored, self.at_risk - self.ended, self._staying)
        return np.cumprod(1.0 - share, axis=-1)

    @property
    def follow_up(self) -> np.ndarray:
        """Last time with anybody at risk, shape (...); the first time where nobody is."""
        last = len(self.times) - 1 - (self.at_risk[..., ::-1] > 0).argmax(axis=-1)
        nobody = ~(self.at_risk > 0).any(axis=-1)
        return self.times[np.where(nobody, 0, last)]

    def incidence(self, cause: str = "event") -> np.ndarray:
        """Aalen-Johansen probability of one kind of event by each time, shape (..., m).

        Parameters
        ----------
        cause : {"event", "competing"}
        """
        own = _share(self._number(cause), self.at_risk, self.at_risk > 0)
        return np.cumsum(self.survival_before * own, axis=-1)

    def incidence_error(self, cause: str = "event") -> np.ndarray:
        """Standard error of `incidence`, shape (..., m); Greenwood's where nothing competes.

        With F the curve, S the event-free probability, Y at risk, d events of all kinds and d1 of
        this one, the variance at t sums over times s <= t: (F(t) - F(s))^2 d / (Y (Y - d))
        + S(s-)^2 d1 (Y - d1) / Y^3 - 2 (F(t) - F(s)) S(s-) d1 / Y^2. Expanding the squares leaves
        cumulative sums. Marubini and Valsecchi 1995; R's `survival::survfit` and `etm`.
        """
        curve, own, before = self.incidence(cause), self._number(cause), self.survival_before
        at_risk = np.where(self.at_risk > 0, self.at_risk, 1.0)
        # Where all at risk have an event F stays where it is, and the first term is 0.
        any_kind = self._log_variance
        covariance = before * own / at_risk**2
        terms = (
            any_kind,
            any_kind * curve,
            any_kind * curve**2,
            before**2 * own * (at_risk - own) / at_risk**3,
            covariance,
            covariance * curve,
        )
        a, b, c, d, e, f = (np.cumsum(term, axis=-1) for term in terms)
        variance = curve**2 * a - 2 * curve * b + c + d - 2 * (curve * e - f)
        return np.sqrt(np.maximum(variance, 0.0))

    @property
    def std_error(self) -> np.ndarray:
        """Greenwood's standard error of `survival`, shape (..., m); NaN where that is 0."""
        return np.where(self.survival > 0, self.survival * self._log_error, np.nan)

    def limits(self, conf_type: str = "log-log") -> tuple[np.ndarray, np.ndarray]:
        """95% pointwise limits of `survival`, each of shape (..., m).

        Parameters
        ----------
        conf_type : {"log-log", "log", "plain"}
            Scale on which they are symmetric.

        Returns
        -------
        low, high : ndarray
            NaN where survival is 0, log-log ones also where it is 1, as in R: nothing was observed
            that could bound them.

        Raises
        ------
        ValueError
            For another `conf_type`.
        """
        survival, error = self.survival, self._log_error
        if conf_type == "log-log":
            return log_log_limits(survival, error)
        if conf_type == "log":
            low, high = survival * np.exp(-Z * error), survival * np.exp(Z * error)
        elif conf_type == "plain":
            low, high = survival - Z * survival * error, survival + Z * survival * error
        else:
            raise ValueError(f"conf_type must be 'log-log', 'log' or 'plain'; got {conf_type!r}")
        low, high = (np.where(survival > 0, np.clip(c, 0.0, 1.0), np.nan) for c in (low, high))
        return low, high

    def quantile(self, level: float = 0.5) -> np.ndarray:
        """Time at which survival comes down to a level, shape (...): see `time_at_level`."""
        return time_at_level(self.times, self.survival, level)

    def restricted_mean(self, tau: float) -> np.ndarray:
        """Area under `survival` from 0 to tau in months, shape (...).

        Beyond follow-up the curve is carried flat; whether that is right is for the caller.
        """
        return _total(self._areas(tau))

    def restricted_mean_variance(self, tau: float) -> np.ndarray:
        """Greenwood's variance of the restricted mean, shape (...).

        Royston and Parmar, BMC Med Res Methodol 2013, 10.1186/1471-2288-13-152.
        """
        # Area to the right of each time, up to tau.
        right = np.cumsum(self._areas(tau)[..., :0:-1], axis=-1)[..., ::-1]
        steps = self._log_variance[..., : right.shape[-1]]
        return _total(right**2 * steps)

    def at(self, times: ArrayLike, values: np.ndarray, before: float) -> np.ndarray:
        """A column, shape (..., m), at times, shape (k,): shape (..., k); `before` the first."""
        return step_values(times, self.times, values, before)

    def survival_influence(self, times: ArrayLike) -> np.ndarray:
        """Derivative of `survival` at k times by each patient's weight, shape (n, k).

        Of one cohort, not of replicates. With unit weights it is the infinitesimal jackknife of
        R's survfit and `survival::pseudo`; the sum of its squares is a variance near Greenwood's.
        Efron, The jackknife, the bootstrap and other resampling plans, 1982.
        """
        times = np.asarray(times, dtype=float)
        who, place, own, summed = self._by_weight()
        value = self.at(times, self.survival, 1.0)
        passed = who.time[:, None] <= times
        so_far = self.at(times, summed, 0.0)
        up_to = np.where(passed, summed[place][:, None], so_far)
        if who.entered is not None:
            since = np.append(0.0, summed)[who.entered][:, None]
            up_to = up_to - np.minimum(since, so_far)
        return -value * (own[:, None] * passed - up_to)

    def restricted_mean_influence(self, tau: float) -> np.ndarray:
        """Derivative of the restricted mean by each patient's weight, shape (n,)."""
        who, place, own, summed = self._by_weight()
        # Pieces of the curve: [0, t1), [t1, t2), ... up to tau, with the hazard summed so far.
        edges = np.minimum(np.concatenate([[0.0], self.times, [max(tau, self.times[-1])]]), tau)
        areas = np.diff(edges) * np.append(1.0, self.survival)
        after = np.cumsum(areas[::-1])[::-1]  # area from the start of each piece to tau
        before = np.append(0.0, summed)
        # Area times the hazard summed up to the time or up to k times, whichever comes first.
        known = np.append(0.0, np.cumsum(areas * before))[:-1] + before * after
        gained = known[place + 1]
        if who.entered is not None:
            gained = gained - known[who.entered]
        return -(own * after[place + 1] - gained)

    @cached_property
    def _staying(self) -> np.ndarray:
        """Whether somebody at risk stays without an event."""
        # A remainder of rounding is nobody.
        largest = self.at_risk.max(axis=-1, keepdims=True)
        return self.at_risk - self.ended > _NOBODY * largest

    @cached_property
    def _log_variance(self) -> np.ndarray:
        """Greenwood's terms d / (Y (Y - d)); 0 where nobody stays, as survival is 0 from there."""
        return _share(self.ended, self.at_risk * (self.at_risk - self.ended), self._staying)

    @cached_property
    def _log_error(self) -> np.ndarray:
        return np.sqrt(np.cumsum(self._log_variance, axis=-1))

    def _number(self, cause: str) -> np.ndarray:
        if cause == "event":
            return self.events
        if cause != "competing":
            raise ValueError(f"cause must be 'event' or 'competing'; got {cause!r}")
        return np.zeros_like(self.events) if self.competing is None else self.competing

    def _areas(self, tau: float) -> np.ndarray:
        used = int(np.searchsorted(self.times, tau, side="right"))
        edges = np.concatenate([[0.0], self.times[:used], [tau]])
        start = np.ones_like(self.survival[..., :1])
        return np.concatenate([start, self.survival[..., :used]], axis=-1) * np.diff(edges)

    def _by_weight(self) -> tuple[_Patients, np.ndarray, np.ndarray, np.ndarray]:
        """Patients, their places, the loss by own events, (n,); the gain by being at risk, (m,)."""
        if self._patients is None or self.at_risk.ndim > 1:
            raise ValueError("the influence of patients needs the table of one cohort of patients")
        inverse = _share(1.0, self.at_risk - self.ended, self._staying)
        place = np.searchsorted(self.times, self._patients.time)
        lost = self._patients.ended * inverse[place]
        return self._patients, place, lost, np.cumsum(self.hazard * inverse)


def log_log_limits(survival: np.ndarray, log_error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95% limits of a probability that are symmetric for log(-log(probability)).

    Parameters
    ----------
    survival : ndarray of any shape
    log_error : ndarray of the same shape
        Standard error of its logarithm.

    Returns
    -------
    low, high : ndarray
        NaN where the probability is 0 or 1.
    """
    inside = (survival > 0) & (survival < 1)
    log_survival = np.log(np.where(inside, survival, 0.5))
    middle, error = np.log(-log_survival), log_error / np.abs(log_survival)
    # Near 100% the width grows beyond what exp can take; both limits are at their ends by then.
    width = np.minimum(Z * error, 100.0)
    low, high = np.exp(-np.exp(middle + width)), np.exp(-np.exp(middle - width))
    return np.where(inside, low, np.nan), np.where(inside, high, np.nan)


def time_at_level(times: np.ndarray, curve: np.ndarray, level: float = 0.5) -> np.ndarray:
    """Time at which a falling curve comes down to a level, by the rule of R's survfit.

    Parameters
    ----------
    times : ndarray of shape (m,)
    curve : ndarray of shape (..., m)
        Non-increasing; NaN is not down.

    Returns
    -------
    ndarray of shape (...)
        The first time below the level; where the curve stays at exactly the level up to a later
        drop, the midpoint of that flat part; where it stays there to the end, its first time. NaN
        where the curve does not come down.
    """
    down = curve < level + _TOLERANCE
    at = down.argmax(axis=-1)
    reached = np.take_along_axis(curve, at[..., None], axis=-1)
    lower = curve < reached - _TOLERANCE
    flat = (np.abs(reached[..., 0] - level) < _TOLERANCE) & lower.any(axis=-1)
    middle = (times[at] + times[lower.argmax(axis=-1)]) / 2
    return np.where(down.any(axis=-1), np.where(flat, middle, times[at]), np.nan)


def log_rank(arms: LifeTable) -> tuple[float, int]:
    """Log-rank test between the rows of a table, hypergeometric variance.

    Parameters
    ----------
    arms : LifeTable
        Of shape (n_arms, m).

    Returns
    -------
    statistic : float
        Chi-square, no direction; NaN where the variance cannot be inverted.
    degrees_of_freedom : int

    References
    ----------
    Mantel, Cancer Chemother Rep 1966; Peto and Peto, J R Stat Soc A 1972.
    """
    n, d = arms.at_risk.sum(axis=0), arms.ended.sum(axis=0)
    # Where one patient is at risk, it is certain whose event it is.
    telling = n > 1
    share = arms.at_risk[:, telling] / n[telling]
    d, n = d[telling], n[telling]
    difference = arms.ended[:, telling].sum(axis=1) - share @ d
    weight = d * (n - d) / (n - 1)
    covariance = np.diag(share @ weight) - (share * weight) @ share.T
    # The differences of all arms add to 0, so one of them is left out.
    score, part = difference[:-1], covariance[:-1, :-1]
    if np.linalg.matrix_rank(part) < len(part):
        return np.nan, len(part)
    return float(score @ np.linalg.solve(part, score)), len(part)


def _total(values: np.ndarray) -> np.ndarray:
    """Sum over the times; of replicates a time at once, which is quickest along columns."""
    return np.asarray(values, order="F").sum(axis=-1)


def _share(part: np.ndarray | float, whole: np.ndarray, where: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros_like(whole), where=where)
