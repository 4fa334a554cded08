"""One row a patient from several, by a stated rule: the first, the last, or the worst."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from features.covariates import DateFormat, check_columns, read_dates
from features.errors import InputError, Problem, refuse
from features.errors.wrong_cells import table_rows, wrong_cells
from features.sources.rows.patient_rows import PatientRows
from features.specs import Spec
from features.text import as_number, as_text


class OneRow(Spec):
    """Which of a patient's rows is kept.

    Attributes
    ----------
    rule : {'first', 'last', 'worst'}
        By `date`; or the row with the most extreme value of `column`, of equal ones the earliest.
    patient : str
        Column of the patient; that of `columns.patient_id`, or of the join, if empty.
    date : str
        Column of dates, or of numbers such as a visit or a study day.
    date_format : str
        As for strptime; ISO when empty.
    column, worst_is : str, {'highest', 'lowest'}
        Of the rule `worst`. Rows without a value come last.
    on_or_before : str or float, optional
        Only rows whose `date` is not later than that of this column (of the same table, or of the
        table that is joined to), or than this number.
    undated : {'refuse', 'leave_out'}
        Rows without a date.
    ties : {'refuse', 'first_row', 'last_row'}
        Several rows that the rule does not tell apart and that differ.
    """

    rule: Literal["first", "last", "worst"]
    patient: str = ""
    date: str = ""
    date_format: DateFormat = ""
    column: str = ""
    worst_is: Literal["highest", "lowest"] | None = None
    on_or_before: str | float | None = Field(default=None)
    undated: Literal["refuse", "leave_out"] = "refuse"
    ties: Literal["refuse", "first_row", "last_row"] = "refuse"

    @model_validator(mode="after")
    def _complete(self) -> OneRow:
        worst = self.rule == "worst"
        if worst != bool(self.column) or worst != bool(self.worst_is):
            raise ValueError(
                "`rule: worst` needs `column` and `worst_is: highest` or `lowest`; the others do "
                "not take them"
            )
        if not worst and not self.date:
            raise ValueError(f"`rule: {self.rule}` needs `date`: first or last by which column?")
        if self.on_or_before is not None and not self.date:
            raise ValueError("`on_or_before` compares with `date`, which is not stated")
        return self

    @property
    def words(self) -> str:
        """The rule as a person would say it."""
        by = f"the {self.worst_is} {self.column}" if self.column else f"{self.rule} by {self.date}"
        return by + (
            "" if self.on_or_before is None else f", {self.date} on or before {self.on_or_before}"
        )


class Kept(NamedTuple):
    """The rows that are kept, and how many were not.

    Attributes
    ----------
    table : DataFrame
        One row a patient, in the order of the patients' first rows; the index is that of `table`.
    rows, later, undated : int
        Rows before; those left out as later than `on_or_before`, and for want of a date.
    without : int
        Patients of whom no row was left.
    """

    table: pd.DataFrame
    rows: int
    later: int
    undated: int
    without: int


def keep_one_row(rows: PatientRows, rule: OneRow, limits: pd.DataFrame | None = None) -> Kept:
    """Keep one row of each patient.

    Parameters
    ----------
    rows : PatientRows
    rule : OneRow
    limits : DataFrame of shape (n, any), optional
        Where the column that `on_or_before` names stands, a row for each of `rows`.

    Raises
    ------
    InputError
        For a column that is not there, a date or value that cannot be read, rows without a date,
        and rows that the rule does not tell apart.
    """
    table, group, where = rows
    named = {"date": rule.date, "column": rule.column}
    check_columns(table, {f"{where}, {key}": column for key, column in named.items() if column})
    allowed = np.ones(len(table), dtype=bool)
    later = undated = 0
    date = np.zeros(len(table))
    if rule.date:
        date, is_day = _moments(table, rule.date, rule.date_format, f"{where}, date")
        undated = _undated(table, date, rule, where)
        allowed = ~np.isnan(date)
        if rule.on_or_before is not None:
            limit = _limit(table, rule, limits, where, is_day)
            after = allowed & ~(date <= limit)
            later, allowed = int(after.sum()), allowed & ~after
    first = _score(table, date, rule, where)
    places = np.flatnonzero(allowed)
    best = places[_is_best(group[places], first[places])]
    if rule.rule == "worst":
        best = best[_is_best(group[best], -date[best])]
    best = _without_ties(rows, best, rule)
    return Kept(
        table.iloc[best[np.argsort(group[best], kind="stable")]],
        len(table),
        later,
        undated,
        int(group.max(initial=-1)) + 1 - len(best),
    )


def _score(table: pd.DataFrame, date: np.ndarray, rule: OneRow, where: str) -> np.ndarray:
    """What is largest in the row that is kept."""
    if rule.rule != "worst":
        return date if rule.rule == "last" else -date
    value = as_number(table[rule.column])
    wrong = np.isnan(value) & as_text(table[rule.column]).notna().to_numpy(dtype=bool)
    refuse(
        wrong_cells(
            table[rule.column],
            wrong,
            where,
            "The worst of values that are no numbers is not known",
            "correct them, state a word that means missing under `missing:` beside the file's "
            "`path:`, or take the first or last row by date",
            "a plain number, or an empty cell",
            table_rows,
        )
    )
    return np.nan_to_num(value if rule.worst_is == "highest" else -value, nan=-np.inf)


def _is_best(group: np.ndarray, score: np.ndarray) -> np.ndarray:
    return score == pd.Series(score).groupby(group).transform("max").to_numpy()


def _without_ties(rows: PatientRows, best: np.ndarray, rule: OneRow) -> np.ndarray:
    table, group, where = rows
    # Rows that are copies of one another are one row.
    text = table.iloc[best].assign(**{"": group[best]}).astype(str)
    best = best[~text.duplicated().to_numpy(dtype=bool)]
    tied = pd.Series(group[best]).duplicated(keep=False).to_numpy(dtype=bool)
    if tied.any() and rule.ties == "refuse":
        wrong = np.zeros(len(table), dtype=bool)
        wrong[best[tied]] = True
        raise InputError(
            Problem(
                what="The rule does not tell rows of a patient apart",
                where=f"{where}, {table_rows(table, wrong)}",
                got=f"several rows that are {rule.words} and differ elsewhere",
                remedy="correct them, or state which counts with `ties: first_row` or "
                "`ties: last_row` (in the order of the file)",
            )
        )
    keep: Literal["first", "last"] = "last" if rule.ties == "last_row" else "first"
    once = pd.Series(group[best]).duplicated(keep=keep).to_numpy(dtype=bool)
    chosen: np.ndarray = best[~once]
    return chosen


def _undated(table: pd.DataFrame, date: np.ndarray, rule: OneRow, where: str) -> int:
    missing = np.isnan(date)
    if rule.undated == "refuse":
        refuse(
            wrong_cells(
                table[rule.date],
                missing,
                where,
                "A row has no date, so that it is neither first nor last",
                "fill in the date, or leave such rows out with `undated: leave_out`",
                rows=table_rows,
            )
        )
    return int(missing.sum())


def _limit(
    table: pd.DataFrame, rule: OneRow, limits: pd.DataFrame | None, where: str, is_day: bool
) -> np.ndarray:
    """The latest date of each row that counts."""
    stated, place = rule.on_or_before, f"{where}, on_or_before"
    if isinstance(stated, str):
        source = limits if limits is not None and stated not in table.columns else table
        check_columns(source, {place: stated})
        limit, limit_is_day = _moments(source, stated, rule.date_format, place)
        refuse(
            wrong_cells(
                source[stated],
                np.isnan(limit),
                place,
                "The date that rows are compared with is missing",
                "fill in the date, or leave these patients out of the table",
                rows=table_rows,
            )
        )
    else:
        assert stated is not None
        limit, limit_is_day = np.full(len(table), float(stated)), False
    if is_day != limit_is_day:
        raise InputError(
            Problem(
                what="Dates cannot be compared with numbers",
                where=place,
                got=f"{rule.date} holds {'dates' if is_day else 'numbers'}, {stated} "
                f"{'is' if isinstance(stated, float) else 'holds'} "
                f"{'dates' if limit_is_day else 'numbers'}",
                remedy="name two columns of dates, or a column of days and a day",
            )
        )
    return limit


def _moments(
    table: pd.DataFrame, column: str, date_format: str, where: str
) -> tuple[np.ndarray, bool]:
    """A column as numbers that order it, NaN where empty; whether they are days of dates."""
    if not pd.api.types.is_datetime64_any_dtype(table[column].dtype) and not date_format:
        number = as_number(table[column])
        if not (np.isnan(number) & as_text(table[column]).notna().to_numpy(dtype=bool)).any():
            return number, False
    day = read_dates(table, column, where, date_format)
    return np.where(np.isnat(day), np.nan, day.astype("datetime64[D]").astype(float)), True
