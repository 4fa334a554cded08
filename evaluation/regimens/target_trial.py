"""The target trial that an observational comparison stands in for, as a sheet to be read first.

Components follow TARGET 2025 (10.1001/jama.2025.13350).
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

TARGET_COLUMNS = ("component", "target trial", "this cohort")
# Key of the configuration: how the sheet names it.
COMPONENTS = {
    "eligibility": "Eligibility",
    "strategies": "Strategies",
    "assignment": "Assignment",
    "time_zero": "Time zero",
    "follow_up": "Follow-up",
    "outcome": "Outcomes",
    "contrast": "Contrast",
    "assumptions": "Assumptions",
    "analysis": "Analysis",
    "departures": "Departures",
}


def target_trial_sheet(trial: Mapping[str, str], cohort: Mapping[str, str]) -> pd.DataFrame:
    """The components of the trial beside what the cohort gives in their place.

    Parameters
    ----------
    trial, cohort : mapping of component -> text
        Keys of COMPONENTS. What is missing or empty on one side is "not stated" there; a component
        that is empty on both has no row.

    Returns
    -------
    DataFrame with TARGET_COLUMNS

    Raises
    ------
    ValueError
        For a component that TARGET does not know.
    """
    unknown = sorted((set(trial) | set(cohort)) - set(COMPONENTS))
    if unknown:
        raise ValueError(f"unknown component {', '.join(unknown)}; use {', '.join(COMPONENTS)}")
    rows = []
    for key, name in COMPONENTS.items():
        there, here = trial.get(key, ""), cohort.get(key, "")
        if there or here:
            rows.append((name, there or "not stated", here or "not stated"))
    return pd.DataFrame(rows, columns=list(TARGET_COLUMNS))
