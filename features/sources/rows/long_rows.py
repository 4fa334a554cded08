"""Rows of a patient and a name, as CDISC's ADTTE has them, into columns of one row a patient."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from features.covariates import Codes, check_columns, read_codes
from features.errors import InputError, Problem, name_some, refuse, wrong_names
from features.errors.wrong_cells import table_rows, wrong_cells
from features.sources.rows.patient_rows import PatientRows
from features.specs import Spec

MOST_NAMES = 50


class LongRows(Spec):
    """How long rows are spread: the value of `take` in the row named OS becomes OS_<take>.

    Attributes
    ----------
    name : str
        Column that says what a row is about, such as PARAMCD.
    values : tuple of str
        Its values that are wanted, such as OS and EFS; all of them if empty.
    take : tuple of str
        Columns of the row, such as AVAL and CNSR.
    patient : str
        Column of the patient; that of `columns.patient_id`, or of the join, if empty.
    """

    name: str
    values: Codes = ()
    take: tuple[str, ...] = Field(min_length=1)
    patient: str = ""


class Spread(NamedTuple):
    """The wide table, and what it cost.

    Attributes
    ----------
    table : DataFrame
        One row a patient; the index is that of the patient's first row.
    lacking : mapping of value -> patients without such a row
    dropped : list of str
        Columns that differ between the rows of some patient.
    """

    table: pd.DataFrame
    lacking: dict[str, int]
    dropped: list[str]


def names_wanted(table: pd.DataFrame, rule: LongRows, where: str) -> tuple[np.ndarray, list[str]]:
    """The name of each row, empty where it is not wanted, and the names in order.

    Raises
    ------
    InputError
        For a column that is not there, a name that no row has, or names without end.
    """
    check_columns(
        table, {f"{where}, name": rule.name} | {f"{where}, take {c}": c for c in rule.take}
    )
    name = read_codes(table[rule.name])
    found = list(dict.fromkeys(name.dropna()))
    absent = [value for value in rule.values if value not in found]
    refuse(
        wrong_names(
            absent,
            "No row has this name",
            f"{where}, values",
            "write it as the table does, or take it out",
            # Many different ones may be the patients' own.
            f"what column {rule.name} holds: {name_some(found)}"
            if 2 * len(found) <= len(table)
            else f"one of the {len(found)} that column {rule.name} holds",
        )
    )
    wanted = list(rule.values) or found
    if len(wanted) > MOST_NAMES:
        raise InputError(
            Problem(
                what="Too many names to make columns of",
                where=f"{where}, column {rule.name}",
                got=f"{len(wanted)} different ones",
                allowed=f"up to {MOST_NAMES}",
                remedy="state those that you need under `values:`",
            )
        )
    return name.where(name.isin(wanted), "").fillna("").to_numpy(dtype=object), wanted


def spread(rows: PatientRows, rule: LongRows) -> Spread:
    """Spread long rows.

    Parameters
    ----------
    rows : PatientRows
    rule : LongRows

    Raises
    ------
    InputError
        As `names_wanted`; when a patient has two rows of one name, or a new column's name is taken.
    """
    table, group, where = rows
    name, wanted = names_wanted(table, rule, where)
    keys = pd.DataFrame({"group": group, "name": name})
    twice = (name != "") & keys.duplicated(keep=False).to_numpy(dtype=bool)
    refuse(
        wrong_cells(
            table[rule.name],
            twice,
            where,
            "A patient has several rows of one name",
            "correct the table, or say with `one_row:` which of them counts",
            f"one row for each patient and {rule.name}",
            table_rows,
        )
    )
    shared = [c for c in table.columns if c not in (rule.name, *rule.take)]
    about = table[name != ""] if (name != "").any() else table
    constant = [c for c in shared if _is_constant(about[c], group[about.index.to_numpy()])]
    # Of a patient's rows one that is wanted says the rest, where there is one.
    order = np.lexsort((np.arange(len(table)), name == "", group))
    said = order[np.append(True, np.diff(group[order]) != 0)] if len(order) else order
    first = table.index.to_numpy()[np.unique(group, return_index=True)[1]]
    wide = table.iloc[said][constant].set_axis(first, axis=0)
    new = [f"{value}_{column}" for value in wanted for column in rule.take]
    taken = [name for name in new if name in wide.columns]
    what = "A column of this name is there already"
    refuse(wrong_names(taken, what, where, "rename the column in the table"))
    lacking = {}
    for value in wanted:
        place = np.full(len(wide), -1)
        named = np.flatnonzero(name == value)
        place[group[named]] = named
        lacking[value] = int((place < 0).sum())
        for column in rule.take:
            cells = table[column].to_numpy(dtype=object)
            wide[f"{value}_{column}"] = np.where(place < 0, None, cells[place])
    return Spread(wide, lacking, [c for c in shared if c not in constant])


def _is_constant(values: pd.Series, group: np.ndarray) -> bool:
    number = pd.Series(pd.factorize(values)[0])
    first = number.groupby(group).transform("first")
    return bool((number == first).all())
