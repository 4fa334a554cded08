"""From a log hazard to a survival probability: Breslow's baseline hazard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sksurv.linear_model.coxph import BreslowEstimator

from features.outcome import Outcome
from models.prediction import step_values


@dataclass(frozen=True)
class BreslowBaseline:
    """Cumulative baseline hazard of a proportional-hazards model.

    Attributes
    ----------
    event_times : ndarray of shape (k,)
        Months, increasing.
    cumulative_hazard : ndarray of shape (k,)
        Hazard accumulated up to and including each event time, at log hazard 0.
    """

    event_times: np.ndarray
    cumulative_hazard: np.ndarray

    @classmethod
    def fit(cls, log_hazard: np.ndarray, outcome: Outcome) -> BreslowBaseline:
        """Estimate the baseline for given log hazards, shape (n,) (Breslow 1972)."""
        fitted = BreslowEstimator().fit(log_hazard, outcome.event, outcome.time)
        step = fitted.cum_baseline_hazard_
        jump = np.diff(step.y, prepend=0.0) > 0
        return cls(np.asarray(step.x)[jump], np.asarray(step.y)[jump])

    def survival(self, log_hazard: np.ndarray, times: ArrayLike) -> np.ndarray:
        """S(t) = exp(-H0(t) exp(log hazard)), shape (n, n_times); 1 before the first event."""
        hazard = step_values(times, self.event_times, self.cumulative_hazard, before=0.0)
        # A log hazard of hundreds is a certain event, not an overflow.
        return np.exp(-hazard * np.exp(np.clip(log_hazard, -500, 500))[:, None])
