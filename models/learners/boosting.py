"""What the XGBoost learners share: rows in one order, native categories, trees as plain arrays."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from features.outcome import Outcome
from models.learners.learner import Parameters
from models.prediction import LinkedScore
from models.preprocessing import FeatureColumns
from models.search import SearchSize
from models.trees import Trees, from_xgboost

if TYPE_CHECKING:
    import xgboost
    from optuna.trial import Trial

# An event on the index date counts as half a day: a logarithm of the time cannot be taken of 0.
HALF_A_DAY = 0.5 * 12 / 365.25
# Below this the start of threads costs more than they save.
THREADS_FROM = 5000

# Margins in the order of the rows, and the data, to gradient and Hessian of each row.
Objective = Callable[[np.ndarray, "xgboost.DMatrix"], tuple[np.ndarray, np.ndarray]]


@dataclass(eq=False, repr=False)
class Boosted(Parameters):
    """The parameters that the XGBoost learners have in common.

    Parameters
    ----------
    n_estimators, max_depth : int
    learning_rate, subsample, min_child_weight, reg_lambda : float
    seed : int
    """

    n_estimators: int = 50
    learning_rate: float = 0.05
    max_depth: int = 1
    subsample: float = 0.8
    min_child_weight: float = 3.0
    reg_lambda: float = 10.0
    seed: int = 0


@dataclass(frozen=True)
class Margin:
    """A sum of trees, added up in single precision as the engine does.

    Attributes
    ----------
    trees : Trees
    base : float
        What the sum starts from.
    """

    trees: Trees
    base: float

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The sum for each patient, shape (n,)."""
        total = np.full(len(X), self.base, dtype=np.float32)
        values = self.trees.value.astype(np.float32)
        for leaf in self.trees.leaves(X).T:
            total += values[leaf]
        return total.astype(float)

    def terms(self, X: np.ndarray) -> np.ndarray:
        """What trees that split at most once add by feature, shape (n, p), in double precision."""
        terms = np.zeros(X.shape)
        for tree, leaf in enumerate(self.trees.leaves(X).T):
            for feature in self.trees.used(tree):
                terms[:, feature] += self.trees.value[leaf]
        return terms

    @property
    def used(self) -> tuple[int, ...]:
        """Features that any tree splits on, in their order."""
        feature = self.trees.feature
        return tuple(np.unique(feature[feature >= 0]).tolist())


def canonical_order(X: np.ndarray, outcome: Outcome) -> np.ndarray:
    """Rows by time, event and then features, shape (n,): the engine must not see how they came."""
    order = np.lexsort((outcome.event, outcome.time))
    time, event = outcome.time[order], outcome.event[order]
    tied = (np.diff(time) == 0) & (event[1:] == event[:-1])
    if not tied.any():
        return order
    return np.lexsort((*X.T, outcome.event, outcome.time))


def boost(
    settings: Boosted,
    data: xgboost.DMatrix,
    engine: Mapping[str, Any],
    monotone: tuple[int, ...],
    objective: Objective | None = None,
) -> Margin:
    """Train and return the sum of trees.

    Parameters
    ----------
    settings : Boosted
    data : DMatrix
        Rows in canonical order.
    engine : mapping
        Objective, base score and what else the engine takes.
    monotone : tuple of int, one a feature
        1 where the margin may only grow with it, -1 where it may only fall; empty for none.
    objective : callable, optional
        Gradient and Hessian, when the engine has no such objective.

    Raises
    ------
    ArithmeticError
        When the engine gives up.
    """
    import xgboost

    settings_of_engine = {
        "eta": settings.learning_rate,
        "max_depth": settings.max_depth,
        "subsample": settings.subsample,
        "min_child_weight": settings.min_child_weight,
        "lambda": settings.reg_lambda,
        "tree_method": "hist",
        "seed": settings.seed,
        "disable_default_eval_metric": True,
        **({"monotone_constraints": monotone} if any(monotone) else {}),
        **engine,
    }
    with _threads(data.num_row()):
        try:
            booster = xgboost.train(
                settings_of_engine, data, num_boost_round=settings.n_estimators, obj=objective
            )
        except xgboost.core.XGBoostError as error:
            raise ArithmeticError(f"XGBoost has no fit: {error}") from error
    return _as_margin(json.loads(booster.save_raw("json")), str(engine.get("objective", "")))


def make_matrix(X: np.ndarray, columns: FeatureColumns | None, **fields: Any) -> xgboost.DMatrix:
    """Features of shape (n, p) for the engine, with category codes marked as such."""
    import xgboost

    kinds = None
    if columns is not None and any(columns.categorical):
        kinds = ["c" if categorical else "q" for categorical in columns.categorical]
    with _threads(len(X)):
        return xgboost.DMatrix(
            np.asarray(X, dtype=np.float32),
            feature_types=kinds,
            enable_categorical=kinds is not None,
            **fields,
        )


def _as_margin(stored: Mapping[str, Any], objective: str) -> Margin:
    learner = stored["learner"]
    base = float(learner["learner_model_param"]["base_score"].strip("[]"))
    if objective == "survival:aft":
        # Given as a time, added as its logarithm.
        base = float(np.log(base))
    trees = from_xgboost(learner["gradient_booster"]["model"]["trees"])
    return Margin(trees, float(np.float32(base)))


def score_parts(
    settings: Boosted,
    margin: Margin,
    survival: Callable[[np.ndarray, np.ndarray], np.ndarray],
    sign: float = 1.0,
) -> LinkedScore:
    """The risk score, `sign` times the margin, for those who explain it."""
    return LinkedScore(
        lambda X: sign * margin.predict(X),
        survival,
        terms=(lambda X: sign * margin.terms(X)) if settings.max_depth == 1 else None,
        used=margin.used,
        single=True,
    )


def _threads(rows: int) -> AbstractContextManager[None]:
    """One thread where more would only wait for each other."""
    import xgboost

    return xgboost.config_context(nthread=1 if rows < THREADS_FROM else 0)


def boosting_space(trial: Trial, size: SearchSize) -> dict[str, Any]:
    """Stumps, deeper trees where events allow, slow to fast, with strong shrinkage of leaves."""
    return {
        "n_estimators": trial.suggest_int("n_estimators", 10, 200, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
        "max_depth": trial.suggest_int("max_depth", 1, size.tree_depth),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "min_child_weight": trial.suggest_float("min_child_weight", 0.5, 10.0, log=True),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.1, 100.0, log=True),
    }
