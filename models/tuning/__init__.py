"""Hyperparameters by Optuna, on inner folds of the patients given and no others."""

from models.tuning.trial_journal import TrialJournal, is_damaged
from models.tuning.tune import (
    FoldScore,
    NoTrialSucceededError,
    Score,
    Search,
    Tuning,
    default_params,
    searched_params,
    tune,
    tune_stack,
)

__all__ = [
    "FoldScore",
    "NoTrialSucceededError",
    "Score",
    "Search",
    "TrialJournal",
    "Tuning",
    "default_params",
    "is_damaged",
    "searched_params",
    "tune",
    "tune_stack",
]
