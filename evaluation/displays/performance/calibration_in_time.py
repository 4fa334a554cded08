"""Picture of observed over expected events at every time of a grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import ArrayLike

from evaluation.displays.curve_in_time import (
    at_risk_table,
    draw_curves,
    interval_sentence,
    write_caption,
)
from evaluation.displays.palette import arm_styles
from evaluation.displays.pictures import _GREY, _log_ticks, _new_axes
from evaluation.metrics.calibration.in_time import calibration_in_time
from features.outcome import Outcome


@dataclass(frozen=True)
class CalibrationInTimeDisplay:
    """O/E of one or several models over time; the axis is logarithmic.

    Attributes
    ----------
    frame : DataFrame
        model, then the columns of `calibration_in_time`.
    at_risk : DataFrame
        Patients at risk at the ticks: time, n_at_risk.
    """

    frame: pd.DataFrame
    at_risk: pd.DataFrame

    @classmethod
    def from_predictions(
        cls,
        outcome: Outcome,
        survival: Mapping[str, np.ndarray],
        times: ArrayLike,
        counts: np.ndarray | None = None,
    ) -> CalibrationInTimeDisplay:
        """Estimate O/E of each model; `survival` maps its name to an array of shape (n, m)."""
        parts = []
        for model, predicted in survival.items():
            table = calibration_in_time(outcome, predicted, times, counts)
            table.insert(0, "model", model)
            parts.append(table)
        frame = pd.concat(parts, ignore_index=True)
        return cls(frame, at_risk_table(outcome, frame["time"].max()))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the curves, the line of calibration and the numbers at risk; return the Axes."""
        ax = ax or _new_axes(5.6, 3.8)
        limits = self.frame[["estimate", "ci_low", "ci_high"]].to_numpy(dtype=float)
        known = np.append(limits[np.isfinite(limits) & (limits > 0)], [0.8, 1.25])
        low, high = max(known.min() / 1.05, 0.2), min(known.max() * 1.05, 5.0)
        ax.set_yscale("log")
        ax.set_ylim(low, high)
        near = (0.8, 0.9, 1.0, 1.1, 1.25, 1.5)
        fine = near if high / low < 2.5 else (0.25, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0)
        ticks = [tick for tick in fine if low <= tick <= high]
        ax.yaxis.set_major_locator(FixedLocator(ticks or _log_ticks(low, high)))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.axhline(1, color=_GREY, lw=0.8, linestyle=(0, (4, 3)), zorder=1)
        ax.set_ylabel("Observed / expected events by month t")
        # A ratio of 0, before the first event, has no place on a logarithmic axis.
        drawn = self.frame.assign(estimate=self.frame["estimate"].where(self.frame["estimate"] > 0))
        draw_curves(ax, drawn, arm_styles(self.frame["model"]), self.at_risk)
        above = "Above 1: more events than predicted"
        write_caption(ax, "\n".join(filter(None, [above, interval_sentence(self.frame)])))
        return ax
