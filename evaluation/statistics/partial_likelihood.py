"""The partial likelihood of Cox's model: one pass over patients that are sorted once.

For one cohort, with weights of shape (n,), or for its bootstrap replicates, (B, n), where only the
weights change. Strata have their own risk sets. A patient is at risk at t where entry < t <= time;
as in `LifeTable`, an entry at 0 is the start and such a patient is at risk at month 0 as well.
Under weights Efron's correction takes the mean weight of the tied events and a patient of weight 0
is not there, as in R's coxph.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from features.outcome import Outcome
from features.times import one_time

Ties = Literal["efron", "breslow"]


class Likelihood(NamedTuple):
    """Log partial likelihood, its derivative (q,) and the information (q, q) at a coefficient."""

    value: float
    score: np.ndarray
    information: np.ndarray


@dataclass(frozen=True)
class Stratum:
    """The patients of one stratum in order of time, and the rows of the partial likelihood.

    A row is one event (Efron), or all events of one time (Breslow).
    """

    rows: np.ndarray
    times: np.ndarray
    first: np.ndarray
    by_entry: np.ndarray
    not_entered: np.ndarray
    passed: np.ndarray
    before: np.ndarray
    deaths: np.ndarray
    death_place: np.ndarray
    row_place: np.ndarray
    row_share: np.ndarray
    row_weight: np.ndarray

    @classmethod
    def of(cls, model: PartialLikelihood, rows: np.ndarray) -> Stratum:
        """Of the patients in these rows of the model."""
        rows = rows[np.argsort(model.time[rows], kind="stable")]
        time, event, entry = model.time[rows], model.event[rows], model.entry[rows]
        weight = model.weights[rows]
        deaths = np.flatnonzero(event)
        times = np.unique(time[deaths])
        place = np.searchsorted(times, time[deaths])
        count = np.bincount(place, minlength=len(times))
        total = np.bincount(place, weights=weight[deaths], minlength=len(times))
        by_entry = np.argsort(entry, kind="stable")[np.count_nonzero(entry == 0) :]
        if model.efron:
            row_place: np.ndarray = np.repeat(np.arange(len(times)), count)
            rank = np.arange(len(deaths)) - np.repeat(np.cumsum(count) - count, count)
            row_share, row_weight = rank / count[row_place], (total / count)[row_place]
        else:
            row_place, row_share, row_weight = np.arange(len(times)), np.zeros(len(times)), total
        return cls(
            rows, times, np.searchsorted(time, times, side="left"), by_entry,
            np.searchsorted(entry[by_entry], times, side="left"),
            # Event times up to a patient's own, and up to his entry.
            np.searchsorted(times, time, side="right"),
            np.where(entry > 0, np.searchsorted(times, entry, side="right"), 0),
            deaths, place, row_place, row_share, row_weight,
        )  # fmt: skip

    def at_risk(self, values: np.ndarray) -> np.ndarray:
        """Sums over those at risk at each row, less Efron's share of the tied events, (r, ...)."""
        if not len(self.times):
            return np.zeros((0, *values.shape[1:]))
        sums = np.cumsum(values[::-1], axis=0)[::-1][self.first]
        if len(self.by_entry):
            late = np.cumsum(values[self.by_entry][::-1], axis=0)[::-1]
            sums = sums - np.concatenate([late, np.zeros_like(late[:1])])[self.not_entered]
        rows = sums[self.row_place]
        if self.row_share.any():
            dying = np.zeros_like(sums)
            np.add.at(dying, self.death_place, values[self.deaths])
            rows = rows - _across(self.row_share, dying[self.row_place])
        return rows

    def at_times(self, by_row: np.ndarray) -> np.ndarray:
        """Sum over the rows of each event time, (m, ...)."""
        total = np.zeros((len(self.times), *by_row.shape[1:]))
        np.add.at(total, self.row_place, by_row)
        return total

    def at_deaths(self, by_row: np.ndarray) -> np.ndarray:
        """Mean over the rows of each death's time, (d, ...)."""
        count = np.bincount(self.row_place, minlength=len(self.times))
        mean: np.ndarray = _across(1 / count, self.at_times(by_row))[self.death_place]
        return mean

    def while_at_risk(self, by_row: np.ndarray) -> np.ndarray:
        """Sum over the rows at which each patient is at risk, less his share at his own event."""
        none = np.zeros((1, *by_row.shape[1:]))
        summed = np.concatenate([none, np.cumsum(self.at_times(by_row), axis=0)])
        total: np.ndarray = summed[self.passed] - summed[self.before]
        total[self.deaths] -= self.at_times(_across(self.row_share, by_row))[self.death_place]
        return total


