"""Forest plot of the regimen's hazard ratio by subgroup."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.displays.pictures import ForestPlotDisplay
from evaluation.regimens.arms import p_text
from evaluation.regimens.subgroups import ALL_LEVELS

_NUMBERS = ("estimate", "ci_low", "ci_high", "n")


class SubgroupForestDisplay(ForestPlotDisplay):
    """Forest plot in which a heading has no numbers and a suppressed level says so."""

    def _columns(self, rows: pd.DataFrame) -> tuple[list[list[str]], list[list[str]]]:
        left, right = super()._columns(rows)
        estimates = right[0]
        for line, row in enumerate(rows.to_dict("records"), start=1):
            if row["heading"]:
                estimates[line] = ""
            elif np.isnan(row["n"]):
                estimates[line] = "too few to show"
        return left, right


def subgroup_forest(table: pd.DataFrame, arm: str) -> SubgroupForestDisplay:
    """Make the forest plot of one arm's hazard ratios by subgroup.

    Parameters
    ----------
    table : DataFrame with SUBGROUP_COLUMNS
    arm : str
        Of the arms compared; the interaction tests are over all of them.

    Returns
    -------
    SubgroupForestDisplay
        Headings carry the interaction's p; a suppressed level prints "too few to show".
    """
    ratios = table[(table["estimator"].str.startswith("Cox")) & (table["arm"] == arm)]
    if not len(ratios):
        raise ValueError(f"no hazard ratio of arm {arm!r}; got {sorted(set(table['arm']))}")
    reference = ratios["reference_arm"].iloc[0]
    lines = []
    for name, rows in ratios.groupby("subgroup", sort=False):
        if name == ALL_LEVELS:
            lines += [{"label": "All patients", "heading": False} | _numbers(rows.iloc[0])]
            continue
        test = table[(table["subgroup"] == name) & (table["estimator"] == "interaction test")]
        p_value = float(test["p_value"].iloc[0]) if len(test) else np.nan
        heading = {"label": f"{name} (interaction {p_text(p_value)})", "heading": True}
        lines.append(heading | dict.fromkeys(_NUMBERS, np.nan))
        lines += [
            {"label": f"    {row['level']}", "heading": False} | _numbers(row)
            for row in rows.to_dict("records")
        ]
    return SubgroupForestDisplay(
        pd.DataFrame(lines),
        scale=f"Hazard ratio, {arm} over {reference} (log scale)",
        favours=(f"favours {arm}", f"favours {reference}"),
    )


def _numbers(row: pd.Series | dict) -> dict[str, float]:
    return {name: float(row[name]) for name in _NUMBERS}
