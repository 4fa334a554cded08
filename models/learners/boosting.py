"""What the XGBoost learners share: rows in one order, native categories, storage as bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import xgboost
from optuna.trial import Trial
from sklearn.base import BaseEstimator

from features.outcome import Outcome
from models.prediction import LinkedScore
from models.preprocessing import FeatureColumns
from models.search import SearchSize

# An event on the index date counts as half a day: a logarithm of the time cannot be taken of 0.
HALF_A_DAY = 0.5 * 12 / 365.25
# Below this the start of threads costs more than they save.
THREADS_FROM = 5000

# Margins in the order of the rows, and the data, to gradient and Hessian of each row.
Objective = Callable[[np.ndarray, xgboost.DMatrix], tuple[np.ndarray, np.ndarray]]


@dataclass(eq=False, repr=False)
class Boosted(BaseEstimator):
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
) -> bytes:
    """Train and return the booster as bytes.

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
    """
    with _threads(data.num_row()):
        booster = xgboost.train(
            {
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
            },
            data,
            num_boost_round=settings.n_estimators,
            obj=objective,
        )
        return bytes(booster.save_raw("ubj"))


def make_matrix(X: np.ndarray, columns: FeatureColumns | None, **fields: Any) -> xgboost.DMatrix:
    """Features of shape (n, p) for the engine, with category codes marked as such."""
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


def predict_margin(booster: bytes, X: np.ndarray, columns: FeatureColumns | None) -> np.ndarray:
    """Sum of the trees for each patient, shape (n,)."""
    with _threads(len(X)):
        margin = _read_booster(booster).predict(make_matrix(X, columns), output_margin=True)
    return margin.astype(float)


def stump_terms(booster: bytes, X: np.ndarray, columns: FeatureColumns | None) -> np.ndarray:
    """What trees that split at most once add to the margin by feature, shape (n, p).

    Added up in double precision: the engine's SHAP values are good to six digits only.
    """
    with _threads(len(X)):
        leaves = _read_booster(booster).predict(make_matrix(X, columns), pred_leaf=True)
    values, features = _stumps(booster)
    leaves = leaves.reshape(len(X), -1).astype(int)
    terms = np.zeros(X.shape)
    for tree, feature in enumerate(features):
        if feature >= 0:
            terms[:, feature] += values[tree, leaves[:, tree]]
    return terms


@lru_cache(maxsize=4)
def _stumps(booster: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Leaf values by tree and node, and the feature that each tree splits on, -1 for none."""
    nodes = _read_booster(booster).trees_to_dataframe()
    tree, node = nodes["Tree"].to_numpy(), nodes["Node"].to_numpy()
    is_leaf = (nodes["Feature"] == "Leaf").to_numpy()
    values = np.zeros((tree.max() + 1, node.max() + 1))
    values[tree[is_leaf], node[is_leaf]] = nodes["Gain"].to_numpy()[is_leaf]
    features = np.full(len(values), -1)
    features[tree[~is_leaf]] = [int(name[1:]) for name in nodes["Feature"][~is_leaf]]
    return values, features


def split_features(booster: bytes) -> tuple[int, ...]:
    """Features that any tree splits on, in their order."""
    return tuple(sorted(int(name[1:]) for name in _read_booster(booster).get_score()))


def score_parts(
    settings: Boosted,
    booster: bytes,
    columns: FeatureColumns | None,
    survival: Callable[[np.ndarray, np.ndarray], np.ndarray],
    sign: float = 1.0,
) -> LinkedScore:
    """The risk score, `sign` times the margin, for those who explain it."""
    return LinkedScore(
        lambda X: sign * predict_margin(booster, X, columns),
        survival,
        terms=(
            (lambda X: sign * stump_terms(booster, X, columns)) if settings.max_depth == 1 else None
        ),
        used=split_features(booster),
        single=True,
    )


@lru_cache(maxsize=4)
def _read_booster(booster: bytes) -> xgboost.Booster:
    return xgboost.Booster(model_file=bytearray(booster))


def _threads(rows: int) -> AbstractContextManager[None]:
    """One thread where more would only wait for each other."""
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
