"""Endpoints from dates, as data: an origin, ordered event sources, and what ends follow-up.

The form follows admiral's time-to-event sources (pharmaverse), which keep for every patient why and
from where an outcome was taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from features.covariates import Codes, check_columns, meets
from features.endpoints.clock import (
    CUT_OFF,
    Clock,
    DateSource,
    Found,
    before_origin,
    no_event,
    pick,
    read_origin,
    read_source,
)
from features.errors import InputError, Problem, collect, refuse
from features.errors.wrong_cells import rows_of
from features.outcome import MONTHS, Outcome


class DatedEndpoint(Clock):
    """A time-to-event endpoint from dates.

    Attributes
    ----------
    label, origin, cutoff, landmark_months, date_format
        As for every `Clock`.
    events : sequence of DateSource
        The earliest date is the event; on the same day the one listed first names it.
    competing : sequence of DateSource
        Events after which the event of interest can no longer be seen, such as death for relapse.
        On the same day as an event, the event counts.
    censors : sequence of DateSource
        When the patient was last known to be without the event: the latest of these dates.
    censor_at : sequence of DateSource
        What ends follow-up without being an event, such as a transplant: the earliest. An event on
        that very day counts.
    within_days : int, optional
        Event by this day after the origin or not: follow-up ends there, as for early death.
    population : mapping of column -> codes
        Only patients who hold one of the codes in every column, such as responders.
    """

    events: tuple[DateSource, ...]
    competing: tuple[DateSource, ...] = ()
    censors: tuple[DateSource, ...] = ()
    censor_at: tuple[DateSource, ...] = ()
    within_days: int | None = Field(default=None, gt=0)
    population: dict[str, Codes] = Field(default_factory=dict)

    @field_validator("events")
    @classmethod
    def _some(cls, events: tuple[DateSource, ...]) -> tuple[DateSource, ...]:
        if not events:
            raise ValueError("name at least one event, such as [{date: death_date}]")
        return events

    @property
    def columns(self) -> dict[str, str]:
        """Every column of dates, by what it is for."""
        kinds = ("events", "competing", "censors", "censor_at")
        sources = {f"{k}, {s.name}": s.date for k in kinds for s in getattr(self, k)}
        return {"origin": self.origin, **sources}


def derive_dated(table: pd.DataFrame, endpoint: DatedEndpoint) -> tuple[Outcome, np.ndarray]:
    """Derive an endpoint from dates.

    Parameters
    ----------
    table : DataFrame of shape (n, any), index the patient's position in the whole table

    Returns
    -------
    outcome : Outcome of the patients of the endpoint's population
        In months; with reason, source and, where the endpoint lists any, competing events. An
        event on the day of the origin has time 0.
    population : ndarray of shape (n,), bool

    Raises
    ------
    InputError
        When a column is absent, a date cannot be read, the origin is missing, a date lies before
        the origin, an event has no date, or a patient has neither an event nor a last known date.
    """
    where = f"endpoint {endpoint.label}"
    population = meets(table, endpoint.population, where)
    check_columns(table, {f"{where}, {k}": column for k, column in endpoint.columns.items()})
    check_population(population, endpoint.population, where)
    patients = table[population]
    problems: list[Problem] = []
    origin = collect(problems, lambda: read_origin(patients, endpoint))

    def read(sources: Sequence[DateSource], last: bool = False) -> Found:
        days = [
            collect(problems, lambda s=s: read_source(patients, s, endpoint))  # type: ignore[misc]
            for s in sources
        ]
        known = [
            np.full(len(patients), np.datetime64("NaT", "D")) if d is None else d for d in days
        ]
        # What happened before the clock started is no outcome: the patient was not at risk.
        if origin is not None and not last:
            for source, day in zip(sources, known, strict=True):
                problems.extend(before_origin(patients, day, origin, source, endpoint))
        return pick(known, len(patients), last=last)

    event, competing = read(endpoint.events), read(endpoint.competing)
    stop, seen = read(endpoint.censor_at), read(endpoint.censors, last=True)
    if problems or origin is None:
        raise InputError(problems)
    if np.isnat(event.day).all():
        raise InputError(no_event(endpoint.label, [s.date for s in endpoint.events]))

    sources = [*endpoint.events, *endpoint.competing, *endpoint.censor_at, *endpoint.censors]
    reasons = [*(s.name for s in sources), CUT_OFF]
    columns = [*(s.date for s in sources), "cutoff"]
    starts = np.cumsum([0, *map(len, (endpoint.events, endpoint.competing, endpoint.censor_at))])
    first, rival, ended, last = (
        found.which + start
        for found, start in zip((event, competing, stop, seen), starts, strict=True)
    )

    # A transplant, where it censors, and the administrative cut-off end follow-up at their date.
    cutoff = np.datetime64("NaT" if endpoint.cutoff is None else endpoint.cutoff, "D")
    limit = np.fmin(stop.day, cutoff)
    stopped = stop.day == limit
    # Without an event the patient was last known to be event-free on the latest of these dates.
    day, decided = seen.day, last
    # Whoever was seen, or had an event, after the limit was event-free at the limit.
    past = (day >= limit) | (event.day > limit) | (competing.day > limit)
    past |= np.isnat(day) & stopped
    day = np.where(past, limit, day)
    decided = np.where(past, np.where(stopped, ended, len(sources)), decided)
    # An event on the very day of the limit counts. An earlier last contact does not end follow-up:
    # the event was learnt of.
    happened = ~np.isnat(event.day) & ~(event.day > limit) & ~(competing.day < event.day)
    # Of an event and a competing one on the same day, the event counts.
    competed = ~np.isnat(competing.day) & ~(competing.day > limit) & ~(event.day <= competing.day)
    for occurred, found, name in ((happened, event, first), (competed, competing, rival)):
        day, decided = np.where(occurred, found.day, day), np.where(occurred, name, decided)
    _check_ends(patients, day, origin, endpoint)

    days = (day - origin).astype(float)
    # Early death: dead by day 30, or not; nothing after that day counts.
    if endpoint.within_days is not None:
        over = days > endpoint.within_days
        happened, competed = happened & ~over, competed & ~over
        days = np.where(over, endpoint.within_days, days)
        decided = np.where(over, len(reasons), decided)
        reasons.append(f"none within {endpoint.within_days} days")
        columns.append("within_days")
    outcome = Outcome(
        days * MONTHS["days"],
        happened,
        np.array(reasons, dtype=object)[decided],
        np.array(columns, dtype=object)[decided],
        competed if endpoint.competing else None,
    )
    return outcome, population


def check_population(
    population: np.ndarray, stated: Mapping[str, tuple[str, ...]], where: str
) -> None:
    """Raise when nobody belongs to an endpoint's population."""
    if population.any():
        return
    raise InputError(
        Problem(
            what="Nobody belongs to the endpoint's population",
            where=where,
            allowed="; ".join(f"{column}: {', '.join(codes)}" for column, codes in stated.items()),
            remedy="check the codes under `population:`",
        )
    )


def _check_ends(
    patients: pd.DataFrame,
    day: np.ndarray,
    origin: np.ndarray,
    endpoint: DatedEndpoint,
) -> None:
    """Raise unless everybody's follow-up ends on a known day, not before it starts."""
    where = f"endpoint {endpoint.label}"
    columns = ", ".join(s.date for s in endpoint.censors) or "none stated under `censors:`"
    endless = np.isnat(day)
    problems = []
    if endless.any():
        problems.append(
            Problem(
                what="Neither an event nor a last known date",
                where=f"{where}, {rows_of(patients, endless)}",
                got=f"no event; last known dates: {columns}",
                remedy="fill in the last contact, or leave these patients out with a stated reason",
            )
        )
    last = DateSource(date=columns, reason="last known date")
    refuse([*problems, *before_origin(patients, day, origin, last, endpoint)])
