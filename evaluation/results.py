"""The tidy tables every evaluation returns, and how an estimate is printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from features.text import fixed

MODEL_BASED = "model-based"
# The name of the group that all patients are, where there are no arms.
ALL_PATIENTS = "All patients"
# Headers of printed estimates. What a model's refits range over is no interval of a treatment
# difference, and stands under its own.
INTERVAL = "estimate (95% interval)"
REFITS = "[range over refits]"
RANGE = f"estimate {REFITS}"
# Below this a p-value is printed as below it.
SMALLEST_P = 0.001
_DIGITS = {"months": 1, "event probability difference": 3}

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
        return fixed(value, digits) if np.isfinite(value) else "NR"

    if not np.isfinite([ci_low, ci_high]).any():
        return one(estimate)
    between = " to " if "-" in one(ci_low) + one(ci_high) else "-"
    return f"{one(estimate)} ({one(ci_low)}{between}{one(ci_high)})"


def digits_of(scale: str) -> int:
    """Decimals at which estimates of a scale are printed, everywhere."""
    return _DIGITS.get(scale, 2)


def format_row(row: Any) -> str:
    """`format_estimate` of a row of a regimen table, as `itertuples` gives it, in its scale."""
    return format_estimate(row.estimate, row.ci_low, row.ci_high, digits_of(row.scale))


def under_true_header(family: pd.Series, cells: Sequence[str]) -> dict[str, list[str]]:
    """Cells by the header that is true of them: a range over refits is no 95% interval.

    Parameters
    ----------
    family : Series of n str
    cells : sequence of n str
        As `format_estimate` prints them.

    Returns
    -------
    dict of header -> n cells
        INTERVAL and RANGE, each empty where the other holds; one alone where it holds everywhere.
    """
    modelled = (family == MODEL_BASED).tolist()
    found = {}
    if not modelled or not all(modelled):
        found[INTERVAL] = [
            "" if refits else cell for cell, refits in zip(cells, modelled, strict=True)
        ]
    if any(modelled):
        found[RANGE] = [
            in_brackets(cell) if refits else ""
            for cell, refits in zip(cells, modelled, strict=True)
        ]
    return found


def in_brackets(cell: str) -> str:
    """A range over refits as '0.68 [0.61-0.74]'."""
    return cell.replace("(", "[").replace(")", "]")


def with_refit_range(table: pd.DataFrame) -> pd.DataFrame:
    """A regimen table for a file: the ranges over refits in columns of their own.

    `ci_low` and `ci_high` are empty in model-based rows, `refit_low` and `refit_high` in others.
    """
    modelled = table["family"] == MODEL_BASED
    found = table.copy()
    for place, limit in enumerate(("low", "high"), start=1):
        found.insert(
            found.columns.get_loc("ci_high") + place,
            f"refit_{limit}",
            table[f"ci_{limit}"].where(modelled),
        )
        found[f"ci_{limit}"] = table[f"ci_{limit}"].where(~modelled)
    return found


def excludes(low: ArrayLike, high: ArrayLike, null: ArrayLike, digits: ArrayLike = 2) -> np.ndarray:
    """Whether intervals, as they are printed, leave out a value; without limits they do not.

    A limit that prints as the value touches it.
    """
    low, high, null, digits = np.broadcast_arrays(
        *(np.asarray(part, dtype=float) for part in (low, high, null, digits))
    )
    half = 0.5 * 10.0**-digits
    return np.asarray((low >= null + half) | (high <= null - half))


def p_text(p_value: float) -> str:
    """'p = .03' or 'p < .001'; 'p not estimable' where there is none."""
    if not np.isfinite(p_value):
        return "p not estimable"
    return f"p {'' if p_value < SMALLEST_P else '= '}{format_p(p_value)}"


def format_p(p_value: float) -> str:
    """Two or three decimals, '< .001' below."""
    if not np.isfinite(p_value):
        return ""
    if p_value < SMALLEST_P:
        return "< .001"
    digits = 3 if p_value < 0.1 else 2
    return f"{p_value:.{digits}f}".removeprefix("0")
