"""Kaplan-Meier estimate of the censoring time, and of the event time in bootstrap replicates.

The survival curve of one cohort, with its intervals, is in `kaplan_meier`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from numpy.typing import ArrayLike

from features.life_table import LifeTable
from features.outcome import Outcome
from features.times import step_values

# What a probability was estimated by where the outcome carries its weights.
WEIGHTED = "weighted for censoring, weights taken as known"


class CensoringModel(Protocol):
    """What the measures need of a censoring distribution; G(t-) for events, G(t) beyond.

    `CensoringDistribution` is the same for all patients; `conditional_censoring` holds those by
    arm and by covariates.
    """

    @property
    def follow_up(self) -> float:
        """Longest observed time, in months."""
        ...

    def inverse_at(self, times: ArrayLike) -> np.ndarray:
        """1 / G(t) at m times, shape (m,), or (n, m) where patients differ; NaN where unknown."""
        ...

    def inverse_before(self, times: ArrayLike) -> np.ndarray:
        """1 / G(t-) at one time a patient, shape (n,); NaN where G is 0 or unknown."""
        ...


@dataclass(frozen=True)
class CensoringDistribution:
    """Probability G of still being uncensored, a right-continuous step function from 1.

    Attributes
    ----------
    times : ndarray of shape (n_times,)
        Distinct observed times in months, increasing.
    probability : ndarray of shape (n_times,)
        G from each of these times on.
    """

    times: np.ndarray
    probability: np.ndarray

    @property
    def follow_up(self) -> float:
        """Longest observed time, in months; nothing is known beyond it."""
        return float(self.times[-1])

    def at(self, times: ArrayLike) -> np.ndarray:
        """G(t), NaN beyond follow-up; the shape of `times`."""
        times = np.asarray(times, dtype=float)
        known = step_values(times, self.times, self.probability, before=1.0)
        return np.where(times <= self.follow_up, known, np.nan)

    def before(self, times: ArrayLike) -> np.ndarray:
        """G(t-), the limit from the left, NaN beyond follow-up; the shape of `times`."""
        times = np.asarray(times, dtype=float)
        known = step_values(times, self.times, self.probability, before=1.0, side="left")
        return np.where(times <= self.follow_up, known, np.nan)

    def inverse_at(self, times: ArrayLike) -> np.ndarray:
        """1 / G(t), the weight of a patient followed beyond t; NaN where G is 0 or unknown."""
        return inverse_of(self.at(times))

    def inverse_before(self, times: ArrayLike) -> np.ndarray:
        """1 / G(t-), the weight of a patient with the event at t; NaN where G is 0 or unknown."""
        return inverse_of(self.before(times))


def fit_censoring(outcome: Outcome) -> CensoringDistribution:
    """Kaplan-Meier estimate of the censoring time.

    A patient with the event at t counts in inverse-probability weighting with 1 / G(t-), a patient
    followed beyond the horizon with 1 / G(horizon), as R's riskRegression does.

    Raises
    ------
    ValueError
        When the outcome holds no patient.

    References
    ----------
    Graf et al., Stat Med 1999, 18:2529-2545
    """
    table = LifeTable.count(outcome.time, outcome.event)
    return CensoringDistribution(table.times, table.censoring)


def censoring_of(outcome: Outcome) -> CensoringModel:
    """The censoring distribution that an outcome carries; else Kaplan-Meier of its patients."""
    if outcome.censoring is not None:
        return cast(CensoringModel, outcome.censoring)
    return fit_censoring(outcome)


def weighted_share(
    outcome: Outcome,
    times: ArrayLike,
    counts: np.ndarray,
    had: np.ndarray,
    among: np.ndarray | None = None,
) -> np.ndarray:
    """Share of patients with an event by each time, weighted for censoring.

    Parameters
    ----------
    outcome : Outcome of n patients
        Its event is any that ends follow-up other than a censoring.
    times : array-like of shape (m,)
        Months.
    counts : ndarray of shape (B, n)
        Case weights; the weights for censoring stay fixed over the replicates.
    had : ndarray of shape (n,), bool
        Who had the event in question, at the patient's time.
    among : ndarray of shape (n, k), bool, optional
        Several sets of patients instead of everybody, for one time alone.

    Returns
    -------
    ndarray of shape (B, m), or (B, k) with sets
        Sum of the weights of those with the event over that of all whose state is known. NaN where
        a weight is unknown, and without anybody.
    """
    times = np.asarray(times, dtype=float)
    weights = censoring_weights(outcome, times)
    by_then = had[:, None] & (outcome.time[:, None] <= times)
    if among is not None:
        weights, by_then = weights * among, by_then & among
    counts = np.asarray(counts, dtype=float)
    known = counts @ weights
    share = np.full(known.shape, np.nan)
    return np.divide(counts @ (weights * by_then), known, out=share, where=known > 0)


def share_with_error(
    outcome: Outcome, times: ArrayLike, had: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`weighted_share` of the patients and its standard error, which takes the weights as known.

    Parameters are those of `weighted_share`; both values have the shape (m,).
    """
    times = np.asarray(times, dtype=float)
    share = weighted_share(outcome, times, np.ones((1, len(outcome))), had)[0]
    weights = censoring_weights(outcome, times)
    by_then = had[:, None] & (outcome.time[:, None] <= times)
    error = np.sqrt(((weights * (by_then - share)) ** 2).sum(axis=0)) / weights.sum(axis=0)
    return share, error


