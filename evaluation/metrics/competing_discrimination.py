"""Discrimination under competing events: AUC at a horizon and the C-index of Wolbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from evaluation.metrics.discrimination import concordance_counts, weighted_concordance
from evaluation.statistics.censoring import CensoringModel, censoring_weights
from evaluation.statistics.competing_incidence import (
    any_event,
    competing_events,
    fit_competing_censoring,
)
from features.outcome import Outcome


def competing_auc(
    outcome: Outcome,
    marker: ArrayLike,
    horizon: float,
    *,
    counts: np.ndarray | None = None,
    group: ArrayLike | None = None,
    censoring: CensoringModel | None = None,
) -> float | np.ndarray:
    """Cumulative/dynamic AUC at a horizon for the cumulative incidence.

    Cases had the event by the horizon. Controls are all others whose state is known: event-free
    at the horizon, or with a competing event by then. Cases and competing controls weigh
    1 / G(T-), event-free controls 1 / G(horizon).

    Parameters
    ----------
    outcome : Outcome of n patients
    marker : array-like of shape (n,)
        Higher is worse; the predicted cumulative incidence at the horizon, or a risk score.
    horizon : float
        Months.
    counts : ndarray of shape (n,) or (B, n), optional
        Case weights; one row a bootstrap replicate.
    group : array-like of shape (n,), optional
        Labels; only pairs of the same group are compared. Risk scores of different folds come from
        different fitted models.
    censoring : CensoringModel, optional
        `fit_competing_censoring` of the outcome by default, held fixed over replicates.

    Returns
    -------
    float, or ndarray of shape (B,) with counts of shape (B, n)
        NaN without a case, without a control, or beyond follow-up.

    Raises
    ------
    ValueError
        When an argument does not have one value a patient, or a marker is NaN.

    References
    ----------
    Blanche et al., Stat Med 2013, 10.1002/sim.5958, definition 2; the AUC of R's
    `riskRegression::Score`.
    """
    n = len(outcome)
    marker = _one_per_patient("marker", marker, n).astype(float)
    if np.isnan(marker).any():
        raise ValueError(f"marker is NaN for {np.isnan(marker).sum()} of {n} patients")
    labels = np.zeros(n) if group is None else _one_per_patient("group", group, n)
    weights = np.ones((1, n)) if counts is None else np.atleast_2d(counts).astype(float)
    if weights.shape[1:] != (n,):
        raise ValueError(f"counts has shape {weights.shape}; expected ({n},) or (B, {n})")
    if horizon > outcome.follow_up:
        return _like_counts(np.full(len(weights), np.nan), counts)
    weight = censoring_weights(any_event(outcome), [horizon], censoring)[:, 0]
    beyond = outcome.time > horizon
    case = np.where(outcome.event & ~beyond, weight, 0.0)
    control = np.where(competing_events(outcome) | beyond, weight, 0.0)

    # Patients sorted by group and marker; a run shares both. Weights of a run are summed, and the
    # controls below it are those before it less those of earlier groups.
    order = np.lexsort((marker, labels))
    new_group = np.append(True, labels[order][1:] != labels[order][:-1])
    new_run = new_group | np.append(True, np.diff(marker[order]) != 0)
    run = np.flatnonzero(new_run)
    cases = np.add.reduceat(weights[:, order] * case[order], run, axis=1)
    controls = np.add.reduceat(weights[:, order] * control[order], run, axis=1)
    earlier = np.cumsum(controls, axis=1) - controls
    first_run = np.flatnonzero(new_group[run])
    sizes = np.diff(np.append(first_run, len(run)))
    below = earlier - np.repeat(earlier[:, first_run], sizes, axis=1)
    in_group = np.repeat(np.add.reduceat(controls, first_run, axis=1), sizes, axis=1)
    ordered = (cases * (below + 0.5 * controls)).sum(axis=1)
    pairs = (cases * in_group).sum(axis=1)
    auc = np.divide(ordered, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)
    return _like_counts(auc, counts)


def weighted_wolbers_c(
    outcome: Outcome,
    risk_score: ArrayLike,
    tau: float | None,
    *,
    counts: np.ndarray | None = None,
    group: ArrayLike | None = None,
    censoring: CensoringModel | None = None,
) -> float | np.ndarray:
    """C-index for competing events, weighted so that it does not depend on the censoring.

    A pair of an event at T <= tau and a patient followed beyond T (or censored at T) weighs
    1 / G(T-)^2; a pair with a patient who had a competing event at U <= T weighs
    1 / (G(T-) G(U-)).

    Parameters are those of `competing_auc`; tau in months, None for no truncation.

    Returns
    -------
    float, or ndarray of shape (B,) with counts of shape (B, n)
        NaN without a comparable pair.

    References
    ----------
    Wolbers et al., Biostatistics 2014, 10.1093/biostatistics/kxt059
    """
    n = len(outcome)
    competing = competing_events(outcome)
    censoring = censoring or fit_competing_censoring(outcome)
    weight = censoring.inverse_before(outcome.time)
    cases = np.ones((1, n)) if counts is None else np.atleast_2d(counts).astype(float)
    later = weighted_concordance(outcome, risk_score, censoring, cases, group, tau)

    # Earlier competing events, by the same kernel with time reversed: there, they outlive the
    # event. Ranks are spread so that one at the very time of the event, counted above, is not
    # counted twice. Events among themselves are taken off again.
    rank = np.unique(outcome.time, return_inverse=True)[1]
    reversed_time = 2.0 * (rank.max(initial=0) - rank) + 1.0 - competing
    reversed_outcome = Outcome(reversed_time, outcome.event)
    counted = outcome.event if tau is None else outcome.event & (outcome.time <= tau)
    event_weight = np.where(counted, weight, 0.0)
    only_events = cases * outcome.event
    both = only_events + cases * np.where(competing, weight, 0.0)
    pairs = [
        concordance_counts(reversed_outcome, risk_score, weights, group, event_weight)
        for weights in (both, only_events)
    ]
    agreeing, comparable = (
        np.asarray(values[0]) - np.asarray(values[1])
        for values in zip(*((p.concordant + 0.5 * p.tied, p.comparable) for p in pairs),
                          strict=True)
    )  # fmt: skip
    agreeing = agreeing + later.concordant + 0.5 * later.tied
    comparable = comparable + later.comparable
    c_index = np.divide(
        agreeing, comparable, out=np.full(len(cases), np.nan), where=comparable > 1e-12
    )
    return _like_counts(c_index, counts)


def _like_counts(values: np.ndarray, counts: np.ndarray | None) -> float | np.ndarray:
    return float(values[0]) if counts is None or np.ndim(counts) == 1 else values


def _one_per_patient(name: str, values: ArrayLike, n: int) -> np.ndarray:
    array = np.asarray(values)
    if array.shape != (n,):
        raise ValueError(f"{name} has shape {array.shape}; expected one value a patient, ({n},)")
    return array
