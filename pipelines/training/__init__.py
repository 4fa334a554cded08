"""One training, from its plan to its record."""

from pipelines.training.censoring import describe_censoring, judged_outcome
from pipelines.training.champion_tables import subgroups
from pipelines.training.nested_validation import (
    FINAL,
    fit_outer_fold,
    inner_score,
    prediction_times,
    refit_within_arms,
    search_and_fit,
    task_seed,
)
from pipelines.training.plan import TrainingPlan, with_training_problems
from pipelines.training.promotion import (
    Promotion,
    Rival,
    became_text,
    contender,
    find_rival,
    make_champion,
    prepare,
    readable,
    show_both,
    write_promotion,
)
from pipelines.training.result import TrainingResult
from pipelines.training.run import (
    Advance,
    check_storage,
    claim_training,
    find_rival_of,
    run_training,
)
from pipelines.training.unfinished import Unfinished, training_key

__all__ = [
    "FINAL",
    "Advance",
    "Promotion",
    "Rival",
    "TrainingPlan",
    "TrainingResult",
    "Unfinished",
    "became_text",
    "check_storage",
    "claim_training",
    "contender",
    "describe_censoring",
    "find_rival",
    "find_rival_of",
    "fit_outer_fold",
    "inner_score",
    "judged_outcome",
    "make_champion",
    "prediction_times",
    "prepare",
    "readable",
    "refit_within_arms",
    "run_training",
    "search_and_fit",
    "show_both",
    "subgroups",
    "task_seed",
    "training_key",
    "with_training_problems",
    "write_promotion",
]
