"""Cox regression with an elastic-net penalty."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from optuna.trial import Trial
from sklearn.base import BaseEstimator
from sksurv.linear_model import CoxnetSurvivalAnalysis
from sksurv.util import Surv

from features.outcome import Outcome
from models.baseline import BreslowBaseline


class CoxElasticNet(BaseEstimator):
    """Penalised Cox regression by coordinate descent (Simon et al., 10.18637/jss.v039.i05).

    Parameters
    ----------
    alpha : float
        Strength of the penalty, > 0.
    l1_ratio : float
        0.01 is almost ridge, 1 is the lasso.
    """

    def __init__(self, alpha: float = 0.1, l1_ratio: float = 0.05) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio

    def fit(self, X: np.ndarray, outcome: Outcome) -> CoxElasticNet:
        """Fit on standardised features, shape (n, p), without missing values."""
        engine = CoxnetSurvivalAnalysis(alphas=[self.alpha], l1_ratio=self.l1_ratio)
        with warnings.catch_warnings():
            # A penalty that removes every coefficient is a legitimate answer: the null model.
            warnings.filterwarnings("ignore", message="all coefficients are zero")
            engine.fit(X, Surv.from_arrays(outcome.event, outcome.time))
        self.coef_ = engine.coef_[:, 0]
        self.center_ = X.mean(axis=0)
        self.baseline_ = BreslowBaseline.fit(self.risk_score(X), outcome)
        return self

    def risk_score(self, X: np.ndarray) -> np.ndarray:
        """Log hazard against the average training patient, shape (n,)."""
        return (X - self.center_) @ self.coef_

    def survival(self, X: np.ndarray, times: ArrayLike) -> np.ndarray:
        """Event-free probability, shape (n, n_times)."""
        return self.baseline_.survival(self.risk_score(X), times)


def make(params: dict[str, Any], seed: int) -> CoxElasticNet:
    """Make the estimator; the fit is deterministic and needs no seed."""
    return CoxElasticNet(**params)


def search_space(trial: Trial, n_events: int) -> dict[str, Any]:
    """Penalty from almost none to the null model, mixture from ridge to lasso."""
    return {
        "alpha": trial.suggest_float("alpha", 1e-3, 3.0, log=True),
        "l1_ratio": trial.suggest_float("l1_ratio", 0.01, 1.0),
    }
