"""The configuration of a training: every setting, its default and its check in one place."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from features.cohort import CohortColumns
from features.covariates.dictionary import CONFIGS
from features.dataset import REGIMEN
from features.errors import InputError, Problem, did_you_mean, name_some
from features.guard.settings import Guard
from features.inclusion import InclusionRule
from features.paths import absolute
from features.sources.file import FileSource
from features.sources.rows.joined_tables import JoinedTable
from features.sources.rows.long_rows import LongRows
from features.sources.rows.one_row import OneRow
from features.sources.source import Source
from features.specs import Settings
from features.times import Months
from features.yaml_files import read_yaml, write_yaml

DEFAULT_CONFIG = CONFIGS / "train.yaml"
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
# Keys under `cohort` that say where a file or database is.
FILE_KEYS = {"path", "export", "dictionary", "patients", "samples", "query_file", "url"}
SUBGROUPS = ("sex", "age", "center", "disease", "regimen")
FEWEST_REFITS = 10
# They do not see all of `covariates`, so that a stack does not combine them.
NOT_IN_A_STACK = ("kaplan_meier", "genetic_risk", "cox_clinical", "stack")


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
        from models.learners.registry import LEARNERS, STACK

        for learner, params in fixed.items():
            make = LEARNERS[learner].make
            known = [] if learner == STACK else list(make({}, 0).get_params())  # type: ignore[attr-defined]
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
        default=50, ge=0, le=2000, description="Refits with the parameters kept; 0 or off"
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


class TrainConfig(Settings):
    """Everything a training needs. `configs/train.yaml` is an example with comments."""

    seed: int = Field(default=1, ge=0, lt=2**31)
    cohort: CohortConfig
    dictionary: tuple[dict[str, Any], ...] = ()
    endpoint: str
    covariates: tuple[str, ...] = Field(min_length=1)
    clinical: tuple[str, ...] = Field(
        default=(), description="What cox_clinical sees; `regimen` may be among them"
    )
    genetic_risk: Literal["", "eln2022", "eln2024_less_intensive", "mprs"] = Field(
        default="", description="The published risk that the learner genetic_risk sees"
    )
    learners: tuple[LearnerName, ...] = Field(
        default=("kaplan_meier", "cox", "forest", "gradient_boosting", "xgboost_cox"),
        min_length=1,
    )
    resampling: ResamplingConfig = ResamplingConfig()
    tuning: TuningConfig = TuningConfig()
    sample_size: SampleSizeConfig = SampleSizeConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    champion: ChampionConfig = ChampionConfig()
    comparison: ComparisonConfig = ComparisonConfig()
    tracking: TrackingConfig = TrackingConfig()

    @field_validator("covariates", "clinical", "learners")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"named twice: {', '.join(twice)}")
        return names

    @model_validator(mode="after")
    def _learners_have_what_they_need(self) -> TrainConfig:
        if REGIMEN in self.covariates:
            raise ValueError(
                "the regimen is a predictor wherever a regimen column is configured; take it out "
                "of `covariates`"
            )
        if self.clinical == (REGIMEN,):
            raise ValueError("`clinical` needs a covariate beside the regimen")
        if "cox_clinical" in self.learners and not self.clinical:
            raise ValueError("learner cox_clinical needs `clinical`: the covariates that it sees")
        if "genetic_risk" in self.learners and not self.genetic_risk:
            raise ValueError("learner genetic_risk needs `genetic_risk`: which published risk")
        if REGIMEN in self.clinical and self.cohort.columns.regimen is None:
            raise ValueError("`clinical` names the regimen, but no regimen column is configured")
        if self.learners == ("kaplan_meier",):
            raise ValueError("kaplan_meier is the null model; add a learner that sees covariates")
        if "stack" in self.learners and len(self.stacked) < 2:
            raise ValueError(
                "a stack combines two or more of the other learners; add some that see `covariates`"
            )
        return self

    @property
    def stacked(self) -> tuple[str, ...]:
        """Learners that a stack combines."""
        return tuple(name for name in self.learners if name not in NOT_IN_A_STACK)

    @property
    def all_covariates(self) -> tuple[str, ...]:
        """What some learner sees, the regimen aside."""
        own = self.clinical if "cox_clinical" in self.learners else ()
        risk = (self.genetic_risk,) if "genetic_risk" in self.learners else ()
        names = dict.fromkeys((*self.covariates, *own, *risk))
        return tuple(name for name in names if name != REGIMEN)

    @property
    def adjustment_set(self) -> tuple[str, ...]:
        """What the adjusted comparison adjusts for, the regimen aside."""
        return self.comparison.adjust_for or self.covariates

    @property
    def compared_covariates(self) -> tuple[str, ...]:
        """What the comparison reads: adjustment set, subgroups and strata."""
        own = self.comparison
        return tuple(dict.fromkeys((*self.adjustment_set, *(own.subgroups or {}), *own.strata)))

    @property
    def compared_endpoints(self) -> tuple[str, ...]:
        """Keys of the endpoints that are compared, the modelled one first."""
        keys = self.comparison.endpoints or tuple(self.cohort.columns.endpoints)
        return tuple(dict.fromkeys((self.endpoint, *keys)))

    def covariates_of(self, learner: str) -> tuple[str, ...]:
        """What a learner sees; 'regimen' is among them where it does."""
        if learner == "kaplan_meier":
            return ()
        if learner == "genetic_risk":
            return (self.genetic_risk,)
        if learner == "cox_clinical":
            return self.clinical
        return (*self.covariates, *((REGIMEN,) if self.cohort.columns.regimen else ()))

    @model_validator(mode="after")
    def _endpoint_exists(self) -> TrainConfig:
        known, own = self.cohort.columns.endpoints, self.comparison
        asked = {
            "endpoint": (self.endpoint,),
            "comparison.endpoints": own.endpoints,
            "comparison.death": (own.death,) if own.death else (),
            "comparison.competing": tuple(own.competing),
        }
        unknown = [(key, name) for key, names in asked.items() for name in names
                   if name not in known]  # fmt: skip
        if unknown:
            raise InputError(
                Problem(
                    what="There is no such endpoint",
                    where=key,
                    got=name,
                    allowed=f"a key of cohort.columns.endpoints: {name_some(known)}",
                    remedy=did_you_mean(name, known) + "name one of them, or describe the endpoint",
                )
                for key, name in unknown
            )
        return self


def read_config(path: Path) -> TrainConfig:
    """Read a YAML configuration.

    A relative `cohort.path` is taken from the folder of the configuration.

    Raises
    ------
    InputError
        Naming each key that is unknown, missing or wrong, and what is allowed.
    """
    remedy = f"give a YAML file; {DEFAULT_CONFIG.name} in configs/ is an example"
    content = read_yaml(path, remedy=remedy)
    if not isinstance(content, dict):
        raise InputError(
            Problem(what="The configuration is empty or not a mapping", where=str(path))
        )
    try:
        config = TrainConfig.model_validate(content)
    except ValidationError as error:
        raise InputError(
            [problem for detail in error.errors() for problem in _problems(detail, path)]
        ) from error
    folder = absolute(path.parent)
    table = config.cohort.path
    if config.cohort.source is None and not config.cohort.is_reference_study:
        table = str(absolute(folder / table))
    place = {"path": table, "folder": str(folder)}
    return config.model_copy(update={"cohort": config.cohort.model_copy(update=place)})


def configured(path: Path | None, table: Path | None) -> TrainConfig:
    """The configuration that a command was given, with another patient table if one was named."""
    config = read_config(path or DEFAULT_CONFIG)
    if table is None:
        return config
    place: dict[str, Any] = {"path": str(absolute(table)), "source": None}
    source = config.cohort.source
    if isinstance(source, FileSource):
        # The other table is written like the configured one: its separator, decimal mark and words.
        place = {"source": source.model_copy(update={"path": str(absolute(table))})}
    return config.model_copy(update={"cohort": config.cohort.model_copy(update=place)})


def resolved_yaml(config: TrainConfig) -> str:
    """The configuration with every default filled in. Folders of the machine are left out."""
    content = config.model_dump(mode="json")
    if config.cohort.source is not None:
        del content["cohort"]["path"]  # Its default would name another cohort.
    content["cohort"] = _without_folders(content["cohort"])
    return write_yaml(content)


def _without_folders(content: Any) -> Any:
    """A part of a configuration in which absolute places of files are their names alone."""
    if isinstance(content, list):
        return [_without_folders(part) for part in content]
    if not isinstance(content, dict):
        return content
    kept = {key: _without_folders(value) for key, value in content.items()}
    for key in FILE_KEYS & set(kept):
        value = kept[key]
        if isinstance(value, str) and value.startswith("sqlite:////"):
            kept[key] = "sqlite:///" + Path(value).name
        elif isinstance(value, str) and Path(value).is_absolute():
            kept[key] = Path(value).name
    return kept


def _problems(detail: Any, path: Path) -> list[Problem]:
    told = detail.get("ctx", {}).get("error")
    if isinstance(told, InputError):
        # What a check of several sections found names its own places.
        return [replace(p, where=f"{path.name}: {p.where}") for p in told.problems]
    return [_problem(detail, path)]


def _problem(detail: Any, path: Path) -> Problem:
    location = tuple(str(part) for part in detail["loc"])
    section = _section_at(location[:-1])
    known = list(section.model_fields) if section else []
    if detail["type"] == "extra_forbidden":
        return Problem(
            what="Unknown key in the configuration",
            where=f"{path.name}: {'.'.join(location)}",
            got=location[-1],
            allowed=name_some(known, 20),
            remedy=did_you_mean(location[-1], known) + "correct the key or take it out",
        )
    missing = detail["type"] == "missing"
    told = detail["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list: [a, b]")
    return Problem(
        what="A key is missing" if missing else "A value in the configuration cannot be used",
        where=f"{path.name}: {'.'.join(location) or 'the whole file'}",
        got="" if missing else _short(detail.get("input")),
        allowed="" if missing else told,
        remedy="add it; configs/train.yaml is a commented example" if missing else "",
    )


def _section_at(location: tuple[str, ...]) -> type[BaseModel] | None:
    """The model that describes a place in the configuration, for naming its keys."""
    section: Any = TrainConfig
    parts = iter(location)
    for part in parts:
        field = getattr(section, "model_fields", {}).get(part)
        if field is None:
            return None
        annotation = field.annotation
        if getattr(annotation, "__origin__", None) in (dict, tuple):
            next(parts, None)  # the user's own key, or a place in a list: no model describes it
        models = _models_in(annotation)
        if len(models) > 1 and any("kind" in model.model_fields for model in models):
            # A union says by its tag, in the place after, which of its models was meant.
            tag = next(parts, None)
            models = [m for m in models if "kind" in m.model_fields
                      and m.model_fields["kind"].default == tag]  # fmt: skip
        section = models[0] if models else None
    return section


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _short(value: object) -> str:
    if isinstance(value, dict | list | tuple) or value is None:
        return ""
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
