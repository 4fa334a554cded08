"""The patients' table from what a cohort's files hold: rows reduced to one, tables joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from features.covariates import check_columns
from features.errors import InputError, Problem
from features.errors.wrong_cells import table_rows
from features.guard import Finding
from features.sources.rows.joined_tables import JoinedTable, join_table
from features.sources.rows.long_rows import LongRows
from features.sources.rows.one_row import OneRow
from features.sources.rows.patient_rows import PatientRows, keys_of
from features.sources.rows.reduced_rows import reduce_rows
from features.tables import read_table


def one_row_a_patient(
    table: pd.DataFrame, patient: str, long: LongRows | None, one_row: OneRow | None
) -> tuple[pd.DataFrame, list[Finding]]:
    """Reduce a table with several rows a patient, as stated.

    Parameters
    ----------
    table : DataFrame of shape (n, any)
    patient : str
        Column of the identifier, where the rules do not name another.
    long : LongRows, optional
    one_row : OneRow, optional

    Raises
    ------
    InputError
        When no column says who a row is of, an identifier is missing, or as `reduce_rows`.
    """
    rules = {"cohort.long": long, "cohort.one_row": one_row}
    stated = {key: rule for key, rule in rules.items() if rule is not None}
    if not stated:
        return table, []
    named = {rule.patient or patient for rule in stated.values()}
    where = " and ".join(stated)
    if len(named) > 1 or not all(named):
        raise InputError(
            Problem(
                what="Which column says whose a row is?",
                where=where,
                got=" and ".join(sorted(named - {""})) or "no column",
                allowed="one column",
                remedy="state `patient:` there, or cohort.columns.patient_id",
            )
        )
    (column,) = named
    check_columns(table, {f"{where}, patient": column})
    attrs, table = dict(table.attrs), table.reset_index(drop=True)
    key = keys_of(table, [column], where, table_rows)
    reduced = reduce_rows(PatientRows.of(table, key, "cohort"), long, one_row)
    reduced.table.attrs = attrs
    return reduced.table, reduced.findings


def join_tables(
    table: pd.DataFrame,
    joins: Sequence[JoinedTable],
    folder: Path,
    codes: Mapping[str, frozenset[str]],
) -> tuple[pd.DataFrame, list[Finding]]:
    """Join every further table, one after another.

    Parameters
    ----------
    table : DataFrame of shape (n, any)
        One row a patient.
    joins : sequence of JoinedTable
    folder : Path
        Where relative paths start.
    codes : mapping of column -> words
        See `features.covariates.missing_words`.

    Raises
    ------
    InputError
        As `read_table` and `join_table`.
    """
    findings: list[Finding] = []
    for spec in joins:
        other = read_table(folder / spec.path, form=spec, codes=spec.own_codes(codes))
        table, found = join_table(table, other, spec)
        findings += found
    return table, findings
