"""Pseudo-values: each patient's share in a Kaplan-Meier estimate, for a censored outcome."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from evaluation.statistics import weighted_survival
from features.outcome import Outcome


class PseudoValues(NamedTuple):
    """Pseudo-values of n patients.

    Attributes
    ----------
    survival : ndarray of shape (n, n_horizons)
        Of being event-free at each horizon; outside 0 to 1 for some patients. NaN beyond follow-up.
    rmst : ndarray of shape (n,)
        Of the months without event up to tau.
    """

    survival: np.ndarray
    rmst: np.ndarray


def pseudo_values(
    outcome: Outcome,
    horizons: ArrayLike,
    tau: float,
    group: np.ndarray | None = None,
    case_weights: np.ndarray | None = None,
) -> PseudoValues:
    """Infinitesimal jackknife pseudo-values, in O(n log n).

    The estimate plus n times its derivative by the patient's weight, as R's `survival::pseudo`.
    Without censoring they are what happened: 1 or 0, and min(time, tau).

    Parameters
    ----------
    outcome : Outcome of n patients
    horizons : array-like of shape (n_horizons,)
        Months.
    tau : float
        Months.
    group : ndarray of shape (n,), optional
        Pseudo-values within each group: censoring may then differ between groups.
    case_weights : ndarray of shape (n,), optional
        How often each patient counts.

    References
    ----------
    Andersen, Klein and Rosthoj, Biometrika 2003;90:15; Parner, Andersen and Overgaard, Stata J
    2020;20:1 (infinitesimal jackknife).
    """
    horizons = np.atleast_1d(np.asarray(horizons, dtype=float))
    case = np.ones(len(outcome)) if case_weights is None else np.asarray(case_weights, dtype=float)
    labels = np.zeros(len(outcome), dtype=int) if group is None else np.asarray(group)
    survival = np.full((len(outcome), len(horizons)), np.nan)
    rmst = np.full(len(outcome), np.nan)
    for label in np.unique(labels):
        rows = labels == label
        found = weighted_survival(outcome.take(rows), case[rows], horizons, tau)
        total = case[rows].sum()
        survival[rows] = found.survival + total * found.survival_by_weight
        rmst[rows] = found.rmst + total * found.rmst_by_weight
    return PseudoValues(survival, rmst)
