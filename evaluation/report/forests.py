"""Rows of tables as forest plots: subgroups, centers, and every estimate of one contrast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from evaluation.displays import ForestPlotDisplay
from evaluation.methods import in_short
from evaluation.metrics import CATALOGUE, metric_of
from evaluation.regimens import ALL_LEVELS, COX, INTERACTION, rows_of
from evaluation.regimens.triangulation import FAMILIES, FAMILY_LABELS, HAZARD_RATIO, RMST
from evaluation.results import (
    ALL_PATIENTS,
    MODEL_BASED,
    REFITS,
    digits_of,
    format_estimate,
    in_brackets,
    p_text,
)
from evaluation.validation import POOLED

_LIMITS = ["estimate", "ci_low", "ci_high"]


def subgroup_metric_forest(
    table: pd.DataFrame, metric: str, horizon: float = np.nan
) -> ForestPlotDisplay:
    """One measure in all patients and in every subgroup, without a test.

    Parameters
    ----------
    table : DataFrame
        From `subgroup_table`; a suppressed cell keeps its row.
    metric : str
    horizon : float
        Months; NaN for Harrell's C.

    Raises
    ------
    ValueError
        For a metric that has no forest plot.
    """
    own = _of_metric(table, metric, horizon)
    named = own["variable"] + ": " + own["level"]
    label = named.where(own["variable"] != "all", ALL_PATIENTS)
    return _metric_forest(own[[*_LIMITS, "n"]].assign(label=label), metric, horizon)


def center_forest(table: pd.DataFrame, metric: str, horizon: float = np.nan) -> ForestPlotDisplay:
    """One measure in each left-out center, pooled, and where a new center is expected.

    Parameters as `subgroup_metric_forest`; the table is that of `center_table`.
    """
    own = _of_metric(table, metric, horizon)
    centers, pooled = own[own["center"] != POOLED], own[own["center"] == POOLED]
    mean = pooled[[*_LIMITS, "n"]].assign(label="Random-effects mean")
    known = np.isfinite(pooled["prediction_low"].astype(float))
    ahead = pd.DataFrame(
        {
            "estimate": pooled["estimate"].where(known),
            "ci_low": pooled["prediction_low"],
            "ci_high": pooled["prediction_high"],
            "n": np.nan,
            "label": "Prediction interval, new center",
        }
    )
    parts = [centers[[*_LIMITS, "n"]].assign(label=centers["center"]), mean, ahead]
    rows = pd.concat([part.astype(dict.fromkeys([*_LIMITS, "n"], float)) for part in parts])
    return _metric_forest(rows.reset_index(drop=True), metric, horizon, ", each center left out")


def _of_metric(table: pd.DataFrame, metric: str, horizon: float) -> pd.DataFrame:
    at = table["horizon"].isna() if np.isnan(horizon) else table["horizon"] == horizon
    return table[(table["metric"] == metric) & at].reset_index(drop=True)


def _metric_forest(
    rows: pd.DataFrame, metric: str, horizon: float, of: str = ""
) -> ForestPlotDisplay:
    axis = metric_of(metric).axis
    if axis is None:
        drawn = sorted(one.key for one in CATALOGUE.values() if one.axis is not None)
        raise ValueError(f"metric must be one of {drawn}; got {metric!r}")
    at = "" if np.isnan(horizon) else f" at {horizon:g} months"
    return ForestPlotDisplay(rows, axis.label + at + of, axis.favours, axis.reference, log=axis.log)


def subgroup_forest(table: pd.DataFrame, arm: str) -> ForestPlotDisplay:
    """One arm's hazard ratios by subgroup.

    Headings carry the interaction's p; a suppressed level prints "too few to show".

    Parameters
    ----------
    table : DataFrame with SUBGROUP_COLUMNS
    arm : str
        Of the arms compared; the interaction tests are over all of them.

    Raises
    ------
    ValueError
        When the table has no hazard ratio of the arm.
    """
    ratios = table[rows_of(table["estimator"], COX) & (table["arm"] == arm)]
    if not len(ratios):
        raise ValueError(f"no hazard ratio of arm {arm!r}; got {sorted(set(table['arm']))}")
    reference = ratios["reference_arm"].iloc[0]
    lines = []
    for name, rows in ratios.groupby("subgroup", sort=False):
        if name == ALL_LEVELS:
            lines.append(_level(rows.iloc[0], ALL_PATIENTS))
            continue
        test = table[(table["subgroup"] == name) & rows_of(table["estimator"], INTERACTION)]
        p_value = float(test["p_value"].iloc[0]) if len(test) else np.nan
        lines.append(_heading(f"{name} (interaction {p_text(p_value)})", ""))
        lines += [_level(row, f"    {row['level']}") for row in rows.to_dict("records")]
    return ForestPlotDisplay(
        pd.DataFrame(lines),
        scale=f"Hazard ratio, {arm} over {reference} (log scale)",
        favours=(f"favours {arm}", f"favours {reference}"),
    )


def _heading(label: str, shown: str) -> dict[str, Any]:
    empty = dict.fromkeys((*_LIMITS, "n"), np.nan)
    return {"label": label, "heading": True, "shown": shown} | empty


def _level(row: Mapping[str, Any] | pd.Series, label: str) -> dict[str, Any]:
    shown = "too few to show" if np.isnan(row["n"]) else None
    numbers = {name: float(row[name]) for name in (*_LIMITS, "n")}
    return {"label": label, "heading": False, "shown": shown} | numbers


def triangulation_forest(rows: pd.DataFrame, endpoint: str) -> ForestPlotDisplay:
    """Every estimate of one contrast on one scale, by family; squares by effective size.

    A family has a heading; an estimator with several intervals has a line each. What could not be
    estimated says so.

    Parameters
    ----------
    rows : DataFrame
        As `on_one_scale` returns them: one endpoint, arm, scale and horizon.
    endpoint : str
        Label of the axis.

    Raises
    ------
    ValueError
        For no row, or rows of several scales, horizons or arms.
    """
    if rows.empty:
        raise ValueError("rows holds no estimate; select a scale and horizon that has some")
    for column in ("scale", "horizon", "arm"):
        values = rows[column].unique()
        if len(values) > 1:
            raise ValueError(f"rows must hold one {column}; got {list(values)}")
    first = rows.iloc[0]
    scale, arm, reference = str(first["scale"]), str(first["arm"]), str(first["reference_arm"])
    lines = []
    for family in FAMILIES:
        own = rows[rows["family"] == family]
        if own.empty:
            continue
        # What the limits of a family are stands over them.
        modelled = family == MODEL_BASED
        over = REFITS if modelled else "(95% interval)"
        lines.append(_heading(FAMILY_LABELS[family], over) | {"p_value": np.nan})
        twice = own["estimator"].duplicated(keep=False)
        for row, several in zip(own.to_dict("records"), twice, strict=True):
            how = in_short(row["ci_method"]) if several else ""
            label = f"    {row['estimator']}" + (f" ({how})" if how else "")
            numbers = {name: float(row[name]) for name in (*_LIMITS, "p_value")}
            limits = (numbers["estimate"], numbers["ci_low"], numbers["ci_high"])
            cell = format_estimate(*limits, digits_of(scale))
            shown = {"shown": in_brackets(cell) if modelled else cell}
            size = {"n": float(row["effective_n"])}
            lines.append({"label": label, "heading": False} | shown | size | numbers)
    ratio = scale == HAZARD_RATIO
    better, worse = f"favours {arm}", f"favours {reference}"
    return ForestPlotDisplay(
        pd.DataFrame(lines),
        scale=_axis(scale, float(first["horizon"]), endpoint, f"{arm} against {reference}"),
        # A longer restricted mean is better, a higher probability or hazard is worse.
        favours=(worse, better) if scale == RMST else (better, worse),
        reference=1.0 if ratio else 0.0,
        log=ratio,
        n_header="effective n",
        header="Estimate",
    )


def _axis(scale: str, months: float, endpoint: str, arms: str) -> str:
    if scale == HAZARD_RATIO:
        return f"Hazard ratio of {endpoint}, {arms} (log scale)"
    if scale == RMST:
        return f"Difference in mean {endpoint} time up to {months:g} months, {arms}, months"
    return f"Difference in probability of {endpoint} event by {months:g} months, {arms}"
