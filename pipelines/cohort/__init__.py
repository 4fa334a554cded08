"""From a configuration to a checked cohort."""

from pipelines.cohort.beyond_training import beyond_training
from pipelines.cohort.cautions import cautions, performance_cautions
from pipelines.cohort.data_check import print_check, worst_severity, write_check
from pipelines.cohort.model_cohort import ModelCohort, read_for_model
from pipelines.cohort.new_patients import configured_patients
from pipelines.cohort.populations import compare_in_populations, is_comparable, population_cautions
from pipelines.cohort.reading import (
    MAX_FOLLOW_UP,
    CheckedCohort,
    check_cohort,
    cohort_name,
    endpoint_label,
    horizon_problems,
    training_problems,
)
from pipelines.cohort.splits import describe_resampling, make_resampling
from pipelines.cohort.subgroup_labels import subgroup_labels

__all__ = [
    "MAX_FOLLOW_UP",
    "CheckedCohort",
    "ModelCohort",
    "beyond_training",
    "cautions",
    "check_cohort",
    "cohort_name",
    "compare_in_populations",
    "configured_patients",
    "describe_resampling",
    "endpoint_label",
    "horizon_problems",
    "is_comparable",
    "make_resampling",
    "performance_cautions",
    "population_cautions",
    "print_check",
    "read_for_model",
    "subgroup_labels",
    "training_problems",
    "worst_severity",
    "write_check",
]
