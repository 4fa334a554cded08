import numpy as np
import pytest
from scipy import stats

from evaluation.validation.corrected_variance import corrected_standard_error, corrected_test


def test_corrected_standard_error_by_hand():
    # Differences 1, 2, 3, 6: mean 3, variance (4 + 1 + 0 + 9) / 3 = 14/3.
    # Two folds: the test part is as large as the training part, ratio 1 / (2 - 1) = 1.
    # SE = sqrt(14/3 * (1/4 + 1)) = sqrt(35/6) = 2.415229...
    differences = np.array([1.0, 2.0, 3.0, 6.0])
    assert corrected_standard_error(differences, 1.0) == pytest.approx(np.sqrt(35 / 6))
    # Five folds: sqrt(14/3 * (1/4 + 1/4)) = sqrt(7/3).
    assert corrected_standard_error(differences, 0.25) == pytest.approx(np.sqrt(7 / 3))


def test_repeats_cannot_make_the_error_vanish():
    # With many repeats 1/count goes to 0, the overlap of the training sets stays: 1 / (5 - 1).
    differences = np.tile([-1.0, 1.0], 5000)
    assert corrected_standard_error(differences, 0.25) == pytest.approx(0.5, abs=1e-3)


def test_one_difference_has_no_error():
    assert np.isnan(corrected_standard_error(np.array([0.1]), 0.25))


def test_corrected_test_by_hand():
    # The four differences above on two folds: mean 3, SE sqrt(35/6) = 2.41523, 3 degrees of
    # freedom. t = 1.24211; the 97.5% quantile of t with 3 is 3.18245: 3 -+ 7.68633.
    test = corrected_test(np.array([1.0, 2.0, 3.0, 6.0]), 1.0)
    assert test.mean == 3
    assert test.degrees_of_freedom == 3
    assert test.p_value == pytest.approx(2 * stats.t.sf(3 / np.sqrt(35 / 6), 3))
    assert (test.ci_low, test.ci_high) == pytest.approx((3 - 7.68633, 3 + 7.68633), abs=1e-4)


def test_p_value_and_interval_agree():
    generator = np.random.default_rng(0)
    for _ in range(20):
        test = corrected_test(generator.normal(0.3, 0.4, 15), 0.25)
        assert (test.p_value < 0.05) == (test.ci_low > 0 or test.ci_high < 0)


def test_it_is_more_careful_than_the_plain_t_test():
    differences = np.random.default_rng(1).normal(0.5, 1, 20)
    assert corrected_test(differences, 0.25).p_value > stats.ttest_1samp(differences, 0).pvalue


@pytest.mark.parametrize("differences", [[], [0.1], [0.1, 0.1], [0.1, np.nan, 0.2]])
def test_what_cannot_be_tested_is_missing(differences):
    test = corrected_test(np.array(differences), 0.25)
    assert np.isnan([test.standard_error, test.ci_low, test.p_value]).all()


def test_nobody_tested_is_an_error():
    with pytest.raises(ValueError, match="above 0"):
        corrected_test(np.array([1.0, 2.0]), 0.0)
