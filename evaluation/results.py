"""The tidy tables every evaluation returns, and how an estimate is printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from evaluation.estimators import Estimator, Named
from evaluation.remarks import joined
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


# Cells that print as text and know more than it says: a column of them stays one of objects.
_TYPED = ("estimator", "ci_method", "note")


@dataclass(frozen=True)
class Adjusted:
    """What an adjusted estimate needs beside it.

    Attributes
    ----------
    adjustment_set, population : str
    effective_n : float
        Patients that the weights leave.
    assumption, verdict : str
        What the estimate rests on, and what was found of that.
    """

    adjustment_set: str
    population: str = ""
    effective_n: float = np.nan
    assumption: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Estimate:
    """One estimate of the regimens: of what, of whom, how large, how sure, and why not.

    Whatever decides something about an estimate asks its estimator and the parts of its note; the
    table of estimates is made last and keeps both in its cells.

    Attributes
    ----------
    estimator : Estimator
    scale : str
    arm : str
    reference_arm : str, optional
        None for an estimate of one arm alone.
    part : str
        What the estimate is about: a subgroup, a learner, another estimate; empty without one.
    endpoint : str
    horizon : float
        Months; NaN for none.
    value, low, high : float
        NaN where not estimable; the note then says why.
    method : str, optional
        How limits are made; None where there are none to make.
    p_value : float
    n, events : float, optional
        None where too small to be told.
    note : str
    adjusted : Adjusted, optional
    """

    estimator: Estimator
    scale: str
    arm: str = ""
    reference_arm: str | None = None
    part: str = ""
    endpoint: str | None = None
    horizon: float = np.nan
    value: float = np.nan
    low: float = np.nan
    high: float = np.nan
    method: str | None = None
    p_value: float = np.nan
    n: float | None = None
    events: float | None = None
    note: str = ""
    adjusted: Adjusted | None = None

    @property
    def name(self) -> Named:
        """What the estimate is called."""
        return self.estimator.named(self.part)

    def cells(self) -> dict[str, Any]:
        """By column of a table."""
        beside = {} if self.adjusted is None else vars(self.adjusted)
        return {
            "family": self.estimator.family,
            "estimator": self.name,
            "endpoint": self.endpoint,
            "scale": self.scale,
            "horizon": self.horizon,
            "arm": self.arm,
            "reference_arm": self.reference_arm,
            "estimate": self.value,
            "ci_low": self.low,
            "ci_high": self.high,
            "ci_method": self.method,
            "p_value": self.p_value,
            "n": self.n,
            "events": self.events,
            "note": self.note,
            **beside,
        }


def metric_table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a metric, with exactly METRIC_COLUMNS; what a row leaves out is missing."""
    return tidy(rows, METRIC_COLUMNS)


def regimen_table(estimates: Iterable[Estimate]) -> pd.DataFrame:
    """One row an estimate, with exactly REGIMEN_COLUMNS."""
    return tidy((one.cells() for one in estimates), REGIMEN_COLUMNS)


def adjusted_table(estimates: Iterable[Estimate]) -> pd.DataFrame:
    """One row an estimate, with exactly ADJUSTED_COLUMNS."""
    return tidy((one.cells() for one in estimates), ADJUSTED_COLUMNS)


def tidy(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Rows as a table; cells of estimators, methods and notes stay what they are.

    Raises
    ------
    KeyError
        When a row has what is not among the columns.
    """
    rows = list(rows)
    for row in rows:
        unknown = set(row) - set(columns)
        if unknown:
            raise KeyError(f"not a column of this table: {sorted(unknown)}")
    table = pd.DataFrame(rows, columns=list(columns))
    for column in ("horizon", "estimate", "ci_low", "ci_high", "p_value", "effective_n"):
        if column in table:
            table[column] = table[column].astype(float)
    for column in _TYPED:
        if column in table:
            cells = [row.get(column, np.nan) for row in rows]
            if column == "note":
                cells = [joined("" if pd.isna(cell) else cell) for cell in cells]
            table[column] = pd.Series(cells, index=table.index, dtype=object)
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
