"""The registry of survival learners: one entry each, simplest first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike
from optuna.trial import Trial

from features.outcome import Outcome
from models import cox, forest, gradient_boosting, xgboost_cox


class SurvivalEstimator(Protocol):
    """What a learner makes: features in, risk score (higher is worse) and survival out."""

    def fit(self, X: np.ndarray, outcome: Outcome) -> SurvivalEstimator:
        """Fit on features of shape (n, p)."""
        ...

    def risk_score(self, X: np.ndarray) -> np.ndarray:
        """Unscaled risk, higher is worse, shape (n,)."""
        ...

    def survival(self, X: np.ndarray, times: ArrayLike) -> np.ndarray:
        """Event-free probability, shape (n, n_times)."""
        ...


@dataclass(frozen=True)
class Learner:
    """One way of learning a survival model.

    Attributes
    ----------
    name, label : str
    make : callable (params, seed) -> unfitted estimator
        Called with no parameters it gives the learner's defaults.
    search_space : callable (trial, n_events) -> params
    handles_missing : bool
        Whether missing numbers may reach it.
    scale : bool
        Whether it needs standardised features.
    trusted_types : tuple of str
        The only types, besides NumPy's and scikit-learn's plain ones, that its stored model may
        hold.
    """

    name: str
    label: str
    make: Callable[[dict[str, Any], int], SurvivalEstimator]
    search_space: Callable[[Trial, int], dict[str, Any]]
    handles_missing: bool
    scale: bool
    trusted_types: tuple[str, ...]


# The order is the order of simplicity, which the champion rule uses.
LEARNERS: dict[str, Learner] = {
    learner.name: learner
    for learner in (
        Learner(
            "cox",
            "Cox, elastic net",
            cox.make,
            cox.search_space,
            handles_missing=False,
            scale=True,
            trusted_types=("models.cox.CoxElasticNet", "models.baseline.BreslowBaseline"),
        ),
        Learner(
            "forest",
            "Random survival forest",
            forest.make,
            forest.search_space,
            handles_missing=True,
            scale=False,
            trusted_types=("models.forest.SurvivalForest", "sklearn.tree._tree.Tree"),
        ),
        Learner(
            "gradient_boosting",
            "Gradient boosting",
            gradient_boosting.make,
            gradient_boosting.search_space,
            handles_missing=False,
            scale=False,
            trusted_types=(
                "models.gradient_boosting.GradientBoostingCox",
                "models.baseline.BreslowBaseline",
                "sklearn.tree._tree.Tree",
            ),
        ),
        Learner(
            "xgboost_cox",
            "XGBoost, Cox loss",
            xgboost_cox.make,
            xgboost_cox.search_space,
            handles_missing=True,
            scale=False,
            trusted_types=("models.xgboost_cox.XgboostCox", "models.baseline.BreslowBaseline"),
        ),
    )
}
