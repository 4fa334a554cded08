"""Deaths within the first weeks of treatment, by arm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from evaluation.estimators import EARLY_DEATH
from evaluation.regimens.crude.response_rates import Counts, rate_rows
from evaluation.remarks import joined
from evaluation.results import Estimate
from features.outcome import Outcome

DAYS_PER_MONTH = 365.25 / 12
# A whole day in months and back is a day only up to rounding.
_DAY_TOLERANCE = 1e-6


def within_days(outcome: Outcome, days: float) -> np.ndarray:
    """True where follow-up ended by that day, the day itself included."""
    return np.asarray(outcome.time * DAYS_PER_MONTH <= days + _DAY_TOLERANCE)


def early_deaths(outcome: Outcome, days: float) -> Counts:
    """Deaths by a day among the patients whose state on that day is known.

    Parameters
    ----------
    outcome : Outcome
        Death of any cause, in months from the start of treatment.
    days : float
        30 or 60, usually; a death on that very day counts.

    Returns
    -------
    Counts
        events: deaths; n: patients who died or were followed beyond the day; unknown: censored by
        the day, so that nobody knows whether they died in it. They are in no denominator.
    """
    early = within_days(outcome, days)
    unknown = int((early & ~outcome.event).sum())
    return Counts(int((early & outcome.event).sum()), len(outcome) - unknown, unknown)


def early_death_rows(by_arm: Mapping[str, Outcome], days: Sequence[float]) -> Iterator[Estimate]:
    """Rate of death by each day in each arm (exact), and differences (Newcombe).

    An arm of which nobody was followed to the day, some having been censored before, has no rate:
    those known would be the dead alone.

    Parameters
    ----------
    by_arm : mapping of arm -> Outcome
        Overall survival; the reference arm last.
    days : sequence of float
    """
    for day in days:
        counts = {arm: _where_followed(outcome, day) for arm, outcome in by_arm.items()}
        rows = rate_rows(
            f"death by day {day:g}", EARLY_DEATH, counts, ("newcombe",), f"censored by day {day:g}"
        )
        for row in rows:
            seen = by_arm.get(row.arm)
            unseen = seen is not None and not counts[row.arm].n
            yield replace(
                row,
                horizon=day / DAYS_PER_MONTH,
                note=joined(row.note, "nobody was followed so long" if unseen else ""),
            )


def _where_followed(outcome: Outcome, day: float) -> Counts:
    counts = early_deaths(outcome, day)
    if counts.unknown and counts.events == counts.n:
        return Counts(0, 0, counts.unknown)
    return counts
