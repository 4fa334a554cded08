"""Endpoints as data: which columns hold the time and the event, in which unit and coding."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from features.columns import check_columns
from features.errors import InputError, Problem, name_some
from features.outcome import Outcome

# A month is a twelfth of a Julian year, so that 12 months are 365.25 days.
MONTHS = {"days": 12 / 365.25, "months": 1.0, "years": 12.0}


class Endpoint(BaseModel):
    """A time-to-event endpoint in ready columns.

    Attributes
    ----------
    label : str
        Short name in tables, e.g. 'OS'.
    time, event : str
        Columns of the user's table.
    unit : {'days', 'months', 'years'}
        Unit of `time`.
    event_values, censored_values : tuple of str
        Codes in the event column that mean observed and censored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    time: str
    event: str
    unit: Literal["days", "months", "years"]
    event_values: tuple[str, ...] = ("1", "1.0", "true")
    censored_values: tuple[str, ...] = ("0", "0.0", "false")

    @field_validator("event_values", "censored_values", mode="before")
    @classmethod
    def _as_text(cls, values: Any) -> Any:
        return tuple(str(v) for v in values) if isinstance(values, list | tuple) else (str(values),)

    @model_validator(mode="after")
    def _one_meaning_a_code(self) -> Endpoint:
        censored = {code.lower() for code in self.censored_values}
        both = [code for code in self.event_values if code.lower() in censored]
        if both:
            raise ValueError(
                f"code {', '.join(both)} is both observed and censored; "
                "state `event_values` and `censored_values`"
            )
        return self


def derive_outcome(table: pd.DataFrame, endpoint: Endpoint) -> Outcome:
    """Derive an endpoint for every patient.

    Parameters
    ----------
    table : DataFrame of shape (n, any)
        As read; cells may be text.

    Returns
    -------
    Outcome
        Times in months. A time of 0 (an event on the index date) is kept.

    Raises
    ------
    InputError
        When a column is absent, or a time or event is missing, negative, not a number or not a
        known code: an outcome is never imputed and no patient is left out silently.
    """
    where = f"endpoint {endpoint.label}"
    check_columns(table, {f"{where}, time": endpoint.time, f"{where}, event": endpoint.event})
    # Read as text first: a date would otherwise count as nanoseconds since 1970.
    text = table[endpoint.time].astype("string").str.strip()
    time = pd.to_numeric(text, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    code = table[endpoint.event].astype("string").str.strip().str.lower()
    event = code.isin([v.lower() for v in endpoint.event_values]).to_numpy(dtype=bool)
    censored = code.isin([v.lower() for v in endpoint.censored_values]).to_numpy(dtype=bool)
    problems = []
    for bad, column, what, allowed in (
        (~np.isfinite(time), endpoint.time, "The time is missing or not a number",
         f"{endpoint.unit} as a plain number"),
        (np.nan_to_num(time) < 0, endpoint.time, "The time is negative",
         "0 or more: it runs from the index date"),
        (~(event | censored), endpoint.event, "The event is missing or not a known code",
         f"observed: {', '.join(endpoint.event_values)}; "
         f"censored: {', '.join(endpoint.censored_values)}"),
    ):  # fmt: skip
        if bad.any():
            rows = np.flatnonzero(bad) + 1
            got = table[column].iloc[rows[0] - 1]
            problems.append(
                Problem(
                    what=what,
                    where=f"{where}, column {column}, {len(rows)} patient(s): "
                    f"row {name_some(rows, 5)} (the first patient is row 1)",
                    got="empty" if pd.isna(got) else str(got),
                    allowed=allowed,
                    remedy="correct the table, state the codes with `event_values:` and "
                    "`censored_values:`, or leave these patients out with a stated reason",
                )
            )
    if problems:
        raise InputError(problems)
    if not event.any():
        raise InputError(
            Problem(
                what="No patient has the event",
                where=f"{where}, column {endpoint.event}",
                remedy="check the coding: which code means that the event was observed?",
            )
        )
    return Outcome(time * MONTHS[endpoint.unit], event)
