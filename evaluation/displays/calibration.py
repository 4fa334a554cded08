"""Picture of predicted against observed event probability at one horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, PercentFormatter

from evaluation.displays.style import DASHED, FIFTHS, GREY, OKABE_ITO, new_axes, note, tidy


@dataclass(frozen=True)
class CalibrationDisplay:
    """Predicted against observed event probability at one horizon.

    Attributes
    ----------
    frame : DataFrame
        One row a group of patients: horizon (months), group, predicted (mean
        event probability), observed (1 - Kaplan-Meier), ci_low, ci_high, n.
    predicted : ndarray of shape (n,)
        Each patient's predicted event probability at the horizon; not survival.
    curve : DataFrame, optional
        Smooth calibration curve: predicted (increasing), observed, ci_low, ci_high.
    summary : str
        Further lines for the corner, such as the slope and the ICI.
    """

    frame: pd.DataFrame
    predicted: np.ndarray
    curve: pd.DataFrame | None = None
    summary: str = ""

    def __post_init__(self) -> None:
        horizons = self.frame["horizon"].unique()
        if len(horizons) != 1:
            raise ValueError(f"frame must hold one horizon; got {sorted(horizons)}, so select one")
        predicted = np.asarray(self.predicted, dtype=float)
        if not ((predicted >= 0) & (predicted <= 1)).all():
            raise ValueError(
                "predicted must be event probabilities in [0, 1] without missing values"
            )
        object.__setattr__(self, "predicted", predicted)

    @property
    def observed_expected(self) -> float:
        """Observed over expected events, the groups weighted by size; above 1: too optimistic."""
        observed, predicted = self.frame["observed"], self.frame["predicted"]
        return float((self.frame["n"] * observed).sum() / (self.frame["n"] * predicted).sum())

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the diagonal, the groups and, under the axis, the histogram; return the Axes."""
        ax = ax or new_axes(4.2, 4.9)
        color = OKABE_ITO["blue"]
        ax.plot([0, 1], [0, 1], color=GREY, lw=0.8, linestyle=DASHED, zorder=1)
        if self.curve is not None:
            x = self.curve["predicted"]
            band = self.curve["ci_low"], self.curve["ci_high"]
            ax.fill_between(x, *band, color=color, alpha=0.13, linewidth=0)
            ax.plot(x, self.curve["observed"], color=color, lw=1.4)
        groups = self.frame
        ax.vlines(groups["predicted"], groups["ci_low"], groups["ci_high"], color=color, lw=1.1)
        ax.plot(
            groups["predicted"],
            groups["observed"],
            "o",
            color=color,
            ms=5,
            mec="white",
            clip_on=False,
        )

        horizon = f"{groups['horizon'].iloc[0]:g} months"
        ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", ylabel=f"Observed events by {horizon}")
        corner = self.summary or f"O/E {self.observed_expected:.2f}"
        note(ax, corner, (0, 1), (7, -7), va="top", linespacing=1.4)

        histogram = ax.inset_axes((0, -0.22, 1, 0.18), sharex=ax)
        histogram.hist(self.predicted, bins=np.linspace(0, 1, 41).tolist(), color=GREY)
        histogram.set_xlabel(f"Predicted probability of an event by {horizon}")
        histogram.set_ylabel("Patients")
        ax.tick_params(labelbottom=False)
        for axes in (ax, histogram):
            axes.xaxis.set_major_locator(FixedLocator(FIFTHS))
            axes.xaxis.set_major_formatter(PercentFormatter(1))
            tidy(axes)
        ax.yaxis.set_major_locator(FixedLocator(FIFTHS))
        ax.yaxis.set_major_formatter(PercentFormatter(1))
        return ax