def censoring_weights(
    outcome: Outcome, times: ArrayLike, censoring: CensoringModel | None = None
) -> np.ndarray:
    """Inverse-probability-of-censoring weight of each patient at each time.

    Parameters
    ----------
    outcome : Outcome of n patients
    times : array-like of shape (m,)
        Months.
    censoring : CensoringModel, optional
        Of the outcome itself by default.

    Returns
    -------
    ndarray of shape (n, m)
        1 / G(T-) after the event at T <= t, 1 / G(t) for a patient followed beyond t, 0 for one
        censored by t: the others make up for him. NaN where G is 0 or unknown: for those followed
        beyond t, and for one censored by t for whom nobody followed beyond can make up.

    References
    ----------
    Graf et al., Stat Med 1999, 18:2529-2545
    """
    times = np.asarray(times, dtype=float)
    censoring = censoring or censoring_of(outcome)
    beyond = np.broadcast_to(censoring.inverse_at(times), (len(outcome), len(times)))
    after_event = np.where(outcome.event, censoring.inverse_before(outcome.time), 0.0)
    weights = np.where(outcome.time[:, None] > times, beyond, after_event[:, None])
    for column in np.flatnonzero(np.isnan(beyond).any(axis=0)):
        unknown = np.isnan(beyond[:, column])
        followed = outcome.time > times[column]
        # Where a patient followed beyond has an unknown weight, the time is lost already.
        if not (unknown & followed).any():
            weights[unknown & ~followed & ~outcome.event, column] = np.nan
    return weights


def replicate_survival(outcome: Outcome, times: ArrayLike, counts: np.ndarray) -> np.ndarray:
    """Kaplan-Meier survival at given times in each bootstrap replicate.

    Where the outcome carries a censoring distribution of each patient, the share of event-free
    patients weighted by it instead: Kaplan-Meier takes all patients for alike in that.

    Parameters
    ----------
    outcome : Outcome of n patients
    times : array-like of shape (n_times,)
        Months, in any order.
    counts : ndarray of shape (B, n)
        How often each replicate holds each patient (case weights).

    Returns
    -------
    ndarray of shape (B, n_times)
        Probability of being event-free after each time. NaN beyond the last patient of the
        replicate, unless survival has reached 0 there: nothing is carried flat.

    Raises
    ------
    ValueError
        When the outcome holds no patient.
    """
    times = np.asarray(times, dtype=float)
    if outcome.censoring is not None:
        return 1.0 - weighted_share(outcome, times, counts, outcome.event)
    table = LifeTable.count(outcome.time, outcome.event, weights=counts)
    survival = table.at(times, table.survival, before=1.0)
    known = (times <= table.follow_up[:, None]) | (survival == 0.0)
    return np.where(known, survival, np.nan)


def inverse_of(probability: np.ndarray) -> np.ndarray:
    """1 / G, of any shape; NaN where G is 0 or unknown."""
    known = np.full(probability.shape, np.nan)
    return np.divide(1.0, probability, out=known, where=probability > 0)
