"""From a hospital's columns to the dictionary's: names, codes and units, none of them guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, model_validator

from features.covariates.dictionary import Covariate, make_schema
from features.covariates.missing_words import MISSING_WORDS
from features.errors import InputError, Problem, did_you_mean, name_some
from features.errors.wrong_cells import name_cells, wrong_cells
from features.specs import coded

FLAG_WORDS = {"false": "0", "true": "1"}


class ColumnSource(BaseModel):
    """Where a value comes from. A bare column name stands for `{column: name}`.

    Attributes
    ----------
    column : str
        Name in the user's table.
    unit : str
        Its unit there, when it is not the dictionary's.
    values : mapping
        Its codes there -> the dictionary's values, e.g. `{male: M, female: F}`.
    known : bool
        True: the value was known at the first dose, whatever the column's name or the patients'
        outcomes suggest. The guard's doubts about that become notes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    unit: str = ""
    values: dict[str, Any] = {}
    known: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: object) -> object:
        if isinstance(value, str):
            return {"column": value}
        if isinstance(value, dict) and isinstance(value.get("values"), dict):
            return {**value, "values": coded(value["values"])}
        return value


def check_columns(table: pd.DataFrame, needed: Mapping[str, str]) -> None:
    """Raise unless every needed column is in the table.

    Parameters
    ----------
    needed : mapping of what it is for -> column name

    Raises
    ------
    InputError
        Naming each missing column, what wanted it and the columns there are.
    """
    problems = [
        Problem(
            what="The table has no such column",
            where=purpose,
            got=column,
            allowed=name_some(table.columns),
            remedy=did_you_mean(column, map(str, table.columns))
            + "correct the name in the configuration, or take the line out",
        )
        for purpose, column in needed.items()
        if column not in table.columns
    ]
    if problems:
        raise InputError(problems)


def read_covariates(
    table: pd.DataFrame, covariates: Iterable[Covariate], sources: Mapping[str, ColumnSource]
) -> pd.DataFrame:
    """Bring a user's columns into the dictionary's names, codes and units, and check every value.

    Parameters
    ----------
    table : DataFrame of shape (n, any)
        As read; cells may be text.
    covariates : iterable of Covariate
        What to read.
    sources : mapping of covariate name -> ColumnSource
        A covariate without one is read from the column of its own name.

    Returns
    -------
    DataFrame of shape (n, n_covariates)
        Numbers and flags as float with NaN for missing, categories as text with None. Index 0..n-1.

    Raises
    ------
    InputError
        With one problem a column and kind of mistake, naming rows, a value and the remedy.
    """
    covariates = list(covariates)
    table = table.reset_index(drop=True)
    by_name = {c.name: sources.get(c.name, ColumnSource(column=c.name)) for c in covariates}
    check_columns(table, {f"covariate {name}": s.column for name, s in by_name.items()})
    problems: list[Problem] = []
    read = {c.name: _convert(table[by_name[c.name].column], c, by_name[c.name], problems)
            for c in covariates}  # fmt: skip
    frame = pd.DataFrame(read, index=table.index)
    problems += _check_values(frame, covariates, by_name, table)
    if problems:
        raise InputError(problems)
    return frame


