"""Limits about a prediction from the spread of refits."""

import numpy as np
import pytest

from models.individual.interval import (
    FEWEST_REFITS,
    WIDENED,
    along_curve,
    band_of,
    limits,
    log_hazard,
)


def curves(deviations, survival=0.5):
    """Refits that lie so far from the prediction in log cumulative hazard."""
    return np.exp(-np.exp(log_hazard(np.array(survival)) + np.array(deviations)))[:, None]


def test_half_the_width_is_the_widened_normal_one():
    deviations = np.tile([-0.1, 0.1], 10)
    # 20 refits at a distance of 0.1: standard deviation 0.1 sqrt(20 / 19); t of 19 is 2.093.
    reach = 2.0 * 2.093 * 0.1 * np.sqrt(20 / 19)
    low, high = limits(np.array([0.5]), curves(deviations), 2.0)
    assert log_hazard(low)[0] - log_hazard(np.array([0.5]))[0] == pytest.approx(reach)
    assert log_hazard(np.array([0.5]))[0] - log_hazard(high)[0] == pytest.approx(reach)


def test_the_prediction_is_inside_even_where_every_refit_is_higher():
    low, high = limits(np.array([0.3]), curves(np.linspace(-2.0, -1.0, 30), 0.3), 1.0)
    assert low[0] < 0.3 < high[0]


def test_few_refits_give_no_limits():
    low, high = limits(np.array([0.5]), curves(np.zeros(FEWEST_REFITS - 1)), 1.0)
    assert np.isnan([low[0], high[0]]).all()


def test_refits_that_were_followed_for_less_long_give_none_where_they_are_many():
    refits = curves(np.linspace(-1, 1, 40))
    refits[:3] = np.nan
    assert not np.isnan(limits(np.array([0.5]), refits, 1.0)[0]).any()
    refits[:5] = np.nan
    assert np.isnan(limits(np.array([0.5]), refits, 1.0)[0]).all()


def test_before_the_first_event_survival_is_1_without_a_range():
    low, high = limits(np.array([1.0]), np.ones((30, 1)), 2.0)
    assert low[0] == high[0] == 1.0


def test_along_a_curve_limits_never_rise():
    low, high = along_curve(np.array([0.0, 0.8, 0.5, np.nan]), np.array([0.9, 0.99, 0.7, np.nan]))
    # At least what survival is at least later; at most what it was at most before.
    assert low[:3].tolist() == [0.8, 0.8, 0.5]
    assert high[:3].tolist() == [0.9, 0.9, 0.7]
    assert np.isnan([low[3], high[3]]).all()


def test_a_band_is_not_called_a_confidence_interval():
    band = band_of("cox", 50)
    assert (band.refits, band.widened) == (50, WIDENED)
    assert "confidence" not in band.name
    assert "no confidence interval" in band.told
    assert band_of("cox", FEWEST_REFITS - 1) is None
    # It tells nobody apart: its refits say how sure the average is.
    assert band_of("kaplan_meier", 50) is None


def test_a_recalibration_held_fixed_is_said():
    assert "recalibration" in band_of("cox", 50, recalibrated=True).told
    assert "recalibration" not in band_of("cox", 50).told
