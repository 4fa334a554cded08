"""The null model: the Kaplan-Meier curve of all training patients, whatever their covariates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from features.life_table import LifeTable
from features.outcome import Outcome
from features.times import step_values
from models.learners.learner import Columns, Learner, Parameters, Weights
from models.prediction import LinkedScore, SurvivalPrediction


@dataclass(eq=False, repr=False)
class KaplanMeierNull(Parameters):
    """The same curve for everybody; what a model must beat to be of any use.

    Attributes
    ----------
    event_times_, survival_ : ndarray of shape (k,)
        Months, increasing, and the probability of being event-free from each on.
    """

    fitted: ClassVar[tuple[str, ...]] = ("event_times_", "survival_")

    def fit(
        self, X: np.ndarray, outcome: Outcome, weights: Weights = None, columns: Columns = None
    ) -> Self:
        """Fit on the outcome alone; weights, shape (n,), count as so many patients."""
        table = LifeTable.count(outcome.time, outcome.event, weights=weights)
        jump = table.events > 0
        self.event_times_, self.survival_ = table.times[jump], table.survival[jump]
        return self

    def risk_score(self, X: np.ndarray) -> np.ndarray:
        """0 for everybody, shape (n,)."""
        return np.zeros(len(X))

    def survival(self, X: np.ndarray, times: ArrayLike) -> np.ndarray:
        """Event-free probability, shape (n, n_times), the same in every row."""
        curve = step_values(times, self.event_times_, self.survival_, before=1.0)
        return np.tile(np.atleast_1d(curve), (len(X), 1))

    def predict(self, X: np.ndarray, times: np.ndarray) -> SurvivalPrediction:
        """Risk score and survival."""
        return SurvivalPrediction(self.risk_score(X), self.survival(X, times), times)

    def inside(self) -> LinkedScore:
        """A score of 0 for everybody, made of no covariate."""

        def survival(score: np.ndarray, times: np.ndarray) -> np.ndarray:
            return self.survival(score[:, None], times)

        return LinkedScore(self.risk_score, survival, terms=lambda X: np.zeros(X.shape), used=())

    @property
    def jumps(self) -> np.ndarray:
        """Where survival steps, in months."""
        return self.event_times_


KAPLAN_MEIER = Learner(
    "kaplan_meier",
    "Kaplan-Meier, no covariates",
    KaplanMeierNull,
    handles_missing=True,
    scale=False,
    handles_weights=True,
    stackable=False,
    may_be_champion=False,
)
