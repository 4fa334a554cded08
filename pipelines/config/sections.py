"""The sections of a configuration: every setting, its default and its check."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from features.cohort import CohortColumns
from features.guard import Guard
from features.inclusion import InclusionRule
from features.sources import Source
from features.sources.rows import JoinedTable, LongRows, OneRow
from features.specs import Settings
from features.times import Months

REFERENCE_STUDY = "reference_study"
LearnerName = Literal[
    "kaplan_meier",
    "genetic_risk",
    "cox_clinical",
    "cox",
    "forest",
    "extra_trees",
    "gradient_boosting",
    "xgboost_cox",
    "xgboost_aft",
    "stack",
]
SUBGROUPS = ("sex", "age", "center", "disease", "regimen")
FEWEST_REFITS = 10


class CohortConfig(Settings):
    """Where the patients come from and how their columns map."""

    path: str = Field(
        default=REFERENCE_STUDY,
        description="CSV, Parquet, JSON or Excel, relative to the configuration file; or "
        "reference_study",
    )
    source: Source | None = Field(
        default=None,
        description="A file with its separator, decimal mark and so on; REDCap, cBioPortal, SQL or "
        "OMOP; in place of `path`",
    )
    name: str = Field(default="", description="Name in tables and in MLflow; the file's if empty")
    columns: CohortColumns
    one_row: OneRow | None = Field(
        default=None, description="Which of a patient's rows is kept, where there are several"
    )
    long: LongRows | None = Field(
        default=None, description="Rows of a patient and a name, made columns"
    )
    join: tuple[JoinedTable, ...] = Field(
        default=(), description="Further files, joined on the patient"
    )
    randomised: bool = Field(
        default=False,
        description="The regimen was drawn at random, as in a trial; what is said of it changes",
    )
    inclusion: tuple[InclusionRule, ...] = ()
    guard: Guard = Guard()
    pool_ages_above: int | None = Field(
        default=None, ge=60, le=110, description="Older patients count as one year older than this"
    )
    suppress_below: int | None = Field(
        default=None,
        ge=2,
        le=20,
        description="Smaller counts are hidden where the cohort and its findings are described",
    )
    folder: str = Field(default=".", exclude=True, description="Set on reading, not in the file")

    @model_validator(mode="after")
    def _one_place(self) -> CohortConfig:
        if self.source is not None and self.path != REFERENCE_STUDY:
            raise ValueError("give `path` or `source`, not both")
        if self.randomised and self.columns.regimen is None:
            raise ValueError("`randomised: true` needs the regimen that was drawn: columns.regimen")
        return self

    @property
    def is_reference_study(self) -> bool:
        """Whether the patients are those of the study that the project rebuilds."""
        # Beside a source `path` keeps its default and says nothing.
        return self.source is None and self.path == REFERENCE_STUDY

    @property
    def title(self) -> str:
        """Name in tables and in MLflow: the stated one, else that of the file or database."""
        if self.name:
            return self.name
        return Path(self.path).stem if self.source is None else self.source.name


class ResamplingConfig(Settings):
    """Who is tested by models of whom; the inner folds are for tuning."""

    kind: Literal["repeated_kfold", "leave_one_center_out", "temporal", "bootstrap"] = (
        "repeated_kfold"
    )
    folds: int = Field(default=5, ge=2, le=20, description="Of repeated_kfold")
    repeats: int = Field(default=3, ge=1, le=100, description="Of repeated_kfold and bootstrap")
    inner_folds: int = Field(default=3, ge=2, le=10)
    column: str = Field(
        default="", description="For temporal: the column of the date or year of the first dose"
    )
    test_from: str = Field(
        default="", description="For temporal: the first date or year that is tested"
    )

    @field_validator("test_from", mode="before")
    @classmethod
    def _as_written(cls, value: object) -> object:
        # YAML turns 2023-01-01 into a date and 2023 into a number.
        return "" if value is None else str(value)

    @model_validator(mode="after")
    def _complete(self) -> ResamplingConfig:
        if (self.kind == "temporal") != bool(self.column and self.test_from):
            raise ValueError("`column` and `test_from` belong to kind: temporal, which needs both")
        return self


class TuningConfig(Settings):
    """Optuna's search, run anew inside every outer training fold."""

    trials: int = Field(default=20, ge=0, le=1000)
    objective: Literal["ibs", "harrell_c"] = Field(
        default="ibs", description="What the search improves; the other one is reported"
    )
    fixed: dict[LearnerName, dict[str, int | float | str]] = Field(
        default={}, description="Parameters that are set and not searched, by learner"
    )
    storage: str = Field(
        default="",
        description="Address of a database for Optuna, secrets as ${NAME}; files if empty",
    )

    @field_validator("fixed", mode="before")
    @classmethod
    def _no_switches(cls, fixed: Any) -> Any:
        # Otherwise true would become the number 1.
        each = fixed.items() if isinstance(fixed, dict) else ()
        for learner, params in each:
            found = params.items() if isinstance(params, dict) else ()
            switches = [name for name, value in found if isinstance(value, bool)]
            if switches:
                raise ValueError(f"{learner}.{switches[0]}: a parameter is no switch")
            endless = [n for n, v in found if isinstance(v, float) and not math.isfinite(v)]
            if endless:
                raise ValueError(f"{learner}.{endless[0]}: a parameter is a finite number")
        return fixed

    @field_validator("fixed")
    @classmethod
    def _parameters_exist(
        cls, fixed: dict[str, dict[str, int | float | str]]
    ) -> dict[str, dict[str, int | float | str]]:
        from models.learners import LEARNERS, STACK

        for learner, params in fixed.items():
            make = LEARNERS[learner].make
            known = [] if learner == STACK else list(make({}, 0).get_params())
            known = [name for name in known if name != "seed"]
            unknown = sorted(set(params) - set(known))
            if unknown:
                raise ValueError(
                    f"{learner} has no parameter {', '.join(unknown)}; it has: "
                    + (", ".join(known) or "none")
                )
        return fixed


