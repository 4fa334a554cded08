"""Times and dates that cannot be, and clocks that start at the wrong moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.guard.evidence import TableEvidence, happened
from features.guard.findings import Check, Observation
from features.guard.index_date import entry_column
from features.guard.settings import Happened, read_rules
from features.outcome import MONTHS
from features.text import as_number, as_text, words

DAYS_A_MONTH = 365.25 / 12


@dataclass(frozen=True)
class Moments:
    """A column of dates or times.

    Attributes
    ----------
    value : ndarray of shape (n,), float
        Days since 1970 for dates, the number itself for times; NaN where missing or unreadable.
    is_date : bool
    unreadable : ndarray of shape (n,), bool
        Known, but neither.
    """

    value: np.ndarray
    is_date: bool
    unreadable: np.ndarray


def read_moments(values: pd.Series) -> Moments:
    """Read a column as times when every known cell is a number, else as ISO dates."""
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return _dates(values, values.notna().to_numpy(dtype=bool))
    text = as_text(values)
    known = text.notna().to_numpy(dtype=bool)
    number = as_number(values)
    if not np.isnan(number[known]).any():
        return Moments(number, False, np.zeros(len(known), dtype=bool))
    return _dates(pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True), known)


def _dates(dates: pd.Series, known: np.ndarray) -> Moments:
    days = (pd.to_datetime(dates, utc=True) - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
    value = days.to_numpy(dtype=float, na_value=np.nan)
    return Moments(value, True, known & np.isnan(value))


def negative_time(evidence: TableEvidence) -> Iterator[Observation]:
    """A time before the index date."""
    for label, column, _ in evidence.endpoint_columns:
        negative = evidence.number(column) < 0
        if negative.any():
            yield Observation(f"Times of {label} (column {column}) are negative", negative)


def death_before_treatment(evidence: TableEvidence) -> Iterator[Observation]:
    """A death, or the end of follow-up, before the first dose."""
    guard, table = evidence.guard, evidence.table
    if guard.death and guard.treatment_start:
        death, start = (read_moments(table[c]) for c in (guard.death, guard.treatment_start))
        before = (death.value < start.value) & (death.is_date == start.is_date)
        if before.any():
            yield Observation(
                f"Death (column {guard.death}) lies before treatment "
                f"(column {guard.treatment_start})",
                before,
            )
    entry = entry_column(table, guard)
    if entry:
        for label, column, _ in evidence.endpoint_columns:
            # Both run from diagnosis: follow-up cannot end before the index date.
            before = evidence.number(column) < evidence.number(entry)
            if before.any():
                yield Observation(
                    f"Times of {label} (column {column}) end before the index date "
                    f"(column {entry})",
                    before,
                )


def event_after_cut_off(evidence: TableEvidence) -> Iterator[Observation]:
    """A date after the data cut-off, or a start and a time that together pass it."""
    guard, table = evidence.guard, evidence.table
    if guard.cut_off is None:
        return
    cut_off = (pd.Timestamp(guard.cut_off) - pd.Timestamp(0)) / pd.Timedelta(days=1)
    for column in dict.fromkeys([*guard.event_dates, guard.death]):
        moments = read_moments(table[column]) if column else None
        if moments and moments.is_date and (moments.value > cut_off).any():
            yield Observation(
                f"Dates in column {column} lie after the cut-off", moments.value > cut_off
            )
    start = read_moments(table[guard.treatment_start]) if guard.treatment_start else None
    if start is None or not start.is_date:
        return
    slack = guard.limit("event_after_cut_off", "slack_days")
    for endpoint in evidence.columns.endpoints.values():
        column = getattr(endpoint, "time", "")
        if isinstance(column, str) and column in table.columns:
            days = evidence.number(column) * MONTHS[endpoint.unit] * DAYS_A_MONTH
            # Times in whole months are off by up to half a month.
            after = start.value + days > cut_off + slack
            if after.any():
                yield Observation(
                    f"Column {guard.treatment_start} plus the time of {endpoint.label} "
                    f"(column {column}) lies after the cut-off",
                    after,
                )


def relapse_without_remission(evidence: TableEvidence) -> Iterator[Observation]:
    """A relapse in a patient without remission, or before it."""
    guard, table = evidence.guard, evidence.table
    if guard.remission is None or guard.relapse is None:
        return
    relapsed, remitted = (happened(table, what) for what in (guard.relapse, guard.remission))
    wrong = relapsed & ~remitted
    relapse, remission = (read_moments(table[w.column]) for w in (guard.relapse, guard.remission))
    if relapse.is_date and remission.is_date:
        wrong |= relapsed & (relapse.value < remission.value)
    if wrong.any():
        yield Observation(
            f"Relapse (column {guard.relapse.column}) without, or before, remission "
            f"(column {guard.remission.column})",
            wrong,
            relapsed,
        )


def unreadable_date(evidence: TableEvidence) -> Iterator[Observation]:
    """A date that the checks above could not read, or dates compared with numbers."""
    guard, table = evidence.guard, evidence.table
    for column in dict.fromkeys([*guard.event_dates, guard.death, guard.treatment_start]):
        if not column:
            continue
        moments = read_moments(table[column])
        if moments.unreadable.any():
            yield Observation(f"Dates in column {column} cannot be read", moments.unreadable)
        elif (
            column in guard.event_dates
            and not moments.is_date
            and _any_known(moments)
            and guard.cut_off
        ):
            yield Observation(
                f"Column {column} holds numbers and cannot be compared with the cut-off",
                evidence.everybody,
            )
    if guard.death and guard.treatment_start:
        death, start = (read_moments(table[c]) for c in (guard.death, guard.treatment_start))
        both = _any_known(death) and _any_known(start)
        if both and death.is_date != start.is_date:
            yield Observation(
                f"Columns {guard.death} and {guard.treatment_start} are not compared: one holds "
                "dates, the other numbers",
                evidence.everybody,
            )


def clock_start(evidence: TableEvidence) -> Iterator[Observation]:
    """Time runs from diagnosis, and no delay until the index date is given."""
    entry = entry_column(evidence.table, evidence.guard)
    if not _runs_from_diagnosis(evidence):
        return
    if not entry:
        yield Observation("Time runs from diagnosis, not from the index date", evidence.everybody)
        return
    unknown = np.isnan(evidence.number(entry))
    if unknown.any():
        yield Observation(
            f"Time runs from diagnosis, and the delay until the index date "
            f"(column {entry}) is not known",
            unknown,
        )


def sampled_later(evidence: TableEvidence) -> Iterator[Observation]:
    """Rows sampled at relapse or in remission whose time runs, or may run, from diagnosis."""
    guard, table = evidence.guard, evidence.table
    if entry_column(table, guard) or stated_start(evidence) == "index":
        return
    clock = (
        "while time runs from diagnosis"
        if _runs_from_diagnosis(evidence)
        else "and where time starts is not stated"
    )
    if guard.stage:
        found = [(guard.stage.column, happened(table, guard.stage))]
    else:
        found = [
            (str(column), later)
            for column in table.columns
            if (later := _named_later(table[column])) is not None
        ]
    for column, later in found:
        if later.any():
            yield Observation(
                f"Rows were sampled after diagnosis (column {column}), {clock}", later
            )


CHECKS: tuple[Check[TableEvidence], ...] = (
    negative_time,
    death_before_treatment,
    event_after_cut_off,
    relapse_without_remission,
    unreadable_date,
    clock_start,
    sampled_later,
)


def stated_start(evidence: TableEvidence) -> str | None:
    """Where time starts: 'index', 'diagnosis', or None when nobody says."""
    # What the user states outweighs what the source says of itself.
    stated = evidence.guard.starts_at or evidence.table.attrs.get("time_origin")
    if stated is None:
        origins = [getattr(e, "origin", "") for e in evidence.columns.endpoints.values()]
        named = {word for origin in origins if origin for word in words(origin)}
        stated = "diagnosis" if named & set(read_rules().diagnosis_words) else None
    return stated


def _any_known(moments: Moments) -> bool:
    """Whether any cell can be read; an empty column is neither dates nor numbers."""
    return bool(np.isfinite(moments.value).any())


def _runs_from_diagnosis(evidence: TableEvidence) -> bool:
    return stated_start(evidence) == "diagnosis"


def _named_later(values: pd.Series) -> np.ndarray | None:
    """The rows sampled after diagnosis, when the column's name says that it tells so."""
    known = read_rules().sampling
    name = " ".join(words(values.name))
    joined = name.replace(" ", "")
    if joined in {flag.replace(" ", "") for flag in known.flags}:
        return happened(values.to_frame(), Happened(column=str(values.name)))
    if joined not in {column.replace(" ", "") for column in known.columns}:
        return None
    text = as_text(values)
    plain = {cell: " ".join(words(cell)) for cell in text.dropna().unique()}
    stage = text.map(plain, na_action="ignore")
    # A table of relapses alone counts from relapse; only with others beside them does time differ.
    if not stage.isin(known.first).any():
        return None
    return stage.isin(known.later).to_numpy(dtype=bool)
