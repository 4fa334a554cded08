"""Time said to run from the index date that looks as if it ran from diagnosis (immortal time).

Who is in the cohort lived until the index date. On a clock from diagnosis nobody therefore ends
before then: the two checks count how many should have, were the clock right.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from features.endpoints import Endpoint
from features.guard.checks.events import is_death, read_as
from features.guard.checks.times import DAYS_A_MONTH, stated_start
from features.guard.evidence import TableEvidence
from features.guard.findings import Check, Observation
from features.guard.settings import read_rules
from features.outcome import MONTHS
from features.text import as_number, words

CHECK = "immortal_time"
# What a column of a delay says beside diagnosis, and the units it may name.
DELAY_WORDS = frozenset({"to", "from", "since", "until", "till", "interval", "delay", "time"})
UNIT_WORDS = {
    "days": "days", "day": "days", "tage": "days", "months": "months", "month": "months",
    "mo": "months", "monate": "months", "years": "years", "yrs": "years", "jahre": "years",
}  # fmt: skip


def immortal_time(evidence: TableEvidence) -> Iterator[Observation]:
    """Nobody ends in the months that a clock from diagnosis makes immortal."""
    if stated_start(evidence) != "index" or evidence.guard.entry:
        return
    for key, endpoint in evidence.columns.endpoints.items():
        # Endpoints of some patients, or from a landmark, start later by what they are.
        if (
            not isinstance(endpoint, Endpoint)
            or endpoint.population
            or endpoint.landmark_months is not None
            or not {endpoint.time, endpoint.event} <= set(evidence.table.columns)
        ):
            continue
        months = evidence.number(endpoint.time) * MONTHS[endpoint.unit]
        for seen in (
            _nobody_before_the_delay(evidence, endpoint, months),
            # Without deaths an endpoint may well wait for its first assessment.
            _nobody_early(evidence, endpoint, months) if is_death(key, endpoint.label) else None,
        ):
            if seen is not None:
                yield seen
                break


CHECKS: tuple[Check[TableEvidence], ...] = (immortal_time,)


def _nobody_before_the_delay(
    evidence: TableEvidence, endpoint: Endpoint, months: np.ndarray
) -> Observation | None:
    """Nobody's time is shorter than his own delay from diagnosis, though many others' times are.

    Were time counted from the end of the delay, it would not know the delay: patient i's time
    would be shorter than d_i with probability F(d_i), F the distribution of all times; the
    expected number is their sum.
    """
    for column in evidence.table.columns:
        delay = _delay(evidence, str(column), endpoint)
        both = np.isfinite(months) & np.isfinite(delay)
        if not both.any() or (months[both] < delay[both]).any():
            continue
        times = np.sort(months[both])
        expected = (np.searchsorted(times, delay[both], side="left") / len(times)).sum()
        if expected >= evidence.guard.limit(CHECK, "expected"):
            return Observation(
                f"Time of {endpoint.label} is said to run from the index date, but nobody's is "
                f"shorter than column {column} (by chance, {expected:.0f} would be): it looks "
                "as if it ran from diagnosis",
                both,
                names=(endpoint.label,),
            )
    return None


def _nobody_early(
    evidence: TableEvidence, endpoint: Endpoint, months: np.ndarray
) -> Observation | None:
    """Nobody dies or is censored early, though the rate of deaths makes it likely.

    With D deaths in T patient-months the rate is D / T (exponential survival), and of n patients
    n (1 - exp(-D / T * days)) die within so many days.
    """
    days, events, least = (evidence.guard.limit(CHECK, k) for k in ("days", "events", "expected"))
    event, censored = read_as(evidence.table, endpoint)
    told = np.isfinite(months) & (event | censored)
    early = days / DAYS_A_MONTH
    deaths = int((told & event).sum())
    if deaths < events or (months[told] < early).any():
        return None
    expected = told.sum() * -np.expm1(-deaths / months[told].sum() * early)
    if expected < least:
        return None
    return Observation(
        f"Time of {endpoint.label} is said to run from the index date, but within {days:.0f} days "
        f"nobody dies or is censored (at the rate of deaths, {expected:.0f} would die): it looks "
        "as if it began earlier",
        told,
        names=(endpoint.label,),
    )


def _delay(evidence: TableEvidence, column: str, endpoint: Endpoint) -> np.ndarray:
    """A column of the time from diagnosis to sample or treatment in months; NaN for any other."""
    rules, said = read_rules(), set(words(column))
    nothing = np.full(len(evidence.table), np.nan)
    units = {UNIT_WORDS[word] for word in said & set(UNIT_WORDS)}
    if (
        not said & set(rules.diagnosis_words)
        or not (said & DELAY_WORDS or units)
        or len(units) > 1
        # To death, relapse or transplant is no delay of the start; an age is none either.
        or said & {*rules.outcome_words, *rules.later.words, "age", "alter"}
        or column in evidence.outcome_columns
    ):
        return nothing
    number = as_number(evidence.table[column])
    return number * MONTHS[units.pop() if units else endpoint.unit]
