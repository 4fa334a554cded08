"""Pictures: the numbers in `.frame`, the drawing in `.plot(ax)`."""

from evaluation.displays.balance import LoveDisplay, OverlapDisplay
from evaluation.displays.calibration import CalibrationDisplay
from evaluation.displays.contributions import (
    FEWEST_AVERAGED,
    BeeswarmDisplay,
    DependenceDisplay,
    WaterfallDisplay,
)
from evaluation.displays.d_calibration import DCalibrationDisplay
from evaluation.displays.decision_curve import DecisionCurveDisplay
from evaluation.displays.forest import INTERVAL_HEADER, ForestPlotDisplay
from evaluation.displays.hazard_ratio import HazardRatioDisplay
from evaluation.displays.in_time import (
    CONTRAST,
    NULL_MODEL,
    AucDisplay,
    BrierDisplay,
    CourseDisplay,
    ObservedExpectedDisplay,
)
from evaluation.displays.instability import (
    CalibrationInstabilityDisplay,
    ClassificationInstabilityDisplay,
    PredictionInstabilityDisplay,
)
from evaluation.displays.risk_distribution import RiskDistributionDisplay
from evaluation.displays.step_curves import PatientCurveDisplay, StepCurvesDisplay
from evaluation.displays.style import FONT_SIZE, OKABE_ITO, month_ticks

__all__ = [
    "CONTRAST",
    "FEWEST_AVERAGED",
    "FONT_SIZE",
    "INTERVAL_HEADER",
    "NULL_MODEL",
    "OKABE_ITO",
    "AucDisplay",
    "BeeswarmDisplay",
    "BrierDisplay",
    "CalibrationDisplay",
    "CalibrationInstabilityDisplay",
    "ClassificationInstabilityDisplay",
    "CourseDisplay",
    "DCalibrationDisplay",
    "DecisionCurveDisplay",
    "DependenceDisplay",
    "ForestPlotDisplay",
    "HazardRatioDisplay",
    "LoveDisplay",
    "ObservedExpectedDisplay",
    "OverlapDisplay",
    "PatientCurveDisplay",
    "PredictionInstabilityDisplay",
    "RiskDistributionDisplay",
    "StepCurvesDisplay",
    "WaterfallDisplay",
    "month_ticks",
]
