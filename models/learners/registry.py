"""The registry of survival learners: one entry each, simplest first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike
from optuna.trial import Trial

from features.outcome import Outcome
from models.learners import (
    cox,
    forest,
    gradient_boosting,
    kaplan_meier_null,
    xgboost_aft,
    xgboost_cox,
)
from models.prediction import LinkedScore, SurvivalPrediction, SurvivalTrees
from models.preprocessing import FeatureColumns
from models.search import SearchSize


class SurvivalEstimator(Protocol):
    """What a learner makes: features in, risk score (higher is worse) and survival out."""

    def fit(
        self,
        X: np.ndarray,
        outcome: Outcome,
        weights: np.ndarray | None = None,
        columns: FeatureColumns | None = None,
    ) -> SurvivalEstimator:
        """Fit on features of shape (n, p); weights of shape (n,) where `handles_weights`."""
        ...

    def risk_score(self, X: np.ndarray) -> np.ndarray:
        """Unscaled risk, higher is worse, shape (n,)."""
        ...

    def survival(self, X: np.ndarray, times: ArrayLike) -> np.ndarray:
        """Event-free probability, shape (n, n_times)."""
        ...

    def predict(self, X: np.ndarray, times: np.ndarray) -> SurvivalPrediction:
        """Both at once, which costs less than one after the other."""
        ...

    @property
    def jumps(self) -> np.ndarray | None:
        """Where survival steps, months, increasing; None when it falls continuously."""
        ...

    def inside(self) -> SurvivalTrees | LinkedScore:
        """What the predictions are made of, for those who explain them."""
        ...


def no_estimator(params: dict[str, Any], seed: int) -> SurvivalEstimator:
    """What a learner that combines others makes by itself: nothing."""
    raise TypeError("this learner combines fitted models; use models.fitted.fit_model")


@dataclass(frozen=True)
class Learner:
    """One way of learning a survival model.

    Attributes
    ----------
    name, label : str
    make : callable (params, seed) -> unfitted estimator
        Called with no parameters it gives the learner's defaults.
    search_space : callable (trial, SearchSize) -> params
    handles_missing : bool
        Whether missing numbers may reach it.
    scale : bool
        Whether it needs standardised features.
    trusted_types : tuple of str
        The only types, besides NumPy's and scikit-learn's plain ones, that its stored model may
        hold.
    handles_categories : bool
        Whether it splits on category codes itself, and knows monotone constraints.
    handles_weights : bool
        Whether a patient's weight counts in all that it computes.
    may_be_champion : bool
        False for the null model: nobody's risk should be told by it.
    most_patients : int, optional
        More would take hours; `twin` names the learner that does the same for any number.
    """

    name: str
    label: str
    make: Callable[[dict[str, Any], int], SurvivalEstimator]
    search_space: Callable[[Trial, SearchSize], dict[str, Any]]
    handles_missing: bool
    scale: bool
    trusted_types: tuple[str, ...]
    handles_categories: bool = False
    handles_weights: bool = False
    may_be_champion: bool = True
    most_patients: int | None = None
    twin: str = ""


BASELINE = "models.learners.baseline.BaselineHazard"
COX_TYPES = ("models.learners.cox.CoxElasticNet", BASELINE)
TREE = "sklearn.tree._tree.Tree"
NATIVE_TYPES = ("models.preprocessing.CategoryCodes", "models.preprocessing.FeatureColumns")
STACK = "stack"

# The order is the order of simplicity, which the champion rule uses.
LEARNERS: dict[str, Learner] = {
    learner.name: learner
    for learner in (
        Learner(
            "kaplan_meier",
            "Kaplan-Meier, no covariates",
            kaplan_meier_null.make,
            cox.no_search,
            handles_missing=True,
            scale=False,
            trusted_types=("models.learners.kaplan_meier_null.KaplanMeierNull",),
            handles_weights=True,
            may_be_champion=False,
        ),
        Learner(
            "genetic_risk",
            "Published genetic risk alone",
            cox.make_ridge,
            cox.no_search,
            handles_missing=False,
            scale=True,
            trusted_types=COX_TYPES,
        ),
        Learner(
            "cox_clinical",
            "Cox, pre-specified covariates",
            cox.make_ridge,
            cox.ridge_space,
            handles_missing=False,
            scale=True,
            trusted_types=COX_TYPES,
        ),
        Learner(
            "cox",
            "Cox, elastic net",
            cox.make,
            cox.search_space,
            handles_missing=False,
            scale=True,
            trusted_types=COX_TYPES,
        ),
        Learner(
            "forest",
            "Random survival forest",
            forest.make,
            forest.search_space,
            handles_missing=True,
            scale=False,
            trusted_types=("models.learners.forest.SurvivalForest", TREE),
            handles_weights=True,
        ),
        Learner(
            "extra_trees",
            "Extremely randomised survival trees",
            forest.make_extra_trees,
            forest.search_space,
            handles_missing=True,
            scale=False,
            trusted_types=("models.learners.forest.ExtraTreesForest", TREE),
            handles_weights=True,
        ),
        Learner(
            "gradient_boosting",
            "Gradient boosting",
            gradient_boosting.make,
            gradient_boosting.search_space,
            handles_missing=False,
            scale=False,
            trusted_types=("models.learners.gradient_boosting.GradientBoostingCox", BASELINE, TREE),
            most_patients=3000,
            twin="xgboost_cox",
        ),
        Learner(
            "xgboost_cox",
            "XGBoost, Cox loss",
            xgboost_cox.make,
            xgboost_cox.search_space,
            handles_missing=True,
            scale=False,
            trusted_types=("models.learners.xgboost_cox.XgboostCox", BASELINE, *NATIVE_TYPES),
            handles_categories=True,
            handles_weights=True,
        ),
        Learner(
            "xgboost_aft",
            "XGBoost, accelerated failure time",
            xgboost_aft.make,
            xgboost_aft.search_space,
            handles_missing=True,
            scale=False,
            trusted_types=("models.learners.xgboost_aft.XgboostAft", *NATIVE_TYPES),
            handles_categories=True,
            handles_weights=True,
        ),
    )
}
# Learners that a stack may combine: those that see every covariate.
STACKABLE = tuple(
    name for name in LEARNERS if name not in ("kaplan_meier", "genetic_risk", "cox_clinical")
)
LEARNERS[STACK] = Learner(
    STACK,
    "Stack of the others",
    no_estimator,
    cox.no_search,
    handles_missing=True,
    scale=False,
    trusted_types=(
        "models.stack.StackedModel",
        *dict.fromkeys(kind for name in STACKABLE for kind in LEARNERS[name].trusted_types),
    ),
)
