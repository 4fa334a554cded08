from itertools import combinations
from math import factorial

import numpy as np
import pytest

from evaluation.explanation.scores import additive_shap

COLUMNS = ("a", "b", "c", "d", "e")


def survival(score):
    """Event probability at two horizons and the mean time of an exponential, one column each."""
    hazard = np.exp(score)[:, None] * np.array([0.05, 0.4])
    return np.column_stack([1 - np.exp(-hazard), 10 / (1 + np.exp(score))])


def by_all_coalitions(terms, background, weights, outputs):
    p = terms.shape[1]
    values = np.zeros((len(terms), p, outputs(terms.sum(axis=1)).shape[1]))
    for i, row in enumerate(terms):

        def worth(coalition, row=row):
            inside = np.isin(np.arange(p), list(coalition))
            return weights @ outputs(np.where(inside, row, background).sum(axis=1))

        for g in range(p):
            others = [k for k in range(p) if k != g]
            for size in range(p):
                share = factorial(size) * factorial(p - size - 1) / factorial(p)
                for c in combinations(others, size):
                    values[i, g] += share * (worth({*c, g}) - worth(set(c)))
    return values


@pytest.fixture(scope="module")
def sides():
    rng = np.random.default_rng(1)
    terms = rng.normal(scale=[1.5, 1, 0.5, 0.3, 0], size=(12, 5))
    terms[:, 2] = np.where(terms[:, 2] > 0, 0.7, -0.2)  # a covariate of two values
    return terms[:8], terms[4:], rng.dirichlet(np.ones(8))


@pytest.mark.parametrize("spread", [0.01, 1.0, 5.0])
def test_values_are_shapleys_sum(sides, spread):
    terms, background, weights = sides
    terms, background = spread * terms, spread * background
    found = additive_shap(terms, background, weights, survival, COLUMNS)
    exact = by_all_coalitions(terms, background, weights, survival)
    assert found.values == pytest.approx(exact, abs=1e-8)
    assert (found.values[:, 4] == 0).all()
    assert found.base == pytest.approx(weights @ survival(background.sum(axis=1)))


def test_a_linear_function_gives_distance_from_the_mean(sides):
    terms, background, weights = sides
    found = additive_shap(terms, background, weights, lambda s: s[:, None], COLUMNS)
    assert found.values[..., 0] == pytest.approx(terms - weights @ background, abs=1e-8)


def test_two_players_by_hand():
    # One patient (1, 1) against one (0, 0), the square of the score: worth of {} is 0, of one
    # player 1, of both 4. Each gets (1 + 3) / 2 = 2.
    found = additive_shap(
        np.ones((1, 2)), np.zeros((1, 2)), np.ones(1), lambda s: s[:, None] ** 2, ("a", "b")
    )
    assert found.values[0, :, 0] == pytest.approx([2, 2], abs=1e-8)


def test_one_player_alone_is_the_same(sides):
    every = additive_shap(*sides, survival, COLUMNS).values
    for player in range(5):
        alone = additive_shap(*sides, survival, COLUMNS, player=player).values
        assert alone[:, player] == pytest.approx(every[:, player], abs=1e-12)
        assert np.isnan(np.delete(alone, player, axis=1)).all()


def test_many_players_add_up():
    # 30 covariates have a thousand million coalitions.
    rng = np.random.default_rng(2)
    terms = rng.normal(scale=0.3, size=(20, 30))
    weights = np.full(20, 1 / 20)
    columns = tuple(str(one) for one in range(30))
    found = additive_shap(terms, terms, weights, survival, columns)
    total = found.values.sum(axis=1) + found.base
    assert total == pytest.approx(survival(terms.sum(axis=1)), abs=1e-8)


def test_the_same_score_everywhere_owes_nothing():
    same = np.tile([0.3, -0.1], (4, 1))
    found = additive_shap(same, same, np.full(4, 0.25), survival, ("a", "b"))
    assert (found.values == 0).all()


def test_a_step_is_refused():
    terms = np.linspace(-1, 1, 10)[:, None] * np.ones(2)
    weights = np.full(10, 0.1)
    assert (
        additive_shap(terms, terms, weights, lambda s: (s > 0.1)[:, None] * 1.0, ("a", "b")) is None
    )