class SampleSizeConfig(Settings):
    """What is expected of a model, to say before training how many parameters are supported."""

    assumed_c: float = Field(default=0.70, gt=0.5, lt=1.0)
    when_too_small: Literal["say", "stop"] = "say"


class EvaluationConfig(Settings):
    """Horizons in months, what is measured there, and how often things are resampled."""

    horizons: tuple[Months, ...] = (6.0, 12.0)
    bootstrap: int = Field(default=500, ge=50, le=10000)
    regimen_refits: int = Field(default=50, ge=20, le=1000)
    censoring: Literal["marginal", "by_regimen", "cox"] = Field(
        default="marginal",
        description="What the weights for censoring may depend on: nothing, the regimen, or the "
        "`clinical` covariates",
    )
    thresholds: tuple[float, ...] = Field(
        default=(0.25, 0.5, 0.75),
        description="Event probabilities at which one would act, for the net benefit",
    )
    subgroups: tuple[str, ...] = Field(
        default=SUBGROUPS, description="Flags and categories of the cohort; age in bands"
    )
    optimism: int = Field(
        default=0, ge=0, le=2000, description="Refits of the whole pipeline, tuned anew; 0 or off"
    )
    instability: int = Field(
        default=50,
        ge=0,
        le=2000,
        description="Refits with the parameters kept, stored with the model for one patient's "
        "limits; 0 or off",
    )

    @field_validator("optimism", "instability", mode="before")
    @classmethod
    def _off(cls, refits: object) -> object:
        # YAML reads `off` as false.
        return 0 if refits is False or refits == "off" else refits

    @field_validator("optimism", "instability")
    @classmethod
    def _enough(cls, refits: int) -> int:
        if 0 < refits < FEWEST_REFITS:
            raise ValueError(f"off, or at least {FEWEST_REFITS} refits")
        return refits

    @field_validator("thresholds")
    @classmethod
    def _probabilities(cls, thresholds: tuple[float, ...]) -> tuple[float, ...]:
        inside = all(0 < t < 1 for t in thresholds)
        if not thresholds or not inside or list(thresholds) != sorted(set(thresholds)):
            raise ValueError("give increasing probabilities between 0 and 1, such as [0.25, 0.5]")
        return thresholds

    @field_validator("horizons")
    @classmethod
    def _increasing(cls, horizons: tuple[float, ...]) -> tuple[float, ...]:
        if not horizons or min(horizons) <= 0 or list(horizons) != sorted(set(horizons)):
            raise ValueError("give increasing times in months, each above 0, such as [6, 12]")
        return horizons


