"""What each covariate means: unit, limits, vocabulary, timing, from configs/dictionary.yaml."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, ValidationError, field_validator, model_validator

from features.columns import is_known
from features.errors import InputError, Problem
from features.specs import Settings
from features.yaml_files import read_yaml

if TYPE_CHECKING:
    import pandera.pandas as pa

CONFIGS = Path(__file__).resolve().parents[2] / "configs"

Kind = Literal["number", "integer", "flag", "category", "date"]


class Covariate(Settings):
    """One line of the data dictionary; configs/dictionary.yaml explains each field."""

    name: str
    label: str
    kind: Kind
    unit: str = ""
    limits: tuple[float, float] | None = None
    unusual: tuple[float, float] | None = None
    vocabulary: tuple[str, ...] = ()
    timing: Literal["baseline", "post_baseline", "outcome"] = "baseline"
    source: str = ""
    units: dict[str, float] = Field(default_factory=dict)
    synonyms: tuple[str, ...] = ()
    structural_missing: str = ""
    structural_when: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    risk: Literal["rises", "falls"] | None = None

    @field_validator("structural_when", mode="before")
    @classmethod
    def _one_value_or_several(cls, rules: object) -> object:
        if not isinstance(rules, Mapping):
            return rules
        return {k: (v,) if isinstance(v, str) else v for k, v in rules.items()}

    @model_validator(mode="after")
    def _complete(self) -> Covariate:
        if self.kind == "category" and not self.vocabulary:
            raise ValueError(f"{self.name}: a category needs its vocabulary")
        for field in ("limits", "unusual"):
            low, high = getattr(self, field) or (0, 0)
            if not low <= high:
                raise ValueError(
                    f"{self.name}: {field} run from low to high, not [{low:g}, {high:g}]"
                )
        if self.risk and self.kind not in ("number", "integer", "flag"):
            raise ValueError(f"{self.name}: `risk` is for numbers and flags, not a {self.kind}")
        return self

    @property
    def monotone(self) -> int:
        """1 where a higher value may only raise the risk, -1 where it may only lower it, else 0."""
        return {"rises": 1, "falls": -1, None: 0}[self.risk]

    @property
    def is_numeric(self) -> bool:
        """True for numbers, integers and 0/1 flags."""
        return self.kind in ("number", "integer", "flag")

    @property
    def allowed(self) -> str:
        """What a value may be, in words."""
        if self.kind == "flag":
            return "0 or 1"
        if self.kind == "category":
            return "one of " + ", ".join(self.vocabulary)
        what = "a whole number" if self.kind == "integer" else "a number"
        if self.limits is None:
            return what
        low, high = self.limits
        return f"{what} from {low:g} to {high:g} {self.unit}".rstrip()

    def admits(self, values: np.ndarray) -> np.ndarray:
        """Which values are possible ones, shape (n,), bool; a missing one is.

        Parameters
        ----------
        values : ndarray of shape (n,)
            Float with NaN, or object with None, as `features.columns` has them.
        """
        if self.kind == "category":
            return np.isin(values, self.vocabulary) | ~is_known(values)
        if not self.is_numeric:
            return np.ones(len(values), dtype=bool)
        if self.kind == "flag":
            possible = (values == 0) | (values == 1)
        else:
            low, high = self.limits or (-np.inf, np.inf)
            possible = (low <= values) & (values <= high)
            if self.kind == "integer":
                possible &= values % 1 == 0
        return possible | np.isnan(values)


def read_dictionary(extra: Iterable[Mapping[str, Any]] = ()) -> dict[str, Covariate]:
    """Read the project's dictionary and lay a user's own entries over it.

    Parameters
    ----------
    extra : iterable of mappings
        Entries in the form of configs/dictionary.yaml. One with a known name overrides the fields
        that it gives; one with a new name must be complete.

    Returns
    -------
    dict of name -> Covariate

    Raises
    ------
    InputError
        When an entry is incomplete or holds an unknown field.
    """
    fields = {row["name"]: row for row in _shipped()}
    covariates, problems = {}, []
    for position, row in enumerate(extra, start=1):
        name = row.get("name")
        if not isinstance(name, str):
            problems.append(
                Problem(
                    what="A dictionary entry has no name",
                    where=f"dictionary: entry {position}",
                    got="" if name is None else str(name),
                    remedy="add `name:`, the covariate's name in `covariates`",
                )
            )
            continue
        fields[name] = {**fields.get(name, {}), **row}
    for name, row in fields.items():
        try:
            covariates[name] = Covariate(**row)
        except ValidationError as error:
            problems += [
                Problem(
                    what="Dictionary entry cannot be used",
                    where=f"dictionary: {name}.{'.'.join(map(str, detail['loc']))}".rstrip("."),
                    # Of a field that is missing, the input is the whole entry.
                    got=detail["msg"]
                    if isinstance(detail["input"], Mapping)
                    else f"{detail['input']}: {detail['msg']}",
                    allowed="fields " + ", ".join(Covariate.model_fields),
                )
                for detail in error.errors()
            ]
    if problems:
        raise InputError(problems)
    return covariates


@cache
def _shipped() -> tuple[Mapping[str, Any], ...]:
    """The project's entries, read once a process."""
    return tuple(read_yaml(CONFIGS / "dictionary.yaml"))


def make_schema(covariates: Iterable[Covariate]) -> pa.DataFrameSchema:
    """Build the pandera schema of a table whose columns are these covariates.

    Values may be missing everywhere; whether enough of them are there is another question.
    """
    import pandas as pd
    import pandera.pandas as pa

    def possible(covariate: Covariate) -> pa.Check:
        return pa.Check(
            lambda values: pd.Series(covariate.admits(values.to_numpy()), values.index),
            name="possible",
        )

    return pa.DataFrameSchema(
        {c.name: pa.Column(checks=possible(c), nullable=True) for c in covariates}
    )
