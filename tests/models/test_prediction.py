from dataclasses import replace

import numpy as np
import pytest

from models.prediction import DecisionTree, SurvivalPrediction, median_on_grid, median_survival

PREDICTION = SurvivalPrediction(
    risk_score=np.array([1.0, 2.0, 3.0]),
    survival=np.array([[0.9, 0.8], [0.6, 0.5], [0.4, np.nan]]),
    times=np.array([6.0, 12.0]),
)


def test_event_probability_is_one_minus_survival():
    expected = np.array([[0.1, 0.2], [0.4, 0.5], [0.6, np.nan]])
    assert PREDICTION.event_probability == pytest.approx(expected, nan_ok=True)


def test_survival_at_a_horizon_is_its_column():
    assert PREDICTION.at(6).tolist() == [0.9, 0.6, 0.4]
    assert PREDICTION.at(12.0 + 1e-12)[:2].tolist() == [0.8, 0.5]


def test_nothing_is_interpolated():
    with pytest.raises(KeyError, match="9"):
        PREDICTION.at(9)


def test_take_keeps_rows_together():
    taken = PREDICTION.take([2, 0])
    assert taken.risk_score.tolist() == [3.0, 1.0]
    assert taken.survival[:, 0].tolist() == [0.4, 0.9]
    assert taken.times.tolist() == [6.0, 12.0]
    masked = PREDICTION.take(PREDICTION.risk_score > 1)
    assert masked.risk_score.tolist() == [2.0, 3.0]


def test_median_is_the_first_time_at_or_below_one_half():
    survival = np.array([
        [0.9, 0.5, 0.4],     # exactly one half counts
        [0.4, 0.3, 0.2],     # reached at the first time
        [0.9, 0.8, 0.51],    # not reached
        [0.9, np.nan, 0.1],  # reached where it is known
        [0.9, np.nan, np.nan],
    ])  # fmt: skip
    median = median_survival(survival, np.array([6.0, 12.0, 18.0]))
    assert median == pytest.approx([12.0, 6.0, np.nan, 18.0, np.nan], nan_ok=True)


def test_a_tree_sends_patients_left_at_or_below_its_threshold():
    tree = DecisionTree(
        left=np.array([1, -1, -1]),
        right=np.array([2, -1, -1]),
        feature=np.array([1, -2, -2]),
        threshold=np.array([0.5, -2.0, -2.0]),
        missing_left=np.array([False, False, False]),
        value=np.zeros((3, 1)),
    )
    # Only the second feature counts; a value above by less than single precision is the same.
    X = np.array([[9, 0.5], [9, 0.5 + 1e-9], [-9, 0.6], [-9, np.nan]])
    assert tree.goes_left(X)[:, 0].tolist() == [True, True, False, False]
    other = replace(tree, missing_left=np.array([True, False, False]))
    assert other.goes_left(X)[3, 0]


@pytest.mark.parametrize("n_grid", [1, 2, 3, 10, 199, 240])
def test_the_median_on_a_grid_is_that_of_every_time_of_it(n_grid):
    random = np.random.default_rng(n_grid)
    grid = np.arange(1, n_grid + 1) / 10
    survival = np.sort(random.uniform(0, 1, (200, n_grid)))[:, ::-1] ** random.uniform(
        0, 3, (200, 1)
    )
    survival[0] = 0.9  # never reached
    survival[1] = 0.1  # reached at once
    survival[2] = np.linspace(1, 0.5, n_grid)  # reached at the end, exactly
    survival[3, n_grid // 2 :] = np.nan  # known in part

    def at(rows, times):
        return survival[rows][:, np.searchsorted(grid, times)]

    found = median_on_grid(at, len(survival), grid)
    np.testing.assert_array_equal(found, median_survival(survival, grid))


def test_the_median_of_nobody_or_without_a_grid_is_none():
    at = lambda rows, times: np.ones((len(rows), len(times)))  # noqa: E731
    assert median_on_grid(at, 0, np.array([1.0])).shape == (0,)
    assert np.isnan(median_on_grid(at, 2, np.array([]))).all()
