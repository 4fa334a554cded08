"""The pages that people read."""

from evaluation.report.arm_curves import (
    hazard_ratio_display,
    incidence_display,
    kaplan_meier_display,
    weighted_display,
)
from evaluation.report.assessment import Assessment, Judged, assess, calibration_pictures
from evaluation.report.cohort import DataReport, write_data_report
from evaluation.report.comparison import ComparisonReport, write_comparison_report
from evaluation.report.figures import (
    axes_figure,
    contribution_pictures,
    discrimination_figure,
    kaplan_meier_figure,
    own_dependence,
    regimen_figure,
    save_figure,
)
from evaluation.report.forests import (
    center_forest,
    subgroup_forest,
    subgroup_metric_forest,
    triangulation_forest,
)
from evaluation.report.page import png_bytes
from evaluation.report.section import Record, sections_of, write_record
from evaluation.report.tables import describe_arms, metrics_by_learner
from evaluation.report.training import SECTIONS, Found

__all__ = [
    "SECTIONS",
    "Assessment",
    "ComparisonReport",
    "DataReport",
    "Found",
    "Judged",
    "Record",
    "assess",
    "axes_figure",
    "calibration_pictures",
    "center_forest",
    "contribution_pictures",
    "describe_arms",
    "discrimination_figure",
    "hazard_ratio_display",
    "incidence_display",
    "kaplan_meier_display",
    "kaplan_meier_figure",
    "metrics_by_learner",
    "own_dependence",
    "png_bytes",
    "regimen_figure",
    "save_figure",
    "sections_of",
    "subgroup_forest",
    "subgroup_metric_forest",
    "triangulation_forest",
    "weighted_display",
    "write_comparison_report",
    "write_data_report",
    "write_record",
]
