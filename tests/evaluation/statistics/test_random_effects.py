import numpy as np
import pytest
from scipy import stats

from evaluation.statistics.random_effects import pool_random_effects

# The 13 trials of BCG vaccine against tuberculosis (Colditz et al., JAMA 1994): cases and others
# among the vaccinated, then among the controls.
BCG = np.array(
    [
        [4, 119, 11, 128],
        [6, 300, 29, 274],
        [3, 228, 11, 209],
        [62, 13536, 248, 12619],
        [33, 5036, 47, 5761],
        [180, 1361, 372, 1079],
        [8, 2537, 10, 619],
        [505, 87886, 499, 87892],
        [29, 7470, 45, 7232],
        [17, 1699, 65, 1600],
        [186, 50448, 141, 27197],
        [5, 2493, 3, 2338],
        [27, 16886, 29, 17825],
    ],
    dtype=float,
)


def log_risk_ratios():
    a, b, c, d = BCG.T
    estimate = np.log(a / (a + b)) - np.log(c / (c + d))
    return estimate, np.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))


def test_bcg_trials_agree_with_metafor():
    pooled = pool_random_effects(*log_risk_ratios())
    # metafor: rma(yi, vi, data = dat, test = "knha") and confint(), as published with four digits
    # in Viechtbauer, J Stat Softw 2010, 36(3); hence the tolerance.
    assert pooled.estimate == pytest.approx(-0.7145, abs=6e-5)
    assert pooled.standard_error == pytest.approx(0.1808, abs=6e-5)
    assert (pooled.ci_low, pooled.ci_high) == pytest.approx((-1.1084, -0.3206), abs=6e-5)
    assert pooled.tau2 == pytest.approx(0.3132, abs=6e-5)
    assert pooled.i2 == pytest.approx(0.9222, abs=6e-5)
    assert pooled.note == ""


def test_centers_of_one_size_by_hand():
    # 0, 1, 5 with variance 1: mean 2, sample variance (4 + 1 + 9) / 2 = 7, less 1: tau2 = 6.
    # Equal weights 1/7: spread = 14 / 7 / 2 = 1; SE = sqrt(7 / 3).
    pooled = pool_random_effects([0, 1, 5], [1, 1, 1])
    assert pooled.tau2 == pytest.approx(6)
    assert pooled.estimate == pytest.approx(2)
    assert pooled.standard_error == pytest.approx(np.sqrt(7 / 3))
    reach = stats.t.ppf(0.975, 2) * np.sqrt(7 / 3)
    assert (pooled.ci_low, pooled.ci_high) == pytest.approx((2 - reach, 2 + reach))
    ahead = stats.t.ppf(0.975, 1) * np.sqrt(6 + 7 / 3)
    assert pooled.prediction_high == pytest.approx(2 + ahead)
    assert pooled.i2 == pytest.approx(6 / 7)


def test_centers_that_agree_by_chance_do_not_get_a_shorter_interval():
    errors = np.array([0.2, 0.3, 0.25])
    pooled = pool_random_effects([0.5, 0.5, 0.5], errors)
    assert pooled.tau2 == 0
    assert pooled.estimate == pytest.approx(0.5)
    # Without the floor, the error would be 0.
    assert pooled.standard_error == pytest.approx(1 / np.sqrt((1 / errors**2).sum()))


def test_the_truth_is_covered():
    generator = np.random.default_rng(4)
    inside = ahead = 0
    for _ in range(300):
        errors = generator.uniform(0.1, 0.3, 6)
        pooled = pool_random_effects(generator.normal(generator.normal(1, 0.2, 6), errors), errors)
        inside += pooled.ci_low < 1 < pooled.ci_high
        ahead += pooled.prediction_low < generator.normal(1, 0.2) < pooled.prediction_high
    assert inside / 300 > 0.92
    # Prediction intervals of this kind cover less than they say where centers vary about as much as
    # their errors, since the variance between them is then often estimated as 0 (Partlett and
    # Riley 2017).
    assert 0.82 < ahead / 300 < 0.95


def test_the_order_of_centers_does_not_matter():
    estimate, error = log_risk_ratios()
    one, other = (
        pool_random_effects(estimate[k], error[k]) for k in (slice(None), slice(None, None, -1))
    )
    assert one.estimate == pytest.approx(other.estimate)
    assert one.tau2 == pytest.approx(other.tau2)


def test_few_centers_are_said_to_be_few():
    two = pool_random_effects([0.2, 0.8], [0.2, 0.2])
    assert "2 centers" in two.note
    assert np.isnan(two.prediction_low)
    # t on one degree of freedom.
    assert two.ci_high - two.ci_low > 20 * two.standard_error
    three = pool_random_effects([0.2, 0.8, 0.5], [0.2, 0.2, 0.3])
    assert "3 centers" in three.note
    assert np.isfinite(three.prediction_low)
    assert pool_random_effects(np.arange(5.0), np.ones(5)).note == ""


def test_one_center_is_not_pooled_and_missing_ones_are_left_out():
    one = pool_random_effects([0.3, np.nan, 0.4], [0.1, 0.1, np.nan])
    assert one.centers == 1
    assert np.isnan(one.estimate)
    assert "one center has" in one.note
    assert "no center has" in pool_random_effects([], []).note
    all_four = pool_random_effects([0.1, 0.2, 0.4, np.nan], [0.1, 0.1, 0.2, 0.1])
    three = pool_random_effects([0.1, 0.2, 0.4], [0.1, 0.1, 0.2])
    assert all_four == three


@pytest.mark.parametrize(("errors", "message"), [([1], "equally long"), ([1, -1], "negative")])
def test_bad_input_is_refused(errors, message):
    with pytest.raises(ValueError, match=message):
        pool_random_effects([1, 2], errors)
