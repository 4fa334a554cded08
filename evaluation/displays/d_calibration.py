"""Picture of D-calibration: how evenly the bins of predicted survival are filled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, PercentFormatter

from evaluation.displays.style import DASHED, FIFTHS, GREY, OKABE_ITO, new_axes, note, tidy
from evaluation.metrics.calibration import DCalibration, d_calibration, d_calibration_test
from evaluation.results import p_text
from features.outcome import Outcome


@dataclass(frozen=True)
class DCalibrationDisplay:
    """Share of patients in each bin against the even share.

    Attributes
    ----------
    frame : DataFrame
        From `d_calibration`.
    test : DCalibration
        From `d_calibration_test`.
    """

    frame: pd.DataFrame
    test: DCalibration

    @classmethod
    def from_predictions(
        cls,
        outcome: Outcome,
        survival: np.ndarray,
        counts: np.ndarray | None = None,
        bins: int = 10,
    ) -> DCalibrationDisplay:
        """Fill the bins and test them; `survival` (n,) is that at each patient's own time."""
        return cls(
            d_calibration(outcome, survival, counts, bins),
            d_calibration_test(outcome, survival, bins),
        )

    @property
    def caption(self) -> str:
        """The test, or why there is none."""
        if np.isnan(self.test.p_value):
            return f"No test: {self.test.note}"
        statistic = f"{self.test.chi_square:.1f}, {self.test.degrees_of_freedom} df"
        lines = [f"Chi-square {statistic}, {p_text(self.test.p_value)}", self.test.note]
        lines.append("Dashed: even share. Censored patients are spread over lower survival")
        return "\n".join(filter(None, lines))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the bars with their intervals and the even share; return the Axes."""
        ax = ax or new_axes(5.2, 3.8)
        frame = self.frame
        width = frame["high"] - frame["low"]
        middle = (frame["low"] + frame["high"]) / 2
        ax.bar(middle, frame["estimate"], 0.86 * width, color=OKABE_ITO["sky blue"])
        ax.vlines(middle, frame["ci_low"], frame["ci_high"], color=OKABE_ITO["black"], lw=1.1)
        ax.axhline(1 / len(frame), color=GREY, lw=0.9, linestyle=DASHED)
        ax.set(xlim=(0, 1), xlabel="Predicted survival at the patient's own time")
        ax.set_ylabel("Share of patients")
        highest = np.nanmax([*frame["estimate"], *frame["ci_high"], 1 / len(frame)]) * 1.05
        ax.set_ylim(0, highest)
        step = 0.05 if highest < 0.4 else 0.2
        ax.yaxis.set_major_locator(FixedLocator(np.arange(0, highest, step).tolist()))
        ax.xaxis.set_major_locator(FixedLocator(FIFTHS))
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(PercentFormatter(1, decimals=0))
        tidy(ax)
        note(ax, self.caption, (0, 0), (0, -36), va="top", linespacing=1.4)
        return ax
