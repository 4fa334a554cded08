import numpy as np
import pytest
from scipy.stats import norm

from features.simulated.truth import Baseline, RegimenEffect, cumulative_hazard, event_time

WEIBULL = Baseline(distribution="weibull", median_months=10.0, shape=1.5, sdlog=1.0)
LOGNORMAL = Baseline(distribution="lognormal", median_months=10.0, shape=1.5, sdlog=1.0)
CHANGING = RegimenEffect(hazard_ratio=2.0, change_months=6.0, later_hazard_ratio=0.5)


@pytest.mark.parametrize("baseline", [WEIBULL, LOGNORMAL])
def test_half_are_alive_at_the_median(baseline):
    assert np.exp(-baseline.cumulative_hazard(10.0, np.zeros(1))) == pytest.approx([0.5])
    assert baseline.cumulative_hazard(0.0, np.zeros(1)) == pytest.approx([0.0])


def test_a_log_hazard_multiplies_the_weibull_hazard():
    # exp(0.7) = 2.01375 times the hazard of a patient without it.
    hazard = WEIBULL.cumulative_hazard(7.0, np.array([0.0, 0.7]))
    assert hazard[1] / hazard[0] == pytest.approx(2.0137527)


def test_a_log_hazard_shortens_lognormal_times():
    # The median becomes 10 exp(-0.75 / 1.5) = 6.0653 months.
    assert np.exp(-LOGNORMAL.cumulative_hazard(6.0653066, np.array([0.75]))) == pytest.approx([0.5])
    expected = norm.sf((np.log(20) - np.log(6.0653066)) / 1.0)
    assert np.exp(-LOGNORMAL.cumulative_hazard(20.0, np.array([0.75]))) == pytest.approx([expected])


def test_the_hazard_ratio_changes_where_it_should():
    on_ldac = np.array([False, True])
    at = {t: cumulative_hazard(t, np.zeros(2), on_ldac, WEIBULL, CHANGING) for t in (3.0, 6.0, 9.0)}
    assert at[3.0][1] / at[3.0][0] == pytest.approx(2.0)
    assert at[6.0][1] / at[6.0][0] == pytest.approx(2.0)
    later = at[9.0] - at[6.0]
    assert later[1] / later[0] == pytest.approx(0.5)


@pytest.mark.parametrize("baseline", [WEIBULL, LOGNORMAL])
@pytest.mark.parametrize("effect", [RegimenEffect(hazard_ratio=1.67), CHANGING])
def test_the_event_time_is_where_the_hazard_reaches_its_target(baseline, effect):
    rng = np.random.default_rng(4)
    target, log_hazard = rng.standard_exponential(1000), rng.normal(0, 0.7, 1000)
    on_ldac = rng.random(1000) < 0.5
    times = event_time(target, log_hazard, on_ldac, baseline, effect)
    assert cumulative_hazard(times, log_hazard, on_ldac, baseline, effect) == pytest.approx(target)
