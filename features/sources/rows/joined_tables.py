"""A further table joined to the patients' by their identifier, which has to be written alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import BeforeValidator, Field, model_validator

from features.covariates import check_columns, merged
from features.errors import InputError, Problem, name_some, refuse, wrong_names
from features.errors.wrong_cells import rows_of, table_rows
from features.guard import Finding, finding_of_files
from features.sources.rows.long_rows import LongRows
from features.sources.rows.one_row import OneRow
from features.sources.rows.patient_rows import PatientRows, keys_of
from features.sources.rows.reduced_rows import reduce_rows
from features.tables import ROW_NAMES, TableFormat

Codes = Mapping[str, frozenset[str]]


def _same_names(value: Any) -> Any:
    """A name, or several, stand for themselves; a mapping says both."""
    names = (value,) if isinstance(value, str) else value
    if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
        return {name: name for name in names}
    if not isinstance(value, Mapping):
        raise ValueError("a column, a list of columns, or a mapping of one name to another")
    return value


class JoinedTable(TableFormat):
    """A file with more about the same patients.

    Attributes
    ----------
    path : str
        Relative to the configuration.
    on : mapping of column of the patients' table -> column of this file
        Who is who. One name, or a list, where both call it the same.
    columns : mapping of new name -> column of this file
        What is taken; a list keeps the names. Everything but `on` if left out.
    long, one_row : LongRows, OneRow, optional
        How several rows of a patient become one.
    unmatched : {'keep', 'refuse'}
        Patients who are not in this file: kept, its columns missing; or refused.
    separator, decimal, encoding, sheet, missing
        As for every `TableFormat`.
    """

    path: str
    on: Annotated[dict[str, str], BeforeValidator(_same_names)]
    columns: Annotated[dict[str, str], BeforeValidator(_same_names)] = Field(default_factory=dict)
    long: LongRows | None = None
    one_row: OneRow | None = None
    unmatched: Literal["keep", "refuse"] = "keep"

    @model_validator(mode="after")
    def _patient_is_said_once(self) -> JoinedTable:
        if not self.on:
            raise ValueError("`on` names the column of the patient")
        for key in ("long", "one_row"):
            if getattr(self, key) is not None and getattr(self, key).patient:
                raise ValueError(f"`{key}` takes its patients from `on`: leave `patient` out")
        return self

    def own_codes(self, codes: Codes) -> Codes:
        """Codes of the columns of this file, from those of the columns that it gives."""
        given = {name: name for name in codes} | self.columns
        renamed: list[Mapping[str, frozenset[str]]] = [
            {column: codes[new]} for new, column in given.items() if new in codes
        ]
        return codes_of_long(merged(renamed), self.long)


def codes_of_long(codes: Codes, long: LongRows | None) -> dict[str, frozenset[str]]:
    """Codes of long rows, from those of the columns that they are spread into."""
    parts: list[Mapping[str, frozenset[str]]] = [codes]
    if long is not None:
        parts.append({long.name: frozenset(long.values)})
        for column in long.take:
            parts += [{column: own} for new, own in codes.items() if new.endswith(f"_{column}")]
    return merged(parts)


def join_table(
    first: pd.DataFrame, other: pd.DataFrame, spec: JoinedTable
) -> tuple[pd.DataFrame, list[Finding]]:
    """Give each patient the columns of another table.

    Parameters
    ----------
    first : DataFrame of shape (n, any)
        One row a patient. Index and order stay.
    other : DataFrame of shape (m, any)
        As `read_table` returns it.
    spec : JoinedTable

    Returns
    -------
    DataFrame of shape (n, any)
        Cells of patients who are not in the other table are missing.
    list of Finding
        Who had no match on either side, and how many rows were left out.

    Raises
    ------
    InputError
        When a column is absent, an identifier missing, doubled or written in two ways, nobody
        matches, or both tables have a column of one name.
    """
    where = f"join {spec.path}"
    patients, other = first.reset_index(drop=True), other.reset_index(drop=True)
    check_columns(patients, {f"{where}, on {own} (the patients' table)": own for own in spec.on})
    check_columns(other, {f"{where}, on {own} (this file)": own for own in spec.on.values()})
    mine = keys_of(patients, list(spec.on), f"{where}, the patients' table", rows_of)
    theirs = keys_of(other, list(spec.on.values()), f"{where}, this file", table_rows)
    _check_once(patients, mine, f"{where}, the patients' table", rows_of, "keep one row a patient "
                "first: `cohort.one_row`")  # fmt: skip
    _check_written_alike(mine, theirs, where)
    known = theirs.isin(set(mine)).to_numpy(dtype=bool)
    strangers = theirs[~known].nunique()
    if not known.any():
        raise InputError(
            Problem(
                what="No patient is in the joined table",
                where=where,
                got=f"{len(mine)} patients, {strangers} others there",
                remedy="check `on:`: are these columns the same identifier?",
            )
        )
    # Of patients who are not in the cohort nothing is read.
    about, key = other[known].reset_index(drop=True), theirs[known].reset_index(drop=True)
    limits = patients.iloc[pd.Index(mine).get_indexer(pd.Index(key))].reset_index(drop=True)
    reduced = reduce_rows(PatientRows.of(about, key, where), spec.long, spec.one_row, limits)
    about = reduced.table
    key = key.loc[about.index]
    _check_once(about, key, f"{where}, this file", table_rows, "say which row counts with "
                "`one_row:`, or spread them with `long:`")  # fmt: skip
    about = _chosen(about, patients, spec, where)
    place = pd.Index(key).get_indexer(pd.Index(mine))
    found = place >= 0
    if not found.all() and spec.unmatched == "refuse":
        raise InputError(
            Problem(
                what="Patients are not in the joined table",
                where=f"{where}, {rows_of(patients, ~found)}",
                remedy="add them there, leave them out with a stated reason, or keep them with "
                "missing values: `unmatched: keep`",
            )
        )
    cells = about.reset_index(drop=True).reindex(place).set_axis(first.index, axis=0)
    joined = pd.concat([first, cells], axis=1)
    joined.attrs = dict(first.attrs)
    return joined, [*reduced.findings, *_unmatched(spec, where, ~found, strangers)]


def _check_once(table: pd.DataFrame, key: pd.Series, where: str, rows: Any, remedy: str) -> None:
    twice = key.duplicated(keep="first").to_numpy(dtype=bool)
    if twice.any():
        raise InputError(
            Problem(
                what="The same patient stands in more than one row",
                where=f"{where}, {rows(table, twice)}",
                allowed="one row a patient",
                remedy=remedy,
            )
        )


def _check_written_alike(mine: pd.Series, theirs: pd.Series, where: str) -> None:
    """Raise when unmatched identifiers of both sides are the same but for how they are written."""
    lone, strange = set(mine) - set(theirs), set(theirs) - set(mine)
    by_plain = {_plain(key): key for key in strange}
    pairs = [(key, by_plain[_plain(key)]) for key in lone if _plain(key) in by_plain]
    if not pairs:
        return
    kinds = sorted({kind for pair in pairs for kind in _differences(*pair)})
    raise InputError(
        Problem(
            what="The two tables write identifiers in different ways",
            where=where,
            got=f"{len(pairs)} of {len(set(mine))} patients match only without regard to "
            + (name_some(kinds) or "blanks and punctuation"),
            remedy="write them alike in both files (a spreadsheet drops leading zeros: format the "
            "column as text); two ways of writing are never taken for one patient",
        )
    )


WRITING = ("a decimal point", "upper and lower case", "leading zeros", "blanks and punctuation")


def _plain(key: str, but: str = "") -> str:
    """An identifier without what differs between ways of writing it; `but` one of WRITING stays."""
    if but != "a decimal point":
        key = re.sub(r"\.0+(?=$|\x1f)", "", key)
    if but != "upper and lower case":
        key = key.lower()
    if but != "leading zeros":
        key = re.sub(r"(?<![0-9])0+(?=[0-9])", "", key)
    if but != "blanks and punctuation":
        # Letters and digits stay apart: 1-15 is not 11-5.
        key = " ".join(re.findall(r"[^\W\d_]+|\d+|\x1f", key))
    return key


def _differences(one: str, other: str) -> list[str]:
    """In what two ways of writing an identifier differ."""
    return [kind for kind in WRITING if _plain(one, kind) != _plain(other, kind)]


def _chosen(
    about: pd.DataFrame, patients: pd.DataFrame, spec: JoinedTable, where: str
) -> pd.DataFrame:
    """The columns that are taken, under their new names."""
    keys = set(spec.on.values())
    # Row names, as R writes them, say nothing of a patient.
    taken = spec.columns or {c: c for c in about.columns if c not in keys | {ROW_NAMES}}
    check_columns(about, {f"{where}, columns, {new}": column for new, column in taken.items()})
    both = [new for new in taken if new in patients.columns]
    refuse(
        wrong_names(
            both,
            "Both tables have a column of this name",
            where,
            "take what is needed under another name, such as `columns: {new_name: "
            f"{', '.join(taken[new] for new in both[:1])}}}`",
        )
    )
    return pd.DataFrame({new: about[column] for new, column in taken.items()}, index=about.index)


def _unmatched(spec: JoinedTable, where: str, missing: np.ndarray, strangers: int) -> list[Finding]:
    if not missing.any() and not strangers:
        return []
    told = f"; {strangers} patient(s) there are not in the patients' table" if strangers else ""
    return [
        finding_of_files(
            "joined_table",
            f"{where}: patients are not in it and have its columns missing{told}",
            int(missing.sum()),
            len(missing),
        )
    ]
