"""When a patient was transplanted after the start of treatment."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from features.codes import rows_of
from features.columns import check_columns
from features.dates import DateFormat, read_dates
from features.errors import InputError, Problem
from features.outcome import MONTHS
from features.specs import Spec

_DAYS = MONTHS["days"]


class TransplantColumn(Spec):
    """Where the first transplant after the index date stands: as a time, or as a date.

    Attributes
    ----------
    time : str
        Column of the time from the index date; empty cells are patients never transplanted.
    unit : {"days", "months", "years"}
    date, origin : str
        Instead of `time`: columns of the transplant's date and of the date at which the endpoints'
        clock starts.
    date_format : str
        As for strptime; ISO when empty.
    """

    time: str = ""
    unit: Literal["days", "months", "years"] = "months"
    date: str = ""
    origin: str = Field(default="", description="index_date with drug records")
    date_format: DateFormat = ""

    @model_validator(mode="after")
    def _one_form(self) -> TransplantColumn:
        if bool(self.time) == bool(self.date):
            raise ValueError("give `time` (with `unit`), or `date` with `origin`")
        if bool(self.date) != bool(self.origin):
            raise ValueError("`date` and `origin` belong together: from where does the clock run?")
        return self


def derive_transplant(table: pd.DataFrame, source: TransplantColumn) -> np.ndarray:
    """Months from the index date to the first transplant after it.

    Parameters
    ----------
    table : DataFrame of shape (n, any), index the patient's position in the whole table

    Returns
    -------
    ndarray of shape (n,), float
        NaN for no transplant.

    Raises
    ------
    InputError
        For a column that is not there, a cell that is no number or date, or a transplant before the
        index date, which is a baseline covariate (`prior_allo_hsct`).
    """
    named = {"transplant": source.time or source.date, "transplant, origin": source.origin}
    check_columns(table, {purpose: column for purpose, column in named.items() if column})
    if source.date:
        day = read_dates(table, source.date, "transplant", source.date_format)
        start = read_dates(table, source.origin, "transplant, origin", source.date_format)
        _refuse(
            table,
            ~np.isnat(day) & np.isnat(start),
            source.origin,
            "The date at which the clock starts is missing",
            "fill in the date of the start of treatment",
        )
        days = np.where(np.isnat(day), np.nan, (day - start).astype(float))
        months = days * _DAYS
    else:
        text = table[source.time].astype("string").str.strip()
        months = pd.to_numeric(text, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        given = (text.notna() & (text != "")).to_numpy(dtype=bool)
        _refuse(
            table,
            given & ~np.isfinite(months),
            source.time,
            "The time of a transplant is no number",
            "leave the cell empty when there was none",
        )
        months = months * MONTHS[source.unit]
    _refuse(
        table,
        np.nan_to_num(months) < 0,
        source.time or source.date,
        "A transplant lies before the start of treatment",
        "leave the cell empty: an earlier transplant is the baseline covariate prior_allo_hsct",
    )
    return months


def _refuse(table: pd.DataFrame, bad: np.ndarray, column: str, what: str, remedy: str) -> None:
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        raise InputError(
            Problem(
                what=what,
                where=f"transplant, column {column}, {rows_of(table, bad)}",
                got=str(table[column].iloc[at]),
                remedy=remedy,
            )
        )