def _convert(
    values: pd.Series, covariate: Covariate, source: ColumnSource, problems: list[Problem]
) -> pd.Series:
    # Each distinct value is converted once: a million rows hold few of them.
    codes, distinct = pd.factorize(values)
    text = pd.Series(distinct).astype("string").str.strip()
    text = text.mask(text == "")

    def report(what: str, wrong: pd.Series, remedy: str, allowed: str = "") -> None:
        if wrong.any():
            rows = np.concatenate([wrong.to_numpy(dtype=bool), [False]])[codes]
            got = text.reindex(codes).set_axis(values.index).rename(source.column)
            place = _place(covariate, source)
            problems.extend(
                wrong_cells(got, rows, place, what, remedy, allowed or covariate.allowed)
            )

    if source.values:
        report(
            "A code is not in the mapping",
            text.notna() & ~text.isin(list(source.values)),
            "add it under `values:` in the configuration, or correct it in the table",
            ", ".join(source.values),
        )
        text = text.map(source.values, na_action="ignore").astype("string")
    if not covariate.is_numeric:
        words = np.array([*text.to_numpy(dtype=object, na_value=None), None], dtype=object)
        return pd.Series(words[codes], index=values.index, dtype=object)
    digits = text
    if covariate.kind == "flag":
        for word, digit in FLAG_WORDS.items():
            digits = digits.mask(text.str.lower().isin([word]), digit)
    number = pd.to_numeric(digits, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    wrong = text.notna() & ~np.isfinite(number)
    report(
        "A value is not a number",
        wrong,
        (
            "write 0 or 1, or map the words under `values:` in the configuration"
            if covariate.kind == "flag"
            else _how_to_write(text[wrong])
        )
        + "; a word that means unknown is stated under `missing:` beside the file's `path:`",
    )
    number[wrong.to_numpy(dtype=bool)] = np.nan
    factor = _unit_factor(covariate, source, problems)
    if factor != 1.0:
        # Rounded, so that 1400 per uL is 1.4e9/L and not 1.4000000000000001e9/L.
        number = np.round(number * factor, 9)
    return pd.Series(np.append(number, np.nan)[codes], index=values.index)


def _how_to_write(wrong: pd.Series) -> str:
    commas = wrong.str.fullmatch(r"[-+]?\d+,\d+").any()
    plain = "write a plain number with a decimal point"
    key = 'state `decimal: ","` beside the file\'s `path:` (on the command line --decimal ",")'
    return f"{key} if the comma is the decimal mark, or {plain}" if commas else plain


def _place(covariate: Covariate, source: ColumnSource) -> str:
    """The covariate, where its column has another name."""
    return "" if source.column == covariate.name else f"covariate {covariate.name}"


def _unit_factor(covariate: Covariate, source: ColumnSource, problems: list[Problem]) -> float:
    """Factor to the dictionary's unit; NaN after a problem, so that no value is judged by it."""
    if not source.unit or source.unit == covariate.unit:
        return 1.0
    if source.unit in covariate.units:
        return covariate.units[source.unit]
    problems.append(
        Problem(
            what="Unknown unit",
            where=f"covariate {covariate.name}, column {source.column}",
            got=source.unit,
            allowed=", ".join([covariate.unit, *covariate.units]),
            remedy="state one of these, or add the factor under `dictionary:`",
        )
    )
    return float("nan")


def _check_values(
    frame: pd.DataFrame,
    covariates: list[Covariate],
    sources: Mapping[str, ColumnSource],
    table: pd.DataFrame,
) -> list[Problem]:
    import pandera.pandas as pa

    try:
        make_schema(covariates).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        failures = error.failure_cases
    else:
        return []
    problems = []
    for covariate in covariates:
        rows = failures.loc[failures["column"] == covariate.name, "index"].dropna().astype(int)
        if not len(rows):
            continue
        wrong = frame.index.isin(rows)
        values, source = frame[covariate.name], sources[covariate.name]
        remedy = _hint(values[wrong], covariate) + "correct the table"
        if covariate.limits is not None:
            remedy += (
                f"; a true value is admitted by `dictionary: [{{name: {covariate.name}, limits: "
                "[lowest, highest]}]`, a code of unknown is stated under `missing:` beside the "
                "file's `path:`"
            )
        told = wrong_cells(
            values.rename(source.column),
            wrong,
            _place(covariate, source),
            "Not a possible value",
            remedy,
            covariate.allowed,
        )
        if source.unit and source.unit != covariate.unit:
            cells = name_cells(table[source.column][wrong])
            told = [
                replace(one, got=f"{cells} {source.unit}, that is {one.got} {covariate.unit}")
                for one in told
            ]
        problems += told
    return problems


def _hint(values: pd.Series, covariate: Covariate) -> str:
    """What the wrong values look like, when that is plain."""
    if covariate.kind == "category":
        odd = values.dropna().isin(MISSING_WORDS)
        # Kept, since it is a declared value but for upper and lower case.
        means = "state it under `missing:` beside the file's `path:` if it means missing, "
        return (means if odd.any() else "") + "map the codes under `values:` in the configuration, "
    if covariate.limits is None:
        return ""
    low, high = covariate.limits
    for unit, factor in covariate.units.items():
        if ((values * factor).between(low, high)).all():
            return f"this looks like {unit}: multiply by {factor:g} to get {covariate.unit}; or "
    return ""
