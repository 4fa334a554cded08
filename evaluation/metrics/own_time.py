"""Predicted survival of each patient at the patient's own time, read from a grid of times."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from features.outcome import Outcome
from models.prediction import SurvivalPrediction


class AtOwnTime(NamedTuple):
    """Outcome followed no further than the grid, and predicted survival (n,) at its times."""

    outcome: Outcome
    survival: np.ndarray

    @property
    def cumulative_hazard(self) -> np.ndarray:
        """-log of survival, (n,); infinite where survival is 0."""
        with np.errstate(divide="ignore"):
            hazard: np.ndarray = -np.log(self.survival)
        return hazard


def at_own_time(outcome: Outcome, prediction: SurvivalPrediction) -> AtOwnTime:
    """Read predicted survival at each patient's own time, linear between the times of the grid.

    Nothing is predicted beyond the grid, so a patient followed longer counts as censored at its
    last time at which survival is known for everybody who has a prediction at all.

    Parameters
    ----------
    outcome : Outcome of n patients
    prediction : SurvivalPrediction of the same patients
        On a grid fine enough for straight lines between its times, starting near 0, where survival
        is 1.

    Returns
    -------
    AtOwnTime
        Survival is NaN for a patient without a prediction.

    Raises
    ------
    ValueError
        When the prediction is of another number of patients, or no time is known.
    """
    survival = np.asarray(prediction.survival, dtype=float)
    if len(survival) != len(outcome):
        raise ValueError(f"prediction is of {len(survival)} patients, outcome of {len(outcome)}")
    predicted = ~np.isnan(survival).all(axis=1)
    known = ~np.isnan(survival[predicted]).any(axis=0)
    n_known = len(known) if known.all() else int(np.argmin(known))
    if not n_known or not predicted.any():
        raise ValueError("no time of the grid has a prediction for every patient who has any")
    times = np.asarray(prediction.times, dtype=float)[:n_known]
    last = times[-1]
    truncated = Outcome(np.minimum(outcome.time, last), outcome.event & (outcome.time <= last))

    grid = times if times[0] == 0 else np.concatenate([[0.0], times])
    curves = survival[:, :n_known]
    if times[0] != 0:
        curves = np.hstack([np.ones((len(curves), 1)), curves])
    if len(grid) == 1:
        return AtOwnTime(truncated, curves[:, 0])
    right = np.clip(np.searchsorted(grid, truncated.time, side="left"), 1, len(grid) - 1)
    share = (truncated.time - grid[right - 1]) / (grid[right] - grid[right - 1])
    rows = np.arange(len(curves))
    return AtOwnTime(
        truncated, (1.0 - share) * curves[rows, right - 1] + share * curves[rows, right]
    )
