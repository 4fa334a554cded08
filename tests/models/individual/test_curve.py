"""What is read from one curve, by hand."""

import numpy as np
import pytest

from models.individual.curve import curve_grid, given_alive, median_time, restricted_mean

TIMES = np.array([2.0, 5.0, 9.0])
SURVIVAL = np.array([0.8, 0.5, 0.2])


def test_given_alive_divides_by_survival_then():
    # Alive at 2 months: 0.5 / 0.8 and 0.2 / 0.8.
    assert given_alive(SURVIVAL[1:], SURVIVAL[0]) == pytest.approx([0.625, 0.25])


def test_given_alive_of_several_curves_takes_each_by_its_own():
    two = np.array([[0.8, 0.4], [0.5, 0.1]])
    assert given_alive(two[:, 1:], two[:, 0]) == pytest.approx(np.array([[0.5], [0.2]]))


def test_nobody_alive_is_told_nothing():
    assert np.isnan(given_alive(np.array([0.0]), np.array(0.0))).all()


def test_the_median_is_the_first_time_at_or_below_a_half():
    assert median_time(SURVIVAL, TIMES) == 5.0
    assert median_time(np.array([0.9, 0.6, np.nan]), TIMES) is None


def test_the_restricted_mean_of_steps_is_their_area():
    # 2 x 1 + 3 x 0.8 + 3 x 0.5 up to 8 months.
    assert restricted_mean(SURVIVAL, TIMES, 8.0, steps=True) == pytest.approx(5.9)


def test_the_restricted_mean_of_a_straight_curve_is_its_trapezoids():
    # 2 (1 + .8) / 2 + 3 (.8 + .5) / 2 + 2 (.5 + .35) / 2 up to 7 months; S(7) is halfway to .2.
    assert restricted_mean(SURVIVAL, TIMES, 7.0, steps=False) == pytest.approx(1.8 + 1.95 + 0.85)


@pytest.mark.parametrize("steps", [True, False])
def test_nobody_has_an_event_the_restricted_mean_is_the_time(steps):
    assert restricted_mean(np.ones(3), TIMES, 7.5, steps=steps) == pytest.approx(7.5)


def test_a_grid_holds_the_steps_and_the_end():
    assert curve_grid([0.0, 1.5, 30.0], 12.0).tolist() == [1.5, 12.0]
    assert curve_grid(None, 0.35) == pytest.approx([0.1, 0.2, 0.3, 0.35])
