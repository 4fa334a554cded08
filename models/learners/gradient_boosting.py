"""Gradient-boosted trees on the Cox partial likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from features.outcome import Outcome
from models.learners.baseline import BaselineHazard, ProportionalHazards
from models.learners.learner import Columns, Learner, Parameters, Weights
from models.prediction import LinkedScore
from models.search import SearchSize
from models.trees import from_sklearn

if TYPE_CHECKING:
    from optuna.trial import Trial


@dataclass(eq=False, repr=False)
class GradientBoostingCox(ProportionalHazards, Parameters):
    """scikit-survival's gradient boosting with the Cox loss (Ridgeway 1999).

    Parameters
    ----------
    n_estimators, max_depth, min_samples_leaf : int
    learning_rate, subsample : float
    seed : int
    """

    n_estimators: int = 50
    learning_rate: float = 0.05
    max_depth: int = 1
    min_samples_leaf: int = 5
    subsample: float = 0.8
    seed: int = 0

    fitted: ClassVar[tuple[str, ...]] = ("trees_", "baseline_")

    def fit(
        self, X: np.ndarray, outcome: Outcome, weights: Weights = None, columns: Columns = None
    ) -> Self:
        """Fit on features of shape (n, p) without missing values."""
        from sksurv.ensemble import GradientBoostingSurvivalAnalysis
        from sksurv.util import Surv

        engine = GradientBoostingSurvivalAnalysis(
            n_estimators=self.n_estimators,
            learning_rate=self.learning_rate,
            max_depth=self.max_depth,
            min_samples_leaf=self.min_samples_leaf,
            subsample=self.subsample,
            random_state=self.seed,
        ).fit(X, Surv.from_arrays(outcome.event, outcome.time))
        self.trees_ = from_sklearn([member.tree_ for member in engine.estimators_[:, 0]])
        self.baseline_ = BaselineHazard.fit(self.risk_score(X), outcome)
        return self

    def risk_score(self, X: np.ndarray) -> np.ndarray:
        """Log hazard up to a constant, shape (n,)."""
        return self.learning_rate * sum(self._values(X).T, start=np.zeros(len(X)))

    def _values(self, X: np.ndarray) -> np.ndarray:
        """What each tree adds, shape (n, n_trees)."""
        return self.trees_.value[self.trees_.leaves(X)]

    def inside(self) -> LinkedScore:
        """The log hazard, as a sum of terms where no tree splits on two features."""
        features = [self.trees_.used(tree) for tree in range(len(self.trees_))]

        def terms(X: np.ndarray) -> np.ndarray:
            parts = np.zeros(X.shape)
            for added, own in zip(self._values(X).T, features, strict=True):
                parts[:, own] += self.learning_rate * added[:, None]
            return parts

        return LinkedScore(
            self.risk_score,
            self.baseline_.survival,
            terms=terms if all(len(own) <= 1 for own in features) else None,
            used=tuple(sorted({int(name) for own in features for name in own})),
        )


def search_space(trial: Trial, size: SearchSize) -> dict[str, Any]:
    """Stumps, deeper trees where events allow; slow to fast."""
    return {
        "n_estimators": trial.suggest_int("n_estimators", 10, 150, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
        "max_depth": trial.suggest_int("max_depth", 1, size.tree_depth),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 3, max(10, size.n_events // 5)),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
    }


GRADIENT_BOOSTING = Learner(
    "gradient_boosting",
    "Gradient boosting",
    GradientBoostingCox,
    handles_missing=False,
    scale=False,
    search_space=search_space,
    most_patients=3000,
    twin="xgboost_cox",
)
