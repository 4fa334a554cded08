"""What a table and the cohort as read from it show side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.cohort import Cohort, CohortColumns
from features.endpoints import Endpoint
from features.guard.findings import Check, Observation
from features.guard.index_date import ready_times
from features.guard.settings import Guard
from features.outcome import MONTHS


@dataclass(frozen=True)
class ReadingEvidence:
    """A table, and the cohort as read from it.

    Attributes
    ----------
    entry : str
        Column that was taken off the table's times before they were read; empty without one.
    """

    table: pd.DataFrame
    cohort: Cohort
    columns: CohortColumns
    guard: Guard
    entry: str


def clock_moved(evidence: ReadingEvidence) -> Iterator[Observation]:
    """Times ran from diagnosis in the table, and were read from the index date."""
    labels = dict.fromkeys(label for label, _ in ready_times(evidence.table, evidence.columns))
    if evidence.entry and labels:
        yield Observation(
            f"Times of {', '.join(labels)} start at the index date: column {evidence.entry} was "
            "taken off",
            np.ones(len(evidence.cohort), dtype=bool),
        )


def late_death(evidence: ReadingEvidence) -> Iterator[Observation]:
    """Who died long after the endpoint's own follow-up: was the event missed in between?"""
    cohort, months = evidence.cohort, evidence.guard.limit("late_death", "months")
    assert cohort.places is not None
    for endpoint in evidence.columns.endpoints.values():
        # After a landmark the times no longer are those of the column.
        if not isinstance(endpoint, Endpoint) or not endpoint.death or endpoint.landmark_months:
            continue
        among = cohort.of_endpoint(endpoint.label)
        rows = evidence.table[endpoint.time].iloc[cohort.places[among]]
        own = pd.to_numeric(rows).to_numpy(dtype=float) * MONTHS[endpoint.unit]
        who = np.zeros(len(cohort), dtype=bool)
        who[among] = cohort.outcomes[endpoint.label].time > own + months
        if who.any():
            yield Observation(
                f"{endpoint.label}: follow-up ended more than {months:g} months before "
                "these patients' deaths, which count at their day "
                f"(death: is: {endpoint.death.counts_as})",
                who,
                among,
                names=(endpoint.label,),
            )


CHECKS: tuple[Check[ReadingEvidence], ...] = (clock_moved, late_death)
