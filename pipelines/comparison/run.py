"""One comparison of the regimens: classical, adjusted and model-based, side by side."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import pandas as pd

from evaluation.regimens.adjusted.comparison import (
    AdjustedComparison,
    AdjustedSettings,
    compare_adjusted,
)
from evaluation.regimens.arms import outcomes_by_arm
from evaluation.regimens.crude.comparison import FurtherComparisons
from evaluation.regimens.crude.early_death import DAYS_PER_MONTH
from evaluation.regimens.crude.rmst import choose_tau
from evaluation.regimens.subgroups import MAX_LEVELS, subgroup_effects
from evaluation.regimens.transplant import transplant_sensitivity
from evaluation.regimens.triangulation.checks import Checks
from evaluation.regimens.triangulation.paragraph import triangulation_paragraph
from evaluation.regimens.triangulation.reading import Reading
from evaluation.regimens.triangulation.table import HAZARD_RATIO, one_table
from features.cohort import Cohort
from features.covariates.derived import derive_covariates, describe_covariates, needed_inputs
from features.covariates.dictionary import Covariate, read_dictionary
from features.dataset import REGIMEN, Dataset
from features.endpoints.forms import Endpoint
from features.endpoints.transplant import transplant_caution
from features.errors import InputError, Problem, collect, name_some
from features.guard.findings import findings_frame
from features.guard.settings import Severity
from features.outcome import Outcome
from models.fitted import NUMERICAL_ERRORS
from models.learners.registry import LEARNERS, STACK
from models.tuning import NoTrialSucceededError, Search
from pipelines.cohort.cautions import cautions
from pipelines.cohort.populations import compare_in_populations, is_comparable, population_cautions
from pipelines.cohort.reading import CheckedCohort, cohort_name, endpoint_label, horizon_problems
from pipelines.comparison.model_effects import (
    EffectQuestion,
    LearnerEffects,
    ModelEffects,
    learner_effects,
)
from pipelines.comparison.target_trial import describe_target_trial
from pipelines.config import TrainConfig
from pipelines.training.nested_validation import FINAL, prediction_times, search_and_fit, task_seed

Advance = Callable[[str, int], None]
# Fewer patients in an arm than this are said.
FEW_PATIENTS = 10
_FEWEST = 2
# More events than this share are common enough to turn a hazard ratio into a risk ratio.
COMMON_OUTCOME = 0.15
# Drawn patient by patient, beside the simplest learner.
DRAWN_TOO = "forest"
Key = tuple[str, str]


@dataclass(frozen=True)
class ComparisonPlan:
    """A configuration and a checked cohort, and what follows for the comparison.

    Attributes
    ----------
    config : TrainConfig
    checked : CheckedCohort
        Read with `covariates_read`.
    cohort : Cohort
        With the compared endpoints alone.
    """

    config: TrainConfig
    checked: CheckedCohort
    cohort: Cohort

    @classmethod
    def of(cls, config: TrainConfig, checked: CheckedCohort) -> ComparisonPlan:
        """Plan a comparison.

        Raises
        ------
        InputError
            With every reason why the cohort cannot be compared as configured.
        """
        columns = config.cohort.columns
        labels = [columns.endpoints[key].label for key in config.compared_endpoints]
        whole = checked.cohort
        cohort = replace(whole, outcomes={label: whole.outcomes[label] for label in labels})
        plan = cls(config, checked, cohort)
        problems = plan.problems()
        if problems:
            raise InputError(problems)
        return plan

    @property
    def endpoint(self) -> str:
        """Label of the first endpoint, of which everything is shown."""
        return endpoint_label(self.config)

    @property
    def name(self) -> str:
        """Cohort and endpoint, for titles and runs."""
        return f"{cohort_name(self.config)}: regimens compared"

    @property
    def reference_arm(self) -> str:
        """The arm the others are compared with."""
        source = self.config.cohort.columns.regimen
        return source.reference_arm if source else ""

    @cached_property
    def arms(self) -> list[str]:
        """The other arms that have patients."""
        regimen = self.cohort.regimen
        present = set() if regimen is None else set(regimen)
        return sorted(present - {self.reference_arm})

    @cached_property
    def endpoints(self) -> list[str]:
        """Labels of the endpoints in which the arms can be compared."""
        return [
            label
            for label in self.cohort.outcomes
            if is_comparable(self.cohort, label, self.reference_arm)
        ]

    def outcome(self, endpoint: str) -> tuple[Outcome, np.ndarray]:
        """Outcome and regimen of an endpoint's patients."""
        assert self.cohort.regimen is not None
        rows = self.cohort.of_endpoint(endpoint)
        return self.cohort.outcomes[endpoint], self.cohort.regimen[rows]

    def tau(self, endpoint: str) -> float:
        """Months to which the mean survival time of an endpoint is restricted."""
        if self.config.comparison.tau is not None:
            return self.config.comparison.tau
        outcome, regimen = self.outcome(endpoint)
        arms = sorted(set(regimen))
        return choose_tau(outcomes_by_arm(outcome, regimen, arms), self.config.evaluation.horizons)

    @cached_property
    def findings_table(self) -> pd.DataFrame:
        """What the checks of the table found, as `check` writes it; small counts as configured."""
        return findings_frame(self.checked.findings)

    @property
    def competing_names(self) -> dict[str, str]:
        """Label of each endpoint that has competing events: the name of the competing one."""
        columns, stated = self.config.cohort.columns.endpoints, self.config.comparison.competing
        named = {
            endpoint.label: f"death without {endpoint.label}"
            for endpoint in columns.values()
            if isinstance(endpoint, Endpoint) and endpoint.death is not None
        }
        named |= {columns[key].label: name for key, name in stated.items()}
        return {
            label: named.get(label, f"competing event of {label}")
            for label, outcome in self.cohort.outcomes.items()
            if outcome.competing is not None
        }

    @property
    def learners(self) -> tuple[str, ...]:
        """The configured learners that see the regimen, simplest first; a stack is left out."""
        return tuple(
            name
            for name in LEARNERS
            if name in self.config.learners
            and name != STACK
            and REGIMEN in self.config.covariates_of(name)
        )

    @property
    def learner_steps(self) -> int:
        """Number of times that `fit_effects` calls `advance`."""
        return len(self.learners) * (1 + self.config.evaluation.regimen_refits)

    # -- what cannot be compared ---------------------------------------------------------------

    def problems(self) -> list[Problem]:
        """Why the comparison cannot be made as configured; empty when it can."""
        if self.cohort.regimen is None:
            return [
                Problem(
                    what="There is no regimen to compare",
                    where="cohort.columns.regimen",
                    got="no column is configured",
                    remedy="name the column of the regimen with its codes and the reference arm",
                )
            ]
        found = pd.Series(self.cohort.regimen).value_counts()
        if found.get(self.reference_arm, 0) < _FEWEST or (found >= _FEWEST).sum() < 2:
            return [
                Problem(
                    what="There is nobody to compare with",
                    where="cohort.columns.regimen",
                    got=name_some(f"{arm}: {n} patients" for arm, n in found.items()),
                    allowed=f"at least {_FEWEST} patients of {self.reference_arm}, the reference "
                    "arm, and of another",
                    remedy="check the codes of the regimen and the inclusion rules",
                )
            ]
        if self.endpoint not in self.endpoints:
            return [
                Problem(
                    what="The endpoint's patients are not of two arms",
                    where=f"endpoint {self.endpoint}",
                    allowed=f"patients of {self.reference_arm} and of another arm",
                    remedy="compare another endpoint",
                )
            ]
        return [
            *horizon_problems(self.config, self.cohort),
            *self._tau_problems(),
            *self._level_problems(),
            *self._competing_problems(),
            *self._early_death_problems(),
        ]

    def _competing_problems(self) -> list[Problem]:
        endpoints = self.config.cohort.columns.endpoints
        outcomes = self.checked.cohort.outcomes
        return [
            Problem(
                what="The endpoint has no competing events",
                where=f"comparison.competing: {key}",
                got=name,
                allowed="an endpoint that lists competing events",
                remedy="state them under cohort.columns.endpoints, or take the line out",
            )
            for key, name in self.config.comparison.competing.items()
            if outcomes[endpoints[key].label].competing is None
        ]

    def _early_death_problems(self) -> list[Problem]:
        """Days that nobody was followed to: whoever is known to have died would be everybody."""
        own, endpoints = self.config.comparison, self.config.cohort.columns.endpoints
        death = endpoints.get(own.death or "os")
        if death is None or death.label not in self.cohort.outcomes:
            return []
        days = self.cohort.outcomes[death.label].follow_up * DAYS_PER_MONTH
        beyond = [day for day in own.early_death_days if day > days]
        if not beyond:
            return []
        return [
            Problem(
                what="Early death is asked for beyond the follow-up",
                where="comparison.early_death_days",
                got=name_some(f"{day:g}" for day in beyond),
                allowed=f"up to {days:.0f} days, the follow-up of {death.label}",
                remedy="ask for earlier days, or check the unit of the endpoint's time",
            )
        ]

    def _tau_problems(self) -> list[Problem]:
        tau = self.config.comparison.tau
        if tau is None:
            return []
        outcome, regimen = self.outcome(self.endpoint)
        by_arm = outcomes_by_arm(outcome, regimen, sorted(set(regimen)))
        shared = min(mine.follow_up for mine in by_arm.values())
        if tau <= shared:
            return []
        return [
            Problem(
                what="tau lies beyond the follow-up of an arm",
                where="comparison.tau",
                got=f"{tau:g} months",
                allowed=f"up to {shared:.1f} months, the follow-up of the arm followed shortest",
                remedy="take an earlier tau, or leave it out: then it is the last horizon that "
                "every arm reaches",
            )
        ]

    def _level_problems(self) -> list[Problem]:
        """Covariates used as groups that make too many of them."""
        own, known = self.config.comparison, self.described
        subgroups = own.subgroups or {}
        asked = {
            f"comparison.subgroups: {name}": name for name, cuts in subgroups.items() if not cuts
        }
        asked |= {f"comparison.strata: {name}": name for name in own.strata}
        problems = []
        for where, name in asked.items():
            values = self._values[name]
            is_number = known[name].kind in ("number", "integer")
            if values.nunique() > MAX_LEVELS:
                problems.append(
                    Problem(
                        what="A covariate has too many values to make groups",
                        where=where,
                        got=f"{values.nunique()} distinct values",
                        allowed=f"up to {MAX_LEVELS}, a flag or a category",
                        remedy="say where to cut it, such as {age_years: [65]}"
                        if is_number and "subgroups" in where
                        else "describe groups under `dictionary:`, or take it out",
                    )
                )
        return problems

    # -- covariates as the comparison uses them ------------------------------------------------

    @cached_property
    def described(self) -> dict[str, Covariate]:
        """The dictionary line of each covariate of the comparison."""
        return describe_covariates(self.config.compared_covariates, self.cohort.dictionary)

    @cached_property
    def _values(self) -> pd.DataFrame:
        names = self.config.compared_covariates
        return derive_covariates(self.cohort.inputs, names, self.cohort.dictionary)

    @cached_property
    def subgroups(self) -> dict[str, tuple[float, ...]]:
        """Covariate: where it is cut."""
        stated = self.config.comparison.subgroups
        if stated is not None:
            return stated
        grouped = ("flag", "category")
        return {
            name: ()
            for name in self.config.adjustment_set
            if self.described[name].kind in grouped and self._values[name].nunique() <= MAX_LEVELS
        }

    def levels(self, names: Mapping[str, tuple[float, ...]], rows: np.ndarray) -> pd.DataFrame:
        """Covariates as labelled groups, under their clinical names; None where unknown."""
        columns = {}
        for name, cuts in names.items():
            covariate, values = self.described[name], self._values.loc[rows, name]
            unit = f" ({covariate.unit})" if covariate.unit and cuts else ""
            label = f"{covariate.label}{unit}"
            # Two covariates may share a label.
            label = f"{label}, {name}" if label in columns else label
            columns[label] = as_groups(values, covariate, cuts).to_numpy()
        return pd.DataFrame(columns, index=range(int(rows.sum())), dtype=object)

    @property
    def strata(self) -> np.ndarray | None:
        """The stratum of each patient; None without any."""
        names = self.config.comparison.strata
        if not names:
            return None
        every = np.ones(len(self.cohort), dtype=bool)
        levels = self.levels(dict.fromkeys(names, ()), every).fillna("unknown")
        return levels.agg(" / ".join, axis=1).to_numpy(dtype=object)


