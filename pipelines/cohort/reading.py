"""From a configuration to a checked cohort."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from features.cohort import Cohort, read_cohort
from features.covariates import DERIVATIONS, read_dictionary
from features.dataset import Dataset
from features.errors import InputError, Problem, collect, name_some
from features.guard import (
    Finding,
    ReadingEvidence,
    Severity,
    as_configured,
    by_severity,
    check_no_identifiers,
    entry_column,
    from_index_date,
    guard_as_read,
    guard_cohort,
    guard_inclusion_rules,
    guard_table,
    inputs_of,
    knowing,
    pool_ages,
    row_numbers_of,
    without_small_counts,
)
from features.inclusion import apply_inclusion
from features.outcome import Outcome
from features.regimens import DrugRecords, LongRecords
from features.sources.kind import Readable
from features.sources.rows import codes_of_long, join_tables, one_row_a_patient
from features.tables import read_table
from features.used_codes import drug_codes, used_codes
from models.fit import fit_model
from models.fitted import check_size
from pipelines.config import TrainConfig

# Findings that explain why values are then refused; the others are told by the reading itself.
EXPLAINS_READING = (
    "unit_other",
    "unit_mixed",
    "percent_as_fraction",
    "percent_mixed",
    "clock_start",
    "reversed_event",
)
# Why patients have no value: they, or their rows, were not in a further table.
EXPLAINS_MISSING = ("joined_table", "long_rows", "no_row_left", "one_row")
MIN_KNOWN = 10
MAX_FOLLOW_UP = 600.0


def load_table(config: TrainConfig) -> tuple[pd.DataFrame, list[Finding]]:
    """Read the configured tables into one row a patient, or rebuild the reference study.

    Returns
    -------
    DataFrame of shape (n, any)
    list of Finding
        Rows and patients that `cohort.one_row`, `long` and `join` left out.
    """
    own = config.cohort
    # What the configuration uses as a code is no missing cell, though it may read like one.
    codes = used_codes(own.columns, read_dictionary(config.dictionary), own.inclusion, own.guard)
    table = _read_first(config, codes_of_long(codes, own.long))
    table, reduced = one_row_a_patient(table, own.columns.patient_id or "", own.long, own.one_row)
    table, joined = join_tables(table, own.join, Path(own.folder), codes)
    return table, without_small_counts([*reduced, *joined], own.suppress_below)


def _read_first(config: TrainConfig, codes: Mapping[str, frozenset[str]]) -> pd.DataFrame:
    own = config.cohort
    if own.source is not None:
        source: Readable = own.source
        return source.read(Path(own.folder), codes, _named_columns(config))
    if own.is_reference_study:
        from features.simulated import rebuild_reference_study

        return rebuild_reference_study(config.seed)
    return read_table(own.path, codes=codes)


def _named_columns(config: TrainConfig) -> set[str]:
    """Every name that the configuration holds, and what its covariates are derived from."""
    names = {*config.all_covariates, *_words_of(config.model_dump(mode="json"))}
    return names | {part for name in names & set(DERIVATIONS) for part in inputs_of(name, {})}


def _words_of(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _words_of(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _words_of(inner)
    elif isinstance(value, str):
        yield value


@dataclass(frozen=True)
class CheckedCohort:
    """A cohort with everything that was found on the way to it.

    Attributes
    ----------
    table : DataFrame
        The patients that the inclusion rules left; the index keeps their places in the file.
    cohort : Cohort
    findings : tuple of Finding
        Of the guard, the most severe first; none tells a count that `suppress_below` hides.
    attrition : DataFrame or None
        None without inclusion rules.
    """

    table: pd.DataFrame
    cohort: Cohort
    findings: tuple[Finding, ...]
    attrition: pd.DataFrame | None


def check_cohort(
    config: TrainConfig,
    table: pd.DataFrame | None = None,
    covariates: Sequence[str] | None = None,
) -> CheckedCohort:
    """Read, include, guard and derive; the guard's failures are kept, not raised.

    Parameters
    ----------
    table : DataFrame, optional
        As `load_table` gives it; read when left out.
    covariates : sequence of str, optional
        What is read and guarded; what some learner sees when left out.

    Raises
    ------
    InputError
        When the table cannot be read as the configuration says. What the guard saw in it before,
        such as a column in another unit, is told first.
    """
    table, found = load_table(config) if table is None else (table, [])
    attrition = None
    columns = config.cohort.columns
    guard = knowing(columns, config.cohort.guard)
    found = as_configured(found, guard)
    rules = config.cohort.inclusion
    if rules:
        included = apply_inclusion(table, rules)
        found = [*found, *guard_inclusion_rules(table, rules, included, columns, guard)]
        table, attrition = table[included.mask], included.attrition
    dictionary = read_dictionary(config.dictionary)
    names = config.all_covariates if covariates is None else tuple(covariates)
    seen = [*found, *guard_table(table, columns, names, dictionary, guard)]
    # With a failure nothing is trained; the times then stay as the failure describes them.
    failed = any(finding.severity is Severity.FAIL for finding in seen)
    moved_by = "" if failed else entry_column(table, guard)
    if moved_by:
        table = from_index_date(table, columns, moved_by)
    hide = config.cohort.suppress_below
    try:
        cohort = read_cohort(table, columns, names, dictionary, load_drugs(config))
    except InputError as error:
        before = _told_before(without_small_counts(seen, hide), attrition)
        raise InputError([*before, *error.problems]) from error
    cohort = replace(cohort, inputs=with_pooled_ages(config, cohort.inputs))
    check_no_identifiers(cohort.inputs)
    labels = {endpoint.label: key for key, endpoint in columns.endpoints.items()}
    # Rows as in the user's table, whoever was left out on the way.
    rows = row_numbers_of(table.index)[cohort.places]
    seen += guard_cohort(cohort, labels, names, guard, rows)
    seen += guard_as_read(ReadingEvidence(table, cohort, columns, guard, moved_by), rows)
    findings = tuple(without_small_counts(by_severity(seen), hide))
    return CheckedCohort(table, cohort, findings, attrition)


def _told_before(findings: list[Finding], attrition: pd.DataFrame | None) -> list[Problem]:
    told = [
        Problem(what=f"{f.what} [{f.check}]", where=f.who, remedy=f.remedy)
        for f in findings
        if f.check in EXPLAINS_MISSING
        or (f.check in EXPLAINS_READING and f.severity >= Severity.WARN)
    ]
    if attrition is not None:
        removed = int(attrition["removed"].sum())
        told.append(
            Problem(
                what="Rows are counted among the patients that the inclusion rules left",
                got=f"{removed} row(s) were removed before",
            )
        )
    return told


def with_pooled_ages(config: TrainConfig, inputs: pd.DataFrame) -> pd.DataFrame:
    """Inputs in which those older than the configuration tells apart have one age."""
    above = config.cohort.pool_ages_above
    if above is None or "age_years" not in inputs:
        return inputs
    return inputs.assign(age_years=pool_ages(inputs["age_years"], above))


def training_problems(config: TrainConfig, cohort: Cohort) -> list[Problem]:
    """Why the configured training would refuse a cohort; empty when it would not."""
    return [
        *_covariate_problems(config, cohort),
        *_size_problems(config, cohort),
        *horizon_problems(config, cohort),
        *_learner_problems(config, cohort),
    ]


def load_drugs(config: TrainConfig) -> pd.DataFrame | None:
    """Read the long drug table, relative to the configuration; None without one."""
    regimen = config.cohort.columns.regimen
    if not isinstance(regimen, DrugRecords) or not isinstance(regimen.drugs, LongRecords):
        return None
    path = Path(config.cohort.folder) / regimen.drugs.path
    return read_table(path, form=regimen.drugs, codes=drug_codes(regimen, regimen.drugs))


def endpoint_label(config: TrainConfig) -> str:
    """Label of the endpoint that is modelled."""
    return config.cohort.columns.endpoints[config.endpoint].label


def cohort_name(config: TrainConfig) -> str:
    """Name of the cohort in tables and in MLflow."""
    return config.cohort.title


def _covariate_problems(config: TrainConfig, cohort: Cohort) -> list[Problem]:
    covariates = cohort.dataset(config.all_covariates, endpoint_label(config)).covariates
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
    # Other splits have no number of folds; their parts are checked where they are drawn.
    folds = config.resampling.folds if config.resampling.kind == "repeated_kfold" else 2
    needed = 2 * folds
    problems = []
    if outcome.n_events < needed:
        problems.append(
            Problem(
                what="Too few events for cross-validation",
                where=f"endpoint {endpoint_label(config)}",
                got=f"{outcome.n_events} events among {len(outcome)} patients",
                allowed=f"at least {needed} events, two a fold",
                remedy="use fewer folds, or do not model this endpoint",
            )
        )
    if cohort.regimen is not None:
        # An endpoint of some patients alone, such as responders, needs every arm among them.
        among = cohort.of_endpoint(endpoint_label(config))
        arms = pd.Series(cohort.regimen[among]).value_counts()
        known = config.cohort.columns.regimen
        assert known is not None
        few = [arm for arm in known.arms if arms.get(arm, 0) < folds]
        if few:
            problems.append(
                Problem(
                    what="A regimen has too few patients",
                    where=f"regimen, endpoint {endpoint_label(config)}",
                    got=name_some(f"{arm}: {arms.get(arm, 0)}" for arm in few),
                    allowed=f"at least {folds} patients, one a fold",
                    remedy="join regimens in `regimen.values` (with drug records: in "
                    "`regimen.companions`), or leave `regimen` out",
                )
            )
    return problems


def _learner_problems(config: TrainConfig, cohort: Cohort) -> list[Problem]:
    n = len(cohort.outcomes[endpoint_label(config)])
    problems: list[Problem] = []
    for learner in config.learners:
        collect(problems, partial(check_size, learner, n))
        fixed = config.tuning.fixed.get(learner)
        if fixed:
            collect(problems, partial(_check_fixed, learner, fixed))
    return problems


def _check_fixed(learner: str, fixed: Mapping[str, int | float | str]) -> None:
    """Fit the learner with these parameters to simulated patients: the engine knows its limits."""
    rng = np.random.default_rng(1)
    time = rng.exponential(9, 60).round(1) + 0.1
    covariates = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    toy = Dataset(covariates, None, None, Outcome(time, rng.random(60) < 0.8))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = fit_model(learner, dict(fixed), toy, seed=1)
            prediction = model.predict(toy.predictors, [3.0])
        told = "" if np.isfinite(prediction.survival).all() else "it predicts nothing"
    except Exception as error:  # each engine raises its own
        told = str(error).strip().splitlines()[-1] or type(error).__name__
    if told:
        raise InputError(
            Problem(
                what="A fixed parameter cannot be used",
                where=f"tuning.fixed.{learner}",
                got=", ".join(f"{name}: {value}" for name, value in fixed.items()),
                allowed=told[:200],
                remedy="correct it, or leave it to the search",
            )
        )


def horizon_problems(config: TrainConfig, cohort: Cohort) -> list[Problem]:
    """Why the endpoint's follow-up does not fit the horizons; empty when it does."""
    outcome = cohort.outcomes[endpoint_label(config)]
    if outcome.follow_up > MAX_FOLLOW_UP:
        return [
            Problem(
                what="The follow-up is longer than a life",
                where=f"endpoint {endpoint_label(config)}",
                got=f"{outcome.follow_up:.0f} months",
                allowed=f"up to {MAX_FOLLOW_UP:.0f} months",
                remedy="check the unit of the endpoint's time: are these days?",
            )
        ]
    problems = []
    beyond = [h for h in config.evaluation.horizons if h >= outcome.follow_up]
    if beyond:
        problems.append(
            Problem(
                what="A horizon lies beyond the follow-up",
                where="evaluation.horizons",
                got=name_some(f"{h:g}" for h in beyond),
                allowed=f"below {outcome.follow_up:.1f} months",
                remedy="ask for earlier horizons, or check the unit of the endpoint's time",
            )
        )
    # By a horizon that no event precedes, every estimate is 0 and every model looks perfect.
    first = outcome.first_event
    early = [h for h in config.evaluation.horizons if h < first]
    if early and outcome.n_events:
        problems.append(
            Problem(
                what="A horizon lies before the first event",
                where="evaluation.horizons",
                got=name_some(f"{h:g}" for h in early),
                allowed=f"from {first:.2f} months, the first event of {endpoint_label(config)}",
                remedy="ask for later horizons, or check the unit of the endpoint's time: nobody "
                "had the event by then, so that nothing can be learned or compared",
            )
        )
    return problems
