"""Censoring that depends on the arm or on covariates: each patient has a distribution of his own.

For weights where follow-up differs between groups, as between the arms of an observational
comparison. Both models take events first at ties and give G(t-), like `fit_censoring`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from evaluation.statistics.censoring import fit_censoring, inverse_of
from evaluation.statistics.cox import CoxFit
from features.outcome import Outcome


@dataclass(frozen=True)
class ConditionalCensoring:
    """Probability G of still being uncensored, of each of n patients.

    Attributes
    ----------
    times : ndarray of shape (n_times,)
        Months, increasing, at which any G steps.
    probability : ndarray of shape (n_classes, n_times)
        G from each of these times on, one row a class of patients; in a Cox model one row,
        exp(-baseline cumulative hazard).
    row : ndarray of shape (n,), int
        The row of each patient.
    multiplier : ndarray of shape (n,)
        Hazard ratio of each patient: his G is that of his row to this power.
    """

    times: np.ndarray
    probability: np.ndarray
    row: np.ndarray
    multiplier: np.ndarray

    @property
    def follow_up(self) -> float:
        """Longest observed time, in months; nothing is known beyond it."""
        return float(self.times[-1])

    def take(self, rows: ArrayLike) -> ConditionalCensoring:
        """That of the selected patients, with what was estimated on all of them."""
        rows = np.atleast_1d(rows)
        return replace(self, row=self.row[rows], multiplier=self.multiplier[rows])

    def inverse_before_each(self, times: ArrayLike) -> np.ndarray:
        """1 / G(t-) of every patient at m times, shape (n, m); NaN where G is 0 or unknown."""
        known = self._steps(np.searchsorted(self.times, times, side="left"), times)
        return inverse_of(known[self.row] ** self.multiplier[:, None])

    def at(self, times: ArrayLike) -> np.ndarray:
        """G(t) of every patient at m times, shape (n, m); NaN beyond follow-up."""
        known = self._steps(np.searchsorted(self.times, times, side="right"), times)
        power: np.ndarray = known[self.row] ** self.multiplier[:, None]
        return power

    def before(self, times: ArrayLike) -> np.ndarray:
        """G(t-) at one time a patient, shape (n,); NaN beyond follow-up.

        Raises
        ------
        ValueError
            When times do not hold one value a patient.
        """
        times = np.asarray(times, dtype=float)
        if times.shape != self.row.shape:
            raise ValueError(
                f"times has shape {times.shape}; expected one time for each of the "
                f"{len(self.row)} patients that the censoring model was fitted on"
            )
        column = np.searchsorted(self.times, times, side="left")
        padded = np.hstack([np.ones((len(self.probability), 1)), self.probability])
        known = np.where(times <= self.follow_up, padded[self.row, column], np.nan)
        power: np.ndarray = known**self.multiplier
        return power

    def inverse_at(self, times: ArrayLike) -> np.ndarray:
        """1 / G(t), shape (n, m); NaN where G is 0 or unknown."""
        return inverse_of(self.at(times))

    def inverse_before(self, times: ArrayLike) -> np.ndarray:
        """1 / G(t-), shape (n,); NaN where G is 0 or unknown."""
        return inverse_of(self.before(times))

    def _steps(self, column: np.ndarray, times: ArrayLike) -> np.ndarray:
        padded = np.hstack([np.ones((len(self.probability), 1)), self.probability])
        return np.where(np.asarray(times) <= self.follow_up, padded[:, column], np.nan)


def fit_censoring_by_group(outcome: Outcome, group: ArrayLike) -> ConditionalCensoring:
    """Kaplan-Meier estimate of the censoring time within each group, such as an arm.

    Parameters
    ----------
    outcome : Outcome of n patients
    group : array-like of shape (n,)
        Labels.

    Returns
    -------
    ConditionalCensoring
        0, so that weights are unknown, beyond the follow-up of a group whose last patient is
        censored.

    Raises
    ------
    ValueError
        When group does not hold one label a patient, or the outcome holds no patient.
    """
    labels = np.asarray(group)
    if labels.shape != (len(outcome),):
        raise ValueError(f"group has shape {labels.shape}; expected ({len(outcome)},)")
    distinct, row = np.unique(labels, return_inverse=True)
    times = np.unique(outcome.time)
    if not len(times):
        raise ValueError("outcome holds no patient; a censoring model needs at least one")
    each = (fit_censoring(outcome.take(row == k)) for k in range(len(distinct)))
    # Beyond the follow-up of a group G stays at 0, or where the last of them had the event above 0:
    # then nobody of the group is left who needs a weight.
    probability = np.stack([g.at(np.minimum(times, g.follow_up)) for g in each])
    return ConditionalCensoring(times, probability, row, np.ones(len(outcome)))


def fit_censoring_cox(outcome: Outcome, covariates: np.ndarray) -> ConditionalCensoring:
    """Cox regression of the censoring time, G from its baseline hazard in Efron's form.

    Parameters
    ----------
    outcome : Outcome of n patients
    covariates : ndarray of shape (n, p)
        Numbers without NaN.

    Returns
    -------
    ConditionalCensoring
        G = 1 for everyone where nobody is censored. All NaN where the regression has no finite
        estimate; use fewer covariates then, or `fit_censoring`.

    Raises
    ------
    ValueError
        As of `CoxFit.fit`, and when the outcome holds no patient.

    References
    ----------
    Gerds and Schumacher, Biom J 2006, 10.1002/bimj.200610301
    """
    times, rank = np.unique(outcome.time, return_inverse=True)
    if not len(times):
        raise ValueError("outcome holds no patient; a censoring model needs at least one")
    n = len(outcome)
    if outcome.event.all():
        return ConditionalCensoring(times, np.ones((1, len(times))), np.zeros(n, int), np.ones(n))
    # Events come first at ties: by ranks, an event at a time is half a step before its censorings.
    ordered = Outcome(2.0 * rank + ~outcome.event, ~outcome.event)
    fit = CoxFit.fit(ordered, covariates, times=2.0 * np.arange(len(times)) + 1.0)
    scores = fit.standardised(np.asarray(covariates, dtype=float)) @ fit.standardised_coef
    probability = np.exp(-fit.hazard)[np.newaxis]
    return ConditionalCensoring(times, probability, np.zeros(n, int), np.exp(scores))