def covariates_read(config: TrainConfig, with_learners: bool) -> tuple[str, ...]:
    """What the comparison needs of a table.

    Raises
    ------
    InputError
        For a name under `comparison:` that is no baseline covariate, naming its key.
    """
    stated, problems = config.comparison, list[Problem]()
    dictionary = read_dictionary(config.dictionary)
    for key, names in (
        ("adjust_for", stated.adjust_for),
        ("subgroups", tuple(stated.subgroups or {})),
        ("strata", stated.strata),
    ):
        found = list[Problem]()
        collect(found, partial(needed_inputs, names, dictionary))
        problems += [replace(problem, where=f"comparison.{key}") for problem in found]
    if problems:
        raise InputError(problems)
    own = config.compared_covariates
    learners = config.all_covariates if with_learners else ()
    return tuple(dict.fromkeys((*own, *learners)))


def as_groups(values: pd.Series, covariate: Covariate, cuts: Sequence[float]) -> pd.Series:
    """A covariate as labelled groups: cut numbers, yes and no of a flag, words as they are."""
    known = values.notna()
    if cuts:
        low, high = f"< {cuts[0]:g}", f">= {cuts[-1]:g}"
        between = [f"{start:g} to < {end:g}" for start, end in itertools.pairwise(cuts)]
        labels = np.array([low, *between, high], dtype=object)
        place = np.searchsorted(np.asarray(cuts), values.fillna(cuts[0]), side="right")
        return pd.Series(labels[place], values.index, dtype=object).where(known, None)
    if covariate.kind == "flag":
        words = values.map({0.0: "no", 1.0: "yes"}).astype(object)
        return words.where(known, None)
    if pd.api.types.is_numeric_dtype(values):
        words = values.map(lambda value: f"{value:g}", na_action="ignore").astype(object)
        return words.where(known, None)
    return values.astype(object).where(known, None)


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
    paragraphs : mapping of (endpoint, arm) -> str
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
    paragraphs: Mapping[Key, str]
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
    kind = plan.config.resampling.kind
    told = [
        text
        for text in cautions(own, plan.cohort, kind)
        # About predicting, which nobody does here.
        if "individual predictions" not in text
        and not text.startswith(("Folds mix", "Each center"))
    ]
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
