"""Standard errors of the Brier score and of AUC(t) that count the estimated weights for censoring.

By influence functions: what each patient adds to the estimate, directly and through the
Kaplan-Meier estimate of censoring. The bootstrap of the other modules holds those weights fixed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from evaluation.brier import brier_losses, increasing_times
from evaluation.censoring import censoring_weights
from features.outcome import Outcome

INFLUENCE_METHOD = "influence function, censoring weights estimated"
KNOWN_WEIGHTS = "influence function, censoring weights taken as known"


def influence_method(outcome: Outcome) -> str:
    """What these errors are called: weights that the outcome carries count as known."""
    return INFLUENCE_METHOD if outcome.censoring is None else KNOWN_WEIGHTS


def brier_standard_errors(outcome: Outcome, survival: np.ndarray, times: ArrayLike) -> np.ndarray:
    """Standard error of the Brier score at each time, weighted by `censoring_of` the outcome.

    Parameters
    ----------
    outcome : Outcome of n patients
    survival : ndarray of shape (n, m)
        Predicted probability of being event-free after each time.
    times : array-like of shape (m,)
        Months, increasing.

    Returns
    -------
    ndarray of shape (m,)
        NaN where the score is, and for a single patient.

    References
    ----------
    Gerds and Schumacher, Biometrics 2007, 10.1111/j.1541-0420.2007.00832.x; as R's
    `riskRegression::Score(se.fit = TRUE)`.
    """
    times = increasing_times(times)
    losses = brier_losses(outcome, survival, times)
    influence = [
        own - own.mean() + weighting_influence(outcome, own, time)
        for own, time in zip(losses.T, times, strict=True)
    ]
    return np.array([_standard_error(one) for one in influence])


def auc_standard_errors(outcome: Outcome, marker: np.ndarray, times: ArrayLike) -> np.ndarray:
    """Standard error of AUC(t) at each time, weighted by `censoring_of` the outcome.

    Parameters
    ----------
    outcome : Outcome of n patients
    marker : ndarray of shape (n,) or (n, m)
        Higher is worse: a risk score, or the event probability at each time.
    times : array-like of shape (m,)
        Months, increasing.

    Returns
    -------
    ndarray of shape (m,)
        NaN where the AUC is, and for a single patient.

    References
    ----------
    Blanche, Dartigues and Jacqmin-Gadda, Stat Med 2013, 10.1002/sim.5958; as R's
    `riskRegression::Score(se.fit = TRUE)`.
    """
    times = increasing_times(times)
    columns = np.broadcast_to(
        np.asarray(marker, dtype=float).reshape(len(outcome), -1), (len(outcome), len(times))
    )
    weights = censoring_weights(outcome, times)
    return np.array(
        [
            _auc_standard_error(outcome, columns[:, i], weights[:, i], time)
            for i, time in enumerate(times)
        ]
    )


def weighting_influence(outcome: Outcome, terms: np.ndarray, horizon: float) -> np.ndarray:
    """What each patient adds to a mean of weighted terms through the estimate of censoring.

    Parameters
    ----------
    outcome : Outcome of n patients
    terms : ndarray of shape (n,)
        Each already carrying its weight: 1 / G(T-) by the horizon, 1 / G(horizon) beyond.
    horizon : float
        Months.

    Returns
    -------
    ndarray of shape (n,)
        The integral of H(u) / pi(u) over the martingale of censoring: H is the mean of the terms of
        patients beyond u, pi the share at risk of being censored at u. Events come first at ties. 0
        where the outcome carries its weights, which count as known.
    """
    n = len(outcome)
    censored = ~outcome.event & (outcome.time <= horizon)
    times, leaving = np.unique(outcome.time[censored], return_counts=True)
    if not len(times) or outcome.censoring is not None:
        return np.zeros(n)
    order = np.argsort(outcome.time, kind="stable")
    ordered = outcome.time[order]
    summed = np.concatenate([[0.0], np.cumsum(terms[order])])
    beyond = (summed[-1] - summed[np.searchsorted(ordered, times, side="right")]) / n
    events = np.sort(outcome.time[outcome.event])
    tied = np.searchsorted(events, times, "right") - np.searchsorted(events, times, "left")
    at_risk = n - np.searchsorted(ordered, times, side="left") - tied
    ratio = beyond * n / at_risk
    expected = np.concatenate([[0.0], np.cumsum(ratio * leaving / at_risk)])
    # At risk of censoring at u: beyond u, or censored at u itself.
    passed = np.where(
        outcome.event,
        np.searchsorted(times, outcome.time, side="left"),
        np.searchsorted(times, outcome.time, side="right"),
    )
    influence = -expected[passed]
    influence[censored] += ratio[np.searchsorted(times, outcome.time[censored])]
    return influence


def _auc_standard_error(
    outcome: Outcome, marker: np.ndarray, weight: np.ndarray, time: float
) -> float:
    case = np.where(outcome.event & (outcome.time <= time), weight, 0.0)
    control = np.where(outcome.time > time, weight, 0.0)
    pairs = case.sum() * control.sum()
    if time > outcome.follow_up or np.isnan(marker).any() or not pairs > 0:
        return np.nan
    # Weight of the controls below each patient and of the cases above, ties counting one half.
    controls_below = _weight_below(marker, control)
    cases_above = _weight_below(-marker, case)
    auc = float(case @ controls_below) / pairs
    terms = case * (controls_below - auc * control.sum())
    terms += control * (cases_above - auc * case.sum())
    terms *= len(outcome) / pairs
    return _standard_error(terms + weighting_influence(outcome, terms, time))


def _weight_below(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Summed weight of smaller values plus half that of equal ones, of each patient."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    summed = np.concatenate([[0.0], np.cumsum(weight[order])])
    below = summed[np.searchsorted(ordered, values, side="left")]
    through = summed[np.searchsorted(ordered, values, side="right")]
    return (below + through) / 2.0


def _standard_error(influence: np.ndarray) -> float:
    n = len(influence)
    return float(influence.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan
