"""Uncertainty of a difference between learners over the folds of a repeated cross-validation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats


class CorrectedTest(NamedTuple):
    """Corrected resampled t-test of a mean difference; all NaN where it cannot be done.

    `p_value` is two-sided, `degrees_of_freedom` the number of folds of all repeats less one.
    """

    mean: float
    standard_error: float
    degrees_of_freedom: int
    ci_low: float
    ci_high: float
    p_value: float


def corrected_standard_error(differences: np.ndarray, test_to_train: float) -> float:
    """Standard error of a mean difference over the folds of a repeated cross-validation.

    Training sets overlap, so that the plain standard error is far too small; the corrected
    resampled variance (Nadeau and Bengio 2003) adds the ratio of test to training size.

    Parameters
    ----------
    differences : ndarray of shape (splits,)
    test_to_train : float
        Patients tested for each one trained on: 1 / (K - 1) in K-fold cross-validation.
    """
    count = len(differences)
    if count < 2:
        return float("nan")
    return float(np.sqrt(differences.var(ddof=1) * (1 / count + test_to_train)))


def corrected_test(
    differences: np.ndarray, test_to_train: float, level: float = 0.95
) -> CorrectedTest:
    """Test that a mean difference over the folds of all repeats is 0, with its interval.

    It asks whether two ways of learning differ on cohorts like this one, training anew each time.
    The correction is an approximation: the variance over folds knows one cohort alone.

    Parameters
    ----------
    differences : ndarray of shape (splits,)
        One a test fold, each between learners trained on the same patients.
    test_to_train : float
        As in `corrected_standard_error`, above 0.
    level : float
        Coverage of the interval.

    Returns
    -------
    CorrectedTest
        NaN when a fold has no difference, or all folds have the same one.

    Raises
    ------
    ValueError
        When test_to_train is not above 0.

    References
    ----------
    Nadeau and Bengio, Mach Learn 2003, 10.1023/A:1024068626366; for repeated cross-validation
    Bouckaert and Frank, PAKDD 2004, 10.1007/978-3-540-24775-3_3
    """
    if not test_to_train > 0:
        raise ValueError(f"test_to_train is {test_to_train:g}; it must be above 0")
    differences = np.asarray(differences, dtype=float)
    freedom = len(differences) - 1
    mean = float(differences.mean()) if len(differences) else np.nan
    error = corrected_standard_error(differences, test_to_train)
    if not error > 0:
        return CorrectedTest(mean, np.nan, freedom, np.nan, np.nan, np.nan)
    reach = float(stats.t.ppf(0.5 + level / 2, freedom)) * error
    p_value = float(2 * stats.t.sf(abs(mean) / error, freedom))
    return CorrectedTest(mean, error, freedom, mean - reach, mean + reach, p_value)
