"""The form of a study file: which claims a published study can make, and in which shape."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from features.errors import InputError, Problem, did_you_mean, name_some

_MEDIAN = re.compile(r"median_\w+_months")


def _is_day(value: date | str) -> date | str:
    if isinstance(value, str):
        try:
            pd.Timestamp(value)
        except ValueError:
            raise ValueError("give a day, such as 2020-01-31") from None
    return value


# A number in quotes is text, and true is no number.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=0)]
Percent = Annotated[float, Field(strict=True, ge=0, le=100)]
Name = Annotated[str, Field(strict=True, min_length=1)]
Day = Annotated[date | str, AfterValidator(_is_day)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Share(_Part):
    percent: Percent
    count: Count = 0


class _Median(_Part):
    estimate: Number
    ci_low: Number = 0.0
    # Empty: not reached.
    ci_high: Number | None = None

    @model_validator(mode="after")
    def _both_limits(self) -> _Median:
        if len({"ci_low", "ci_high"} & self.model_fields_set) == 1:
            raise ValueError("ci_low and ci_high belong together; an empty ci_high is not reached")
        return self


class _Ratio(_Part):
    arm: Name
    reference_arm: Name
    estimate: Number
    ci_low: Number = 0.0
    ci_high: Number = 0.0


class _Arm(_Part):
    n: Count = 0
    response: _Share | None = None
    adverse_events: dict[Name, _Share] = {}
    medians: dict[str, _Median] = Field(default={}, exclude=True)


class _Period(_Part):
    start: Day
    end: Day


class _EarlyDeaths(_Part):
    count: Count
    days: Annotated[list[Annotated[float, Field(strict=True, gt=0)]], Field(min_length=1)]
    upper_limit_percent: Percent = 0.0


class PublishedStudy(_Part):
    """Every key that a study file may have; `check_published_claims` says what each claims."""

    arms: dict[Name, _Arm]
    provenance: str = ""
    study: str = ""
    period: _Period | None = None
    n_centers: Count = 0
    n_patients: Count = 0
    responses_counted: list[Name] = []
    p_values: dict[Name, Annotated[float, Field(strict=True, ge=0, le=1)]] = {}
    hazard_ratios: dict[Name, _Ratio] = {}
    adverse_events_are: str = ""
    adverse_events: dict[Name, _Share] = {}
    early_deaths: _EarlyDeaths | None = None
    median_interval: Literal["log-log", "log", "plain"] = "log-log"
    # Of the embedded study; no claim.
    generator: Any = None

    @field_validator("arms", mode="before")
    @classmethod
    def _medians_by_endpoint(cls, arms: Any) -> Any:
        """The medians of an arm stand under keys of their own, one an endpoint."""
        if not isinstance(arms, dict):
            return arms
        return {name: _with_medians(arm) for name, arm in arms.items()}

    @field_validator("arms")
    @classmethod
    def _two_arms(cls, arms: dict[str, _Arm]) -> dict[str, _Arm]:
        if len(arms) < 2:
            raise ValueError("the study must have at least two arms")
        return arms


def check_study(study: Mapping[str, Any], name: str) -> None:
    """Refuse a study file with an unknown key or a value of another type.

    Parameters
    ----------
    study : mapping
        As read from the file.
    name : str
        Of the file, for the message.

    Raises
    ------
    InputError
        With every key that is unknown, missing or wrong.
    """
    try:
        PublishedStudy.model_validate(dict(study))
    except ValidationError as error:
        raise InputError(_problem(detail, name) for detail in error.errors()) from error


def _with_medians(arm: Any) -> Any:
    if not isinstance(arm, dict):
        return arm
    medians = {key: value for key, value in arm.items() if _MEDIAN.fullmatch(str(key))}
    rest = {key: value for key, value in arm.items() if key not in medians}
    # A key `medians` of the user's own is unknown, as any other.
    return rest | ({"medians": medians} if "medians" not in rest else {"medians ": medians})


def _problem(detail: Any, name: str) -> Problem:
    place = [str(part).strip() for part in detail["loc"]]
    if place[:1] == ["arms"] and place[2:3] == ["medians"] and len(place) > 3:
        place.pop(2)
    where = f"study file {name}: {'.'.join(place) or 'the whole file'}"
    if detail["type"] == "extra_forbidden":
        known = _keys_beside(place)
        return Problem(
            what="Unknown key in the study file",
            where=where,
            got=place[-1],
            allowed=name_some(known, 20),
            remedy=did_you_mean(place[-1], known) + "correct the key or take it out",
        )
    missing = detail["type"] == "missing"
    given = detail.get("input")
    return Problem(
        what="A key is missing" if missing else "A value in the study file cannot be used",
        where=where,
        got="" if missing or isinstance(given, dict | list) else str(given)[:60],
        allowed="" if missing else detail["msg"].removeprefix("Value error, "),
        remedy="configs/reference_study.yaml is an example",
    )


def _keys_beside(place: list[str]) -> list[str]:
    """The keys that the section of an unknown key may have."""
    parents: dict[str, type[BaseModel]] = {
        "arms": _Arm, "hazard_ratios": _Ratio, "period": _Period, "early_deaths": _EarlyDeaths,
        "adverse_events": _Share,
    }  # fmt: skip
    section: type[BaseModel] = PublishedStudy
    if len(place) > 1:
        section = parents.get(place[0], PublishedStudy)
    if place[0] == "arms" and len(place) > 3:
        section = _Median if _MEDIAN.fullmatch(place[2]) else _Share
    keys = [key for key in section.model_fields if key != "medians"]
    return [*keys, "median_ENDPOINT_months"] if section is _Arm else keys
