import numpy as np
import pytest

from evaluation.validation.sample_size import (
    largest_r2,
    patients_needed,
    r2_from_c,
    supported_parameters,
)
from features.outcome import Outcome


def test_the_published_example():
    # Riley et al. 2019, 10.1002/sim.7992: recurrent venous thromboembolism, 25 parameters.
    size = patients_needed(25, r2=0.051, rate=0.065, horizon=2, mean_follow_up=2.07)
    assert (size.shrinkage, size.optimism, size.overall_risk) == (4286, 866, 4286)
    assert size.needed == 4286


def test_the_largest_r2_by_hand():
    # 0.065 events a year over 2.07 years: E/n = 0.13455, ln L0 / n = 0.13455 (ln 0.13455 - 1).
    assert largest_r2(0.065, 2.07) == pytest.approx(1 - np.exp(2 * 0.13455 * (np.log(0.13455) - 1)))


def test_seventy_patients_at_a_c_of_070_support_two_parameters_and_ten_need_243():
    r2 = r2_from_c(0.70, 58 / 70)
    rate = 58 / (70 * 7.5)
    assert patients_needed(10, r2, rate, 6, 7.5).shrinkage == 243
    outcome = Outcome(np.full(70, 7.5), np.arange(70) < 58)
    table = supported_parameters(outcome, 0.70, 6).set_index("criterion")
    assert table["supported"].min() == 2
    assert not table["holds"].iloc[2]


def test_a_larger_cohort_supports_more():
    outcome = Outcome(np.full(7000, 7.5), np.arange(7000) < 5800)
    table = supported_parameters(outcome, 0.70, 6)
    # 100 times as many patients, 100 times 2.885 parameters.
    assert table["supported"].iloc[0] == 288
    assert table["holds"].all()


def test_at_the_size_that_is_needed_the_overall_risk_is_just_known():
    rate, horizon, follow_up = 0.1, 6.0, 7.5
    size = patients_needed(1, 0.3, rate, horizon, follow_up)
    assert size.overall_risk > max(size.shrinkage, size.optimism)

    def low_side(n):
        error = 1.96 * np.sqrt(rate / (n * follow_up))
        return np.exp(-(rate - error) * horizon) - np.exp(-rate * horizon)

    assert low_side(size.overall_risk) <= 0.05 < low_side(size.overall_risk - 1)


def test_more_discrimination_explains_more():
    values = [r2_from_c(c, 0.8) for c in (0.55, 0.6, 0.7, 0.8, 0.9)]
    assert (np.diff(values) > 0).all()
    assert 0 < values[0] < 0.05
    assert values[-1] < 1


@pytest.mark.parametrize("c_index", [0.5, 1.0, 0.3])
def test_a_c_that_is_none_is_refused(c_index):
    with pytest.raises(ValueError, match=r"between 0\.5 and 1"):
        r2_from_c(c_index, 0.8)
