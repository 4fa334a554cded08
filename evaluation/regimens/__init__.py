"""The regimens compared."""

from evaluation.estimators import (
    ADVERSE_EVENT,
    COX,
    EARLY_DEATH,
    FLEMING_HARRINGTON,
    INTERACTION,
    KAPLAN_MEIER,
    LOG_RANK,
    MEDIAN_DIFFERENCE,
    RATIOS_AND_TESTS,
    RESPONSE,
    RMST_DIFFERENCE,
    RMST_RATIO,
    TREND,
    WEIGHTED,
    Named,
    of_rates,
    parts_of,
    rows_in,
    rows_of,
)
from evaluation.regimens.arms import outcomes_by_arm
from evaluation.regimens.model_effects import (
    SCALES,
    RegimenReading,
    curve_outputs,
    model_contrasts,
    read_regimen,
    regimen_contribution,
    within_arms,
)
from evaluation.regimens.model_tables import (
    agreement_table,
    contribution_table,
    course_table,
    heterogeneity_table,
    regimen_effect_table,
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
    "EARLY_DEATH",
    "FLEMING_HARRINGTON",
    "INTERACTION",
    "KAPLAN_MEIER",
    "LOG_RANK",
    "MAX_LEVELS",
    "MEDIAN_DIFFERENCE",
    "RATIOS_AND_TESTS",
    "RESPONSE",
    "RMST_DIFFERENCE",
    "RMST_RATIO",
    "SCALES",
    "TREND",
    "WEIGHTED",
    "Named",
    "RegimenReading",
    "agreement_table",
    "check_published_claims",
    "check_study",
    "contribution_table",
    "course_table",
    "curve_outputs",
    "heterogeneity_table",
    "model_contrasts",
    "of_rates",
    "outcomes_by_arm",
    "parts_of",
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
