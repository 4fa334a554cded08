"""What the cohort guard is told: its rules from configs/guard.yaml and a user's settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from enum import IntEnum
from functools import cache
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from features.covariates import CONFIGS
from features.errors import InputError, Problem, did_you_mean, name_some
from features.specs import Settings, codes_or_truths
from features.yaml_files import read_yaml

# Stands, in `known`, for every check that doubts that a covariate is of baseline.
POST_BASELINE = "post_baseline"

SeverityName = Literal["ignore", "note", "warn", "fail"]


class Severity(IntEnum):
    """How a finding is treated; ordered."""

    IGNORE = 0
    NOTE = 1
    WARN = 2
    FAIL = 3

    @property
    def label(self) -> SeverityName:
        """As it is written in a configuration."""
        names: tuple[SeverityName, ...] = ("ignore", "note", "warn", "fail")
        return names[self]


class Rule(Settings):
    """One check's lines in configs/guard.yaml."""

    severity: SeverityName
    why: str
    remedy: str
    limits: dict[str, float] = Field(default_factory=dict)
    post_baseline: bool = False


class SamplingWords(Settings):
    """How tables say at which moment a patient was sampled."""

    columns: tuple[str, ...]
    first: tuple[str, ...]
    later: tuple[str, ...]
    flags: tuple[str, ...]


class IdentifierWords(Settings):
    """Names of columns that point at a person."""

    names: tuple[str, ...]
    words: tuple[str, ...]
    parts: tuple[str, ...]


class LaterWords(Settings):
    """Words of what happens after the first dose, and words that take that meaning away."""

    words: tuple[str, ...]
    unless: tuple[str, ...]


class EventWords(Settings):
    """Words of event columns, of their codes' labels, and of columns that tell who died."""

    alive: tuple[str, ...]
    unclear: tuple[str, ...]
    denied: tuple[str, ...]
    death: tuple[str, ...]
    death_endpoints: tuple[str, ...]


class GuardRules(Settings):
    """The whole of configs/guard.yaml."""

    checks: dict[str, Rule]
    typical_median: dict[str, tuple[float, float]]
    sampling: SamplingWords
    diagnosis_words: tuple[str, ...]
    outcome_words: tuple[str, ...]
    later: LaterWords
    events: EventWords
    identifiers: IdentifierWords


@cache
def read_rules() -> GuardRules:
    """Read configs/guard.yaml, once a process."""
    return GuardRules.model_validate(read_yaml(CONFIGS / "guard.yaml"))


class Happened(Settings):
    """A column that tells whether something happened. A bare name stands for `{column: name}`.

    Attributes
    ----------
    column : str
        A date, a time, or a code in the user's table.
    values : tuple of str
        Codes that mean yes. Empty: everything known but 0, false and no.
    """

    column: str
    values: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: object) -> object:
        return {"column": value} if isinstance(value, str) else value

    @field_validator("values", mode="before")
    @classmethod
    def _as_text(cls, values: Any) -> Any:
        return codes_or_truths(values)


