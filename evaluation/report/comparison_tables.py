"""Tables of a regimen comparison as a reader sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evaluation.regimens import (
    ADVERSE_EVENT,
    EARLY_DEATH,
    INTERACTION,
    SCALES,
    of_rates,
    parts_of,
    rows_in,
    rows_of,
)
from evaluation.regimens.triangulation import EVENT_PROBABILITY, HAZARD_RATIO, RMST
from evaluation.remarks import Remark, without
from evaluation.report.tables import describe_arms
from evaluation.results import format_estimate, format_p, format_row, p_text, under_true_header
from features.text import fixed, months_text

SHARED = (HAZARD_RATIO, RMST, EVENT_PROBABILITY)
# Of a contribution, and of a contrast of regimens.
_IN_MONTHS = ("RMST", SCALES["RMST"])


def by_scale(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Rows that can be laid beside each other, under a heading each."""
    parts = []
    for scale in SHARED:
        rows = table[table["scale"] == scale]
        for months in sorted(rows["horizon"].unique()):
            at = rows["horizon"].isna() if np.isnan(months) else rows["horizon"] == months
            heading = scale if np.isnan(months) else f"{scale}, {months:g} months"
            parts.append((heading[0].upper() + heading[1:], rows[at]))
    return parts


def readable_shared(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of one scale and horizon: what is the same for all of them is left out."""
    shown = readable_contrasts(table).drop(columns=["endpoint", "scale", "months"])
    if len(set(table["arm"])) == 1:
        shown = shown.drop(columns="arms")
    # Which side is better stands under the picture; the trend is the check.
    notes = [without(note, Remark.ABOVE, Remark.HAZARDS) for note in shown["note"]]
    shown = shown.assign(note=notes)
    if not any(notes):
        shown = shown.drop(columns="note")
    return shown


def readable_rest(table: pd.DataFrame) -> pd.DataFrame:
    """Contrasts that stand alone: without what the rows on a shared scale say of themselves."""
    shown = readable_contrasts(table)
    if not (table["family"] != "classical").any():
        shown = shown.drop(columns="family")
    return shown.drop(columns=["population", "assumes", "check"])


def readable_contrasts(table: pd.DataFrame) -> pd.DataFrame:
    """Contrasts of any family, one row each, with assumption and check."""
    sure = table["estimate"].notna() | table["p_value"].notna()
    cells = [
        _estimate(row) if known else "not estimable"
        for row, known in zip(table.itertuples(), sure, strict=True)
    ]
    return pd.DataFrame(
        {
            "family": table["family"],
            "endpoint": table["endpoint"],
            "estimator": table["estimator"],
            "arms": describe_arms(table),
            "scale": table["scale"],
            "months": _months(table["horizon"]),
            **under_true_header(table["family"], cells),
            "p": [format_p(p) for p in table["p_value"]],
            "n (effective)": [
                _sizes(row.n, row.effective_n) for row in table.itertuples()
            ],
            "population": table["population"],
            "assumes": table["assumption"],
            "check": table["verdict"],
            "interval": table["ci_method"],
            "note": table["note"],
        }
    )  # fmt: skip


def readable_arms(classical: pd.DataFrame) -> pd.DataFrame:
    """What happened in each arm: one row an estimate, one column an arm."""
    return _wide(classical, classical["endpoint"])


def readable_adverse(classical: pd.DataFrame) -> pd.DataFrame:
    """Adverse events: rate in each arm with exact limits, and the difference."""
    rows = classical[rows_in(classical["estimator"], ADVERSE_EVENT)]
    rates = rows[rows["reference_arm"].isna()]
    if rates.empty:
        return rates
    table = _wide(rates, rates["endpoint"]).drop(columns=["estimate", "months"])
    differences = rows[rows["reference_arm"].notna()]
    for pair, own in differences.groupby(["arm", "reference_arm"], sort=True):
        arm, reference = pair
        shown = {
            row.endpoint: f"{_estimate(row)}, {p_text(row.p_value)}" for row in own.itertuples()
        }
        table[f"{arm} minus {reference} (Newcombe)"] = table["endpoint"].map(shown)
    return table.rename(columns={"endpoint": "adverse event"})


def readable_e_values(table: pd.DataFrame) -> pd.DataFrame:
    """E-values: one row a hazard ratio."""
    rows = table[table["scale"] == "risk ratio"]
    return pd.DataFrame(
        {
            "of": parts_of(rows["estimator"]),
            "arms": describe_arms(rows),
            "E-value of the estimate": [
                format_estimate(e, np.nan, np.nan) for e in rows["estimate"]
            ],
            "of the limit nearer to 1": [
                format_estimate(e, np.nan, np.nan) for e in rows["ci_low"]
            ],
        }
    )


def readable_ratios(table: pd.DataFrame) -> pd.DataFrame:
    """Hazard ratios of the transplant analyses."""
    return pd.DataFrame(
        {
            "analysis": parts_of(table["estimator"]),
            "landmark, months": _months(table["horizon"]),
            "compared": describe_arms(table),
            "hazard ratio (95% interval)": [_estimate(row) for row in table.itertuples()],
            "p": [format_p(p) for p in table["p_value"]],
            "n": [_whole(n) for n in table["n"]],
            "events": [_whole(n) for n in table["events"]],
            "note": table["note"],
        }
    )


def readable_subgroups(table: pd.DataFrame) -> pd.DataFrame:
    """Interaction tests: one row a subgroup."""
    rows = table[rows_of(table["estimator"], INTERACTION)]
    return pd.DataFrame(
        {
            "subgroup": rows["subgroup"],
            "interaction p": [format_p(p) or "not estimable" for p in rows["p_value"]],
            "n": [_whole(n) for n in rows["n"]],
            "note": [without(note, Remark.INTERACTION) for note in rows["note"]],
        }
    )


def readable_agreement(table: pd.DataFrame) -> pd.DataFrame:
    """The two readings of each model beside each other; probabilities in percentage points."""
    if table.empty:
        return table
    return pd.DataFrame(
        {
            "learner": table["learner"],
            "arms": describe_arms(table),
            "output": _outputs(table),
            "SHAP contrast": _in_units(table, "shap", signed=True),
            "standardised contrast": _in_units(table, "standardised", signed=True),
            "apart by": _in_units(table, "difference", signed=True),
            "half the narrower interval": _in_units(table, "largest_gap"),
            "the two readings": table["verdict"],
        }
    )


def readable_heterogeneity(table: pd.DataFrame) -> pd.DataFrame:
    """Spread of contributions between patients beside that between refits; points or months."""
    if table.empty:
        return table
    table = table[table["mean"] != 0]
    return pd.DataFrame(
        {
            "learner": table["learner"],
            "patients of": table["regimen"],
            "output": _outputs(table),
            "n": [_whole(n) for n in table["n"]],
            "mean contribution": _in_units(table, "mean", signed=True),
            "SD between patients": _in_units(table, "between_sd"),
            "SD of one patient between refits": _in_units(table, "within_sd"),
            "ratio": ["" if np.isnan(ratio) else f"{ratio:.2f}" for ratio in table["ratio"]],
            # What the ratio says already stands below the table.
            "verdict": [
                "do not interpret" if ratio < 1 else note
                for note, ratio in zip(table["note"], table["ratio"], strict=True)
            ],
        }
    )


def _outputs(table: pd.DataFrame) -> list[str]:
    return [
        f"RMST to {horizon:g} months, months"
        if scale in _IN_MONTHS
        else f"event by {horizon:g} months, points"
        for scale, horizon in zip(table["scale"], table["horizon"], strict=True)
    ]


def _in_units(table: pd.DataFrame, column: str, signed: bool = False) -> list[str]:
    """Months with two decimals, probabilities as percentage points with one."""
    cells = []
    for value, scale in zip(table[column].astype(float), table["scale"], strict=True):
        unit, digits = (1, 2) if scale in _IN_MONTHS else (100, 1)
        cells.append("" if np.isnan(value) else fixed(unit * value, digits, signed))
    return cells


def _wide(rows: pd.DataFrame, endpoint: pd.Series) -> pd.DataFrame:
    if rows.empty:
        return pd.DataFrame(columns=["endpoint", "estimate", "months"])
    shown = pd.DataFrame(
        {
            "endpoint": endpoint,
            "estimate": [
                row.estimator + (", months" if row.scale == "months" else "")
                for row in rows.itertuples()
            ],
            # The day of an early death stands in its name.
            "months": _months(
                rows["horizon"].where(~rows_of(rows["estimator"], of_rates(EARLY_DEATH)))
            ),
            "interval": rows["ci_method"].fillna(""),
            "arm": rows["arm"],
            "cell": [_estimate(row) for row in rows.itertuples()],
        }
    )
    keys = ["endpoint", "estimate", "months", "interval"]
    order = shown[keys].drop_duplicates()
    wide = shown.pivot_table(index=keys, columns="arm", values="cell", aggfunc="first", sort=False)
    found = order.merge(wide.reset_index(), on=keys, how="left")
    found = found[[*keys[:3], *[c for c in found if c not in keys], "interval"]]
    return found.rename_axis(columns=None)


def _estimate(row: Any) -> str:
    return "" if row.scale == "p-value" else format_row(row)


def _months(horizon: pd.Series) -> list[str]:
    return [months_text(h) for h in horizon.astype(float)]


def _sizes(n: float, effective: float) -> str:
    whole = _whole(n)
    if not np.isfinite(effective) or round(effective) == n:
        return whole
    return f"{whole} ({effective:.0f})"


def _whole(value: object) -> str:
    return "" if pd.isna(value) else f"{float(value):.0f}"  # type: ignore[arg-type]
