"""Picture of the decision curve: net benefit over thresholds against treating all or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, PercentFormatter

from evaluation.displays.in_time import interval_sentence
from evaluation.displays.style import (
    GREY,
    LINE,
    OKABE_ITO,
    ArmStyle,
    arm_styles,
    new_axes,
    note,
    tidy,
)
from evaluation.metrics import TREAT_ALL, TREAT_NONE


@dataclass(frozen=True)
class DecisionCurveDisplay:
    """Net benefit of one or several predictions at one horizon.

    Attributes
    ----------
    frame : DataFrame
        From `decision_curve`, treating all and none among the strategies.
    marked : sequence of float
        Thresholds that matter in practice, drawn as vertical lines.
    """

    frame: pd.DataFrame
    marked: Sequence[float] = ()

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the curves and, under the axis, the share treated; return the Axes."""
        ax = ax or new_axes(5.8, 4.4)
        models = [m for m in self.frame["strategy"].unique() if m not in (TREAT_ALL, TREAT_NONE)]
        styles = arm_styles(models) | {
            TREAT_ALL: ArmStyle(GREY, (0, (5, 2))),
            TREAT_NONE: ArmStyle(OKABE_ITO["black"], "-"),
        }
        shown = self.frame[["strategy", "threshold", "estimate", "ci_low", "ci_high"]]
        top = 0.0
        for strategy, style in styles.items():
            curve = shown[shown["strategy"] == strategy]
            x = curve["threshold"]
            if strategy in models:
                band = curve["ci_low"], curve["ci_high"]
                ax.fill_between(x, *band, color=style.color, alpha=0.13, linewidth=0)
                top = np.nanmax([top, *curve["ci_high"], *curve["estimate"]])
            width = 1.6 if strategy in models else 1.0
            line: dict[str, Any] = {"color": style.color, "linestyle": style.linestyle}
            ax.plot(x, curve["estimate"], lw=width, label=strategy, **line)
        top = np.nanmax([top, shown.loc[shown["strategy"] == TREAT_ALL, "estimate"].max(), 0.01])
        for threshold in self.marked:
            ax.axvline(threshold, color=GREY, lw=0.7, linestyle=":")
        horizon = f"{self.frame['horizon'].iloc[0]:g} months"
        thresholds = np.sort(self.frame["threshold"].unique())
        ax.set(xlim=(0, min(1.0, thresholds[-1] * 1.02)), ylim=(-0.12 * top, 1.06 * top))
        ax.set_xlabel(f"Threshold of predicted risk of an event by {horizon}")
        ax.set_ylabel("Net benefit, true positives a patient")
        rise = next(step for step in (0.01, 0.05, 0.1, 0.2) if 1.06 * top / step < 10)
        ax.yaxis.set_major_locator(FixedLocator(np.arange(0, 1.06 * top, rise).tolist()))
        last = ax.get_xlim()[1]
        step = 0.1 if last <= 0.62 else 0.2
        ax.xaxis.set_major_locator(FixedLocator(np.arange(0, last, step).tolist()))
        ax.xaxis.set_major_formatter(PercentFormatter(1))
        tidy(ax)
        ax.legend(frameon=False, fontsize=8, loc="upper right")
        depth = 38
        note(ax, "Share of patients treated", (0, 0), (0, -depth), va="top", color=GREY)
        ticks = [t for t in ax.get_xticks() if thresholds[0] <= t <= thresholds[-1]]
        for model in models:
            depth += LINE
            curve = self.frame[self.frame["strategy"] == model]
            note(ax, model, (0, 0), (-16, -depth), va="top", ha="right", color=styles[model].color)
            for tick in ticks:
                nearest = (curve["threshold"] - tick).abs().idxmin()
                share = curve.loc[nearest, "treated"]
                text = f"{share:.0%}" if np.isfinite(share) else "NA"
                where = ("data", "axes fraction")
                note(ax, text, (tick, 0), (0, -depth), where, va="top", ha="center")
        caption = interval_sentence(self.frame)
        note(ax, caption, (0, 0), (0, -depth - 1.6 * LINE), va="top")
        return ax
