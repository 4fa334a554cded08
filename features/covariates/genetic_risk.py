"""Genetic risk of AML: ELN 2022, ELN 2024 less-intensive and mPRS, as rules in a YAML file.

configs/genetic_risk.yaml holds each rule under its clinical sentence, and what a scheme was made
for. Here is only the logic: which risks the recorded findings leave possible.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from features.columns import Columns, is_known, plain_columns
from features.covariates.dictionary import CONFIGS
from features.errors import InputError, Problem, did_you_mean
from features.yaml_files import read_yaml

if TYPE_CHECKING:
    import pandas as pd

Risk = Literal["favorable", "intermediate", "adverse"]
RISKS: tuple[Risk, ...] = ("favorable", "intermediate", "adverse")

# What a condition or rule says of each patient: 1 holds, 0 does not, 0.5 not known. With these,
# `all` is the smallest and `any` the largest (Kleene's three-valued logic).
UNKNOWN = 0.5


class Condition(BaseModel):
    """One finding asked of a column; configs/genetic_risk.yaml explains each field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    values: tuple[str | float, ...] = Field(default=(), alias="is")
    at_least: float | None = None
    missing: bool = False
    when_missing: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_value_or_several(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and "is" in fields and not isinstance(fields["is"], list):
            return {**fields, "is": [fields["is"]]}
        return fields

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Condition:
        if bool(self.values) + (self.at_least is not None) + self.missing != 1:
            raise ValueError(f"{self.column}: give one of is, at_least and missing")
        return self

    def holds(self, columns: Columns, n: int) -> np.ndarray:
        """1 where it holds, 0 where it does not, 0.5 where that is not known; shape (n,)."""
        column = columns.get(self.column)
        if column is None:
            column = np.full(n, np.nan)
        empty = ~is_known(column)
        if self.missing:
            return empty.astype(float)
        if self.values:
            # A number is no word: neither equals the other.
            words = column.dtype == object
            asked = [value for value in self.values if isinstance(value, str) == words]
            met = np.isin(column, asked)
        else:
            met = column >= self.at_least
        otherwise = UNKNOWN if self.when_missing is None else float(self.when_missing)
        return np.where(empty, otherwise, met)


class Rule(BaseModel):
    """Findings that give a risk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    risk: Risk
    every: tuple[Condition, ...] = Field(default=(), alias="all")
    some: tuple[Condition, ...] = Field(default=(), alias="any")
    only_possible: bool = False

    @model_validator(mode="after")
    def _has_conditions(self) -> Rule:
        if not self.every and not self.some:
            raise ValueError("a rule needs conditions under `all` or `any`")
        return self

    def holds(self, columns: Columns, n: int) -> np.ndarray:
        """1 where it holds, 0 where it does not, 0.5 where that is not known; shape (n,)."""
        held = np.ones(n)
        for condition in self.every:
            held = np.minimum(held, condition.holds(columns, n))
        if self.some:
            held = np.minimum(held, np.max([c.holds(columns, n) for c in self.some], axis=0))
        return np.minimum(held, UNKNOWN) if self.only_possible else held


class Note(BaseModel):
    """Why a scheme does not fit some patients."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    note: str
    when: Condition
    no_risk: bool = False


class Scheme(BaseModel):
    """One published classification: ordered rules and what it was made for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    source: str
    cautions: tuple[str, ...]
    notes: tuple[Note, ...]
    rules: tuple[Rule, ...]
    otherwise: Risk

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns that the risk depends on, the disease first."""
        asked = [note.when for note in self.notes if note.no_risk]
        asked += [c for rule in self.rules for c in (*rule.every, *rule.some)]
        return tuple(dict.fromkeys(condition.column for condition in asked))

    def risk_of(self, columns: Columns, n: int | None = None) -> np.ndarray:
        """The risk where the findings leave one possible, None elsewhere; shape (n,), object.

        A column that is absent counts as not tested, never as normal.
        """
        n = len(next(iter(columns.values()))) if n is None else n
        possible = {risk: np.zeros(n, dtype=bool) for risk in RISKS}
        # Nothing above has been found to hold for certain, so the next rule is tried.
        undecided = np.ones(n, dtype=bool)
        for rule in self.rules:
            held = rule.holds(columns, n)
            possible[rule.risk] |= undecided & (held > 0)
            undecided &= held < 1
        possible[self.otherwise] |= undecided
        chosen = np.full(n, None, dtype=object)
        single = np.sum(list(possible.values()), axis=0) == 1
        for risk, left in possible.items():
            chosen[single & left] = risk
        for note in self.notes:
            if note.no_risk:
                chosen[note.when.holds(columns, n) == 1] = None
        return chosen


@lru_cache(maxsize=1)
def read_genetic_risk() -> dict[str, Scheme]:
    """Read the schemes of configs/genetic_risk.yaml, by name."""
    schemes = read_yaml(CONFIGS / "genetic_risk.yaml")
    return {name: Scheme(**fields) for name, fields in schemes.items()}


def derive_genetic_risk(table: pd.DataFrame, scheme: str) -> tuple[pd.Series, pd.Series]:
    """Derive each patient's genetic risk, and why the scheme may not apply to the patient.

    Parameters
    ----------
    table : DataFrame of shape (n, n_inputs)
        Dictionary columns. One that is absent counts as not tested, never as normal.
    scheme : str
        eln2022, eln2024_less_intensive or mprs.

    Returns
    -------
    risk : Series of shape (n,), object
        favorable, intermediate or adverse; None where the missing findings leave more than one
        risk possible, or the disease is not AML.
    notes : Series of shape (n,), str
        What limits the scheme in this patient, '; ' between two reasons, empty where nothing does.
        What holds for every patient is in `read_genetic_risk()[scheme].cautions`.

    Raises
    ------
    InputError
        When the scheme is unknown.

    References
    ----------
    Doehner et al., Blood 2022;140:1345 (ELN 2022); Blood 2024;144:2169 (ELN 2024 less-intensive);
    Blood 2024;144:2211 (mPRS). mPRS calls the groups higher, intermediate and lower benefit.
    """
    import pandas as pd

    schemes = read_genetic_risk()
    if scheme not in schemes:
        raise InputError(
            Problem(
                what="Unknown genetic-risk scheme",
                where="scheme",
                got=scheme,
                allowed=", ".join(schemes),
                remedy=did_you_mean(scheme, schemes) + "name one of these",
            )
        )
    rules = schemes[scheme]
    columns, n = plain_columns(table), len(table)
    notes = np.full(n, "", dtype=object)
    for note in rules.notes:
        notes[note.when.holds(columns, n) == 1] += "; " + note.note
    return (
        pd.Series(rules.risk_of(columns, n), index=table.index, dtype=object, name=scheme),
        pd.Series(notes, index=table.index, dtype=object, name="note").str.removeprefix("; "),
    )
