"""From a log hazard to a survival probability: Breslow's baseline hazard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from features.outcome import Outcome
from models.prediction import LinkedScore, SurvivalPrediction, step_values

# A log hazard of hundreds is a certain event, not an overflow.
LARGEST = 500.0


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
    def fit(
        cls, log_hazard: np.ndarray, outcome: Outcome, weights: np.ndarray | None = None
    ) -> BreslowBaseline:
        """Estimate the baseline for given log hazards, shape (n,), weighted if so asked.

        References
        ----------
        Breslow, J R Stat Soc B 1972, 34:216-217. scikit-survival's estimator takes no weights.
        """
        weights = np.ones(len(outcome)) if weights is None else weights
        order = np.argsort(outcome.time, kind="stable")
        time, event = outcome.time[order], outcome.event[order]
        relative = weights[order] * np.exp(np.clip(log_hazard[order], -LARGEST, LARGEST))
        at_risk = np.cumsum(relative[::-1])[::-1]
        event_times, first = np.unique(time[event], return_index=True)
        if not len(event_times):
            return cls(event_times, event_times)
        events = np.add.reduceat(weights[order][event], first)
        hazard = events / at_risk[np.searchsorted(time, event_times, side="left")]
        return cls(event_times, np.cumsum(hazard))

    def survival(self, log_hazard: np.ndarray, times: ArrayLike) -> np.ndarray:
        """S(t) = exp(-H0(t) exp(log hazard)), shape (n, n_times); 1 before the first event."""
        hazard = step_values(times, self.event_times, self.cumulative_hazard, before=0.0)
        return np.exp(-hazard * np.exp(np.clip(log_hazard, -LARGEST, LARGEST))[:, None])


class ProportionalHazards:
    """What every learner of a log hazard shares: survival from its risk score and a baseline."""

    baseline_: BreslowBaseline

    def risk_score(self, X: np.ndarray) -> np.ndarray:
        """Log hazard up to a constant, shape (n,)."""
        raise NotImplementedError

    def survival(self, X: np.ndarray, times: ArrayLike) -> np.ndarray:
        """Event-free probability, shape (n, n_times)."""
        return self.baseline_.survival(self.risk_score(X), times)

    def predict(self, X: np.ndarray, times: np.ndarray) -> SurvivalPrediction:
        """Risk score and survival, with the log hazard computed once."""
        log_hazard = self.risk_score(X)
        return SurvivalPrediction(log_hazard, self.baseline_.survival(log_hazard, times), times)

    def inside(self) -> LinkedScore:
        """The log hazard and what survival makes of it."""
        return LinkedScore(self.risk_score, self.baseline_.survival)

    @property
    def jumps(self) -> np.ndarray:
        """Where survival steps, in months."""
        return self.baseline_.event_times
