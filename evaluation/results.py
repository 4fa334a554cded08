"""The tidy tables every evaluation returns, and how an estimate is printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

METRIC_COLUMNS = (
    "learner",
    "metric",
    "horizon",
    "estimate",
    "ci_low",
    "ci_high",
    "ci_method",
    "n",
    "events",
    "note",
)

# Metrics of one time that is not a clinical horizon: a name says all of it.
WITHOUT_HORIZON = (
    "harrell_c",
    "uno_c",
    "ibs",
    "integrated_auc",
    "d_calibration_p",
    "competing_c",
    "competing_ibs",
)

# Classical and model-based estimates share these, so that the report is one concatenation.
REGIMEN_COLUMNS = (
    "family",
    "estimator",
    "endpoint",
    "scale",
    "horizon",
    "arm",
    "reference_arm",
    "estimate",
    "ci_low",
    "ci_high",
    "ci_method",
    "p_value",
    "n",
    "events",
    "note",
)

# What an adjusted estimate needs beside it; other families may leave these empty.
ADJUSTED_COLUMNS = (
    *REGIMEN_COLUMNS[:-1],
    "adjustment_set",
    "population",
    "effective_n",
    "assumption",
    "verdict",
    "note",
)


def metric_table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a metric, with exactly METRIC_COLUMNS; what a row leaves out is missing."""
    return _tidy(rows, METRIC_COLUMNS)


def regimen_table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row an estimate, with exactly REGIMEN_COLUMNS; what a row leaves out is missing."""
    return _tidy(rows, REGIMEN_COLUMNS)


def adjusted_table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row an estimate, with exactly ADJUSTED_COLUMNS; what a row leaves out is missing."""
    return _tidy(rows, ADJUSTED_COLUMNS)


def _tidy(rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    rows = list(rows)
    for row in rows:
        unknown = set(row) - set(columns)
        if unknown:
            raise KeyError(f"not a column of this table: {sorted(unknown)}")
    table = pd.DataFrame(rows, columns=list(columns))
    for column in ("horizon", "estimate", "ci_low", "ci_high", "p_value", "effective_n"):
        if column in table:
            table[column] = table[column].astype(float)
    # As objects: a column that no row fills is one of numbers.
    table["note"] = table["note"].astype(object).fillna("")
    return table


def format_estimate(estimate: float, ci_low: float, ci_high: float, digits: int = 2) -> str:
    """Print as '0.68 (0.61-0.74)', with 'to' when a limit is negative and 'NR' for not reached."""
    if not np.isfinite(estimate):
        return "not estimable" if not np.isfinite([ci_low, ci_high]).any() else "NR"

    def one(value: float) -> str:
        return f"{value:.{digits}f}" if np.isfinite(value) else "NR"

    if not np.isfinite([ci_low, ci_high]).any():
        return one(estimate)
    between = " to " if min(np.nan_to_num([ci_low, ci_high])) < 0 else "-"
    return f"{one(estimate)} ({one(ci_low)}{between}{one(ci_high)})"


def format_p(p_value: float) -> str:
    """Two or three decimals, '< .001' below."""
    if not np.isfinite(p_value):
        return ""
    if p_value < 0.001:
        return "< .001"
    digits = 3 if p_value < 0.1 else 2
    return f"{p_value:.{digits}f}".removeprefix("0")
