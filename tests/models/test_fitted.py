"""What an opened model is made of adds up to what it predicts."""

import numpy as np
import pytest

from models.fit import fit_model
from models.learners.registry import LEARNERS, STACK
from models.prediction import LinkedScore, SurvivalTrees

TIMES = np.array([1.0, 6.0, 12.0, 20.0])
every_estimator = pytest.mark.parametrize("learner", [name for name in LEARNERS if name != STACK])


@every_estimator
def test_features_lead_to_the_same_prediction(models, dataset, learner):
    model = models[learner]
    opened = model.opened()
    X = opened.encode(dataset.predictors)
    assert len(opened.owner) == X.shape[1]
    assert set(opened.owner) == set(range(len(opened.columns)))
    assert opened.columns == model.columns
    told, expected = opened.predict(X, TIMES), model.predict(dataset.predictors, TIMES)
    assert (told.survival == expected.survival).all()
    assert np.isnan(opened.predict(X, np.array([model.follow_up + 1])).survival).all()


@every_estimator
def test_survival_steps_at_its_jumps_alone(models, dataset, learner):
    model = models[learner]
    jumps = model.opened().jumps
    if jumps is None:
        assert learner == "xgboost_aft"
        return
    assert (np.diff(jumps) > 0).all()
    between = np.sort(np.append(jumps[:-1] + np.diff(jumps) * 0.999, jumps))
    between = between[between <= model.follow_up]
    survival = model.predict(dataset.predictors, between).survival
    steps = (np.diff(survival, axis=1) != 0).any(axis=0)
    assert np.isin(between[1:][steps], jumps).all()
    assert steps.any()


@every_estimator
def test_the_inside_gives_the_survival(models, dataset, learner):
    model = models[learner]
    opened = model.opened()
    X = opened.encode(dataset.predictors)
    survival = opened.predict(X, TIMES).survival
    inside = opened.inside
    if isinstance(inside, SurvivalTrees):
        trees = inside.at(TIMES)
        assert sum(tree.value[tree.left < 0].max(axis=0) for tree in trees).max() <= 1 + 1e-9
        return
    assert isinstance(inside, LinkedScore)
    assert inside.survival(inside.score(X), TIMES) == pytest.approx(survival, abs=1e-12)
    if inside.terms is not None:
        rest = inside.score(X) - inside.terms(X).sum(axis=1)
        # Single precision where the engine adds up itself.
        assert np.ptp(rest) < (1e-5 if inside.single else 1e-12)
        unused = np.delete(inside.terms(X), list(inside.used), axis=1)
        assert (unused == 0).all()


@pytest.mark.parametrize("learner", ["gradient_boosting", "xgboost_cox", "xgboost_aft"])
def test_deeper_trees_are_no_sum_of_terms(dataset, learner):
    model = fit_model(learner, {"n_estimators": 10, "max_depth": 2}, dataset, seed=1)
    inside = model.opened().inside
    assert inside.terms is None
    assert len(inside.used) >= 2


def test_a_stack_is_its_members(models, dataset):
    parts = models[STACK].opened()
    survival = sum(
        weight * member.predict(dataset.predictors, TIMES).survival
        for weight, member in zip(parts.weights, parts.models, strict=True)
    )
    expected = models[STACK].predict(dataset.predictors, TIMES).survival
    assert survival == pytest.approx(expected, abs=1e-12)


def test_a_model_without_predictors_has_no_features(dataset):
    model = fit_model("kaplan_meier", {}, dataset.select([]), seed=1)
    opened = model.opened()
    assert opened.columns == ()
    assert opened.encode(dataset.predictors).shape == (len(dataset), 0)
