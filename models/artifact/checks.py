"""Whether what was loaded is a model: parts that fit each other, curves that fall."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.fitted import FittedModel
from models.learners import LEARNERS
from models.learners.baseline import BaselineHazard
from models.learners.boosting import Margin
from models.learners.cox import CoxElasticNet
from models.learners.forest import SurvivalForest
from models.learners.gradient_boosting import GradientBoostingCox
from models.learners.kaplan_meier_null import KaplanMeierNull
from models.learners.xgboost_aft import XgboostAft
from models.learners.xgboost_cox import XgboostCox
from models.prediction import SurvivalModel
from models.preprocessing import Encoding, FeatureColumns
from models.recalibrated import RecalibratedModel
from models.stack import StackedModel
from models.trees import Trees

# No adult is followed longer, in months.
LONGEST = 1200.0


def check_model(model: Any, learner: str) -> SurvivalModel:
    """The model, if it is one of this learner.

    Raises
    ------
    ValueError
        Saying what does not fit.
    """
    try:
        if isinstance(model, RecalibratedModel):
            check_model(model.model, learner)
        elif isinstance(model, StackedModel):
            _require(len(model.members) == len(model.weights) > 0, "a stack without members")
            _require(all(0 < w <= 1 for w in model.weights), "weights outside 0 to 1")
            _require(abs(sum(model.weights) - 1) < 1e-6, "weights that do not add up to 1")
            for member in model.members:
                _require(member.columns == model.columns, "members that see other columns")
                check_model(member, member.learner)
        else:
            _check_fitted(model)
        _require(model.learner == learner, f"a model of {model.learner!r}, not of {learner!r}")
        _require(0 < float(model.follow_up) <= LONGEST, "no follow-up")
        _check_prediction(model)
    except (TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise ValueError(f"parts of other kinds than a model's: {error}") from error
    found: SurvivalModel = model
    return found


def _check_fitted(model: FittedModel) -> None:
    _require(isinstance(model, FittedModel), "no model")
    entry = LEARNERS.get(model.learner)
    _require(entry is not None and type(model.estimator) is entry.estimator, "another estimator")
    _require(isinstance(model.params, dict), "no parameters")
    _require(all(isinstance(name, str) for name in model.columns), "columns without a name")
    encoding = model.preprocessing
    _require(encoding is None or isinstance(encoding, Encoding), "no preprocessing")
    owners = [] if encoding is None else encoding.owners
    _require(set(owners) <= set(model.columns), "preprocessing of other columns")
    _check_estimator(model.estimator, len(owners))


def _check_estimator(estimator: Any, n_features: int) -> None:
    if isinstance(estimator, CoxElasticNet):
        for part in (estimator.coef_, estimator.center_):
            _require(part.shape == (n_features,), "coefficients of other features")
            _require(bool(np.isfinite(part).all()), "a coefficient that is no number")
    elif isinstance(estimator, SurvivalForest):
        _check_forest(estimator, n_features)
    elif isinstance(estimator, KaplanMeierNull):
        _check_curve(estimator.event_times_, 1 - estimator.survival_)
    elif isinstance(estimator, GradientBoostingCox):
        _check_trees(estimator.trees_, n_features)
        _require(0 < estimator.learning_rate <= 1, "no learning rate")
    elif isinstance(estimator, XgboostCox | XgboostAft):
        _require(isinstance(estimator.margin_, Margin), "no sum of trees")
        _check_trees(estimator.margin_.trees, n_features)
        _require(bool(np.isfinite(estimator.margin_.base)), "a start that is no number")
        columns = estimator.columns_
        _require(columns is None or isinstance(columns, FeatureColumns), "no feature columns")
    if isinstance(estimator, XgboostAft):
        _require(0 < float(estimator.scale_) < np.inf, "no scale")
        _require(estimator.distribution in ("logistic", "normal", "extreme"), "no distribution")
    baseline = getattr(estimator, "baseline_", None)
    if baseline is not None:
        _require(isinstance(baseline, BaselineHazard), "no baseline hazard")
        _check_curve(baseline.event_times, baseline.cumulative_hazard)


def _check_forest(forest: SurvivalForest, n_features: int) -> None:
    _check_trees(forest.trees_, n_features)
    _require(len(forest.edges_) == n_features, "bins of other features")
    for edges in forest.edges_:
        _require(edges.ndim == 1 and not (np.diff(edges) < 0).any(), "bins that do not increase")
    survival, row = forest.leaf_survival_, forest.leaf_row_
    _require(
        survival.ndim == 2 and survival.shape[1] == len(forest.times_), "curves of other times"
    )
    _require(forest.leaf_mortality_.shape == (len(survival),), "leaves without a mortality")
    _require(bool(np.isfinite(forest.leaf_mortality_).all()), "a mortality that is no number")
    _require(bool((np.diff(forest.times_) > 0).all()), "times that do not increase")
    # Not outside 0 to 1, and no rise: NaN is neither.
    _require(bool(((survival >= 0) & (survival <= 1)).all()), "survival outside 0 to 1")
    _require(bool((np.diff(survival, axis=1) <= 1e-6).all()), "survival that rises")
    leaf = forest.trees_.left == -1
    _require(row.shape == leaf.shape, "rows of other nodes")
    _require(
        bool(((row >= 0) == leaf).all() and (row < len(survival)).all()), "leaves without a row"
    )


def _check_trees(trees: Trees, n_features: int) -> None:
    _require(isinstance(trees, Trees), "no trees")
    _require(trees.n_features <= n_features, "trees that split on features that are not there")


def _check_curve(times: np.ndarray, rising: np.ndarray) -> None:
    _require(times.ndim == 1 and times.shape == rising.shape, "a curve of other times")
    _require(bool(np.isfinite(times).all() and (np.diff(times) > 0).all()), "times out of order")
    _require(bool(np.isfinite(rising).all() and (rising >= 0).all()), "a hazard that is no number")
    _require(bool((np.diff(rising) >= 0).all()), "a hazard that falls")


def _check_prediction(model: SurvivalModel) -> None:
    """Predict for nobody in particular: whatever is missing shows itself."""
    words = _words(model)
    nobody = {
        name: np.array([words[name]], dtype=object) if name in words else np.zeros(1)
        for name in model.columns
    }
    if not nobody:
        nobody = {"": np.zeros(1)}
    months = np.array([model.follow_up / 2, model.follow_up])
    found = model.predict(nobody, months)
    survival = found.survival[0]
    _require(bool(np.isfinite(found.risk_score).all() and np.isfinite(survival).all()), "no answer")
    _require(bool(1 >= survival[0] >= survival[1] >= 0), "a survival that is none")


def _words(model: Any) -> dict[str, str]:
    """A level of each category that a model sees."""
    if isinstance(model, RecalibratedModel):
        return _words(model.model)
    if isinstance(model, StackedModel):
        return {name: word for one in model.members for name, word in _words(one).items()}
    encoding = model.preprocessing
    if encoding is None:
        return {}
    return {one.name: one.levels[0] if one.levels else "" for one in encoding.categories}


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)
