"""Forest plot of internal-external validation: every left-out center and their summary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evaluation.displays.pictures import ForestPlotDisplay
from evaluation.validation.centers import POOLED

# Name of the axis, value of no difference, logarithmic, what lies left and right of it.
_SCALES: dict[str, tuple[str, float, bool, tuple[str, str]]] = {
    "harrell_c": ("Harrell's C", 0.5, False, ("", "")),
    "calibration_oe": (
        "Observed / expected",
        1.0,
        True,
        ("risk overestimated", "risk underestimated"),
    ),
    "calibration_slope": ("Calibration slope", 1.0, False, ("too extreme", "too timid")),
}


@dataclass(frozen=True)
class CenterForestDisplay:
    """One measure in each left-out center, pooled, and where a new center is expected.

    Attributes
    ----------
    frame : DataFrame
        The rows of one metric and horizon of `center_table`.
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
    ) -> CenterForestDisplay:
        """Select one metric and horizon (months; NaN for Harrell's C) of a `center_table`."""
        at = table["horizon"].isna() if np.isnan(horizon) else table["horizon"] == horizon
        return cls(table[(table["metric"] == metric) & at].reset_index(drop=True))

    @property
    def rows(self) -> pd.DataFrame:
        """What is drawn, top to bottom: label, estimate, ci_low, ci_high, n."""
        columns = ["estimate", "ci_low", "ci_high", "n"]
        centers = self.frame[self.frame["center"] != POOLED]
        drawn = [centers[columns].assign(label=centers["center"])]
        for row in self.frame[self.frame["center"] == POOLED].to_dict("records"):
            mean = pd.DataFrame([{c: row[c] for c in columns}]).assign(label="Random-effects mean")
            ahead = {
                "label": "Prediction interval, new center",
                "estimate": row["estimate"],
                "ci_low": row["prediction_low"],
                "ci_high": row["prediction_high"],
                "n": np.nan,
            }
            if not np.isfinite(row["prediction_low"]):
                ahead["estimate"] = np.nan
            drawn += [mean, pd.DataFrame([ahead])]
        return pd.concat([part.astype({"n": float}) for part in drawn], ignore_index=True)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw centers, mean and prediction interval as a forest plot; return the Axes."""
        metric, horizon = self.frame[["metric", "horizon"]].iloc[0]
        name, reference, log, favours = _SCALES[str(metric)]
        at = "" if np.isnan(horizon) else f" at {horizon:g} months"
        scale = f"{name}{at}, each center left out"
        return ForestPlotDisplay(self.rows, scale, favours, reference, log=log).plot(ax)
