"""From a configuration to a checked cohort."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from features.cohort import Cohort, read_cohort
from features.dictionary import read_dictionary
from features.errors import InputError, Problem, name_some
from features.sources import read_table
from pipelines.config import REFERENCE_STUDY, TrainConfig

MIN_KNOWN = 10


def load_table(config: TrainConfig) -> pd.DataFrame:
    """Read the configured table, or rebuild the reference study with the configured seed."""
    if config.cohort.path == REFERENCE_STUDY:
        from features.reference_study import rebuild_reference_study

        return rebuild_reference_study(config.seed)
    return read_table(config.cohort.path)


def load_cohort(config: TrainConfig, table: pd.DataFrame) -> Cohort:
    """Check a table and turn it into a cohort that the configured training can use.

    Raises
    ------
    InputError
        With every problem of the table, and where it is too small or too short for what the
        configuration asks.
    """
    cohort = read_cohort(
        table, config.cohort.columns, config.covariates, read_dictionary(config.dictionary)
    )
    problems = [
        *_covariate_problems(config, cohort),
        *_size_problems(config, cohort),
        *_horizon_problems(config, cohort),
    ]
    if problems:
        raise InputError(problems)
    return cohort


def endpoint_label(config: TrainConfig) -> str:
    """Label of the endpoint that is modelled."""
    return config.cohort.columns.endpoints[config.endpoint].label


def cohort_name(config: TrainConfig) -> str:
    """Name of the cohort in tables and in MLflow."""
    return config.cohort.name or Path(config.cohort.path).stem


def _covariate_problems(config: TrainConfig, cohort: Cohort) -> list[Problem]:
    covariates = cohort.dataset(config.covariates, endpoint_label(config)).covariates
    problems = []
    for name in covariates:
        known = covariates[name].dropna()
        if len(known) < MIN_KNOWN or known.nunique() < 2:
            problems.append(
                Problem(
                    what="A covariate is empty or the same for everybody",
                    where=f"covariates: {name}",
                    got=f"{len(known)} known value(s), {known.nunique()} distinct",
                    allowed=f"at least {MIN_KNOWN} known values, 2 of them distinct",
                    remedy="take it out of `covariates`",
                )
            )
    return problems


def _size_problems(config: TrainConfig, cohort: Cohort) -> list[Problem]:
    outcome = cohort.outcomes[endpoint_label(config)]
    folds = config.resampling.folds
    needed = 2 * folds
    problems = []
    if outcome.n_events < needed or len(outcome) - outcome.n_events < 1:
        problems.append(
            Problem(
                what="Too few events for cross-validation",
                where=f"endpoint {endpoint_label(config)}",
                got=f"{outcome.n_events} events among {len(outcome)} patients",
                allowed=f"at least {needed} events, two a fold, and at least one censored patient",
                remedy="use fewer folds, or do not model this endpoint",
            )
        )
    if cohort.regimen is not None:
        arms = pd.Series(cohort.regimen).value_counts()
        known = config.cohort.columns.regimen
        assert known is not None
        few = [arm for arm in known.arms if arms.get(arm, 0) < folds]
        if few:
            problems.append(
                Problem(
                    what="A regimen has too few patients",
                    where="regimen",
                    got=name_some(f"{arm}: {arms.get(arm, 0)}" for arm in few),
                    allowed=f"at least {folds} patients, one a fold",
                    remedy="join regimens in `regimen.values`, or leave `regimen` out",
                )
            )
    return problems


def _horizon_problems(config: TrainConfig, cohort: Cohort) -> list[Problem]:
    outcome = cohort.outcomes[endpoint_label(config)]
    beyond = [h for h in config.evaluation.horizons if h >= outcome.follow_up]
    if not beyond:
        return []
    return [
        Problem(
            what="A horizon lies beyond the follow-up",
            where="evaluation.horizons",
            got=name_some(f"{h:g}" for h in beyond),
            allowed=f"below {outcome.follow_up:.1f} months",
            remedy="ask for earlier horizons, or check the unit of the endpoint's time",
        )
    ]
