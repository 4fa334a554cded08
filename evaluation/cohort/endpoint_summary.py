"""How long patients were followed and how many had each endpoint's event."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from evaluation.results import ALL_PATIENTS, format_estimate
from evaluation.statistics import median_time
from features.outcome import Outcome

ENDPOINT_COLUMNS = (
    "endpoint",
    "arm",
    "n",
    "events",
    "competing",
    "follow_up",
    "follow_up_low",
    "follow_up_high",
    "median",
    "ci_low",
    "ci_high",
)


def endpoint_summary(
    outcomes: Mapping[str, Outcome],
    regimen: np.ndarray | None = None,
    eligible: Mapping[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    """Summarise each endpoint for all patients and by arm.

    Parameters
    ----------
    outcomes : mapping of endpoint label -> Outcome
        Time in months, of the patients whom the endpoint is about.
    regimen : ndarray of shape (n,), optional
    eligible : mapping of endpoint label -> ndarray of shape (n,), bool, optional
        Whom an endpoint is about; without an entry everybody.

    Returns
    -------
    DataFrame with ENDPOINT_COLUMNS
        One row an endpoint and arm, all patients first. follow_up: median follow-up by the reverse
        Kaplan-Meier estimate (Schemper and Smith, 1996), where being censored alive is the event;
        median: Kaplan-Meier median event-free time; both in months with 95% log-log limits, NaN
        where not reached. Where the endpoint has competing events, competing counts them
        (otherwise it is missing) and no median is given: Kaplan-Meier would take those
        patients for censored.
    """
    rows = []
    for endpoint, outcome in outcomes.items():
        asked = (eligible or {}).get(endpoint)
        arms = regimen if regimen is None or asked is None else regimen[asked]
        rows += [
            (endpoint, arm, *_describe(outcome.take(patients)))
            for arm, patients in _groups(len(outcome), arms).items()
        ]
    return pd.DataFrame(rows, columns=list(ENDPOINT_COLUMNS)).astype({"competing": "Int64"})


def _describe(outcome: Outcome) -> tuple[object, ...]:
    """Counts, follow-up and median, in the order of ENDPOINT_COLUMNS."""
    other = outcome.competing
    ended = outcome.event if other is None else outcome.event | other
    return (
        len(outcome),
        outcome.n_events,
        pd.NA if other is None else int(other.sum()),
        *median_time(Outcome(outcome.time, ~ended)),
        *(median_time(outcome) if other is None else (np.nan,) * 3),
    )


def readable_endpoints(summary: pd.DataFrame) -> pd.DataFrame:
    """Endpoints as a reader sees them: medians with their intervals, months in the header."""
    table = pd.DataFrame(
        {
            "endpoint": summary["endpoint"],
            "patients": summary["arm"],
            "n": summary["n"],
            "events": summary["events"],
            "competing": ["" if pd.isna(c) else str(c) for c in summary["competing"]],
            "median follow-up, months (95% CI)": _medians(
                summary, "follow_up", "follow_up_low", "follow_up_high"
            ),
            "median, months (95% CI)": _medians(summary, "median", "ci_low", "ci_high"),
        }
    )
    # Where everybody's follow-up ended with an event there is no censoring to time.
    ended = summary["events"].map(_count) + summary["competing"].fillna(0).map(_count)
    table.loc[ended == summary["n"], table.columns[-2]] = "complete"
    competing = summary["competing"].notna()
    table.loc[competing, table.columns[-1]] = "none: competing events"
    return table if competing.any() else table.drop(columns="competing")


def _count(count: object) -> float:
    """A count, or NaN where it is hidden."""
    return float(count) if isinstance(count, int | np.integer) else np.nan


def _groups(n: int, regimen: np.ndarray | None) -> dict[str, np.ndarray]:
    groups = {ALL_PATIENTS: np.ones(n, dtype=bool)}
    arms = [] if regimen is None else sorted(set(regimen))
    return groups | {str(arm): np.asarray(regimen) == arm for arm in arms if len(arms) > 1}


def _medians(summary: pd.DataFrame, *columns: str) -> list[str]:
    rows = summary[list(columns)].to_numpy(dtype=float)
    return [
        "not reached" if np.isnan(median) else format_estimate(median, low, high, digits=1)
        for median, low, high in rows
    ]
