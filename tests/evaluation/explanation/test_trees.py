"""Against Shapley's sum over all coalitions, and against shap."""

from dataclasses import replace
from itertools import combinations
from math import factorial

import numpy as np
import pytest

from evaluation.explanation.trees import interventional_shap
from evaluation.explanation.values import Sides
from features.outcome import Outcome
from models.learners.forest import ExtraTreesForest, SurvivalForest
from models.prediction import DecisionTree

HORIZONS = np.array([2.0, 5.0, 9.0])
FEATURES = 5
# Features 1 and 2 are made from one covariate, as a category of three levels is.
OWNER = np.array([0, 1, 1, 2, 3])
COLUMNS = ("age", "disease", "wbc", "mutation")
BACKGROUND = 9


def cohort(n=60, seed=1):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, FEATURES))
    level = rng.integers(0, 3, n)
    X[:, 1], X[:, 2] = level == 1, level == 2
    X[:, 4] = X[:, 4] > 0
    risk = 1.2 * X[:, 0] + 1.5 * X[:, 2] * X[:, 4] - X[:, 1] + 0.7 * X[:, 3]
    X[::6, 3] = np.nan
    time = rng.exponential(6 * np.exp(-risk))
    censoring = rng.uniform(4, 20, n)
    return X, Outcome(np.minimum(time, censoring).clip(0.01), time <= censoring)


@pytest.fixture(scope="module")
def features():
    return cohort()[0]


@pytest.fixture(scope="module", params=[SurvivalForest, ExtraTreesForest])
def forest(request):
    X, outcome = cohort()
    return request.param(n_estimators=8, min_samples_leaf=3, max_features=0.8, seed=2).fit(
        X, outcome
    )


@pytest.fixture(scope="module")
def sides(features):
    rng = np.random.default_rng(4)
    weights = rng.dirichlet(np.ones(BACKGROUND))
    return Sides(features[:12], features[20 : 20 + BACKGROUND], weights, OWNER, COLUMNS)


def shapley(worth, players):
    """Shapley values from the worth of every coalition, by his sum."""
    values = []
    for player in range(players):
        others = [one for one in range(players) if one != player]
        total = 0.0
        for size in range(players):
            share = factorial(size) * factorial(players - size - 1) / factorial(players)
            for coalition in combinations(others, size):
                total = total + share * (worth({*coalition, player}) - worth(set(coalition)))
        values.append(total)
    return np.array(values)


def test_the_trees_are_the_forest(forest, features):
    X = features
    trees = forest.inside().at(HORIZONS)
    total = np.zeros((len(X), len(HORIZONS)))
    for tree in trees:
        left = tree.goes_left(X)
        for i in range(len(X)):
            node = 0
            while tree.left[node] >= 0:
                node = tree.left[node] if left[i, node] else tree.right[node]
            total[i] += tree.value[node]
    assert total == pytest.approx(forest.survival(X, HORIZONS), abs=1e-12)


def test_thresholds_are_those_between_the_bins():
    # 500 distinct values in 32 bins: patients never seen fall on both sides of each edge.
    rng = np.random.default_rng(3)
    X, outcome = cohort(500, seed=5)
    forest = SurvivalForest(n_estimators=5, seed=1).fit(X, outcome)
    new = rng.normal(size=(2000, FEATURES))
    new[:600] = X[rng.integers(0, 500, 600)]
    for column, edges in enumerate(forest.edges_):
        new[600 : 600 + len(edges), column] = edges
    sides = Sides(new, new[:3], np.full(3, 1 / 3), OWNER, COLUMNS)
    found = interventional_shap(forest.inside().at(HORIZONS), sides)
    total = found.values.sum(axis=1) + found.base
    assert total == pytest.approx(forest.survival(new, HORIZONS), abs=1e-12)


def test_interventional_values_are_shapleys_sum(forest, sides):
    found = interventional_shap(forest.inside().at(HORIZONS), sides)
    for i, row in enumerate(sides.X):

        def worth(coalition, row=row):
            inside = np.isin(OWNER, list(coalition))
            mixed = np.where(inside, row, sides.background)
            return sides.weights @ forest.survival(mixed, HORIZONS)

        assert found.values[i] == pytest.approx(shapley(worth, len(COLUMNS)), abs=1e-10)
    assert np.abs(found.values).max() > 0.1


def test_values_add_up(forest, sides):
    trees = forest.inside().at(HORIZONS)
    survival = forest.survival(sides.X, HORIZONS)
    found = interventional_shap(trees, sides)
    assert np.abs(found.values.sum(axis=1) + found.base - survival).max() < 1e-12
    base = sides.weights @ forest.survival(sides.background, HORIZONS)
    assert found.base == pytest.approx(base, abs=1e-12)


