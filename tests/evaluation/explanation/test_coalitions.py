from itertools import permutations

import numpy as np
import pytest

from evaluation.explanation.coalitions import (
    every_coalition_fits,
    every_coalition_shap,
    sampled_player_shap,
    sampled_shap,
)
from evaluation.explanation.values import Sides

COLUMNS = ("a", "b", "c", "d")
# Features 1 and 2 are made from one covariate.
OWNER = np.array([0, 1, 1, 2, 3])


def predict(X):
    """All act together, and a missing value counts as 1."""
    a, b1, b2, c, d = np.nan_to_num(X, nan=1.0).T
    first = a * (b1 - 2 * b2) * c + 0.5 * d * a + (a > 0) * (b1 > 0) * (d > 0)
    return np.column_stack([first, 10 * first + c])


@pytest.fixture(scope="module")
def sides():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(14, 5)).round(1)
    X[:, 4] = X[:, 4] > 0
    X[3, 0] = X[10, 0] = np.nan
    return Sides(X[:6], X[6:], rng.dirichlet(np.ones(8)), OWNER, COLUMNS)


def by_all_orders(sides):
    """The mean over all 24 orders of what a player adds when it joins."""
    values = np.zeros((len(sides.X), 4, 2))
    for i, row in enumerate(sides.X):
        for order in permutations(range(4)):
            before = sides.weights @ predict(sides.background)
            for place, player in enumerate(order):
                inside = np.isin(OWNER, order[: place + 1])
                after = sides.weights @ predict(np.where(inside, row, sides.background))
                values[i, player] += (after - before) / 24
                before = after
    return values


def test_every_coalition_is_the_mean_over_all_orders(sides):
    found = every_coalition_shap(predict, sides, range(4))
    assert found.values == pytest.approx(by_all_orders(sides), abs=1e-12)
    found.check(predict(sides.X))


def test_players_that_are_left_out_get_nothing(sides):
    def of_a_and_c(X):
        return np.nan_to_num(X[:, :1]) * X[:, 3:4]

    found = every_coalition_shap(of_a_and_c, sides, [0, 2])
    whole = every_coalition_shap(of_a_and_c, sides, range(4))
    assert (found.values[:, [1, 3]] == 0).all()
    assert found.values == pytest.approx(whole.values, abs=1e-12)
    assert np.abs(found.values[:, 0]).max() > 0.1


@pytest.mark.parametrize("draws", [2, 10])
def test_the_error_is_as_large_as_it_says(sides, draws):
    exact = by_all_orders(sides)
    runs = [sampled_shap(predict, sides, seed, draws) for seed in range(40)]
    squared = np.mean([(run.values - exact) ** 2 for run in runs])
    told = np.mean([run.error**2 for run in runs])
    assert 0.8 < squared / told < 1.25
    for run in runs[:3]:
        run.check(predict(sides.X), tolerance=1e-10)


def test_many_draws_lie_within_their_errors(sides):
    found = sampled_shap(predict, sides, seed=1, draws=100)
    off = np.abs(found.values - by_all_orders(sides))
    # Each of 48 values within five of its standard errors, most of them within two.
    assert (off <= 5 * found.error + 1e-12).all()
    assert (off <= 2 * found.error + 1e-12).mean() > 0.85


@pytest.mark.parametrize("player", range(4))
def test_one_player_lies_within_its_error(sides, player):
    exact = by_all_orders(sides)[:, player]
    found = sampled_player_shap(predict, sides, seed=1, draws=60, player=player)
    off = np.abs(found.values[:, player] - exact)
    assert (off <= 5 * found.error[:, player] + 1e-12).all()
    assert off.max() > 0
    assert np.isnan(np.delete(found.values, player, axis=1)).all()


def test_more_draws_come_closer(sides):
    exact = by_all_orders(sides)
    few, many = (sampled_shap(predict, sides, seed=1, draws=d) for d in (2, 200))
    # A hundred times as many draws: about ten times less.
    assert np.abs(many.values - exact).mean() < np.abs(few.values - exact).mean() / 4
    assert many.error.mean() < few.error.mean() / 4


def test_same_seed_same_bytes(sides):
    first, second, other = (sampled_shap(predict, sides, seed).values for seed in (9, 9, 10))
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != other.tobytes()


def test_nothing_is_sampled_between_equal_patients(sides):
    from dataclasses import replace

    alike = replace(sides, X=sides.X[:1], background=np.tile(sides.X[0], (8, 1)))
    found = sampled_player_shap(predict, alike, seed=1, player=0)
    assert (found.values[:, 0] == 0).all()
    assert (found.error[:, 0] == 0).all()


def test_how_much_can_be_counted_out():
    # 70 x 70 pairs: 4900 x 128 coalitions of 7 players are 627,200 predictions, of 8 too many.
    assert every_coalition_fits(70, 70, 7)
    assert not every_coalition_fits(70, 70, 8)
    assert not every_coalition_fits(1, 1, 17)