class Guard(Settings):
    """A user's settings: severities, and the columns that only the guard reads.

    Attributes
    ----------
    severity : mapping of check -> 'ignore', 'note', 'warn' or 'fail'
    limits : mapping of check -> mapping of threshold -> value
    known : mapping of check, or 'post_baseline' -> covariates, columns, endpoints or rules
        Findings that are known and right: they become notes. 'post_baseline' stands for every
        check that doubts that a covariate was known at the first dose.
    starts_at : {'index', 'diagnosis'}, optional
        Where the endpoints' time starts. 'index' also says that diagnosis is the index date.
        None: not stated; then rows that were sampled at different stages are refused.
    entry : str
        Column with the time from diagnosis to the index date, in the endpoints' unit.
    stage : Happened, optional
        Column that tells that a patient was sampled after diagnosis, and those of its values that
        mean so. Without it, columns with well-known names are looked at.
    treatment_start, death : str
        Columns of the first dose and of death, both dates or both times in one unit.
    remission, relapse : Happened, optional
    cut_off : date, optional
        Data cut-off.
    event_dates : tuple of str
        Columns of dates that must not lie after the cut-off.
    """

    severity: dict[str, SeverityName] = Field(default_factory=dict)
    limits: dict[str, dict[str, float]] = Field(default_factory=dict)
    known: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    starts_at: Literal["index", "diagnosis"] | None = None
    entry: str = ""
    stage: Happened | None = None
    treatment_start: str = ""
    death: str = ""
    remission: Happened | None = None
    relapse: Happened | None = None
    cut_off: date | None = None
    event_dates: tuple[str, ...] = Field(default=())

    @field_validator("severity", "limits")
    @classmethod
    def _known_checks(cls, given: dict[str, Any]) -> dict[str, Any]:
        _refuse_unknown("check", given, read_rules().checks)
        return given

    @field_validator("limits")
    @classmethod
    def _known_limits(cls, given: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for check, limits in given.items():
            _refuse_unknown(f"limit of {check}", limits, read_rules().checks[check].limits)
        return given

    @field_validator("known", mode="before")
    @classmethod
    def _one_name_or_several(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {k: (v,) if isinstance(v, str) else v for k, v in given.items()}

    @field_validator("known")
    @classmethod
    def _known_findings(cls, given: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        _refuse_unknown("check", given, [POST_BASELINE, *read_rules().checks])
        return given

    def knowing(self, covariates: Iterable[str]) -> Guard:
        """These settings, with covariates that are known to be of baseline."""
        both = dict.fromkeys([*self.known.get(POST_BASELINE, ()), *covariates])
        return self.model_copy(update={"known": {**self.known, POST_BASELINE: tuple(both)}})

    def knows(self, check: str, names: Iterable[str]) -> bool:
        """Whether the user said that this finding, about these names, is right."""
        known = set(self.known.get(check, ()))
        if self.rule(check).post_baseline:
            known |= set(self.known.get(POST_BASELINE, ()))
        names = set(names)
        return bool(names) and names <= known

    def rule(self, check: str) -> Rule:
        """The check's lines in configs/guard.yaml."""
        return read_rules().checks[check]

    def severity_of(self, check: str) -> Severity:
        """The user's severity of a check, else the default."""
        return Severity[self.severity.get(check, self.rule(check).severity).upper()]

    def limit(self, check: str, name: str) -> float:
        """The user's threshold of a check, else the default."""
        return self.limits.get(check, {}).get(name, self.rule(check).limits[name])

    @property
    def named_columns(self) -> dict[str, str]:
        """Purpose -> column of the user's table, for every column that is named here."""
        named = {
            "guard.entry": self.entry,
            "guard.treatment_start": self.treatment_start,
            "guard.death": self.death,
            "guard.stage": self.stage.column if self.stage else "",
            "guard.remission": self.remission.column if self.remission else "",
            "guard.relapse": self.relapse.column if self.relapse else "",
            **{f"guard.event_dates: {column}": column for column in self.event_dates},
        }
        return {purpose: column for purpose, column in named.items() if column}


def read_guard(settings: Mapping[str, Any]) -> Guard:
    """Check settings that were written by hand.

    Raises
    ------
    InputError
        Naming each unknown key, check or threshold, with the nearest known name.
    """
    try:
        return Guard.model_validate(settings)
    except ValidationError as error:
        raise InputError(
            [
                Problem(
                    what="A setting of the guard cannot be used",
                    where=".".join(("guard", *map(str, detail["loc"]))),
                    allowed=detail["msg"].removeprefix("Value error, "),
                    remedy=did_you_mean(str(detail["loc"][-1]), Guard.model_fields)
                    if detail["type"] == "extra_forbidden"
                    else "",
                )
                for detail in error.errors()
            ]
        ) from error


def _refuse_unknown(kind: str, given: Iterable[str], known: Iterable[str]) -> None:
    known = list(known)
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ValueError(
            f"unknown {kind} {name_some(map(repr, unknown))}; "
            + did_you_mean(unknown[0], known)
            + f"known: {name_some(known, 40)}"
        )
