"""When a patient was transplanted after the start of treatment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from features.covariates import DateFormat, check_columns, read_dates
from features.errors import InputError, Problem, refuse
from features.errors.wrong_cells import wrong_cells
from features.outcome import MONTHS
from features.specs import Spec
from features.times import one_time

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
        For a column that is not there, a cell that is no number or date, a column that says
        whether and not when, or a transplant before the index date, which is a baseline covariate
        (`prior_allo_hsct`).
    """
    named = {"transplant": source.time or source.date, "transplant, origin": source.origin}
    check_columns(table, {purpose: column for purpose, column in named.items() if column})
    if source.date:
        day = read_dates(table, source.date, "transplant", source.date_format)
        start = read_dates(table, source.origin, "transplant, origin", source.date_format)
        refuse(
            wrong_cells(
                table[source.origin],
                ~np.isnat(day) & np.isnat(start),
                "transplant, origin",
                "The date at which the clock starts is missing",
                "fill in the date of the start of treatment",
            )
        )
        days = np.where(np.isnat(day), np.nan, (day - start).astype(float))
        months = days * _DAYS
    else:
        text = table[source.time].astype("string").str.strip()
        months = pd.to_numeric(text, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        given = (text.notna() & (text != "")).to_numpy(dtype=bool)
        refuse(
            wrong_cells(
                table[source.time],
                given & ~np.isfinite(months),
                "transplant",
                "The time of a transplant is no number",
                "write a plain number; a word that means that there was none is stated under "
                "`missing:` beside the file's `path:`",
                f"{source.unit} from the index date to the transplant",
            )
        )
        _refuse_no_time(source, months[np.isfinite(months)])
        months = months * MONTHS[source.unit]
    refuse(
        wrong_cells(
            table[source.time or source.date],
            np.nan_to_num(months) < 0,
            "transplant",
            "A transplant lies before the start of treatment",
            "correct it where it is wrong; an earlier transplant is the baseline covariate "
            "prior_allo_hsct, and its time belongs in a column of its own",
        )
    )
    return one_time(months)


def transplant_caution(
    months: np.ndarray | None, followed: Iterable[tuple[np.ndarray, np.ndarray]]
) -> str:
    """A sentence on transplants later than the patient was followed; empty when there are none.

    Parameters
    ----------
    months : ndarray of shape (n,), float, or None
        As `derive_transplant` returns it.
    followed : iterable of (rows, time)
        Of each endpoint: which of the n patients it counts (bool), and their months of follow-up.
    """
    if months is None:
        return ""
    last = np.full(len(months), -np.inf)
    for rows, time in followed:
        last[rows] = np.maximum(last[rows], time)
    placed = np.isfinite(months) & np.isfinite(last)
    # Dates and rounded months of one patient may differ by a day.
    late = int((placed & (np.nan_to_num(months) > last + _DAYS + 1e-9)).sum())
    if not late:
        return ""
    return (
        f"{late} of {int(placed.sum())} transplants lie after the patient's last contact: check "
        "the unit of cohort.columns.transplant, such as days read as months."
    )


def _refuse_no_time(source: TransplantColumn, known: np.ndarray) -> None:
    """Refuse a column that says whether there was a transplant, or 0 for none, as a time."""
    zeros, ones = int((known == 0).sum()), int((known == 1).sum())
    # A single 1 may be one patient transplanted after one unit of time.
    is_flag = len(known) > 1 and zeros + ones == len(known)
    if not is_flag and 2 * zeros <= len(known):
        return
    raise InputError(
        Problem(
            what="The time of a transplant says whether there was one, not when"
            if is_flag
            else "Most times of a transplant are 0, as if 0 stood for none",
            where=f"transplant, column {source.time}",
            got=f"{zeros} times 0, {ones} times 1, among {len(known)} known values",
            allowed=f"{source.unit} from the index date to the transplant, empty where there was "
            "none",
            remedy="name the column of the time, or `date` with `origin`; leave the cell empty for "
            "a patient without a transplant",
        )
    )
