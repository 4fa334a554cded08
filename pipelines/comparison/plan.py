"""What a comparison of the regimens will do, and on whom: all before it starts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import pandas as pd

from evaluation.regimens import MAX_LEVELS, outcomes_by_arm
from evaluation.regimens.crude import DAYS_PER_MONTH, choose_tau
from features.cohort import Cohort
from features.covariates import (
    Covariate,
    derive_covariates,
    describe_covariates,
    needed_inputs,
    read_dictionary,
)
from features.dataset import REGIMEN
from features.endpoints import Endpoint
from features.errors import InputError, Problem, collect, name_some
from features.guard import findings_frame
from features.outcome import Outcome
from models.learners import LEARNERS, STACK
from pipelines.cohort import (
    CheckedCohort,
    cohort_name,
    endpoint_label,
    horizon_problems,
    is_comparable,
)
from pipelines.config import TrainConfig

_FEWEST = 2


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
