"""One comparison of the regimens: classical, adjusted and model-based, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from evaluation.regimens import subgroup_effects, transplant_sensitivity
from evaluation.regimens.adjusted import AdjustedComparison, AdjustedSettings, compare_adjusted
from evaluation.regimens.crude import FurtherComparisons
from evaluation.regimens.triangulation import (
    HAZARD_RATIO,
    Checks,
    Paragraph,
    Reading,
    one_table,
    triangulation_paragraph,
)
from features.dataset import Dataset
from features.endpoints import transplant_caution
from features.guard import Severity
from features.outcome import Outcome
from models.fitted import NUMERICAL_ERRORS
from models.tuning import NoTrialSucceededError, Search
from pipelines.cohort import cautions, compare_in_populations, population_cautions
from pipelines.comparison.model_effects import (
    EffectQuestion,
    LearnerEffects,
    ModelEffects,
    learner_effects,
)
from pipelines.comparison.plan import ComparisonPlan
from pipelines.comparison.target_trial import describe_target_trial
from pipelines.training import FINAL, prediction_times, search_and_fit, task_seed

Advance = Callable[[str, int], None]
# Fewer patients in an arm than this are said.
FEW_PATIENTS = 10
# More events than this share are common enough to turn a hazard ratio into a risk ratio.
COMMON_OUTCOME = 0.15
# Drawn patient by patient, beside the simplest learner.
DRAWN_TOO = "forest"
Key = tuple[str, str]


@dataclass(frozen=True)
class Comparison:
    """Everything that was found about the regimens.

    Attributes
    ----------
    plan : ComparisonPlan
    table : DataFrame with ADJUSTED_COLUMNS
        Every contrast of every family, as `one_table` returns it.
    classical : DataFrame with REGIMEN_COLUMNS
        With the rows of single arms.
    adjusted : mapping of endpoint -> AdjustedComparison
    checks : mapping of (endpoint, arm) -> Checks
    readings : mapping of (endpoint, arm) -> Reading
    paragraphs : mapping of (endpoint, arm) -> Paragraph
    subgroups, transplant : DataFrame or None
    target_trial : DataFrame with TARGET_COLUMNS
    cautions : tuple of str
    effects : ModelEffects, or None without learners
    """

    plan: ComparisonPlan
    table: pd.DataFrame
    classical: pd.DataFrame
    adjusted: Mapping[str, AdjustedComparison]
    checks: Mapping[Key, Checks]
    readings: Mapping[Key, Reading]
    paragraphs: Mapping[Key, Paragraph]
    subgroups: pd.DataFrame | None
    transplant: pd.DataFrame | None
    target_trial: pd.DataFrame
    cautions: tuple[str, ...]
    effects: ModelEffects | None = None


def compare(plan: ComparisonPlan, effects: ModelEffects | None = None) -> Comparison:
    """Make every comparison of a plan.

    Parameters
    ----------
    plan : ComparisonPlan
    effects : ModelEffects, optional
        As `fit_effects` returns them.
    """
    config, cohort = plan.config, plan.cohort
    classical = compare_in_populations(
        cohort, plan.reference_arm, config.evaluation.horizons, _further(plan)
    )
    adjusted = {endpoint: _adjust(plan, endpoint) for endpoint in plan.endpoints}
    checks: dict[Key, Checks] = {}
    for endpoint in plan.endpoints:
        outcome, regimen = plan.outcome(endpoint)
        for arm in (arm for arm in plan.arms if arm in regimen):
            pair = (arm, plan.reference_arm)
            checks[endpoint, arm] = Checks.of(
                outcome, regimen, pair, adjusted[endpoint], config.cohort.randomised
            )
    # Response, early death and adverse events are compared between the same patients.
    whole = {
        ("", arm): found
        for (endpoint, arm), found in checks.items()
        if endpoint == plan.endpoint and cohort.of_endpoint(endpoint).all()
    }
    seen_by = {name: ", ".join(config.covariates_of(name)) for name in plan.learners}
    tables = [_kept(adjusted[e].table, cohort.outcomes[e]) for e in plan.endpoints]
    modelled = [] if effects is None else effects.effects
    failures = () if effects is None else effects.failures
    table = one_table(classical, tables, modelled, {**checks, **whole}, seen_by)
    competing = plan.competing_names
    readings = {
        key: Reading.of(table, *key, found, competing.get(key[0], ""))
        for key, found in checks.items()
    }
    verdicts = [
        str(row.verdict) if len(plan.arms) == 1 else f"{row.arm}: {row.verdict}"
        for row in adjusted[plan.endpoint].positivity.itertuples()
    ]
    return Comparison(
        plan=plan,
        table=table,
        classical=classical,
        adjusted=adjusted,
        checks=checks,
        readings=readings,
        paragraphs={key: triangulation_paragraph(found) for key, found in readings.items()},
        subgroups=_subgroups(plan),
        transplant=_transplant(plan),
        target_trial=describe_target_trial(config, plan.checked, verdicts),
        cautions=(*failures, *comparison_cautions(plan)),
        effects=effects,
    )


def comparison_cautions(plan: ComparisonPlan) -> tuple[str, ...]:
    """What the cohort cannot support, in sentences."""
    own = plan.config.model_copy(update={"covariates": plan.config.adjustment_set})
    warnings = [f for f in plan.checked.findings if f.severity >= Severity.WARN]
    told = cautions(own, plan.cohort, resampling=None)
    sizes = pd.Series(plan.outcome(plan.endpoint)[1]).value_counts()
    few = [
        f"{arm} has {size} patients: its rows rest on very few."
        for arm, size in sizes.items()
        if size < FEW_PATIENTS
    ]
    departures = plan.config.comparison.target_trial.departures.strip()
    # Whatever is compared, a patient was seen as long as the longest of the endpoints says.
    whole = plan.checked.cohort
    late = transplant_caution(
        whole.transplant_months,
        ((whole.of_endpoint(label), outcome.time) for label, outcome in whole.outcomes.items()),
    )
    return (
        *told,
        *few,
        *([late] if late else []),
        *([departures] if departures else []),
        *population_cautions(plan.cohort, plan.reference_arm),
        # Whom it is about goes without saying where it is everybody.
        *(f"{f.what}." if f.count == f.total else f"{f.what}: {f.who}." for f in warnings),
    )


def fit_effects(plan: ComparisonPlan, workers: int, advance: Advance) -> ModelEffects:
    """Fit the learners to the whole cohort and refit them to bootstrap samples.

    Parameters
    ----------
    workers : int
        Processes; the result does not depend on their number.
    advance : callable (description, steps)
    """
    config, horizons = plan.config, plan.config.evaluation.horizons
    source = config.cohort.columns.regimen
    assert source is not None
    every = plan.checked.cohort.dataset(config.all_covariates, plan.endpoint)
    present = set(every.regimen if every.regimen is not None else ())
    arms = tuple(arm for arm in source.arms if arm in present)
    fixed = {str(name): params for name, params in config.tuning.fixed.items()}
    search = Search(
        config.comparison.trials,
        config.resampling.inner_folds,
        config.seed,
        config.tuning.objective,
        fixed,
        "",
        "",
    )
    question = EffectQuestion(plan.endpoint, arms, horizons, plan.tau(plan.endpoint))
    found: list[LearnerEffects] = []
    failures = []
    for learner in plan.learners:
        dataset: Dataset = every.select(config.covariates_of(learner))
        try:
            _, model = search_and_fit(
                learner, dataset, prediction_times(horizons), search, FINAL, None
            )
            advance(f"{learner}: fitting", 1)
            found.append(
                learner_effects(
                    model,
                    dataset,
                    question,
                    replicates=config.evaluation.regimen_refits,
                    seed=config.seed,
                    workers=workers,
                    advance=lambda learner=learner: advance(f"{learner}: refitting", 1),  # type: ignore[misc]
                    drawn=not found or learner == DRAWN_TOO,
                )
            )
        except (NoTrialSucceededError, *NUMERICAL_ERRORS) as error:
            failures.append(f"{learner} could not be fitted: {error}.")
    return ModelEffects(tuple(found), tuple(failures))


def _further(plan: ComparisonPlan) -> FurtherComparisons:
    own, endpoints = plan.config.comparison, plan.config.cohort.columns.endpoints
    death = own.death or "os"
    return FurtherComparisons(
        tau=own.tau,
        strata=plan.strata,
        replicates=own.replicates,
        seed=task_seed(plan.config.seed, "comparison"),
        death=endpoints[death].label if death in endpoints else "",
        early_death_days=own.early_death_days,
        competing=plan.competing_names,
    )


def _adjust(plan: ComparisonPlan, endpoint: str) -> AdjustedComparison:
    config, own = plan.config, plan.config.comparison
    dataset = plan.cohort.dataset(config.adjustment_set, endpoint)
    outcome = dataset.outcome
    settings = AdjustedSettings(
        plan.reference_arm,
        config.evaluation.horizons,
        tau=plan.tau(endpoint),
        endpoint=endpoint,
        seed=task_seed(config.seed, "comparison", endpoint),
        missing=own.missing,
        imputations=own.imputations,
        trim=None if own.trim is None else (own.trim, 100 - own.trim),
        interval=own.interval,
        replicates=own.replicates,
        common_outcome=outcome.n_events > COMMON_OUTCOME * len(outcome),
        randomised=config.cohort.randomised,
    )
    assert dataset.regimen is not None
    return compare_adjusted(
        outcome, dataset.regimen, dataset.covariates, settings, plan.cohort.dictionary
    )


def _kept(table: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """Leave out the probabilities that competing events would make too high."""
    if outcome.competing is None or not outcome.competing.any():
        return table
    return table[table["scale"].isin([HAZARD_RATIO, "risk ratio", ""])]


def _subgroups(plan: ComparisonPlan) -> pd.DataFrame | None:
    if not plan.subgroups:
        return None
    outcome, regimen = plan.outcome(plan.endpoint)
    levels = plan.levels(plan.subgroups, plan.cohort.of_endpoint(plan.endpoint))
    return subgroup_effects(outcome, regimen, plan.reference_arm, levels, plan.endpoint)


def _transplant(plan: ComparisonPlan) -> pd.DataFrame | None:
    months = plan.cohort.transplant_months
    if months is None:
        return None
    outcome, regimen = plan.outcome(plan.endpoint)
    rows = plan.cohort.of_endpoint(plan.endpoint)
    return transplant_sensitivity(
        outcome,
        regimen,
        plan.reference_arm,
        months[rows],
        plan.config.comparison.landmark_months,
        plan.endpoint,
    )
