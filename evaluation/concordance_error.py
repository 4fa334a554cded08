"""Standard error of Harrell's and Uno's C without a bootstrap: the infinitesimal jackknife.

What the estimate would gain if a patient counted a little more, from the pairs the patient is in.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from evaluation.censoring import fit_censoring
from evaluation.estimates import check_patients
from features.outcome import Outcome


def harrell_c_standard_error(
    outcome: Outcome, risk_score: ArrayLike, tau: float | None = None
) -> float:
    """Standard error of Harrell's C over all pairs; it suits a single fitted model.

    Parameters
    ----------
    outcome : Outcome of n patients
    risk_score : array-like of shape (n,)
        Higher is worse. Not a survival probability.
    tau : float, optional
        Months; an event at exactly tau still counts.

    Returns
    -------
    float
        NaN without a comparable pair.

    Raises
    ------
    ValueError
        When risk_score does not hold one number a patient, or the outcome holds no patient.

    References
    ----------
    Therneau and Atkinson, the vignette "Concordance" of R's survival; `concordance` there.
    """
    return _standard_error(outcome, risk_score, np.ones(len(outcome)), tau)


def uno_c_standard_error(outcome: Outcome, risk_score: ArrayLike, tau: float | None) -> float:
    """Standard error of Uno's C; the weights for censoring count as known, as in R.

    Parameters, errors and missing values are those of `harrell_c_standard_error`; NaN also where a
    weight of a counted event is unknown, and where each patient has a censoring distribution: use
    a bootstrap then.
    """
    check_patients(outcome)
    if outcome.censoring is not None:
        return np.nan
    weight = fit_censoring(outcome).inverse_before(outcome.time) ** 2
    return _standard_error(outcome, risk_score, weight, tau)


def _standard_error(
    outcome: Outcome, risk_score: ArrayLike, event_weight: np.ndarray, tau: float | None
) -> float:
    check_patients(outcome)
    scores = np.asarray(risk_score, dtype=float)
    if scores.shape != outcome.time.shape or np.isnan(scores).any():
        raise ValueError(
            f"risk_score must hold one number for each of the {len(outcome)} patients; got shape "
            f"{scores.shape} with {np.isnan(scores).sum()} NaN"
        )
    counted = outcome.event if tau is None else outcome.event & (outcome.time <= tau)
    pair_weight = np.where(counted, event_weight, 0.0)
    # Earliest first; at ties events before censorings, which outlive them.
    order = np.lexsort((~outcome.event, outcome.time))
    rank = np.unique(scores, return_inverse=True)[1][order] + 1
    agreeing, comparable = _pairs_of_each(
        outcome.time[order], outcome.event[order], pair_weight[order], rank
    )
    total = comparable.sum() / 2.0
    if not total > 0:
        return np.nan
    c_index = agreeing.sum() / 2.0 / total
    return float(np.sqrt((((agreeing - c_index * comparable) / total) ** 2).sum()))


@njit(cache=True, nogil=True)
def _pairs_of_each(
    time: np.ndarray, event: np.ndarray, pair_weight: np.ndarray, rank: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weight of rightly ordered pairs (ties half) and of all pairs of each patient, both (n,).

    Each pair belongs to both of its patients. Two passes over a Fenwick tree of risk ranks: events
    before a patient, then patients beyond an event.
    """
    n = len(time)
    agreeing = np.zeros(n)
    comparable = np.zeros(n)
    tree, at_rank, seen = np.zeros(n + 1), np.zeros(n + 1), 0.0
    start = 0
    while start < n:
        stop = start
        while stop < n and time[stop] == time[start]:
            stop += 1
        for phase in range(3):  # events look back, events are added, censored look back
            for i in range(start, stop):
                if phase == 1:
                    if pair_weight[i] != 0.0:
                        seen += pair_weight[i]
                        at_rank[rank[i]] += pair_weight[i]
                        _add(tree, rank[i], pair_weight[i])
                elif event[i] == (phase == 0):
                    higher = seen - _sum_up_to(tree, rank[i])
                    agreeing[i] += higher + 0.5 * at_rank[rank[i]]
                    comparable[i] += seen
        start = stop
    tree[:] = 0.0
    at_rank[:] = 0.0
    seen = 0.0
    stop = n
    while stop > 0:
        start = stop
        while start > 0 and time[start - 1] == time[stop - 1]:
            start -= 1
        for phase in range(3):  # censored are added, events look beyond, events are added
            for i in range(start, stop):
                if phase == 1:
                    if event[i] and pair_weight[i] != 0.0:
                        lower = _sum_up_to(tree, rank[i] - 1)
                        agreeing[i] += pair_weight[i] * (lower + 0.5 * at_rank[rank[i]])
                        comparable[i] += pair_weight[i] * seen
                elif event[i] == (phase == 2):
                    seen += 1.0
                    at_rank[rank[i]] += 1.0
                    _add(tree, rank[i], 1.0)
        stop = start
    return agreeing, comparable


@njit(cache=True, nogil=True)
def _add(tree: np.ndarray, node: int, weight: float) -> None:
    while node < len(tree):
        tree[node] += weight
        node += node & -node


@njit(cache=True, nogil=True)
def _sum_up_to(tree: np.ndarray, node: int) -> float:
    total = 0.0
    while node > 0:
        total += tree[node]
        node &= node - 1
    return total
