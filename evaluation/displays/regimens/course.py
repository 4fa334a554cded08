"""How the contribution of the regimen to a model's predictions runs over time, by arm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator

from evaluation.displays.palette import arm_styles
from evaluation.displays.pictures import _GREY, _month_ticks, _new_axes, _note, _spread, _tidy

MEAN, CONTRAST = "mean in arm", "contrast"


@dataclass(frozen=True)
class CourseDisplay:
    """Contribution of the regimen by arm, or its contrasts, with the band over refits.

    Attributes
    ----------
    frame : DataFrame
        As `course_table` gives it, of one learner.
    kind : str
        Which rows are drawn: "mean in arm", or "contrast" with the reference arm.
    """

    frame: pd.DataFrame
    kind: str = MEAN

    def __post_init__(self) -> None:
        learners = self.frame["learner"].unique()
        if len(learners) != 1:
            raise ValueError(f"frame must hold one learner; got {sorted(learners)}")
        if self.kind not in (MEAN, CONTRAST):
            raise ValueError(f"kind must be {MEAN!r} or {CONTRAST!r}; got {self.kind!r}")

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw a line and a band an arm, named at its end; return the Axes."""
        ax = ax or _new_axes(6.5, 3.6)
        shown = self.frame[(self.frame["kind"] == self.kind) & self.frame["estimate"].notna()]
        styles = arm_styles(self.frame["arm"])
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
        what, caption = (
            "Contribution of the regimen to",
            "mean SHAP value among each arm's patients",
        )
        if self.kind == CONTRAST:
            reference = shown["reference_arm"].iloc[0]
            what = "Contrast of the contributions to"
            caption = f"difference of mean SHAP values from {reference}"
        label = f"{what}\npredicted event probability (points)"
        ax.set(xlim=(0, last), ylim=(low, high), xlabel="Months", ylabel=label)
        ax.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if tick <= last]))
        ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
        _tidy(ax)
        method = shown["ci_method"].iloc[0]
        told = (
            f"{self.frame['learner'].iloc[0]}: {caption}.\n"
            f"Band: 95%, {method}.\nA contribution to this model's prediction; not causal."
        )
        _note(ax, told, (0, 0), (0, -38), va="top", color=_GREY, linespacing=1.4)
        return ax


def _label_heights(ends: list[float], low: float, high: float) -> np.ndarray:
    """Where names stand so that none covers another."""
    span = high - low
    return low + span * _spread([(end - low) / span for end in ends], gap=0.07)
