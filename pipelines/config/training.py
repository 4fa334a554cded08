"""The configuration of a training: every setting, its default and its check in one place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from features.covariates import CONFIGS
from features.dataset import REGIMEN
from features.errors import InputError, Problem, did_you_mean, name_some
from features.paths import absolute
from features.sources import FileSource
from features.specs import Settings
from features.yaml_files import read_yaml, write_yaml
from pipelines.config.sections import (
    ChampionConfig,
    CohortConfig,
    ComparisonConfig,
    EvaluationConfig,
    LearnerName,
    ResamplingConfig,
    SampleSizeConfig,
    TrackingConfig,
    TuningConfig,
)

DEFAULT_CONFIG = CONFIGS / "train.yaml"
# Keys under `cohort` that say where a file or database is.
FILE_KEYS = {"path", "export", "dictionary", "patients", "samples", "query_file", "url"}
# They do not see all of `covariates`, so that a stack does not combine them.
NOT_IN_A_STACK = ("kaplan_meier", "genetic_risk", "cox_clinical", "stack")


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
