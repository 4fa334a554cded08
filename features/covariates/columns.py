"""From a hospital's columns to the dictionary's: names, codes and units, none of them guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from features.covariates.column_source import ColumnSource, convert_cells, in_unit
from features.covariates.dictionary import Covariate, make_schema
from features.covariates.missing_words import MISSING_WORDS
from features.errors import InputError, Problem, did_you_mean, name_some
from features.errors.wrong_cells import name_cells, wrong_cells

if TYPE_CHECKING:
    import pandas as pd


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
    import pandas as pd

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
    import pandas as pd

    problems += _unknown_unit(covariate, source)
    if _are_numbers(values, covariate, source):
        number = values.to_numpy(dtype=float, na_value=np.nan)
        if not np.isinf(number).any():
            return pd.Series(in_unit(number, covariate, source), index=values.index)
    # Each distinct value is converted once: a million rows hold few of them.
    codes, distinct = pd.factorize(values)
    text = pd.Series(distinct).astype("string").str.strip()
    text = text.mask(text == "")
    converted = convert_cells(text.to_numpy(dtype=object, na_value=None), covariate, source)

    def report(what: str, wrong: np.ndarray, remedy: str, allowed: str = "") -> None:
        if wrong.any():
            got = text.reindex(codes).set_axis(values.index).rename(source.column)
            place = _place(covariate, source)
            rows = np.append(wrong, False)[codes]
            problems.extend(
                wrong_cells(got, rows, place, what, remedy, allowed or covariate.allowed)
            )

    report(
        "A code is not in the mapping",
        converted.uncoded,
        "add it under `values:` in the configuration, or correct it in the table",
        ", ".join(source.values),
    )
    if source.values:
        # What a code means is shown where that is no number.
        text = text.map(source.values, na_action="ignore").astype("string")
    report(
        "A value is not a number",
        converted.unnumbered,
        (
            "write 0 or 1, or map the words under `values:` in the configuration"
            if covariate.kind == "flag"
            else _how_to_write(text[converted.unnumbered])
        )
        + "; a word that means unknown is stated under `missing:` beside the file's `path:`",
    )
    missing = np.nan if covariate.is_numeric else None
    every = np.append(converted.values, np.array([missing], dtype=converted.values.dtype))
    return pd.Series(every[codes], index=values.index, dtype=every.dtype)


def _are_numbers(values: pd.Series, covariate: Covariate, source: ColumnSource) -> bool:
    """Whether the cells are the numbers themselves: whole ones, or in double precision."""
    import pandas as pd

    kind = getattr(values.dtype, "numpy_dtype", values.dtype)
    return (
        covariate.is_numeric
        and not source.values
        and (pd.api.types.is_integer_dtype(kind) or kind == np.float64)
    )


def _how_to_write(wrong: pd.Series) -> str:
    commas = wrong.str.fullmatch(r"[-+]?\d+,\d+").any()
    plain = "write a plain number with a decimal point"
    key = 'state `decimal: ","` beside the file\'s `path:` (on the command line --decimal ",")'
    return f"{key} if the comma is the decimal mark, or {plain}" if commas else plain


def _place(covariate: Covariate, source: ColumnSource) -> str:
    """The covariate, where its column has another name."""
    return "" if source.column == covariate.name else f"covariate {covariate.name}"


def _unknown_unit(covariate: Covariate, source: ColumnSource) -> list[Problem]:
    if not np.isnan(source.factor_to(covariate)):
        return []
    return [
        Problem(
            what="Unknown unit",
            where=f"covariate {covariate.name}, column {source.column}",
            got=source.unit,
            allowed=", ".join([covariate.unit, *covariate.units]),
            remedy="state one of these, or add the factor under `dictionary:`",
        )
    ]


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
