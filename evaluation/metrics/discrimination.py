"""Concordance of risk scores with survival: Harrell's and Uno's C, of a cohort or its replicates.

One kernel in O(n log n) counts the pairs; a bootstrap replicate only changes the case weights, so
the patients are sorted once for all of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from evaluation.statistics import (
    CensoringModel,
    ConditionalCensoring,
    competing_events,
    fit_competing_censoring,
)
from features.outcome import Outcome

# Pairs of patients held at once where each pair has a weight of its own.
PAIRS_AT_ONCE = 2_000_000


class ConcordanceCounts(NamedTuple):
    """Weighted numbers of pairs, each of shape (B,).

    `tied` pairs have equal risk scores; they are part of `comparable` and not of `concordant`.
    """

    concordant: np.ndarray
    tied: np.ndarray
    comparable: np.ndarray

    @property
    def c_index(self) -> np.ndarray:
        """(concordant + tied / 2) / comparable; NaN without a comparable pair."""
        undefined = np.full(self.comparable.shape, np.nan)
        agreeing = self.concordant + 0.5 * self.tied
        return np.divide(agreeing, self.comparable, out=undefined, where=self.comparable > 0)

    def joined(self, other: ConcordanceCounts) -> ConcordanceCounts:
        """The pairs of both."""
        return ConcordanceCounts(*(a + b for a, b in zip(self, other, strict=True)))


def concordance_counts(
    outcome: Outcome,
    risk_score: ArrayLike,
    counts: np.ndarray | None = None,
    group: ArrayLike | None = None,
    event_weight: np.ndarray | None = None,
    tau: float | None = None,
    partner_weight: np.ndarray | None = None,
) -> ConcordanceCounts:
    """Count concordant, tied and comparable pairs.

    A pair is comparable when one patient has the event at t <= tau and the other is known to be
    event-free after t: later time, or censored at t itself. Two events at the same time are not
    compared. A pair is concordant when the patient with the event has the higher risk score.

    Parameters
    ----------
    outcome : Outcome of n patients
    risk_score : array-like of shape (n,)
        Higher is worse. Only its order is used. Not a survival probability, which points the other
        way.
    counts : ndarray of shape (n,) or (B, n), optional
        Case weights; one row a bootstrap replicate. A pair weighs the product of its two counts.
    group : array-like of shape (n,), optional
        Labels; only pairs of the same group are compared. Out-of-fold risk scores of different
        fitted models are not comparable, so their fold belongs here.
    event_weight : ndarray of shape (n,), optional
        Additional weight of a pair by the patient who has the event in it.
    tau : float, optional
        Months; an event at exactly tau still counts, as with `ymax` in R's
        `survival::concordance`. scikit-survival leaves it out.
    partner_weight : ndarray of shape (n,), optional
        Additional weight of a pair by the other patient.

    Returns
    -------
    ConcordanceCounts
        Arrays of shape (B,), or (1,) without replicates.

    Raises
    ------
    ValueError
        When an argument does not have one value a patient, or a risk score is NaN.
    """
    n = len(outcome)
    risk_score = _one_per_patient("risk_score", risk_score, n)
    if np.isnan(risk_score).any():
        raise ValueError(f"risk_score is NaN for {np.isnan(risk_score).sum()} of {n} patients")
    weights = np.ones((1, n)) if counts is None else np.atleast_2d(counts)
    if weights.shape[1:] != (n,):
        raise ValueError(f"counts has shape {weights.shape}; expected ({n},) or (B, {n})")
    labels = np.zeros(n) if group is None else _one_per_patient("group", group, n)
    pair_weight = np.ones(n) if event_weight is None else event_weight
    partner = np.ones(n) if partner_weight is None else partner_weight
    counted = outcome.event if tau is None else outcome.event & (outcome.time <= tau)

    # Latest first within a group; censored before events at ties, since they outlive them.
    order = np.lexsort((outcome.event, -outcome.time, labels))
    totals = _count_pairs(
        weights[:, order],
        np.where(counted, pair_weight, 0.0)[order],
        partner[order],
        _last_of_run(labels[order]),
        _last_of_run(labels[order], outcome.time[order], outcome.event[order]),
        _dense_rank(labels, risk_score)[order],
    )
    return ConcordanceCounts(*totals.T)


def harrell_c(
    outcome: Outcome,
    risk_score: ArrayLike,
    *,
    counts: np.ndarray | None = None,
    group: ArrayLike | None = None,
    tau: float | None = None,
) -> float | np.ndarray:
    """Harrell's C: share of comparable pairs that the risk score orders rightly, ties counting 1/2.

    Parameters are those of `concordance_counts`. It depends on the censoring pattern; Uno's C does
    not.

    Returns
    -------
    float, or ndarray of shape (B,) with counts of shape (B, n)
        0.5 without discrimination, 1 for a perfect order; NaN without a comparable pair.

    References
    ----------
    Harrell et al., Stat Med 1996, 15:361-387.
    """
    pairs = concordance_counts(outcome, risk_score, counts, group, tau=tau)
    return _like_counts(pairs.c_index, counts)


def uno_c(
    outcome: Outcome,
    risk_score: ArrayLike,
    tau: float | None,
    *,
    counts: np.ndarray | None = None,
    group: ArrayLike | None = None,
    censoring: CensoringModel | None = None,
) -> float | np.ndarray:
    """Uno's C: concordance up to tau, a pair with the event at t weighted 1 / (Gi(t-) Gj(t-)).

    With the same censoring distribution for both patients that is 1 / G(t-)^2. With competing
    events it is the C of Wolbers: the other patient may also have had a competing event at
    U <= t, and the pair then weighs 1 / (G(t-) G(U-)).

    Parameters
    ----------
    tau : float or None
        Truncation in months, events at tau included; None for no truncation. Beyond the follow-up
        of the outcome it truncates nothing.
    censoring : CensoringModel, optional
        Of the outcome itself by default, a competing event being none; fixed over replicates.

    The others are those of `concordance_counts`.

    Returns
    -------
    float, or ndarray of shape (B,) with counts of shape (B, n)
        NaN without a comparable pair, and when G(t-) is 0 or unknown at a counted event.

    References
    ----------
    Uno et al., Stat Med 2011, 10.1002/sim.4154; Wolbers et al., Biostatistics 2014,
    10.1093/biostatistics/kxt059
    """
    censoring = censoring or fit_competing_censoring(outcome)
    settings = (outcome, risk_score, censoring, counts, group, tau)
    pairs = weighted_concordance(*settings)
    if outcome.has_competing:
        pairs = pairs.joined(_earlier_competing(*settings))
    return _like_counts(pairs.c_index, counts)


def _earlier_competing(
    outcome: Outcome,
    risk_score: ArrayLike,
    censoring: CensoringModel,
    counts: np.ndarray | None,
    group: ArrayLike | None,
    tau: float | None,
) -> ConcordanceCounts:
    """Pairs of an event and a competing event by then, by the same kernel with time reversed.

    There, competing events outlive the event. Ranks are spread so that one at the very time of the
    event, counted by `weighted_concordance`, is not counted twice. Events among themselves are
    taken off again.
    """
    competing = competing_events(outcome)
    weight = censoring.inverse_before(outcome.time)
    cases = np.ones((1, len(outcome))) if counts is None else np.atleast_2d(counts).astype(float)
    rank = np.unique(outcome.time, return_inverse=True)[1]
    reversed_time = 2.0 * (rank.max(initial=0) - rank) + 1.0 - competing
    reversed_outcome = Outcome(reversed_time, outcome.event)
    counted = outcome.event if tau is None else outcome.event & (outcome.time <= tau)
    event_weight = np.where(counted, weight, 0.0)
    only_events = cases * outcome.event
    both = only_events + cases * np.where(competing, weight, 0.0)
    each = [
        concordance_counts(reversed_outcome, risk_score, weights, group, event_weight)
        for weights in (both, only_events)
    ]
    # What rounding leaves of a difference is no pair.
    parts = (np.subtract(*pair) for pair in zip(*each, strict=True))
    return ConcordanceCounts(*(np.where(part > 1e-12, part, 0.0) for part in parts))


def weighted_concordance(
    outcome: Outcome,
    risk_score: ArrayLike,
    censoring: CensoringModel,
    counts: np.ndarray | None = None,
    group: ArrayLike | None = None,
    tau: float | None = None,
) -> ConcordanceCounts:
    """Pairs weighted by how likely both patients were still followed at the event.

    Parameters are those of `uno_c`, values those of `concordance_counts`; NaN where a weight of a
    counted pair is unknown.

    References
    ----------
    Gerds et al., Stat Med 2013, 10.1002/sim.5681
    """
    settings = (outcome, risk_score, counts, group)
    own = censoring.inverse_before(outcome.time)
    if not isinstance(censoring, ConditionalCensoring):
        return concordance_counts(*settings, own**2, tau)
    if (censoring.multiplier == 1).all():
        parts = []
        for row in range(len(censoring.probability)):
            members = censoring.row == row
            if not members.any():
                continue
            one = censoring.take(np.flatnonzero(members)[:1])
            # Where nobody of the row is left, there is no pair to be weighted.
            theirs = np.nan_to_num(one.inverse_before_each(outcome.time)[0])
            parts.append(concordance_counts(*settings, own * theirs, tau, members.astype(float)))
        return ConcordanceCounts(*(np.sum(each, axis=0) for each in zip(*parts, strict=True)))
    return _each_pair(*settings, censoring, tau)


def _each_pair(
    outcome: Outcome,
    risk_score: ArrayLike,
    counts: np.ndarray | None,
    group: ArrayLike | None,
    censoring: ConditionalCensoring,
    tau: float | None,
) -> ConcordanceCounts:
    """Every pair by itself, in n^2 steps: each has a weight that no sum of parts gives."""
    n, time = len(outcome), outcome.time
    scores = _one_per_patient("risk_score", risk_score, n)
    cases = np.ones((1, n)) if counts is None else np.atleast_2d(counts).astype(float)
    labels = np.zeros(n) if group is None else _one_per_patient("group", group, n)
    counted = outcome.event if tau is None else outcome.event & (time <= tau)
    own = censoring.inverse_before(time)
    totals = np.zeros((3, len(cases)))
    at_once = max(1, PAIRS_AT_ONCE // n)
    events = np.flatnonzero(counted)
    for start in range(0, len(events), at_once):
        some = events[start : start + at_once]
        outlives = time > time[some, None]
        outlives |= (time == time[some, None]) & ~outcome.event
        outlives &= labels == labels[some, None]
        weight = own[some, None] * censoring.inverse_before_each(time[some]).T
        weight = np.where(outlives, weight, 0.0)
        higher, same = scores[some, None] > scores, scores[some, None] == scores
        for place, kind in enumerate((weight * higher, weight * same, weight)):
            totals[place] += (cases[:, some] * (cases @ kind.T)).sum(axis=1)
    return ConcordanceCounts(*totals)


def _like_counts(values: np.ndarray, counts: np.ndarray | None) -> float | np.ndarray:
    return float(values[0]) if counts is None or np.ndim(counts) == 1 else values


def _one_per_patient(name: str, values: ArrayLike, n: int) -> np.ndarray:
    array = np.asarray(values)
    if array.shape != (n,):
        raise ValueError(f"{name} has shape {array.shape}; expected one value a patient, ({n},)")
    return array


def _last_of_run(*keys: np.ndarray) -> np.ndarray:
    """True where a patient is the last of those with equal keys; keys are sorted alike."""
    changes = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    return np.append(changes, True)


def _dense_rank(labels: np.ndarray, risk_score: np.ndarray) -> np.ndarray:
    """Rank of (group, risk score) from 1, equal scores of a group sharing one."""
    order = np.lexsort((risk_score, labels))
    last = _last_of_run(labels[order], risk_score[order])
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.concatenate([[1], 1 + np.cumsum(last[:-1])])
    return rank


@njit(cache=True, nogil=True)
def _count_pairs(
    weights: np.ndarray,
    event_weight: np.ndarray,
    partner: np.ndarray,
    last_of_group: np.ndarray,
    last_of_tie: np.ndarray,
    rank: np.ndarray,
) -> np.ndarray:
    """Concordant, tied and comparable weight of each replicate, shape (B, 3).

    Patients come latest first within a group. `tree` is a Fenwick tree over ranks of the weight of
    those met so far. Ranks grow from group to group, so the weight of earlier groups stands
    below every rank of this one and is subtracted.
    """
    n_replicates, n = weights.shape
    totals = np.zeros((n_replicates, 3))
    for replicate in range(n_replicates):
        tree = np.zeros(n + 1)
        at_rank = np.zeros(n + 1)
        seen = 0.0
        earlier_groups = 0.0
        tie_start = 0
        for i in range(n):
            weight = float(weights[replicate, i])
            pair_weight = weight * event_weight[i] if weight > 0.0 else 0.0
            if pair_weight != 0.0:
                lower = 0.0
                node = rank[i] - 1
                while node > 0:
                    lower += tree[node]
                    node &= node - 1
                totals[replicate, 0] += pair_weight * (lower - earlier_groups)
                totals[replicate, 1] += pair_weight * at_rank[rank[i]]
                totals[replicate, 2] += pair_weight * (seen - earlier_groups)
            # Patients of a tie block are added once all of them have been compared.
            if last_of_tie[i]:
                for j in range(tie_start, i + 1):
                    added = float(weights[replicate, j]) * partner[j]
                    if added > 0.0:
                        seen += added
                        at_rank[rank[j]] += added
                        node = rank[j]
                        while node <= n:
                            tree[node] += added
                            node += node & -node
                tie_start = i + 1
            if last_of_group[i]:
                earlier_groups = seen
    return totals
