"""Cumulative/dynamic AUC: how well a marker tells events by a time from patients beyond it.

Table over times -> integral. Patients are sorted by the marker once; a bootstrap replicate only
changes the case weights.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import ArrayLike

from evaluation.brier import increasing_times
from evaluation.calibration import Z_95
from evaluation.censoring import CensoringModel, censoring_weights, replicate_survival
from evaluation.estimates import check_patients, estimate_rows, everyone_then, missing_predictions
from evaluation.influence import auc_standard_errors, influence_method
from features.outcome import Outcome

INTEGRAL_RULES = {
    "trapezoid": "trapezoid from the first time of the grid, divided by its range",
    "events": "mean weighted by the fall of Kaplan-Meier survival up to each time, from the last",
}


def auc_table(
    outcome: Outcome,
    marker: np.ndarray,
    times: ArrayLike,
    counts: np.ndarray | None = None,
    *,
    group: ArrayLike | None = None,
) -> pd.DataFrame:
    """AUC at each time with its interval.

    Parameters are those of `replicate_auc`. Without counts the interval is 1.96 standard errors to
    either side (`auc_standard_errors`), unless groups are given.

    Returns
    -------
    DataFrame, one row a time
        `time`, `estimate` (0.5 without discrimination, 1 for a perfect order), `ci_low`, `ci_high`,
        `ci_method`, `n_cases` (event by the time), `n_controls` (followed beyond), `note`. NaN with
        the reason in `note` where there is no case or no control, a marker is missing, or the time
        is beyond follow-up.
    """
    times = increasing_times(times)
    columns = _columns(marker, outcome, len(times))
    samples = everyone_then(counts, len(outcome))
    values = replicate_auc(outcome, marker, times, samples, group=group)
    estimate, replicates = values[0], None if counts is None else values[1:]
    cases = [int((outcome.event & (outcome.time <= time)).sum()) for time in times]
    controls = [int((outcome.time > time).sum()) for time in times]
    obstacles = [
        missing_predictions(columns[:, min(i, columns.shape[1] - 1)])
        or _why_no_auc(outcome, time, cases[i], controls[i])
        for i, time in enumerate(times)
    ]
    unknown = "censoring weights are unknown, or no group holds both cases and controls"
    notes = [unknown if np.isnan(value) else "" for value in estimate]
    table = estimate_rows(estimate, replicates, obstacles, notes)
    if counts is None and group is None:
        reach = Z_95 * auc_standard_errors(outcome, marker, times)
        reach[table["estimate"].isna()] = np.nan
        table["ci_low"] = np.maximum(table["estimate"] - reach, 0.0)
        table["ci_high"] = np.minimum(table["estimate"] + reach, 1.0)
        table["ci_method"] = np.where(np.isnan(reach), "", influence_method(outcome))
    table.insert(0, "time", times)
    table.insert(5, "n_cases", cases)
    table.insert(6, "n_controls", controls)
    return table


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
    1 / G(t). The AUC is the weighted share of pairs of a case and a control in which the case has
    the higher marker, equal markers counting one half.

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
        Of the outcome itself by default, held fixed over replicates.

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
    10.1111/j.1467-9469.2009.00661.x; weights as in R's `riskRegression::Score`.
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
    ipcw = censoring_weights(outcome, times, censoring)
    for column, time in enumerate(times):
        # Copies that lie together in memory are read much faster in sorted order.
        values = columns[:, min(column, columns.shape[1] - 1)].copy()
        weight = ipcw[:, column].copy()
        if time > outcome.follow_up or np.isnan(values).any() or np.isnan(weight).any():
            continue
        beyond = outcome.time > time
        order = np.argsort(values) if one_group else np.lexsort((values, labels))
        ends_group = _ends(labels[order])
        pairs = _count_pairs(
            weights,
            order,
            np.where(beyond, 0.0, weight)[order],
            np.where(beyond, weight, 0.0)[order],
            ends_group | _ends(values[order]),
            ends_group,
        )
        np.divide(pairs[:, 0], pairs[:, 1], out=result[:, column], where=pairs[:, 1] > 0)
    return result


def integrated_auc(
    auc: np.ndarray,
    times: ArrayLike,
    rule: str = "trapezoid",
    *,
    outcome: Outcome | None = None,
    counts: np.ndarray | None = None,
) -> np.ndarray:
    """Integrate AUC(t) over the grid.

    Parameters
    ----------
    auc : ndarray of shape (B, m)
        From `replicate_auc`.
    times : array-like of shape (m,), m >= 2
        Months, increasing.
    rule : {"trapezoid", "events"}
        "trapezoid": over the grid, divided by its range. "events": mean over the grid, each time
        weighted by the fall of Kaplan-Meier survival since the time before (the first since 0),
        as in scikit-survival.
    outcome : Outcome of n patients, optional
        That behind `auc`; the rule "events" alone needs it.
    counts : ndarray of shape (B, n), optional
        Those behind `auc`; the rule "events" alone uses them.

    Returns
    -------
    ndarray of shape (B,)
        NaN when the AUC at any time is NaN, or with "events" when no event weighs.

    Raises
    ------
    ValueError
        For fewer than two times, times that do not increase, or another rule.

    References
    ----------
    Lambert and Chevret, Stat Methods Med Res 2016, 10.1177/0962280213515571
    """
    times = increasing_times(times)
    auc = np.atleast_2d(auc)
    if len(times) < 2:
        raise ValueError(f"times needs at least two values to integrate over; got {times}")
    if rule not in INTEGRAL_RULES:
        raise ValueError(f"rule must be one of {sorted(INTEGRAL_RULES)}; got {rule!r}")
    if rule == "trapezoid":
        return np.asarray(np.trapezoid(auc, times, axis=-1) / (times[-1] - times[0]))
    if outcome is None:
        raise ValueError("the rule 'events' needs the outcome")
    weights = np.ones((1, len(outcome))) if counts is None else np.atleast_2d(counts)
    fall = -np.diff(replicate_survival(outcome, times, weights), axis=1, prepend=1.0)
    total = fall.sum(axis=1)
    unknown = np.full(len(auc), np.nan)
    return np.divide((auc * fall).sum(axis=1), total, out=unknown, where=total > 0)


def _why_no_auc(outcome: Outcome, time: float, cases: int, controls: int) -> str:
    if time > outcome.follow_up:
        return f"{time:g} months is beyond the follow-up of the outcome ({outcome.follow_up:g})"
    if not cases:
        return f"no event by {time:g} months"
    return "" if controls else f"nobody is followed beyond {time:g} months"


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
