import json

import numpy as np
import pytest
import xgboost
from sklearn.ensemble import RandomForestRegressor

from models.trees.compiled import walk
from models.trees.nodes import from_sklearn, from_xgboost

RNG = np.random.default_rng(3)
X = RNG.normal(size=(400, 5)).astype(np.float32)
X[:, 4] = RNG.integers(0, 6, 400)
X[RNG.random(X.shape) < 0.1] = np.nan
Y = np.nan_to_num(X[:, 0]) + (X[:, 4] == 2) + RNG.normal(size=400) / 4


@pytest.fixture(scope="module")
def grown():
    engine = RandomForestRegressor(20, min_samples_leaf=3, random_state=1).fit(X, Y)
    return engine, from_sklearn([one.tree_ for one in engine.estimators_])


@pytest.fixture(scope="module")
def boosted():
    kinds = ["q"] * 4 + ["c"]
    data = xgboost.DMatrix(X, Y, feature_types=kinds, enable_categorical=True)
    params = {"max_depth": 4, "tree_method": "hist", "base_score": 0.0, "seed": 1}
    engine = xgboost.train(params, data, 30)
    stored = json.loads(engine.save_raw("json"))["learner"]["gradient_booster"]["model"]["trees"]
    return engine, data, from_xgboost(stored)


def test_patients_fall_into_the_leaves_that_scikit_learn_gives(grown):
    engine, trees = grown
    assert np.array_equal(trees.leaves(X) - trees.roots, engine.apply(X))
    values = trees.value[trees.leaves(X)]
    assert values.mean(axis=1) == pytest.approx(engine.predict(X), abs=1e-12)


def test_patients_fall_into_the_leaves_that_xgboost_gives(boosted):
    engine, data, trees = boosted
    assert (trees.set_row >= 0).any()
    assert np.array_equal(trees.leaves(X) - trees.roots, engine.predict(data, pred_leaf=True))


def test_a_category_that_no_split_knows_goes_where_xgboost_sends_it(boosted):
    engine, _, trees = boosted
    new = X[:6].copy()
    new[:, 4] = [5, 9, 63, 200, 0, np.nan]
    data = xgboost.DMatrix(new, feature_types=["q"] * 4 + ["c"], enable_categorical=True)
    expected = engine.predict(data, pred_leaf=True)
    assert np.array_equal(trees.leaves(new) - trees.roots, expected)


@pytest.mark.parametrize("which", ["grown", "boosted"])
def test_the_compiled_walk_ends_in_the_same_leaves(which, request):
    trees = request.getfixturevalue(which)[-1]
    found = walk(
        X, trees.roots, trees.left, trees.right, trees.feature, trees.threshold,
        trees.missing_left, trees.set_row, trees.sets, trees.strict,
    )  # fmt: skip
    assert np.array_equal(found, trees.leaves(X))


def test_many_patients_are_walked_compiled_and_alike(grown):
    trees = grown[1]
    many = np.tile(X, (30, 1))
    assert np.array_equal(trees.leaves(many), np.tile(trees.leaves(X), (30, 1)))
