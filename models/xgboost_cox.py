"""XGBoost on the Cox partial likelihood, made independent of the order of the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import xgboost
from numpy.typing import ArrayLike
from optuna.trial import Trial
from sklearn.base import BaseEstimator

from features.outcome import Outcome
from models.baseline import BreslowBaseline

# An event on the index date counts as half a day: the engine's label cannot be 0.
HALF_A_DAY = 0.5 * 12 / 365.25


class XgboostCox(BaseEstimator):
    """Gradient boosting with `survival:cox`, and Breslow's baseline hazard on top.

    Parameters
    ----------
    n_estimators, max_depth : int
    learning_rate, subsample, min_child_weight, reg_lambda : float
    seed : int
    """

    def __init__(
        self,
        n_estimators: int = 50,
        learning_rate: float = 0.05,
        max_depth: int = 1,
        subsample: float = 0.8,
        min_child_weight: float = 3.0,
        reg_lambda: float = 10.0,
        seed: int = 0,
    ) -> None:
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.subsample = subsample
        self.min_child_weight = min_child_weight
        self.reg_lambda = reg_lambda
        self.seed = seed

    def fit(self, X: np.ndarray, outcome: Outcome) -> XgboostCox:
        """Fit on features of shape (n, p); NaN is allowed and learned from."""
        X = np.asarray(X, dtype=np.float32)
        # Tied times make the engine depend on the order of rows: sort by time, event, features.
        order = np.lexsort((*X.T, outcome.event, outcome.time))
        label = np.maximum(outcome.time, HALF_A_DAY) * np.where(outcome.event, 1, -1)
        booster = xgboost.train(
            {
                "objective": "survival:cox",
                "eta": self.learning_rate,
                "max_depth": self.max_depth,
                "subsample": self.subsample,
                "min_child_weight": self.min_child_weight,
                "lambda": self.reg_lambda,
                "tree_method": "exact" if len(X) < 1000 else "hist",
                "base_score": 1.0,
                "seed": self.seed,
                "nthread": 1,
            },
            xgboost.DMatrix(X[order], label=label[order], nthread=1),
            num_boost_round=self.n_estimators,
        )
        self.booster_ = bytes(booster.save_raw("ubj"))
        self.baseline_ = BreslowBaseline.fit(self.risk_score(X), outcome)
        return self

    def risk_score(self, X: np.ndarray) -> np.ndarray:
        """Log hazard up to a constant, shape (n,)."""
        booster = xgboost.Booster(model_file=bytearray(self.booster_))
        data = xgboost.DMatrix(np.asarray(X, dtype=np.float32), nthread=1)
        return booster.predict(data, output_margin=True).astype(float)

    def survival(self, X: np.ndarray, times: ArrayLike) -> np.ndarray:
        """Event-free probability, shape (n, n_times)."""
        return self.baseline_.survival(self.risk_score(X), times)


def make(params: dict[str, Any], seed: int) -> XgboostCox:
    """Make the estimator with its seed."""
    return XgboostCox(**params, seed=seed)


def search_space(trial: Trial, n_events: int) -> dict[str, Any]:
    """Stumps to depth 3, slow to fast, with strong shrinkage of leaves."""
    return {
        "n_estimators": trial.suggest_int("n_estimators", 10, 200, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
        "max_depth": trial.suggest_int("max_depth", 1, 3),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "min_child_weight": trial.suggest_float("min_child_weight", 0.5, 10.0, log=True),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.1, 100.0, log=True),
    }
