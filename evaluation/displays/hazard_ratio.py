"""Picture of a hazard ratio over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from evaluation.displays.style import (
    GREY,
    LINE,
    OKABE_ITO,
    PAPER,
    month_ticks,
    new_axes,
    note,
    tidy,
)

# The axis ends here; what lies beyond says no more than that the ratio is very uncertain.
_FURTHEST = 10.0
_RATIO_TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)


@dataclass(frozen=True)
class HazardRatioDisplay:
    """Smoothed hazard ratio of an arm over the reference arm, with the constant one beside it.

    Attributes
    ----------
    frame : DataFrame
        As `smooth_hazard_ratio` returns it; time in months. Empty where not estimable.
    event_times : ndarray of shape (d,)
        Months; drawn as a rug, since the curve says little where events are few.
    constant : float
        Of the Cox model; NaN where not estimable.
    arms : (str, str)
        The arm, and the reference arm.
    caption : str
    note : str
        Why there is no curve; else empty.
    """

    frame: pd.DataFrame
    event_times: np.ndarray
    constant: float
    arms: tuple[str, str]
    caption: str = ""
    note: str = ""

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the curve and its band on a log axis, and the caption below; return the Axes."""
        ax = ax or new_axes(6.0, 4.2)
        arm, reference = self.arms
        ax.set_yscale("log")
        ax.axhline(1, color=GREY, lw=0.8, zorder=1)
        curve = self.frame
        low, high = _limits(curve)
        if len(curve):
            color = OKABE_ITO["blue"]
            band = curve["ci_low"].clip(low, high), curve["ci_high"].clip(low, high)
            ax.fill_between(curve["time"], *band, color=color, alpha=0.13, linewidth=0)
            ax.plot(curve["time"], curve["hazard_ratio"], color=color, lw=1.6)
        else:
            note(ax, self.note, (0.5, 0.5), (0, 12), ha="center", color=GREY)
        if np.isfinite(self.constant):
            ax.axhline(self.constant, color="black", lw=1.0, linestyle=(0, (5, 3)))
        if len(self.event_times):
            feet = np.zeros(len(self.event_times))
            ax.plot(
                self.event_times,
                feet,
                "|",
                color=GREY,
                ms=7,
                mew=0.7,
                transform=ax.get_xaxis_transform(),
                clip_on=False,
            )
        ticks = month_ticks(self.event_times.max() if len(self.event_times) else 12)
        ax.set(xlim=(0, ticks[-1]), ylim=(low, high), xlabel="Months")
        ax.set_ylabel(f"Hazard ratio, {arm} over {reference}")
        ax.xaxis.set_major_locator(FixedLocator(ticks))
        inside = [tick for tick in _RATIO_TICKS if low <= tick <= high]
        ax.yaxis.set_major_locator(FixedLocator(inside))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        tidy(ax)
        aside = {"ha": "right", "color": GREY, "bbox": PAPER}
        note(ax, f"{arm} worse", (1, 1), (0, -2), va="top", **aside)
        note(ax, f"{reference} worse", (1, 0), (0, 10), va="bottom", **aside)
        note(ax, self.caption, (0, 0), (0, -36 - 0.4 * LINE), va="top", linespacing=1.4)
        return ax


def _limits(curve: pd.DataFrame) -> tuple[float, float]:
    """Log-symmetric limits around 1 that hold the curve, and its band up to ten-fold."""
    reach = 2.0
    if len(curve):
        ratios = curve[["ci_low", "ci_high"]].to_numpy()
        reach = max(reach, min(float(np.exp(np.abs(np.log(ratios)).max())), _FURTHEST))
        reach = max(reach, 1.1 * float(np.exp(curve["log_hazard_ratio"].abs().max())))
    return 1 / (1.1 * reach), 1.1 * reach
