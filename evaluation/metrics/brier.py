"""Brier score: how far predicted probabilities are from what happened, under censoring.

One kernel with and without competing events: survival is then the probability of not having had the
event, 1 - cumulative incidence, and a patient with a competing event is known never to have it.

Losses per patient -> score at each time -> integrated score. The losses are computed once; a
bootstrap replicate is one product of its counts with them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from evaluation.metrics.observed import replicate_event_free
from evaluation.metrics.over_time import increasing_times
from evaluation.statistics import (
    CensoringModel,
    any_event,
    censoring_of,
    censoring_weights,
    competing_events,
)
from features.outcome import Outcome


def brier_losses(
    outcome: Outcome,
    survival: np.ndarray,
    times: ArrayLike,
    censoring: CensoringModel | None = None,
) -> np.ndarray:
    """Squared error of each patient at each time, weighted for censoring.

    With the event at T <= t the loss is S(t)^2 / G(T-), followed beyond t it is
    (1 - S(t))^2 / G(t), censored by t it is 0: the weights make up for those. With a competing
    event at U <= t the loss is (1 - S(t))^2 / G(U-).

    Parameters
    ----------
    outcome : Outcome of n patients
    survival : ndarray of shape (n, n_times)
        Predicted probability of not having had the event by each time. Not an event probability,
        and not a risk score.
    times : array-like of shape (n_times,)
        Months, increasing.
    censoring : CensoringModel, optional
        Of the outcome itself by default, a competing event being no censoring; by arm or covariates
        from `conditional_censoring`.

    Returns
    -------
    ndarray of shape (n, n_times)
        Their mean over patients is the Brier score. NaN where the survival is NaN, and for every
        patient at times beyond both the outcome's follow-up and that behind the weights; also of a
        patient censored by t where G(t) is 0 or unknown, so that the score is not too good there.
        The caller says why.

    Raises
    ------
    ValueError
        When times are not increasing, or survival has another shape or leaves [0, 1].

    References
    ----------
    Graf et al., Stat Med 1999, 18:2529-2545; with competing events Schoop et al., Biom J 2011,
    10.1002/bimj.201000073. Weights as in R's `riskRegression::Score`; at tied
    event and censoring times scikit-survival has G(T) instead of G(T-).
    """
    times = increasing_times(times)
    survival = _checked_survival(outcome, survival, times)
    return _losses(outcome, survival, times, _weights(outcome, times, censoring))


def null_losses(
    outcome: Outcome, times: ArrayLike, censoring: CensoringModel | None = None
) -> np.ndarray:
    """Losses of what is observed predicted for everyone, shape (n, n_times).

    Kaplan-Meier, or Aalen-Johansen, is fitted on the very patients it is judged on, so the null
    model is a little too good.
    """
    times = increasing_times(times)
    survival = replicate_event_free(outcome, times, np.ones((1, len(outcome))))[0]
    return _losses(outcome, survival, times, _weights(outcome, times, censoring))


def replicate_scores(losses: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean loss in each bootstrap replicate.

    Parameters
    ----------
    losses : ndarray of shape (n, n_times)
        From `brier_losses`; the censoring weights in them stay fixed over replicates.
    counts : ndarray of shape (B, n)
        How often each replicate holds each patient.

    Returns
    -------
    ndarray of shape (B, n_times)
        NaN in every replicate where the loss of any patient is NaN, drawn or not.
    """
    counts = np.asarray(counts, dtype=float)
    return counts @ losses / counts.sum(axis=1, keepdims=True)


def scaled_brier(score: np.ndarray, null: np.ndarray) -> np.ndarray:
    """1 - score / null, of the same shape; NaN where null is 0."""
    undefined = np.full(np.shape(score), np.nan)
    return 1.0 - np.divide(score, null, out=undefined, where=null > 0)


def _checked_survival(outcome: Outcome, survival: np.ndarray, times: np.ndarray) -> np.ndarray:
    survival = np.asarray(survival, dtype=float)
    if survival.shape != (len(outcome), len(times)):
        raise ValueError(
            f"survival has shape {survival.shape}; expected one row a patient and one column a "
            f"time, ({len(outcome)}, {len(times)})"
        )
    if (survival < 0).any() or (survival > 1).any():
        raise ValueError("survival must lie in [0, 1]; pass probabilities, not risk scores")
    return survival


def _weights(outcome: Outcome, times: np.ndarray, censoring: CensoringModel | None) -> np.ndarray:
    """Weights for censoring (n, n_times), NaN for everyone beyond both follow-ups."""
    ended = any_event(outcome)
    censoring = censoring or censoring_of(ended)
    weights = censoring_weights(ended, times, censoring)
    weights[:, times > max(outcome.follow_up, censoring.follow_up)] = np.nan
    return weights


def _losses(
    outcome: Outcome, survival: np.ndarray, times: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    free = outcome.time[:, None] > times
    if outcome.has_competing:
        free |= competing_events(outcome)[:, None]
    losses: np.ndarray = free - survival
    losses *= losses
    losses *= weights
    return losses
