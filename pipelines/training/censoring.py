"""Which model of the censoring time the measures weigh by: `evaluation.censoring`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from evaluation.regimens.adjusted import adjustment_design
from evaluation.statistics import (
    ConditionalCensoring,
    any_event,
    censoring_weights,
    fit_censoring_by_group,
    fit_censoring_cox,
)
from features.dataset import REGIMEN, Dataset
from features.errors import InputError, Problem
from features.outcome import Outcome
from pipelines.config import TrainConfig

KEY = "evaluation.censoring"
NAMES = {
    "marginal": "Kaplan-Meier of all patients",
    "by_regimen": "Kaplan-Meier within each regimen",
    "cox": "Cox regression of the censoring time",
}


def describe_censoring(config: TrainConfig, predictors: pd.DataFrame) -> str:
    """The censoring model by name, with its key."""
    kind = config.evaluation.censoring
    seen = f" on {', '.join(_seen(config, predictors))}" if kind == "cox" else ""
    return f"{NAMES[kind]}{seen} ({KEY}: {kind})"


def judged_outcome(config: TrainConfig, dataset: Dataset, regimen: np.ndarray | None) -> Outcome:
    """The outcome with the censoring distribution that its measures are to weigh by.

    Parameters
    ----------
    config : TrainConfig
    dataset : Dataset of n patients
    regimen : ndarray of shape (n,), or None
        Of the same patients, whether the learners see it or not.

    Raises
    ------
    InputError
        Without regimens where they are asked for, where the Cox regression has no finite estimate,
        or where a group of patients is not followed to the last horizon.
    """
    kind, outcome = config.evaluation.censoring, dataset.outcome
    if kind == "marginal":
        return outcome
    # A competing event ends follow-up, and is no censoring.
    ended = any_event(outcome)
    followed: ConditionalCensoring | None
    if kind == "by_regimen":
        if regimen is None:
            raise InputError(
                Problem(
                    what="Censoring by regimen needs a regimen of each patient",
                    where=KEY,
                    got="by_regimen, and a cohort without regimens",
                    allowed="marginal or cox",
                    remedy="name the column under cohort.columns.regimen, or choose another",
                )
            )
        followed = fit_censoring_by_group(ended, np.asarray(regimen).astype(str))
    else:
        table = dataset.predictors[list(_seen(config, dataset.predictors))]
        matrix = adjustment_design(table).matrix
        followed = fit_censoring_cox(ended, matrix) if matrix.shape[1] else None
        if followed is None or np.isnan(followed.multiplier).any():
            raise InputError(
                Problem(
                    what="The Cox regression of the censoring time has no finite estimate",
                    where=KEY,
                    got=f"cox on {', '.join(table.columns)}",
                    remedy="name fewer covariates under `clinical`, or choose by_regimen or "
                    "marginal",
                )
            )
    judged = replace(outcome, censoring=followed)
    _check_followed(config, replace(ended, censoring=followed))
    return judged


def _seen(config: TrainConfig, predictors: pd.DataFrame) -> tuple[str, ...]:
    """The pre-specified short list where the cohort has it: the regression has no penalty."""
    there = tuple(name for name in config.clinical if name in predictors)
    return there or tuple(predictors.columns)


def _check_followed(config: TrainConfig, ended: Outcome) -> None:
    lost = [
        horizon
        for horizon in config.evaluation.horizons
        if horizon <= ended.follow_up and np.isnan(censoring_weights(ended, [horizon])).any()
    ]
    if not lost:
        return
    raise InputError(
        Problem(
            what="Weights for censoring are unknown at a horizon",
            where=KEY,
            got=f"{config.evaluation.censoring}; at {', '.join(f'{h:g}' for h in lost)} months a "
            f"{REGIMEN} or a kind of patient is not followed any more",
            remedy="choose earlier evaluation.horizons, or evaluation.censoring: marginal",
        )
    )
