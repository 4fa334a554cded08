"""Ready-made times from diagnosis, counted from the index date instead."""

from __future__ import annotations

import pandas as pd

from features.cohort import CohortColumns
from features.endpoints import Endpoint
from features.guard.settings import Guard


def entry_column(table: pd.DataFrame, guard: Guard) -> str:
    """Column of the time from diagnosis to the index date; empty when there is none."""
    return guard.entry or str(table.attrs.get("start_offset_column") or "")


def ready_times(table: pd.DataFrame, columns: CohortColumns) -> list[tuple[str, str]]:
    """(label, column) of the times that the table holds ready-made, deaths' and transplants' too.

    Endpoints from dates have their own origin.
    """
    found = []
    for endpoint in columns.endpoints.values():
        if isinstance(endpoint, Endpoint):
            found += [(endpoint.label, coded.time) for coded in endpoint.coded]
    if columns.transplant is not None:
        found.append(("transplant", columns.transplant.time))
    return [(label, column) for label, column in found if column and column in table]


def from_index_date(table: pd.DataFrame, columns: CohortColumns, entry: str) -> pd.DataFrame:
    """Start the clock of ready-made times at the index date.

    A patient had to live from diagnosis to the index date to be in the cohort; counted in, those
    months would be immortal time.

    Parameters
    ----------
    entry : str
        Column of the time from diagnosis to the index date, in the unit of the other times.
    """
    before = pd.to_numeric(table[entry], errors="coerce")
    moved: dict[str, pd.Series] = {}
    for _, column in ready_times(table, columns):
        time = pd.to_numeric(table[column], errors="coerce")
        since = (time - before).round(9).astype(object)
        # What is no number stays as it is, to be refused with its own words.
        moved[column] = since.where(time.notna(), table[column])
    return table.assign(**moved)
