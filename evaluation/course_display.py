"""How the contribution of the regimen to a model's predictions runs over time, by arm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator

from evaluation.displays import _GREY, _month_ticks, _new_axes, _note, _spread, _tidy
from evaluation.palette import arm_styles

_KIND = "mean in arm"


@dataclass(frozen=True)
class CourseDisplay:
    """Mean contribution of the regimen among each arm's patients, with its band over refits.

    Attributes
    ----------
    frame : DataFrame
        As `course_table` gives it, of one learner; the rows of kind "mean in arm" are drawn.
    """

    frame: pd.DataFrame

    def __post_init__(self) -> None:
        learners = self.frame["learner"].unique()
        if len(learners) != 1:
            raise ValueError(f"frame must hold one learner; got {sorted(learners)}")

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw a line and a band an arm, named at its end; return the Axes."""
        ax = ax or _new_axes(6.5, 3.6)
        shown = self.frame[(self.frame["kind"] == _KIND) & self.frame["estimate"].notna()]
        styles = arm_styles(shown["arm"])
        ax.axhline(0, color=_GREY, lw=0.8, zorder=1)
        ends = {}
        for arm, course in shown.groupby("arm", sort=True):
            style, time = styles[str(arm)], course["time"]
            ax.fill_between(time, course["ci_low"], course["ci_high"], color=style.color,
                            alpha=0.15, linewidth=0)  # fmt: skip
            ax.plot(time, course["estimate"], color=style.color, linestyle=style.linestyle, lw=1.6)
            ends[str(arm)] = float(course["estimate"].iloc[-1])
        last = shown["time"].max()
        ticks = _month_ticks(last)
        low, high = ax.get_ylim()
        heights = _label_heights(list(ends.values()), low, high)
        for (arm, _), y in zip(ends.items(), heights, strict=True):
            color = styles[arm].color
            _note(ax, arm, (last, y), (6, 0), "data", va="center", color=color)
        label = "Contribution of the regimen to\npredicted event probability (points)"
        ax.set(xlim=(0, last), ylim=(low, high), xlabel="Months", ylabel=label)
        ax.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if tick <= last]))
        ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
        _tidy(ax)
        method = shown["ci_method"].iloc[0]
        caption = (
            f"{self.frame['learner'].iloc[0]}: mean SHAP value among each arm's patients.\n"
            f"Band: 95%, {method}.\nA contribution to this model's prediction; not causal."
        )
        _note(ax, caption, (0, 0), (0, -38), va="top", color=_GREY, linespacing=1.4)
        return ax


def _label_heights(ends: list[float], low: float, high: float) -> np.ndarray:
    """Where names stand so that none covers another."""
    span = high - low
    return low + span * _spread([(end - low) / span for end in ends], gap=0.07)
