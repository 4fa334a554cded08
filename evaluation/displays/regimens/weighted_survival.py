"""Weighted Kaplan-Meier curves of two arms beside the unweighted ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, PercentFormatter

from evaluation.displays.palette import arm_styles
from evaluation.displays.pictures import (
    _FIFTHS,
    _GREY,
    _LINE,
    _month_ticks,
    _new_axes,
    _note,
    _spread,
    _tidy,
)
from evaluation.regimens.adjusted.balance import UNWEIGHTED


@dataclass(frozen=True)
class WeightedSurvivalDisplay:
    """Curves under one kind of weight, the unweighted ones thin behind them.

    Attributes
    ----------
    frame : DataFrame
        Curves of one pair of arms: weighting, regimen, time (months), survival, n_risk (effective
        patients at risk).
    weighting : str
        The kind drawn.
    endpoint : str
        Label of the vertical axis.
    """

    frame: pd.DataFrame
    weighting: str
    endpoint: str = "Overall survival"

    def __post_init__(self) -> None:
        kinds = set(self.frame["weighting"])
        if self.weighting not in kinds:
            raise ValueError(f"weighting must be one of {sorted(kinds)}; got {self.weighting!r}")

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the curves and the effective numbers at risk; return the Axes."""
        ax = ax or _new_axes(6.5, 4.2)
        drawn = self.frame[self.frame["weighting"] == self.weighting]
        plain = self.frame[self.frame["weighting"] == UNWEIGHTED]
        styles = arm_styles(drawn["regimen"].unique())
        curves = {str(arm): curve for arm, curve in drawn.groupby("regimen", sort=True)}
        for arm, curve in plain.groupby("regimen", sort=True):
            _step(ax, curve, color=styles[str(arm)].color, lw=0.8, alpha=0.55, linestyle=":")
        for arm, curve in curves.items():
            _step(ax, curve, color=styles[arm].color, lw=1.7, linestyle=styles[arm].linestyle)
        last = float(self.frame["time"].max())
        ticks = _month_ticks(last)
        ax.set(xlim=(0, ticks[-1]), ylim=(0, 1.02), xlabel="Months", ylabel=self.endpoint)
        ax.xaxis.set_major_locator(FixedLocator(ticks))
        ax.yaxis.set_major_locator(FixedLocator(_FIFTHS))
        ax.yaxis.set_major_formatter(PercentFormatter(1))
        _tidy(ax)
        heights = _spread([float(c["survival"].iloc[-1]) for c in curves.values()], gap=0.06)
        for (arm, curve), y in zip(curves.items(), heights, strict=True):
            end = float(curve["time"].max())
            x = last if end > 0.8 * last else end
            paper = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8}
            color = styles[arm].color
            _note(ax, arm, (x, y), (6, 0), "data", va="center", color=color, bbox=paper)
        depth = 36
        _note(ax, "Effective number at risk", (0, 0), (0, -depth), va="top", color=_GREY)
        for arm, curve in curves.items():
            depth += _LINE
            color = styles[arm].color
            _note(ax, arm, (0, 0), (-16, -depth), va="top", ha="right", color=color)
            first_later = np.searchsorted(curve["time"], ticks, side="left")
            at_risk = np.append(curve["n_risk"].to_numpy(), 0.0)[first_later]
            for tick, count in zip(ticks, at_risk, strict=True):
                where = ("data", "axes fraction")
                text = f"{count:.0f}" if count >= 9.95 or count == 0 else f"{count:.1f}"
                _note(ax, text, (tick, 0), (0, -depth), where, va="top", ha="center")
        said = f"Thick: weighted ({self.weighting}); thin dotted: {UNWEIGHTED}"
        _note(ax, said, (0, 0), (0, -depth - 1.6 * _LINE), va="top")
        return ax


def _step(ax: Axes, curve: pd.DataFrame, **style: object) -> None:
    time = np.append(0.0, curve["time"])
    survival = np.append(1.0, curve["survival"])
    ax.plot(time, survival, drawstyle="steps-post", **style)  # type: ignore[arg-type]
