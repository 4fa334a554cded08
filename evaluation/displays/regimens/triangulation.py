"""Forest plot of every estimate of one contrast on one scale, by family."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.displays.pictures import ForestPlotDisplay
from evaluation.regimens.triangulation.table import (
    FAMILIES,
    FAMILY_LABELS,
    HAZARD_RATIO,
    RMST,
)
from evaluation.results import MODEL_BASED, REFITS, digits_of, format_estimate, in_brackets

_NUMBERS = ("estimate", "ci_low", "ci_high", "p_value")


class TriangulationDisplay(ForestPlotDisplay):
    """Forest plot in which a family's heading has no numbers; squares by effective size."""

    def _columns(self, rows: pd.DataFrame) -> tuple[list[list[str]], list[list[str]]]:
        left, right = super()._columns(rows)
        left[1][0] = "effective n"
        digits = rows["digits"].iloc[0]
        for line, row in enumerate(rows.to_dict("records"), start=1):
            limits = (row["estimate"], row["ci_low"], row["ci_high"])
            if row["heading"]:
                # What the limits of a family are stands over them.
                right[0][line] = REFITS if row["family"] == MODEL_BASED else "(95% interval)"
                continue
            cell = format_estimate(*limits, digits)
            right[0][line] = in_brackets(cell) if row["family"] == MODEL_BASED else cell
        return left, right


def triangulation_forest(rows: pd.DataFrame, endpoint: str) -> TriangulationDisplay:
    """Make the forest plot of the rows of one scale and horizon.

    Parameters
    ----------
    rows : DataFrame
        As `on_one_scale` returns them: one endpoint, arm, scale and horizon.
    endpoint : str
        Label of the axis.

    Returns
    -------
    TriangulationDisplay
        A heading a family; an estimator with several intervals has a line each. What could not be
        estimated says so.

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
        empty = dict.fromkeys((*_NUMBERS, "n"), np.nan)
        lines.append({"label": FAMILY_LABELS[family], "family": family, "heading": True} | empty)
        twice = own["estimator"].duplicated(keep=False)
        for row, several in zip(own.to_dict("records"), twice, strict=True):
            how = str(row["ci_method"]).split(",")[0] if several else ""
            label = f"    {row['estimator']}" + (f" ({how})" if how else "")
            numbers = {name: float(row[name]) for name in _NUMBERS}
            size = {"n": float(row["effective_n"])}
            lines.append({"label": label, "family": family, "heading": False} | size | numbers)
    frame = pd.DataFrame(lines).assign(digits=digits_of(scale))
    ratio = scale == HAZARD_RATIO
    better, worse = f"favours {arm}", f"favours {reference}"
    return TriangulationDisplay(
        frame,
        scale=_axis(scale, float(first["horizon"]), endpoint, f"{arm} against {reference}"),
        # A longer restricted mean is better, a higher probability or hazard is worse.
        favours=(worse, better) if scale == RMST else (better, worse),
        reference=1.0 if ratio else 0.0,
        log=ratio,
        header="Estimate",
    )


def _axis(scale: str, months: float, endpoint: str, arms: str) -> str:
    if scale == HAZARD_RATIO:
        return f"Hazard ratio of {endpoint}, {arms} (log scale)"
    if scale == RMST:
        return f"Difference in mean {endpoint} time up to {months:g} months, {arms}, months"
    return f"Difference in probability of {endpoint} event by {months:g} months, {arms}"