class PartialLikelihood:
    """The partial likelihood of n patients on q columns, at any coefficient."""

    def __init__(
        self,
        outcome: Outcome,
        columns: np.ndarray,
        weights: np.ndarray | None = None,
        ties: Ties = "efron",
        strata: ArrayLike | None = None,
        entry: ArrayLike | None = None,
    ) -> None:
        if ties not in ("efron", "breslow"):
            raise ValueError(f"ties must be 'efron' or 'breslow'; got {ties!r}")
        n = len(outcome)
        self.columns, self.efron, self.time = columns, ties == "efron", outcome.time
        self.weights = np.ones(n) if weights is None else np.asarray(weights)
        labels = np.zeros(n) if strata is None else np.asarray(strata)
        self.labels, self.stratum = np.unique(labels, return_inverse=True)
        self.event = outcome.event
        self.entry = np.zeros(n) if entry is None else one_time(entry)
        if not ((self.entry >= 0) & ((self.entry < self.time) | (self.entry == 0))).all():
            raise ValueError("entry must be at least 0, and before the patient's own time")
        # Stratum by stratum, latest first.
        order = np.lexsort((-self.time, self.stratum))
        time, stratum = self.time[order], self.stratum[order]
        new_stratum = np.append(stratum[1:] != stratum[:-1], True)
        late = np.flatnonzero(self.entry[order] > 0)
        late = late[np.lexsort((-self.entry[order][late], stratum[late]))]
        edges = np.searchsorted(stratum[late], np.arange(len(self.labels) + 1))
        gone = np.zeros(n, dtype=int)
        for s in np.flatnonzero(np.diff(edges)):
            rows, entries = stratum == s, self.entry[order][late[edges[s] : edges[s + 1]]]
            gone[rows] = edges[s] + np.searchsorted(-entries, -time[rows], side="right")
        self.order = order
        self._layout = (
            outcome.event[order],
            new_stratum | np.append(time[1:] != time[:-1], True),
            new_stratum,
            late,
            gone,
            edges,
        )

    def at(self, coef: np.ndarray, design: np.ndarray | None = None) -> Likelihood:
        """Value, score and information at coefficients (q,), of one cohort; of another `design`."""
        weights, columns, nowhere = self._sorted
        columns = columns if design is None else design[self.order]
        q = columns.shape[1]
        score, information = np.zeros(q), np.zeros((q, q))
        value = _pass_over(
            weights, columns, *self._layout, nowhere, self.efron, coef, score, information,
            np.zeros(0),
        )  # fmt: skip
        return Likelihood(value, score, information)

    def maximise(
        self, design: np.ndarray, weights: np.ndarray, times: np.ndarray, start: np.ndarray,
        smallest: float = 1e-10,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
        """Coefficients, inverse information, log likelihood, hazard steps under weights (B, n).

        Of other columns, `design`, by Newton's method. All NaN in a replicate whose information
        falls to `smallest` in some direction.
        """
        column = np.searchsorted(times, self.time[self.order], side="left")
        return _fit(
            weights[:, self.order], design[self.order], *self._layout, column, len(times),
            self.efron, start, smallest,
        )  # fmt: skip

    @cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights and columns in the order of the pass; no times of a hazard."""
        nowhere = np.zeros(len(self.order), dtype=np.int64)
        return self.weights[self.order], self.columns[self.order], nowhere

    @cached_property
    def strata(self) -> tuple[Stratum, ...]:
        """The patients with a weight, stratum by stratum."""
        present = self.weights > 0
        return tuple(
            Stratum.of(self, np.flatnonzero((self.stratum == s) & present))
            for s in range(len(self.labels))
        )


def _across(by_row: np.ndarray, values: np.ndarray) -> np.ndarray:
    """One number a row times the values of the row."""
    product: np.ndarray = by_row.reshape(-1, *[1] * (values.ndim - 1)) * values
    return product


@njit(cache=True, nogil=True)
def _fit(
    weights: np.ndarray,
    design: np.ndarray,
    event: np.ndarray,
    last_of_tie: np.ndarray,
    last_of_stratum: np.ndarray,
    late: np.ndarray,
    gone: np.ndarray,
    edges: np.ndarray,
    column: np.ndarray,
    n_columns: int,
    efron: bool,
    start: np.ndarray,
    smallest: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Coefficients, inverse information, likelihood and hazard increments of each replicate.

    Patients come stratum by stratum, latest first; `late` are those who enter after 0, latest
    first, `edges` where each stratum's begin, and `gone` how many of them have not entered at a
    patient's time. `column` is the first wanted time at or after a patient's own.
    Loops, here and below, since array expressions take several times as long to compile.
    """
    n_replicates = weights.shape[0]
    p = design.shape[1]
    coefs = np.full((n_replicates, p), np.nan)
    covariances = np.full((n_replicates, p, p), np.nan)
    likelihoods = np.full(n_replicates, np.nan)
    hazards = np.full((n_replicates, n_columns), np.nan)
    hazard = np.zeros(n_columns)
    gradient = np.zeros(p)
    information = np.zeros((p, p))
    covariance = np.zeros((p, p))
    coef, step = np.zeros(p), np.zeros(p)
    for replicate in range(n_replicates):
        for a in range(p):
            coef[a] = start[a]
            step[a] = 0.0
        best = -np.inf
        for _ in range(60):
            likelihood = _pass_over(
                weights[replicate], design, event, last_of_tie, last_of_stratum, late, gone, edges,
                column, efron, coef, gradient, information, hazard,
            )  # fmt: skip
            if likelihood < best - 1e-9 * abs(best):
                for a in range(p):
                    step[a] *= 0.5
                    coef[a] -= step[a]
                continue
            best = likelihood
            if not _invert(information, covariance, smallest):
                break
            longest = 0.0
            for a in range(p):
                step[a] = 0.0
                for b in range(p):
                    step[a] += covariance[a, b] * gradient[b]
                longest = max(longest, abs(step[a]))
            # Steps of at most one standard deviation keep Newton from overshooting far.
            shorter = max(longest, 1.0)
            for a in range(p):
                step[a] /= shorter
                coef[a] += step[a]
            if longest < 1e-9:
                likelihoods[replicate] = likelihood
                for a in range(p):
                    coefs[replicate, a] = coef[a]
                    for b in range(p):
                        covariances[replicate, a, b] = covariance[a, b]
                for k in range(n_columns):
                    hazards[replicate, k] = hazard[k]
                break
    return coefs, covariances, likelihoods, hazards


@njit(cache=True, nogil=True)
def _pass_over(
    weights: np.ndarray,
    design: np.ndarray,
    event: np.ndarray,
    last_of_tie: np.ndarray,
    last_of_stratum: np.ndarray,
    late: np.ndarray,
    gone: np.ndarray,
    edges: np.ndarray,
    column: np.ndarray,
    efron: bool,
    coef: np.ndarray,
    gradient: np.ndarray,
    information: np.ndarray,
    hazard: np.ndarray,
) -> float:
    """Log partial likelihood; gradient, information and hazard increments are filled in."""
    n, p = design.shape
    likelihood = 0.0
    for a in range(p):
        gradient[a] = 0.0
        for b in range(p):
            information[a, b] = 0.0
    for k in range(len(hazard)):
        hazard[k] = 0.0
    # Sums of w e, w e x and w e x x over those at risk, and over the events of a tie.
    risk_0 = tied_0 = tied_weight = 0.0
    risk_1, tied_1 = np.zeros(p), np.zeros(p)
    risk_2, tied_2 = np.zeros((p, p)), np.zeros((p, p))
    n_tied = stratum = away = 0
    for i in range(n):
        weight = float(weights[i])
        if weight > 0.0:
            score = 0.0
            for a in range(p):
                score += coef[a] * design[i, a]
            share = weight * np.exp(score)
            risk_0 += share
            _add(risk_1, risk_2, design, i, share)
            if event[i]:
                n_tied += 1
                tied_weight += weight
                tied_0 += share
                likelihood += weight * score
                for a in range(p):
                    gradient[a] += weight * design[i, a]
                _add(tied_1, tied_2, design, i, share)
        if last_of_tie[i] and n_tied > 0:
            while away < gone[i]:  # at risk only after they entered
                j = late[away]
                away += 1
                if weights[j] > 0.0:
                    score = 0.0
                    for a in range(p):
                        score += coef[a] * design[j, a]
                    share = float(weights[j]) * np.exp(score)
                    risk_0 -= share
                    _add(risk_1, risk_2, design, j, -share)
            mean_weight = tied_weight / n_tied
            increment = 0.0
            for k in range(n_tied):
                left = k / n_tied if efron else 0.0
                total = risk_0 - left * tied_0
                likelihood -= mean_weight * np.log(total)
                increment += mean_weight / total
                for a in range(p):
                    mean_a = (risk_1[a] - left * tied_1[a]) / total
                    gradient[a] -= mean_weight * mean_a
                    for b in range(a + 1):
                        mean_b = (risk_1[b] - left * tied_1[b]) / total
                        square = (risk_2[a, b] - left * tied_2[a, b]) / total
                        information[a, b] += mean_weight * (square - mean_a * mean_b)
            if column[i] < len(hazard):
                hazard[column[i]] += increment
            n_tied = 0
            tied_0 = tied_weight = 0.0
            for a in range(p):
                tied_1[a] = 0.0
                for b in range(p):
                    tied_2[a, b] = 0.0
        if last_of_stratum[i]:
            stratum += 1
            away = edges[stratum]
            risk_0 = 0.0
            for a in range(p):
                risk_1[a] = 0.0
                for b in range(p):
                    risk_2[a, b] = 0.0
    for a in range(p):
        for b in range(a):
            information[b, a] = information[a, b]
    return likelihood


@njit(cache=True, nogil=True)
def _add(first: np.ndarray, second: np.ndarray, design: np.ndarray, i: int, share: float) -> None:
    """A patient's share of the sums of x and of x x."""
    for a in range(design.shape[1]):
        first[a] += share * design[i, a]
        for b in range(a + 1):
            second[a, b] += share * design[i, a] * design[i, b]


@njit(cache=True, nogil=True)
def _invert(left: np.ndarray, right: np.ndarray, smallest: float) -> bool:
    """Inverse of a symmetric matrix by elimination into `right`; `left` is used up.

    False when a pivot is not above `smallest`.
    """
    p = len(left)
    for i in range(p):
        for j in range(p):
            right[i, j] = 1.0 if i == j else 0.0
    for k in range(p):
        pivot = left[k, k]
        if not pivot > smallest:
            return False
        for j in range(p):
            left[k, j] /= pivot
            right[k, j] /= pivot
        for i in range(p):
            factor = left[i, k]
            if i != k:
                for j in range(p):
                    left[i, j] -= factor * left[k, j]
                    right[i, j] -= factor * right[k, j]
    return True
