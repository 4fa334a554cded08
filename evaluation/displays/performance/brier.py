"""Picture of the Brier score over time against Kaplan-Meier, with numbers at risk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator

from evaluation.displays.curve_in_time import draw_curves, interval_sentence, write_caption
from evaluation.displays.palette import OKABE_ITO, ArmStyle, arm_styles
from evaluation.displays.pictures import _new_axes
from evaluation.metrics.brier import integrated_brier

NULL_MODEL = "Kaplan-Meier"


@dataclass(frozen=True)
class BrierDisplay:
    """Brier score of one or several models over time beside that of the null model.

    Attributes
    ----------
    frame : DataFrame
        From `brier_over_time`: model (`NULL_MODEL` is the null model), time in months, estimate
        with its interval, ipa, n_at_risk, note.
    at_risk : DataFrame
        Patients at risk at the ticks: time, n_at_risk.
    """

    frame: pd.DataFrame
    at_risk: pd.DataFrame

    @property
    def caption(self) -> str:
        """Integrated score of each curve, and what the band is."""
        lines = []
        for model in self.frame["model"].unique():
            curve = self.frame[self.frame["model"] == model]
            if len(curve) > 1:
                times = curve["time"].to_numpy()
                score = float(integrated_brier(curve["estimate"].to_numpy(), times))
                shown = f"{score:.3f}" if np.isfinite(score) else "not estimable"
                lines.append(f"{model}: integrated Brier score {shown}")
        if lines:
            span = f"{self.frame['time'].min():g} to {self.frame['time'].max():g} months"
            lines.append(f"Integrated from {span} by the trapezoid rule; lower is better")
        return "\n".join(filter(None, [*lines, interval_sentence(self.frame)]))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the scores, the null model and the numbers at risk; return the Axes."""
        ax = ax or _new_axes(5.6, 4.2)
        models = [name for name in self.frame["model"].unique() if name != NULL_MODEL]
        highest = np.nanmax([*self.frame["estimate"], *self.frame["ci_high"], 0.25])
        ax.set_ylim(0, highest * 1.05)
        ax.yaxis.set_major_locator(FixedLocator(np.arange(0, highest * 1.05, 0.05).tolist()))
        ax.set_ylabel("Brier score at month t")
        null_style = {NULL_MODEL: ArmStyle(OKABE_ITO["black"], (0, (4, 2)))}
        without_band = self.frame.copy()
        limits = without_band["model"] == NULL_MODEL
        without_band.loc[limits, ["ci_low", "ci_high"]] = np.nan
        draw_curves(ax, without_band, arm_styles(models) | null_style, self.at_risk)
        write_caption(ax, self.caption)
        return ax
