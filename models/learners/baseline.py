"""From a log hazard to a survival probability: the baseline hazard in Efron's form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from features.outcome import Outcome
from features.times import step_values
from models.prediction import LinkedScore, SurvivalPrediction

# A log hazard of hundreds is a certain event, not an overflow.
LARGEST = 500.0


@dataclass(frozen=True)
class BaselineHazard:
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
    ) -> BaselineHazard:
        """Estimate the baseline for given log hazards, shape (n,), weighted if so asked.

        With d tied events of weighted relative hazards e_1 ... e_d and R of all at risk, the step
        is the sum over k = 0 ... d - 1 of their mean weight / (R - k/d (e_1 + ... + e_d)): tied
        patients leave one by one, as they did before times were rounded. Breslow's d / R leaves
        all of them at risk until the last, which overstates the risk where visits are far apart.

        References
        ----------
        Efron, JASA 1977, 72:557-565; Therneau and Grambsch, Modeling Survival Data, 2000, section
        10.3. R: `survfit(coxph(ties = "efron"))`, whose rule for weights is the mean weight.
        """
        weights = np.ones(len(outcome)) if weights is None else np.asarray(weights, dtype=float)
        order = np.argsort(outcome.time, kind="stable")
        time, weight = outcome.time[order], weights[order]
        # Whoever weighs nothing is not there, and is no tie.
        event = outcome.event[order] & (weight > 0)
        event_times, first, tied = np.unique(time[event], return_index=True, return_counts=True)
        if not len(event_times):
            return cls(event_times, event_times)
        relative = weight * np.exp(np.clip(log_hazard[order], -LARGEST, LARGEST))
        at_risk = np.cumsum(relative[::-1])[::-1][np.searchsorted(time, event_times, side="left")]
        leaving = np.add.reduceat(relative[event], first)
        mean_weight = np.add.reduceat(weight[event], first) / tied
        gone = (np.arange(tied.sum()) - np.repeat(first, tied)) / np.repeat(tied, tied)
        left = np.repeat(at_risk, tied) - gone * np.repeat(leaving, tied)
        return cls(event_times, np.cumsum(mean_weight * np.add.reduceat(1.0 / left, first)))

    def survival(self, log_hazard: np.ndarray, times: ArrayLike) -> np.ndarray:
        """S(t) = exp(-H0(t) exp(log hazard)), shape (n, n_times); 1 before the first event."""
        hazard = step_values(times, self.event_times, self.cumulative_hazard, before=0.0)
        return np.exp(-hazard * np.exp(np.clip(log_hazard, -LARGEST, LARGEST))[:, None])


class ProportionalHazards:
    """What every learner of a log hazard shares: survival from its risk score and a baseline."""

    baseline_: BaselineHazard

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