def test_one_player_alone_is_the_same(forest, sides):
    trees = forest.inside().at(HORIZONS)
    every = interventional_shap(trees, sides)
    for player in range(len(COLUMNS)):
        alone = interventional_shap(trees, sides, player)
        assert alone.values[:, player] == pytest.approx(every.values[:, player], abs=1e-14)
        assert np.isnan(np.delete(alone.values, player, axis=1)).all()


def test_shap_says_the_same_of_features_against_a_background(forest, features):
    import shap

    X, own = features, np.arange(FEATURES)
    background = X[20:29]
    sides = Sides(X[:6], background, np.full(9, 1 / 9), own, tuple(str(one) for one in own))
    found = interventional_shap(forest.inside().at(HORIZONS), sides)
    explainer = shap.ExactExplainer(
        lambda rows: forest.survival(rows, HORIZONS),
        shap.maskers.Independent(background, max_samples=9),
    )
    # 32 coalitions of 5 features; single precision of the leaves is the same on both sides.
    assert found.values == pytest.approx(explainer(X[:6]).values, abs=1e-9)


def test_adding_up_features_is_another_game(forest, sides):
    # Why the covariates are the players: the values of two features of one covariate, joining one
    # by one, do not add up to that of the covariate.
    own = np.arange(FEATURES)
    trees = forest.inside().at(HORIZONS)
    apart = interventional_shap(trees, replace(sides, owner=own, columns=tuple("abcde")))
    together = interventional_shap(trees, sides)
    difference = apart.values[:, 1] + apart.values[:, 2] - together.values[:, 1]
    assert np.abs(difference).max() > 1e-4


def test_a_covariate_without_a_split_gets_nothing(sides):
    X, outcome = cohort()
    X = X.copy()
    X[:, 0] = 1.0
    trees = SurvivalForest(n_estimators=5, seed=1).fit(X, outcome).inside().at(HORIZONS)
    assert (interventional_shap(trees, sides).values[:, 0] == 0).all()


def stump():
    """Feature 0 at most 0 goes left, to a survival of .8; the others have .2."""
    return DecisionTree(
        left=np.array([1, -1, -1]),
        right=np.array([2, -1, -1]),
        feature=np.array([0, -2, -2]),
        threshold=np.array([0.0, -2, -2]),
        missing_left=np.array([True, False, False]),
        value=np.array([[0.0], [0.8], [0.2]]),
    )


def test_a_stump_by_hand():
    # Against one patient on each side: .5.
    X = np.array([[-1.0], [1.0], [np.nan]])
    against = interventional_shap(
        [stump()], Sides(X, X[:2], np.array([0.5, 0.5]), np.array([0]), ("age",))
    )
    assert against.base == pytest.approx([0.5])
    assert against.values[:, 0, 0] == pytest.approx([0.3, -0.3, 0.3])


def test_a_tree_that_never_splits_owes_nothing():
    leaf = DecisionTree(
        *(np.array([one]) for one in (-1, -1, -2, -2.0, False)), value=np.array([[0.6]])
    )
    X = np.array([[1.0], [2.0]])
    against = interventional_shap(
        [leaf], Sides(X, X, np.array([0.5, 0.5]), np.array([0]), ("age",))
    )
    assert against.base == pytest.approx([0.6])
    assert (against.values == 0).all()


def test_a_deep_chain_of_one_covariate_is_exact():
    # 40 splits on two covariates in turn, deeper than any forest grows: additivity and symmetry.
    depth = 40
    nodes = 2 * depth + 1
    left, right = np.full(nodes, -1), np.full(nodes, -1)
    left[: 2 * depth : 2] = np.arange(1, 2 * depth, 2)
    right[: 2 * depth : 2] = np.arange(2, 2 * depth + 1, 2)
    order = np.arange(nodes)
    tree = DecisionTree(
        left=left,
        right=right,
        feature=np.where(left >= 0, order // 2 % 2, -2),
        threshold=order / 2.0,
        missing_left=np.zeros(nodes, dtype=bool),
        value=np.linspace(0, 1, nodes)[:, None],
    )
    X = np.random.default_rng(1).uniform(0, 45, (20, 2))
    own = np.array([0, 1])
    against = interventional_shap([tree], Sides(X, X, np.full(20, 0.05), own, ("a", "b")))
    assert np.abs(against.values).max() > 0.1


def test_values_that_do_not_add_up_are_refused():
    # A background whose weights add up to 1.1 has no mean to start from.
    X = np.array([[-1.0], [1.0]])
    sides = Sides(X, X, np.array([0.5, 0.6]), np.array([0]), ("age",))
    with pytest.raises(ArithmeticError, match="do not add up"):
        interventional_shap([stump()], sides)
