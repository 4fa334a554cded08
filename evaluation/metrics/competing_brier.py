"""Brier score of a predicted cumulative incidence, under competing events and censoring."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from evaluation.statistics.censoring import CensoringModel
from evaluation.statistics.competing_incidence import (
    any_event,
    fit_competing_censoring,
    incidence_by_cause,
)
from features.outcome import Outcome


def competing_brier_losses(
    outcome: Outcome,
    incidence: np.ndarray,
    times: ArrayLike,
    censoring: CensoringModel | None = None,
) -> np.ndarray:
    """Squared error of each patient's predicted cumulative incidence, weighted for censoring.

    With the event at T <= t the loss is (1 - F(t))^2 / G(T-). With a competing event at T <= t the
    patient is known never to have the event: F(t)^2 / G(T-). Followed beyond t it is
    F(t)^2 / G(t), censored by t it is 0.

    Parameters
    ----------
    outcome : Outcome of n patients
    incidence : ndarray of shape (n, n_times)
        Predicted probability F(t) of having had the event by each time, competing events
        considered. Not survival, and not 1 - survival of a model that censors competing events.
    times : array-like of shape (n_times,)
        Months, increasing.
    censoring : CensoringModel, optional
        Of the outcome itself, `fit_competing_censoring`, by default.

    Returns
    -------
    ndarray of shape (n, n_times)
        NaN where the incidence is NaN, and for everybody beyond the follow-up.

    Raises
    ------
    ValueError
        When times are not increasing, or incidence has another shape or leaves [0, 1].

    References
    ----------
    Schoop et al., Biom J 2011, 10.1002/bimj.201000073. Weights as in R's `riskRegression::Score`.
    """
    times = np.asarray(times, dtype=float)
    if times.ndim != 1 or not len(times) or not (np.diff(times) > 0).all():
        raise ValueError(f"times must be a one-dimensional, increasing list; got {times.tolist()}")
    incidence = np.asarray(incidence, dtype=float)
    if incidence.shape != (len(outcome), len(times)):
        raise ValueError(
            f"incidence has shape {incidence.shape}; expected one row a patient and one column a "
            f"time, ({len(outcome)}, {len(times)})"
        )
    if (incidence < 0).any() or (incidence > 1).any():
        raise ValueError("incidence must lie in [0, 1]; pass probabilities, not risk scores")
    censoring = censoring or fit_competing_censoring(outcome)
    ended = any_event(outcome).event[:, None] & (outcome.time[:, None] <= times)
    had_event = outcome.event[:, None] & ended
    followed = outcome.time[:, None] > times
    weight = np.where(ended, censoring.inverse_before(outcome.time)[:, None], 0.0)
    weight = np.where(followed, censoring.inverse_at(times), weight)
    losses = weight * (had_event - incidence) ** 2
    losses[:, times > max(outcome.follow_up, censoring.follow_up)] = np.nan
    return losses


def competing_null_losses(
    outcome: Outcome, times: ArrayLike, censoring: CensoringModel | None = None
) -> np.ndarray:
    """Losses of the Aalen-Johansen incidence predicted for everyone, shape (n, n_times)."""
    times = np.asarray(times, dtype=float)
    table = incidence_by_cause(outcome, times)
    everyone = table.loc[table["cause"] == "event", "estimate"].to_numpy()
    return competing_brier_losses(
        outcome, np.tile(np.clip(everyone, 0.0, 1.0), (len(outcome), 1)), times, censoring
    )
