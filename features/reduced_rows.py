"""Several rows of a patient made one: long rows spread, or one row kept, and what that left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from features.codes import read_codes
from features.errors import name_some, refuse
from features.guard_findings import Finding, finding_of_files
from features.long_rows import LongRows, names_wanted, spread
from features.one_row import OneRow, keep_one_row
from features.wrong_cells import wrong_cells


class Reduced(NamedTuple):
    """A table with fewer rows; its index says where each patient's row, or first row, stood."""

    table: pd.DataFrame
    findings: list[Finding]


def keys_of(
    table: pd.DataFrame,
    columns: Sequence[str],
    where: str,
    rows: Callable[[pd.Series, np.ndarray], str],
) -> pd.Series:
    """The identifier of each row as text, of one column or of several together.

    Raises
    ------
    InputError
        Where one is missing.
    """
    parts = {column: read_codes(table[column]) for column in columns}
    refuse(
        problem
        for column, part in parts.items()
        for problem in wrong_cells(
            part,
            part.isna(),
            where,
            "An identifier is missing, so that the row is nobody's",
            "fill it in, or take these rows out of the file",
            rows=rows,
        )
    )
    whole, *others = (part.astype(object) for part in parts.values())
    for other in others:
        whole = whole + "\x1f" + other
    return whole


def patients_of(key: pd.Series) -> np.ndarray:
    """The number of the patient of each row, from 0 in the order of their first rows."""
    return pd.factorize(key)[0]


def reduce_rows(
    table: pd.DataFrame,
    group: np.ndarray,
    long: LongRows | None,
    one_row: OneRow | None,
    where: str,
    limits: pd.DataFrame | None = None,
) -> Reduced:
    """Make one row of each patient's rows, as stated; as they are without a rule.

    With both rules one row of each patient and name is kept before they are spread.

    Parameters
    ----------
    table : DataFrame of shape (n, any), index 0..n-1
    group : ndarray of shape (n,), int
        As `patients_of` gives it.
    long : LongRows, optional
    one_row : OneRow, optional
    where : str
        For messages.
    limits : DataFrame of shape (n, any), optional
        See `keep_one_row`.

    Raises
    ------
    InputError
        As `keep_one_row` and `spread`.
    """
    findings: list[Finding] = []
    patients = group
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
        kept = keep_one_row(table, among, one_row, f"{where}, one_row", limits)
        left = len(kept.table)
        parts = [f"{n} {what}" for n, what in ((kept.later, "later"), (kept.undated, "undated"))
                 if n]  # fmt: skip
        findings.append(
            finding_of_files(
                "no_row_left" if kept.without and long is None else "one_row",
                f"{where}: of {kept.rows} rows {left} are kept ({one_row.words})"
                + (f"; {', '.join(parts)}" if parts else "")
                + (f"; of {kept.without} no row is left" if kept.without else ""),
                kept.rows - left,
                kept.rows,
            )
        )
        rows = kept.table.index.to_numpy()
        table, group = kept.table.set_axis(places[rows], axis=0), group[rows]
    if long is None:
        return Reduced(table, findings)
    places = table.index.to_numpy()
    number = pd.factorize(group)[0]
    wide = spread(table.reset_index(drop=True), number, long, f"{where}, long")
    whole = wide.table.set_axis(places[wide.table.index.to_numpy()], axis=0)
    lacking = [f"{value} {n}" for value, n in wide.lacking.items() if n]
    if lacking or wide.dropped:
        findings.append(
            finding_of_files(
                "long_rows",
                f"{where}: spread over {len(wide.lacking)} name(s)"
                + (f"; patients without a row: {name_some(lacking)}" if lacking else "")
                + (
                    f"; columns that differ within a patient are left out: "
                    f"{name_some(wide.dropped)}"
                    if wide.dropped
                    else ""
                ),
                max(wide.lacking.values(), default=0),
                len(np.unique(patients)),
            )
        )
    return Reduced(whole, findings)
