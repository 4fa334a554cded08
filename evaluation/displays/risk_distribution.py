"""Picture of predicted risk by what happened by the horizon: one small histogram a group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, PercentFormatter

from evaluation.displays.style import FIFTHS, GREY, OKABE_ITO, new_axes, note, tidy
from evaluation.metrics.calibration import (
    CENSORED,
    EVENT,
    EVENT_FREE,
    discrimination_slope,
    risk_distribution,
    risk_summary,
)
from features.outcome import Outcome

_COLORS = {
    EVENT: OKABE_ITO["vermillion"],
    EVENT_FREE: OKABE_ITO["blue"],
    CENSORED: GREY,
}


@dataclass(frozen=True)
class RiskDistributionDisplay:
    """Histograms of predicted event probability by what happened.

    Attributes
    ----------
    frame : DataFrame
        From `risk_distribution`.
    summary : DataFrame
        From `risk_summary`.
    horizon : float
        Months.
    slope : float
        From `discrimination_slope`.
    """

    frame: pd.DataFrame
    summary: pd.DataFrame
    horizon: float
    slope: float

    @classmethod
    def from_predictions(
        cls,
        outcome: Outcome,
        event_probability: np.ndarray,
        horizon: float,
        bins: int = 20,
    ) -> RiskDistributionDisplay:
        """Count and summarise; the arguments are those of `risk_distribution`."""
        settings = (outcome, event_probability, horizon)
        return cls(
            risk_distribution(*settings, bins),
            risk_summary(*settings),
            horizon,
            float(discrimination_slope(*settings)[0]),
        )

    @property
    def caption(self) -> str:
        """Difference of the means, and what is weighted."""
        shown = f"{self.slope:.2f}" if np.isfinite(self.slope) else "not estimable"
        return (
            f"Mean predicted risk, events minus event-free: {shown}\n"
            "Line: median. Events and event-free are weighted for censoring"
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw one histogram a group, above each other on one scale; return the Axes."""
        ax = ax or new_axes(5.2, 4.4)
        ax.set(xlim=(0, 1), yticks=[])
        ax.spines["left"].set_visible(False)
        ax.set_xlabel(f"Predicted probability of an event by {self.horizon:g} months")
        ax.xaxis.set_major_locator(FixedLocator(FIFTHS))
        ax.xaxis.set_major_formatter(PercentFormatter(1))
        tidy(ax)
        known = self.frame["group"] != CENSORED
        for place, row in enumerate(self.summary.to_dict("records")):
            group = str(row["group"])
            panel = ax.inset_axes((0, 0.70 - 0.345 * place, 1, 0.24), sharex=ax)
            bars = self.frame[self.frame["group"] == group]
            width = bars["high"] - bars["low"]
            color = _COLORS[group]
            hatch = "////" if group == CENSORED else None
            panel.bar(
                bars["low"], bars["share"], width, align="edge", color="white" if hatch else color,
                edgecolor=color if hatch else "white", linewidth=0.5, hatch=hatch,
            )  # fmt: skip
            if np.isfinite(row["median"]):
                panel.axvline(row["median"], color=OKABE_ITO["black"], lw=1.2)
            # Events and event-free share a scale; few may be censored, with high bars.
            scaled = self.frame.loc[~known if group == CENSORED else known, "share"]
            panel.set_ylim(0, np.nanmax([*scaled, 0.01]) * 1.08)
            panel.tick_params(labelbottom=False)
            panel.yaxis.set_major_locator(MaxNLocator(2))
            panel.yaxis.set_minor_locator(NullLocator())
            panel.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            tidy(panel)
            share = f", {row['share']:.0%} of all" if np.isfinite(row["share"]) else ""
            label = f"{group}: {row['n']} patients{share}"
            note(panel, label, (0, 1), (2, 2), va="bottom", color=color)
        note(ax, "Share of the group", (0, 0.5), (-40, 0), rotation=90, va="center", ha="center")
        note(ax, self.caption, (0, 0), (0, -36), va="top", linespacing=1.4)
        return ax
