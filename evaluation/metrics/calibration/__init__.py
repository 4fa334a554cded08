"""Whether predicted risks are as large as observed ones."""

from evaluation.metrics.calibration.at_horizon import (
    calibration_slope,
    checked_probabilities,
    complementary_log_log,
    grouped_calibration,
    observed_expected,
    replicate_observed_expected,
    replicate_slopes,
)
from evaluation.metrics.calibration.curve import (
    ERRORS,
    METHOD,
    calibration_curve,
    replicate_calibration_errors,
)
from evaluation.metrics.calibration.d_calibration import (
    DCalibration,
    d_calibration,
    d_calibration_test,
)
from evaluation.metrics.calibration.in_time import calibration_in_time
from evaluation.metrics.calibration.intercept import replicate_intercepts_at_horizon
from evaluation.metrics.calibration.risk_distribution import (
    CENSORED,
    EVENT,
    EVENT_FREE,
    discrimination_slope,
    risk_distribution,
    risk_summary,
)

__all__ = [
    "CENSORED",
    "ERRORS",
    "EVENT",
    "EVENT_FREE",
    "METHOD",
    "DCalibration",
    "calibration_curve",
    "calibration_in_time",
    "calibration_slope",
    "checked_probabilities",
    "complementary_log_log",
    "d_calibration",
    "d_calibration_test",
    "discrimination_slope",
    "grouped_calibration",
    "observed_expected",
    "replicate_calibration_errors",
    "replicate_intercepts_at_horizon",
    "replicate_observed_expected",
    "replicate_slopes",
    "risk_distribution",
    "risk_summary",
]
