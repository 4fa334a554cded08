"""The regimens compared."""

from evaluation.regimens.arms import outcomes_by_arm, p_text
from evaluation.regimens.estimators import (
    ADVERSE_EVENT,
    COX,
    INTERACTION,
    KAPLAN_MEIER,
    RMST_DIFFERENCE,
    WEIGHTED,
    parts_of,
    read_name,
    rows_in,
    rows_of,
)
from evaluation.regimens.model_effects import (
    SCALES,
    RegimenReading,
    agreement_table,
    contribution_table,
    course_table,
    curve_outputs,
    heterogeneity_table,
    model_contrasts,
    read_regimen,
    regimen_contribution,
    regimen_effect_table,
    within_arms,
)
from evaluation.regimens.published import check_published_claims
from evaluation.regimens.published_study import check_study
from evaluation.regimens.subgroups import ALL_LEVELS, MAX_LEVELS, subgroup_effects
from evaluation.regimens.target_trial import target_trial_sheet
from evaluation.regimens.transplant import transplant_sensitivity

__all__ = [
    "ADVERSE_EVENT",
    "ALL_LEVELS",
    "COX",
    "INTERACTION",
    "KAPLAN_MEIER",
    "MAX_LEVELS",
    "RMST_DIFFERENCE",
    "SCALES",
    "WEIGHTED",
    "RegimenReading",
    "agreement_table",
    "check_published_claims",
    "check_study",
    "contribution_table",
    "course_table",
    "curve_outputs",
    "heterogeneity_table",
    "model_contrasts",
    "outcomes_by_arm",
    "p_text",
    "parts_of",
    "read_name",
    "read_regimen",
    "regimen_contribution",
    "regimen_effect_table",
    "rows_in",
    "rows_of",
    "subgroup_effects",
    "target_trial_sheet",
    "transplant_sensitivity",
    "within_arms",
]
