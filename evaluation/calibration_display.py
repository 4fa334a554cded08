"""The calibration plot of one prediction at one horizon, with all that belongs in it."""

from __future__ import annotations

import numpy as np

from evaluation.calibration import (
    calibration_slope,
    checked_probabilities,
    grouped_calibration,
    observed_expected,
)
from evaluation.calibration_curve import calibration_curve, calibration_errors
from evaluation.displays import CalibrationDisplay
from evaluation.estimates import missing_predictions
from evaluation.results import format_estimate
from features.outcome import Outcome


def calibration_display(
    outcome: Outcome,
    event_probability: np.ndarray,
    horizon: float,
    counts: np.ndarray | None = None,
    *,
    groups: int = 5,
    knots: int = 3,
) -> CalibrationDisplay:
    """Smooth curve with band, groups with Kaplan-Meier intervals; O/E, slope and ICI in the corner.

    Parameters
    ----------
    outcome : Outcome of n patients
    event_probability : ndarray of shape (n,)
        Predicted probability of the event by the horizon, without NaN.
    horizon : float
        Months.
    counts : ndarray of shape (B, n), optional
        How often each bootstrap replicate holds each patient: for the band and the interval of the
        ICI.
    groups, knots : int
        Of `grouped_calibration` and `calibration_curve`.

    Raises
    ------
    ValueError
        When a prediction is NaN: there is nothing to draw for that patient.
    """
    event_probability = checked_probabilities(event_probability, outcome)
    missing = missing_predictions(event_probability)
    if missing:
        raise ValueError(f"{missing}; leave this horizon out of the pictures")
    table = grouped_calibration(outcome, event_probability, horizon, groups)
    table = table.rename(columns={"expected": "predicted"})
    table.insert(0, "horizon", float(horizon))
    settings = (outcome, event_probability, horizon, counts)
    curve = calibration_curve(*settings, knots=knots)
    errors = calibration_errors(*settings, knots=knots).set_index("metric")
    ratio = observed_expected(outcome, event_probability, horizon)
    slope = calibration_slope(outcome, event_probability)
    index = errors.loc["ici", ["estimate", "ci_low", "ci_high"]].astype(float)
    summary = "\n".join(
        [
            f"O/E {format_estimate(ratio.ratio, ratio.ci_low, ratio.ci_high)}",
            f"Slope {format_estimate(slope.slope, slope.ci_low, slope.ci_high)}",
            f"ICI {format_estimate(*index)}",
            "(95% intervals)",
        ]
    )
    return CalibrationDisplay(table, event_probability, curve, summary)