class ChampionConfig(Settings):
    """Which learner is registered."""

    rule: Literal["lowest_ibs_one_se", "lowest_ibs"] = "lowest_ibs_one_se"


class TrackingConfig(Settings):
    """Names in MLflow."""

    experiment: str = "vensurv"
    model_name: str = Field(default="vensurv", pattern=r"^[^/:.%\"']+$")
    trials: Literal["runs", "steps"] = Field(
        default="runs", description="The final search: a run a trial, or steps of the learner's run"
    )


class TargetTrialConfig(Settings):
    """The trial that the comparison stands in for; what is left empty is filled from the rest."""

    eligibility: str = ""
    strategies: str = ""
    assignment: str = ""
    time_zero: str = ""
    follow_up: str = ""
    outcome: str = ""
    contrast: str = ""
    analysis: str = ""
    departures: str = Field(
        default="", description="Where this cohort cannot follow the trial, such as its era"
    )


class ComparisonConfig(Settings):
    """How python -m pipelines.compare compares the regimens."""

    adjust_for: tuple[str, ...] = Field(
        default=(), description="The pre-specified adjustment set; `covariates` if empty"
    )
    endpoints: tuple[str, ...] = Field(
        default=(), description="Keys of cohort.columns.endpoints; all of them if empty"
    )
    tau: Months | None = Field(
        default=None, gt=0, description="Months to which the mean survival time is restricted"
    )
    subgroups: dict[str, tuple[float, ...]] | None = Field(
        default=None,
        description="Covariate: where to cut a number, nothing for a flag or category; the flags "
        "and categories of the adjustment set if left out",
    )
    strata: tuple[str, ...] = Field(
        default=(), description="Covariates of the stratified log-rank test, flags or categories"
    )
    landmark_months: tuple[Months, ...] = (3.0, 6.0)
    replicates: int = Field(
        default=2000, ge=100, le=100000, description="Bootstrap samples and permutations"
    )
    missing: Literal["impute", "indicator", "complete"] = "impute"
    imputations: int = Field(default=10, ge=2, le=100)
    trim: float | None = Field(
        default=None,
        gt=0,
        lt=50,
        description="Percentile: a further row with the weights cut there and at its mirror image",
    )
    interval: Literal["sandwich", "bootstrap"] = Field(
        default="sandwich",
        description="Of the weighted, standardised and doubly robust rows; bootstrap: `replicates`",
    )
    early_death_days: tuple[float, ...] = (30.0, 60.0)
    death: str = Field(
        default="", description="Key of the endpoint that is death of any cause; `os` if empty"
    )
    competing: dict[str, str] = Field(
        default={}, description="Key of an endpoint with competing events: their name"
    )
    trials: int = Field(
        default=0, ge=0, le=1000, description="Of the search with --with-learners; 0: defaults"
    )
    target_trial: TargetTrialConfig = TargetTrialConfig()

    @field_validator("trim", mode="before")
    @classmethod
    def _none(cls, trim: object) -> object:
        if isinstance(trim, bool):
            raise ValueError("a percentile above 0 and below 50, or none")
        return None if trim == "none" else trim

    @field_validator("landmark_months", "early_death_days")
    @classmethod
    def _above_zero(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if any(value <= 0 for value in values) or list(values) != sorted(set(values)):
            raise ValueError("give increasing times, each above 0")
        return values

    @field_validator("subgroups")
    @classmethod
    def _increasing_cuts(
        cls, subgroups: dict[str, tuple[float, ...]] | None
    ) -> dict[str, tuple[float, ...]] | None:
        for name, cuts in (subgroups or {}).items():
            if list(cuts) != sorted(set(cuts)):
                raise ValueError(f"{name}: cuts must increase; got {list(cuts)}")
        return subgroups
