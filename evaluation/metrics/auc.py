"""Cumulative/dynamic AUC: how well a marker tells events by a time from patients beyond it.

AUC over times -> integral. Patients are sorted by the marker once; a bootstrap replicate only
changes the case weights.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from evaluation.estimates import check_patients
from evaluation.metrics.over_time import increasing_times
from evaluation.statistics import CensoringModel, any_event, censoring_weights, competing_events
from features.outcome import Outcome


def replicate_auc(
    outcome: Outcome,
    marker: np.ndarray,
    times: ArrayLike,
    counts: np.ndarray | None = None,
    *,
    group: ArrayLike | None = None,
    censoring: CensoringModel | None = None,
) -> np.ndarray:
    """AUC at each time, of the cohort or of its bootstrap replicates.

    Cases have had the event by t and weigh 1 / G(T-); controls are followed beyond t and weigh
    1 / G(t), or had a competing event at U <= t and weigh 1 / G(U-). The AUC is the weighted share
    of pairs of a case and a control in which the case has the higher marker, equal markers counting
    one half.

    Parameters
    ----------
    outcome : Outcome of n patients
    marker : ndarray of shape (n,) or (n, m)
        Higher is worse: a risk score, or the event probability at each time. Not survival.
    times : array-like of shape (m,)
        Months, increasing.
    counts : ndarray of shape (B, n), optional
        How often each replicate holds each patient.
    group : array-like of shape (n,), optional
        Labels; only pairs of the same group are compared, such as those of one test fold when the
        marker is a risk score.
    censoring : CensoringModel, optional
        Of the outcome itself by default, a competing event being none; fixed over replicates.

    Returns
    -------
    ndarray of shape (B, m), or (1, m) without counts
        NaN without a pair, where a marker is NaN or a weight is unknown.

    Raises
    ------
    ValueError
        When times are not increasing, or another argument has a wrong shape.

    References
    ----------
    Uno et al., JASA 2007, 10.1198/016214507000000149; Hung and Chiang, Scand J Stat 2010,
    10.1111/j.1467-9469.2009.00661.x; with competing events Blanche et al., Stat Med 2013,
    10.1002/sim.5958, definition 2. Weights as in R's `riskRegression::Score`.
    """
    times = increasing_times(times)
    n = len(outcome)
    columns = _columns(marker, outcome, len(times))
    weights = np.ones((1, n)) if counts is None else np.atleast_2d(counts)
    if weights.shape[1:] != (n,):
        raise ValueError(f"counts has shape {weights.shape}; expected (B, {n})")
    labels = np.zeros(n) if group is None else np.asarray(group)
    if labels.shape != (n,):
        raise ValueError(f"group has shape {labels.shape}; expected one label a patient, ({n},)")

    one_group = bool((labels == labels[0]).all())
    result = np.full((len(weights), len(times)), np.nan)
    ended = any_event(outcome)
    ipcw = censoring_weights(ended, times, censoring)
    competing = competing_events(outcome)
    for column, time in enumerate(times):
        # Copies that lie together in memory are read much faster in sorted order.
        values = columns[:, min(column, columns.shape[1] - 1)].copy()
        weight = ipcw[:, column].copy()
        if time > outcome.follow_up or np.isnan(values).any() or np.isnan(weight).any():
            continue
        control = (outcome.time > time) | competing
        order = np.argsort(values) if one_group else np.lexsort((values, labels))
        ends_group = _ends(labels[order])
        pairs = _count_pairs(
            weights,
            order,
            np.where(control, 0.0, weight)[order],
            np.where(control, weight, 0.0)[order],
            ends_group | _ends(values[order]),
            ends_group,
        )
        np.divide(pairs[:, 0], pairs[:, 1], out=result[:, column], where=pairs[:, 1] > 0)
    return result


def _columns(marker: np.ndarray, outcome: Outcome, n_times: int) -> np.ndarray:
    """The marker as (n, 1) or (n, m)."""
    check_patients(outcome)
    marker = np.asarray(marker, dtype=float)
    n = len(outcome)
    if marker.shape not in ((n,), (n, n_times)):
        raise ValueError(f"marker has shape {marker.shape}; expected ({n},) or ({n}, {n_times})")
    return marker.reshape(n, -1)


def _ends(key: np.ndarray) -> np.ndarray:
    """True where the next sorted key differs."""
    return np.append(key[1:] != key[:-1], True)


@njit(cache=True, nogil=True)
def _count_pairs(
    weights: np.ndarray,
    order: np.ndarray,
    case: np.ndarray,
    control: np.ndarray,
    ends_tie: np.ndarray,
    ends_group: np.ndarray,
) -> np.ndarray:
    """Weight of rightly ordered pairs and of all pairs of each replicate, shape (B, 2).

    `order` sorts patients by group and marker, lowest first; `case` and `control` come in it.
    """
    n_replicates = weights.shape[0]
    totals = np.zeros((n_replicates, 2))
    for replicate in range(n_replicates):
        tied_case = tied_control = lower = cases = 0.0
        for i in range(len(order)):
            weight = float(weights[replicate, order[i]])
            tied_case += weight * case[i]
            tied_control += weight * control[i]
            if ends_tie[i]:
                totals[replicate, 0] += tied_case * (lower + 0.5 * tied_control)
                lower += tied_control
                cases += tied_case
                tied_case = tied_control = 0.0
                if ends_group[i]:
                    totals[replicate, 1] += cases * lower
                    lower = cases = 0.0
    return totals
