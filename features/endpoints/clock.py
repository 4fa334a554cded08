"""The clock of an endpoint from dates: where it starts, and dates read against its start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from features.covariates import Codes, DateFormat, Day, meets, read_dates
from features.errors import Problem, refuse
from features.errors.wrong_cells import words_at, wrong_cells
from features.specs import Spec
from features.times import Months

CUT_OFF = "cut-off"


class Clock(Spec):
    """What every endpoint from dates states.

    Attributes
    ----------
    label : str
        Short name in tables.
    origin : str
        Column of the date at which the clock starts.
    cutoff : date, optional
        Administrative cut-off. An event after it is not counted; follow-up ends there.
    landmark_months : float, optional
        Re-base to this landmark: see `features.endpoints.landmark`.
    date_format : str
        As for strptime; ISO when empty.
    """

    label: str
    origin: str
    cutoff: Day | None = None
    landmark_months: Months | None = Field(default=None, gt=0)
    date_format: DateFormat = ""


class DateSource(Spec):
    """A column of dates, and what its date means.

    Attributes
    ----------
    date : str
        Column.
    reason : str
        In words, kept with the patient; the column's name when empty.
    when : mapping of column -> codes
        The date counts only where every column holds one of its codes. Empty: always.
    """

    date: str
    reason: str = ""
    when: dict[str, Codes] = Field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the patient's record says."""
        return self.reason or self.date


class Found(NamedTuple):
    """A date of each patient, NaT where there is none, and which of the listed sources gave it."""

    day: np.ndarray
    which: np.ndarray


def read_origin(patients: pd.DataFrame, endpoint: Clock) -> np.ndarray:
    """When each patient's clock starts; it is never missing."""
    where = f"endpoint {endpoint.label}"
    origin = read_dates(patients, endpoint.origin, f"{where}, origin", endpoint.date_format)
    cells = patients[endpoint.origin]
    refuse(
        wrong_cells(
            cells,
            np.isnat(origin),
            where,
            "The date at which the clock starts is missing",
            "fill in the date, state who belongs to the endpoint with `population:`, or leave "
            "these patients out with a stated reason",
        )
    )
    if endpoint.cutoff is not None:
        refuse(
            wrong_cells(
                cells,
                origin > np.datetime64(endpoint.cutoff, "D"),
                where,
                "The clock starts after the cut-off",
                "state a later `cutoff:`, or leave these patients out with a stated reason",
                f"up to the cut-off, {endpoint.cutoff}",
            )
        )
    return origin


def read_source(patients: pd.DataFrame, source: DateSource, endpoint: Clock) -> np.ndarray:
    """The dates of a source where its condition is met, else NaT."""
    where = f"endpoint {endpoint.label}, {source.name}"
    day = read_dates(patients, source.date, where, endpoint.date_format)
    if not source.when:
        return day
    met = meets(patients, source.when, where)
    # Without its date an event would pass for none at all.
    refuse(
        wrong_cells(
            patients[source.date],
            met & np.isnat(day),
            where,
            "It happened, but its date is missing",
            "fill in the date, correct the code, or leave these patients out with a stated reason: "
            "without the date they would count as event-free",
        )
    )
    return np.where(met, day, np.datetime64("NaT", "D"))


def pick(days: Sequence[np.ndarray], size: int, last: bool = False) -> Found:
    """The earliest (or latest) date of each patient; on the same day the source listed first."""
    if not days:
        return Found(np.full(size, np.datetime64("NaT", "D")), np.zeros(size, dtype=int))
    chosen, which = days[0].copy(), np.zeros(size, dtype=int)
    for number, day in enumerate(days[1:], start=1):
        better = (day > chosen if last else day < chosen) | (np.isnat(chosen) & ~np.isnat(day))
        chosen[better], which[better] = day[better], number
    return Found(chosen, which)


def before_origin(
    patients: pd.DataFrame,
    day: np.ndarray,
    origin: np.ndarray,
    source: DateSource,
    endpoint: Clock,
) -> list[Problem]:
    """Tell of dates before the clock starts."""
    early = day < origin
    days = [
        f"{own}, {(start - own).astype(int)} day(s) before {endpoint.origin} {start}"
        for own, start in zip(day[early], origin[early], strict=True)
    ]
    return wrong_cells(
        words_at(days, patients, early, source.date),
        early,
        f"endpoint {endpoint.label}, {source.name}",
        "A date lies before the clock starts",
        "correct the dates: death, relapse or transplant before treatment is another patient's, "
        "an earlier line's, or a typing error",
        f"on or after {endpoint.origin}",
    )


def no_event(label: str, columns: Sequence[str]) -> Problem:
    """Nobody has the event: more likely a wrong column than a fact."""
    return Problem(
        what="No patient has the event",
        where=f"endpoint {label}, column {', '.join(columns)}",
        got="no date",
        remedy="check the columns and the codes under `when:`",
    )
