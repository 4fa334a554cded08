"""Several rows of a patient made one: long rows spread, or one row kept, and what that left out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from features.errors import name_some
from features.guard import Finding, finding_of_files
from features.sources.rows.long_rows import LongRows, names_wanted, spread
from features.sources.rows.one_row import OneRow, keep_one_row
from features.sources.rows.patient_rows import PatientRows


class Reduced(NamedTuple):
    """A table with fewer rows; its index says where each patient's row, or first row, stood."""

    table: pd.DataFrame
    findings: list[Finding]


def reduce_rows(
    rows: PatientRows,
    long: LongRows | None,
    one_row: OneRow | None,
    limits: pd.DataFrame | None = None,
) -> Reduced:
    """Make one row of each patient's rows, as stated; as they are without a rule.

    With both rules one row of each patient and name is kept before they are spread.

    Parameters
    ----------
    rows : PatientRows
    long : LongRows, optional
    one_row : OneRow, optional
    limits : DataFrame of shape (n, any), optional
        See `keep_one_row`.

    Raises
    ------
    InputError
        As `keep_one_row` and `spread`.
    """
    findings: list[Finding] = []
    table, group, where = rows
    n_patients = int(group.max(initial=-1)) + 1
    if one_row is not None:
        if long is not None:
            name, _ = names_wanted(table, long, f"{where}, long")
            wanted = name != ""
            limits = None if limits is None else limits[wanted].reset_index(drop=True)
            table, name, group = table[wanted], name[wanted], group[wanted]
            places, table = table.index.to_numpy(), table.reset_index(drop=True)
            among = pd.factorize(pd.Series(group).astype(str) + "\x1f" + pd.Series(name))[0]
        else:
            among, places = group, table.index.to_numpy()
        kept = keep_one_row(PatientRows(table, among, f"{where}, one_row"), one_row, limits)
        left = kept.table.index.to_numpy()
        parts = [f"{n} {what}" for n, what in ((kept.later, "later"), (kept.undated, "undated"))
                 if n]  # fmt: skip
        told = f"{where}: of {kept.rows} rows {len(left)} are kept ({one_row.words})" + "".join(
            f"; {part}" for part in parts
        )
        if kept.without and long is None:
            told += "; of these patients no row is left"
            findings.append(finding_of_files("no_row_left", told, kept.without, n_patients))
        else:
            told += f"; of {kept.without} no row is left" if kept.without else ""
            lost = len(np.unique(np.delete(group, left)))
            findings.append(finding_of_files("one_row", told, lost, n_patients))
        table, group = kept.table.set_axis(places[left], axis=0), group[left]
    if long is None:
        return Reduced(table, findings)
    places = table.index.to_numpy()
    number = pd.factorize(group)[0]
    whole_rows = PatientRows(table.reset_index(drop=True), number, f"{where}, long")
    wide = spread(whole_rows, long)
    whole = wide.table.set_axis(places[wide.table.index.to_numpy()], axis=0)
    for value, lacking in wide.lacking.items():
        if lacking:
            told = f"{where}: patients without a row of {value} have its columns missing"
            findings.append(finding_of_files("long_rows", told, lacking, n_patients))
    if wide.dropped:
        told = f"{where}: columns that differ within a patient are left out: "
        told += name_some(wide.dropped)
        findings.append(finding_of_files("long_rows", told, 0, n_patients))
    return Reduced(whole, findings)
