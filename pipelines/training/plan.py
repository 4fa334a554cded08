"""What a training will do, on whom, and what that cohort cannot support: all before it starts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from evaluation.bootstrap import bootstrap_counts
from evaluation.validation import patients_needed, r2_from_c, supported_parameters
from features.cohort import Cohort
from features.dataset import REGIMEN, Dataset
from features.errors import InputError, Problem
from features.guard import Finding, Severity, by_severity, findings_frame
from features.outcome import Outcome
from models.fitted import encode
from models.learners import LEARNERS
from models.resampling import Resampling, bootstrap_strata
from pipelines.cohort import (
    CheckedCohort,
    cautions,
    cohort_name,
    describe_resampling,
    endpoint_label,
    make_resampling,
    population_cautions,
    subgroup_labels,
    training_problems,
)
from pipelines.config import TrainConfig
from pipelines.training.censoring import judged_outcome
from pipelines.training.nested_validation import prediction_times, task_seed

SMALL = (
    "Expect overfitting, wide intervals and unstable individual predictions: such models are for "
    "comparison, not for care."
)


@dataclass(frozen=True)
class TrainingPlan:
    """A configuration and a checked cohort, and everything that follows from the two.

    Attributes
    ----------
    config : TrainConfig
    cohort : Cohort
    table : DataFrame
        The patients as they were read.
    findings : tuple of Finding
    """

    config: TrainConfig
    cohort: Cohort
    table: pd.DataFrame
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, config: TrainConfig, checked: CheckedCohort) -> TrainingPlan:
        """Plan a training.

        Raises
        ------
        InputError
            With every reason why the cohort cannot be trained on as configured; else when it
            cannot be split so, or is too small and that is to stop it.
        """
        problems = training_problems(config, checked.cohort)
        if problems:
            raise InputError(problems)
        plan = cls(config, checked.cohort, checked.table, checked.findings)
        # Drawn here, so that what is wrong with them is told early.
        plan.resampling  # noqa: B018
        plan.subgroups  # noqa: B018
        plan.judged  # noqa: B018
        plan.check_sample_size()
        return plan

    @property
    def name(self) -> str:
        """Cohort and endpoint, for titles and runs."""
        return f"{cohort_name(self.config)}, {self.endpoint}"

    @property
    def endpoint(self) -> str:
        """Label of the modelled endpoint."""
        return endpoint_label(self.config)

    @property
    def horizons(self) -> tuple[float, ...]:
        """Evaluated times, in months."""
        return self.config.evaluation.horizons

    @cached_property
    def learners(self) -> tuple[str, ...]:
        """The configured learners, simplest first; a stack after those that it combines."""
        return tuple(name for name in LEARNERS if name in self.config.learners)

    @cached_property
    def dataset(self) -> Dataset:
        """Everything that any learner sees."""
        return self.cohort.dataset(self.config.all_covariates, self.endpoint)

    @cached_property
    def judged(self) -> Outcome:
        """The outcome that predictions are judged by, with its censoring model; see the module."""
        among = self.cohort.of_endpoint(self.endpoint)
        regimen = None if self.cohort.regimen is None else self.cohort.regimen[among]
        return judged_outcome(self.config, self.dataset, regimen)

    @cached_property
    def main(self) -> Dataset:
        """What the learners see that have no covariates of their own."""
        return self.dataset.select(self.config.covariates_of("cox"))

    def view(self, learner: str) -> Dataset:
        """What one learner sees."""
        return self.dataset.select(self.config.covariates_of(learner))

    @cached_property
    def resampling(self) -> Resampling:
        """Drawn once and shared by all learners, so that their differences are paired."""
        return make_resampling(self.config, self.cohort, self.dataset, self.table)

    @cached_property
    def times(self) -> np.ndarray:
        """Grid on which survival is predicted, in months."""
        return prediction_times(self.horizons, self.dataset.outcome)

    @cached_property
    def arms(self) -> tuple[str, ...]:
        """Regimens, the reference arm first; empty without regimens."""
        column = self.config.cohort.columns.regimen
        return column.arms if column else ()

    def arms_of(self, learner: str) -> tuple[str, ...]:
        """Regimens that a learner tells apart; empty where it does not see the regimen."""
        return self.arms if REGIMEN in self.config.covariates_of(learner) else ()

    @cached_property
    def arm_sizes(self) -> dict[str, int]:
        """Patients under each regimen, of those whom the modelled endpoint is about."""
        return {arm: int(np.sum(self.dataset.regimen == arm)) for arm in self.arms}

    @cached_property
    def counts(self) -> np.ndarray:
        """Bootstrap counts of the patients, (replicates, n), shared by all learners."""
        return bootstrap_counts(
            len(self.dataset),
            self.config.evaluation.bootstrap,
            task_seed(self.config.seed, "bootstrap"),
            strata=bootstrap_strata(self.dataset),
        )

    @cached_property
    def subgroups(self) -> dict[str, np.ndarray]:
        """Labels of the patients by each configured grouping, such as sex or age band."""
        names = self.config.evaluation.subgroups
        return subgroup_labels(self.cohort, self.endpoint, names)

    @property
    def steps(self) -> int:
        """Number of times that the training calls `advance`."""
        splits, refits = len(self.resampling.places) + 1, self.config.evaluation.regimen_refits
        effects = sum(refits for name in self.learners if self.arms_of(name))
        wanted = self.config.evaluation
        refitted = wanted.optimism + wanted.instability
        if self.dataset.outcome.has_competing:
            refitted = 0
        return len(self.learners) * splits + effects + refitted + 2

    # -- what the cohort supports ------------------------------------------------------------

    @cached_property
    def parameters(self) -> int:
        """Coefficients of a Cox model of all covariates, after encoding."""
        return int(encode(LEARNERS["cox"], self.main).X.shape[1])

    @cached_property
    def sample_size(self) -> pd.DataFrame:
        """How many parameters the cohort supports, by each of Riley's criteria."""
        return supported_parameters(
            self.dataset.outcome, self.config.sample_size.assumed_c, max(self.horizons)
        )

    @property
    def supported(self) -> int:
        """Parameters supported by every criterion that is about them."""
        return max(0, int(self.sample_size["supported"].min()))

    @cached_property
    def sample_size_text(self) -> str:
        """The sample size in one sentence."""
        outcome, assumed = self.dataset.outcome, self.config.sample_size.assumed_c
        needed = patients_needed(
            self.parameters,
            r2_from_c(assumed, outcome.n_events / len(outcome)),
            outcome.n_events / outcome.time.sum(),
            max(self.horizons),
            float(outcome.time.mean()),
        ).needed
        unmet = self.sample_size[~self.sample_size["holds"] & self.sample_size["supported"].isna()]
        risk = "".join(f"; not met: {r.criterion}, {r.detail}" for r in unmet.itertuples())
        return (
            f"{len(outcome)} patients with {outcome.n_events} events support {self.supported} "
            f"predictor parameters (Riley's criteria, C of {assumed:g} assumed); the covariates "
            f"have {self.parameters}, for which {needed} patients would be needed{risk}"
        )

    @property
    def too_small(self) -> bool:
        """Whether one of Riley's criteria asks for more patients."""
        return self.parameters > self.supported or not self.sample_size["holds"].all()

    def check_sample_size(self) -> None:
        """Stop where the configuration wants it and the cohort is too small.

        Raises
        ------
        InputError
        """
        if self.config.sample_size.when_too_small == "stop" and self.too_small:
            raise InputError(
                Problem(
                    what="The cohort is too small for the covariates",
                    where="sample_size.when_too_small: stop",
                    got=self.sample_size_text,
                    allowed=f"up to {self.supported} parameters, and every criterion met",
                    remedy="take covariates out, ask for earlier horizons, or set "
                    "sample_size.when_too_small to say",
                )
            )

    @cached_property
    def findings_table(self) -> pd.DataFrame:
        """What the checks of the table found, small counts hidden as configured."""
        return findings_frame(self.findings)

    @cached_property
    def cautions(self) -> tuple[str, ...]:
        """What the cohort cannot support, and whom it and each endpoint leave out."""
        warnings = [f for f in self.findings if f.severity >= Severity.WARN]
        return (
            *cautions(self.config, self.cohort, self.resampling.kind),
            *((f"{self.sample_size_text}. {SMALL}",) if self.too_small else ()),
            *population_cautions(self.cohort, self.arms[0] if self.arms else None),
            *(f"{f.what}: {f.who}." for f in warnings),
        )

    @property
    def validation_text(self) -> str:
        """How performance is measured, in one sentence."""
        config = self.config
        search = f"{config.tuning.trials} Optuna trials on {config.resampling.inner_folds} inner"
        split = describe_resampling(self.resampling, bool(self.arms))
        return f"{split}; {search} folds of every training part"


def with_training_problems(config: TrainConfig, checked: CheckedCohort) -> CheckedCohort:
    """Add, as failures, why a training would refuse a cohort in which the guard found none."""
    if any(finding.severity is Severity.FAIL for finding in checked.findings):
        return checked
    try:
        TrainingPlan.of(config, checked)
    except InputError as error:
        problems = error.problems
    else:
        return checked
    n = len(checked.cohort)
    refused = [
        Finding(
            check="training",
            severity=Severity.FAIL,
            what=f"{problem.what} ({problem.where}): {problem.got}",
            count=n,
            total=n,
            why=f"the configured training takes {problem.allowed}"
            if problem.allowed
            else "the configured training refuses it",
            remedy=problem.remedy,
        )
        for problem in problems
    ]
    return replace(checked, findings=tuple(by_severity([*checked.findings, *refused])))
