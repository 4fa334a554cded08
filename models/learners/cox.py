"""Cox regression, with an elastic-net penalty or without."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from features.outcome import Outcome
from models.learners.baseline import BaselineHazard, ProportionalHazards
from models.learners.learner import Columns, Learner, Parameters, Weights
from models.prediction import LinkedScore
from models.search import SearchSize

if TYPE_CHECKING:
    from optuna.trial import Trial

# Keeps every covariate of a pre-specified list.
RIDGE = {"alpha": 0.01, "l1_ratio": 0.01}


@dataclass(eq=False, repr=False)
class CoxElasticNet(ProportionalHazards, Parameters):
    """Cox regression, penalised by coordinate descent (Simon et al., 10.18637/jss.v039.i05).

    Parameters
    ----------
    alpha : float
        Strength of the penalty. 0 is the unpenalised Cox model, with Efron's ties.
    l1_ratio : float
        0.01 is almost ridge, 1 is the lasso.
    """

    alpha: float = 0.1
    l1_ratio: float = 0.05

    fitted: ClassVar[tuple[str, ...]] = ("coef_", "center_", "baseline_")

    def fit(
        self, X: np.ndarray, outcome: Outcome, weights: Weights = None, columns: Columns = None
    ) -> Self:
        """Fit on standardised features, shape (n, p), without missing values.

        Raises
        ------
        ArithmeticError
            When the unpenalised model has no solution: a feature separates the events.
        """
        from sksurv.util import Surv

        target = Surv.from_arrays(outcome.event, outcome.time)
        self.coef_ = self._unpenalised(X, target) if self.alpha == 0 else self._penalised(X, target)
        self.center_ = X.mean(axis=0)
        self.baseline_ = BaselineHazard.fit(self.risk_score(X), outcome)
        return self

    def _penalised(self, X: np.ndarray, target: np.ndarray) -> np.ndarray:
        from sksurv.linear_model import CoxnetSurvivalAnalysis

        engine = CoxnetSurvivalAnalysis(alphas=[self.alpha], l1_ratio=self.l1_ratio)
        with warnings.catch_warnings():
            # A penalty that removes every coefficient is a legitimate answer: the null model.
            warnings.filterwarnings("ignore", message="all coefficients are zero")
            engine.fit(X, target)
        return np.asarray(engine.coef_[:, 0])

    def _unpenalised(self, X: np.ndarray, target: np.ndarray) -> np.ndarray:
        from scipy.linalg import LinAlgWarning
        from sklearn.exceptions import ConvergenceWarning
        from sksurv.linear_model import CoxPHSurvivalAnalysis

        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            warnings.simplefilter("error", LinAlgWarning)
            try:
                return np.asarray(CoxPHSurvivalAnalysis(ties="efron").fit(X, target).coef_)
            except (ConvergenceWarning, LinAlgWarning, ValueError, np.linalg.LinAlgError) as error:
                raise ArithmeticError(f"unpenalised Cox has no solution: {error}") from error

    def risk_score(self, X: np.ndarray) -> np.ndarray:
        """Log hazard against the average training patient, shape (n,)."""
        return (X - self.center_) @ self.coef_

    def inside(self) -> LinkedScore:
        """The log hazard as a sum of coefficient times feature."""
        return LinkedScore(
            self.risk_score,
            self.baseline_.survival,
            terms=lambda X: (X - self.center_) * self.coef_,
            used=tuple(np.flatnonzero(self.coef_).tolist()),
        )


def search_space(trial: Trial, size: SearchSize) -> dict[str, Any]:
    """Penalty to the null model, from almost none where events allow; ridge to lasso."""
    weakest = 1e-3 if size.events_per_variable >= 10 else 1e-2
    alpha = trial.suggest_float("alpha", weakest, 3.0, log=True)
    if alpha == 0:
        return {"alpha": alpha}  # Fixed by the user: without a penalty there is no mixture of two.
    return {"alpha": alpha, "l1_ratio": trial.suggest_float("l1_ratio", 0.01, 1.0)}


def ridge_space(trial: Trial, size: SearchSize) -> dict[str, Any]:
    """How much a pre-specified list of covariates is shrunk; none is dropped."""
    return {"alpha": trial.suggest_float("alpha", 1e-3, 1.0, log=True)}


GENETIC_RISK = Learner(
    "genetic_risk",
    "Published genetic risk alone",
    CoxElasticNet,
    handles_missing=False,
    scale=True,
    defaults=RIDGE,
    stackable=False,
)
COX_CLINICAL = Learner(
    "cox_clinical",
    "Cox, pre-specified covariates",
    CoxElasticNet,
    handles_missing=False,
    scale=True,
    search_space=ridge_space,
    defaults=RIDGE,
    stackable=False,
)
COX = Learner(
    "cox",
    "Cox, elastic net",
    CoxElasticNet,
    handles_missing=False,
    scale=True,
    search_space=search_space,
)
