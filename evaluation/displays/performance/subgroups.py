"""Forest plot of subgroups: one measure in every group, without a test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evaluation.displays.pictures import ForestPlotDisplay

# Name of the axis, value to compare with, logarithmic, what lies left and right of it.
_SCALES: dict[str, tuple[str, float, bool, tuple[str, str]]] = {
    "harrell_c": ("Harrell's C", 0.5, False, ("", "")),
    "calibration_oe": (
        "Observed / expected",
        1.0,
        True,
        ("risk overestimated", "risk underestimated"),
    ),
}


@dataclass(frozen=True)
class SubgroupForestDisplay:
    """One measure in all patients and in every subgroup.

    Attributes
    ----------
    frame : DataFrame
        The rows of one metric and horizon of `subgroup_table`; a suppressed cell keeps its row.
    """

    frame: pd.DataFrame

    def __post_init__(self) -> None:
        kinds = self.frame[["metric", "horizon"]].drop_duplicates()
        if len(kinds) != 1 or kinds["metric"].iloc[0] not in _SCALES:
            raise ValueError(
                f"frame must hold one metric of {sorted(_SCALES)} at one horizon; got "
                f"{kinds.to_dict('records')}"
            )

    @classmethod
    def from_table(
        cls, table: pd.DataFrame, metric: str, horizon: float = np.nan
    ) -> SubgroupForestDisplay:
        """Select one metric and horizon (months; NaN for Harrell's C) of a `subgroup_table`."""
        at = table["horizon"].isna() if np.isnan(horizon) else table["horizon"] == horizon
        return cls(table[(table["metric"] == metric) & at].reset_index(drop=True))

    @property
    def rows(self) -> pd.DataFrame:
        """What is drawn, top to bottom: label, estimate, ci_low, ci_high, n."""
        everybody = self.frame["variable"] == "all"
        named = self.frame["variable"] + ": " + self.frame["level"]
        drawn = self.frame[["estimate", "ci_low", "ci_high", "n"]]
        return drawn.assign(label=named.where(~everybody, "All patients"))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw one row a subgroup; return the Axes."""
        metric, horizon = self.frame[["metric", "horizon"]].iloc[0]
        name, reference, log, favours = _SCALES[str(metric)]
        at = "" if np.isnan(horizon) else f" at {horizon:g} months"
        return ForestPlotDisplay(self.rows, name + at, favours, reference, log=log).plot(ax)
