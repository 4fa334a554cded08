"""How well a learner would do on other patients."""

from evaluation.validation.centers import POOLED, center_table
from evaluation.validation.champion import Champion, choose_champion
from evaluation.validation.cox_comparison import COX_TYPE, best_cox, cox_is_enough
from evaluation.validation.incremental_value import incremental_value
from evaluation.validation.instability import (
    calibration_instability,
    classification_instability,
    instability_table,
    prediction_instability,
    refitted_probabilities,
)
from evaluation.validation.learner_differences import (
    DIFFERENCE_COLUMNS,
    learner_differences,
    split_variation,
)
from evaluation.validation.optimism import optimism_table
from evaluation.validation.performance import (
    compared_metrics,
    fold_scores,
    mean_prediction,
    performance_table,
)
from evaluation.validation.refits import Refits
from evaluation.validation.sample_size import patients_needed, r2_from_c, supported_parameters
from evaluation.validation.subgroups import MIN_EVENTS, MIN_PATIENTS, age_bands, subgroup_table

__all__ = [
    "COX_TYPE",
    "DIFFERENCE_COLUMNS",
    "MIN_EVENTS",
    "MIN_PATIENTS",
    "POOLED",
    "Champion",
    "Refits",
    "age_bands",
    "best_cox",
    "calibration_instability",
    "center_table",
    "choose_champion",
    "classification_instability",
    "compared_metrics",
    "cox_is_enough",
    "fold_scores",
    "incremental_value",
    "instability_table",
    "learner_differences",
    "mean_prediction",
    "optimism_table",
    "patients_needed",
    "performance_table",
    "prediction_instability",
    "r2_from_c",
    "refitted_probabilities",
    "split_variation",
    "subgroup_table",
    "supported_parameters",
]
