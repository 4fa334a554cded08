"""Picture of AUC(t) with its interval and the numbers at risk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evaluation.displays.curve_in_time import draw_curves, interval_sentence, write_caption
from evaluation.displays.palette import arm_styles
from evaluation.displays.pictures import _GREY, _new_axes
from evaluation.metrics.auc import integrated_auc


@dataclass(frozen=True)
class AucDisplay:
    """Cumulative/dynamic AUC of one or several models over time.

    Attributes
    ----------
    frame : DataFrame
        From `auc_over_time`: model, time in months, estimate with its interval, n_cases,
        n_controls, note.
    at_risk : DataFrame
        Patients at risk at the ticks: time, n_at_risk.
    """

    frame: pd.DataFrame
    at_risk: pd.DataFrame

    @property
    def caption(self) -> str:
        """Mean of each curve over its times, and what the band is."""
        lines = []
        for model in self.frame["model"].unique():
            curve = self.frame[self.frame["model"] == model]
            known = curve.dropna(subset="estimate")
            if len(known) < 2:
                continue
            # Estimable over part of the grid: the mean is over that part, which is named.
            times = known["time"].to_numpy()
            mean = integrated_auc(known["estimate"].to_numpy(), times)[0]
            span = f"{times[0]:g} to {times[-1]:g} months"
            lines.append(f"{model}: mean AUC {mean:.2f} ({span}, trapezoid)")
        return "\n".join(filter(None, [*lines, interval_sentence(self.frame)]))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the curves, the line of no discrimination and the numbers at risk."""
        ax = ax or _new_axes(5.6, 4.0)
        limits = self.frame[["estimate", "ci_low", "ci_high"]].to_numpy(dtype=float)
        known = np.append(limits[np.isfinite(limits)], 0.5)
        ax.axhline(0.5, color=_GREY, lw=0.8, linestyle=(0, (4, 3)), zorder=1)
        ax.set_ylim(max(np.floor(known.min() * 10 - 0.2) / 10, 0), 1)
        ax.set_ylabel("AUC for events by month t")
        draw_curves(ax, self.frame, arm_styles(self.frame["model"]), self.at_risk)
        write_caption(ax, self.caption)
        return ax
