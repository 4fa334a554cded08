"""Curves over time: by arm, with numbers at risk; of one patient, with what it may be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, PercentFormatter

from evaluation.displays.style import (
    FIFTHS,
    GREY,
    LINE,
    OKABE_ITO,
    PAPER,
    ArmStyle,
    arm_styles,
    month_ticks,
    new_axes,
    note,
    spread,
    tidy,
)
from evaluation.results import ALL_PATIENTS

# Where the curve of each quantity starts at month 0.
STARTS = {"survival": 1.0, "incidence": 0.0}


@dataclass(frozen=True)
class StepCurvesDisplay:
    """One step curve an arm.

    Attributes
    ----------
    frame : DataFrame
        arm, time (months), the quantity, n_risk (a whole number, or effective patients); and, for
        a band and ticks at censored times, ci_low, ci_high and n_censor.
    label : str
        Of the vertical axis.
    caption : str
        What stands under the numbers at risk.
    quantity : str
        "survival" or "incidence".
    behind : DataFrame, optional
        The same without interval, drawn thin behind the curves.
    at_risk : str
        What the numbers under the axis are.
    """

    frame: pd.DataFrame
    label: str
    caption: str
    quantity: str = "survival"
    behind: pd.DataFrame | None = None
    at_risk: str = "Number at risk"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the curves, the numbers at risk under them and the caption; return the Axes."""
        ax = ax or new_axes(6.5, 4.6)
        curves = {str(arm): curve for arm, curve in self.frame.groupby("arm", sort=True)}
        styles = arm_styles(curves)
        if ALL_PATIENTS in styles:  # not the colour of any arm
            styles[ALL_PATIENTS] = ArmStyle(OKABE_ITO["black"], "-")
        last = float(self.frame["time"].max())
        if self.behind is not None:
            last = max(last, float(self.behind["time"].max()))
            for arm, curve in self.behind.groupby("arm", sort=True):
                steps = self._from_month_0(curve, self.quantity)
                color = styles[str(arm)].color
                ax.step(*steps, where="post", color=color, lw=0.8, alpha=0.55, linestyle=":")
        for arm, curve in curves.items():
            self._draw(ax, curve, styles[arm])

        ticks = month_ticks(last)
        ax.set(xlim=(0, ticks[-1]), ylim=(0, 1.02), xlabel="Months", ylabel=self.label)
        ax.xaxis.set_major_locator(FixedLocator(ticks))
        ax.yaxis.set_major_locator(FixedLocator(FIFTHS))
        ax.yaxis.set_major_formatter(PercentFormatter(1))
        tidy(ax)
        # Labels of curves that end in the last fifth stand together, clear of the longer curve.
        heights = spread([curve[self.quantity].iloc[-1] for curve in curves.values()], gap=0.06)
        for (arm, curve), y in zip(curves.items(), heights, strict=True):
            end = float(curve["time"].max())
            x = last if end > 0.8 * last else end
            color = styles[arm].color
            note(ax, arm, (x, y), (6, 0), "data", va="center", color=color, bbox=PAPER)

        depth = 36
        note(ax, self.at_risk, (0, 0), (0, -depth), va="top", ha="left", color=GREY)
        for arm, curve in curves.items():
            depth += LINE
            color = styles[arm].color
            note(ax, arm, (0, 0), (-16, -depth), va="top", ha="right", color=color)
            first_later = np.searchsorted(curve["time"], ticks, side="left")
            at_risk = np.append(curve["n_risk"].to_numpy(), 0)[first_later]
            for tick, count in zip(ticks, at_risk, strict=True):
                where = ("data", "axes fraction")
                note(ax, _count(count), (tick, 0), (0, -depth), where, va="top", ha="center")
        note(ax, self.caption, (0, 0), (0, -depth - 1.6 * LINE), va="top", linespacing=1.4)
        return ax

    def _draw(self, ax: Axes, curve: pd.DataFrame, style: ArmStyle) -> None:
        """The curve from month 0, its band, and a tick at each censored time."""
        time, values = self._from_month_0(curve, self.quantity)
        if "ci_low" in curve:
            # Before the first event, and without a limit, the band is the line itself.
            low, high = (
                np.where((values == values[0]) | np.isnan(limit), values, limit)
                for limit in (self._from_month_0(curve, name)[1] for name in ("ci_low", "ci_high"))
            )
            ax.fill_between(
                time, low, high, step="post", color=style.color, alpha=0.13, linewidth=0
            )
        ax.step(time, values, where="post", color=style.color, linestyle=style.linestyle, lw=1.6)
        if "ci_low" in curve:
            censored = curve[curve["n_censor"] > 0]
            ax.plot(
                censored["time"], censored[self.quantity], "|", color=style.color, ms=6, mew=1.0
            )

    def _from_month_0(self, curve: pd.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
        start = STARTS[self.quantity]
        return np.append(0.0, curve["time"]), np.append(start, curve[column])


@dataclass(frozen=True)
class PatientCurveDisplay:
    """One patient's predicted curve, its limits, and the average of the training patients.

    Attributes
    ----------
    frame : DataFrame
        time (months, 0 first), survival; low and high where there are limits, average where it is
        known.
    label : str
        Of the vertical axis.
    caption : str
        What stands under the picture: how the limits were made, what is doubtful.
    steps : bool
        Whether the curve steps, or runs straight from one time to the next.
    supported : float, optional
        Months from which on few training patients were followed.
    """

    frame: pd.DataFrame
    label: str
    caption: str
    steps: bool = True
    supported: float | None = None

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the band, the curve, the average and the caption; return the Axes."""
        ax = ax or new_axes(6.5, 4.0)
        time, color = self.frame["time"].to_numpy(), OKABE_ITO["blue"]
        style = "steps-post" if self.steps else "default"
        if "low" in self.frame:
            ax.fill_between(
                time,
                self.frame["low"],
                self.frame["high"],
                step="post" if self.steps else None,
                color=color,
                alpha=0.15,
                linewidth=0,
            )
        last = float(time[-1])
        ends = {"this patient": (self.frame["survival"].iloc[-1], color)}
        if "average" in self.frame:
            ax.plot(time, self.frame["average"], color=GREY, lw=1.0, linestyle="--")
            ends["average"] = (self.frame["average"].iloc[-1], GREY)
        ax.plot(time, self.frame["survival"], color=color, lw=1.8, drawstyle=style)
        ticks = month_ticks(last)
        ax.set(xlim=(0, ticks[-1]), ylim=(0, 1.02), xlabel="Months", ylabel=self.label)
        if self.supported is not None and self.supported < last:
            ax.axvline(self.supported, color=GREY, lw=0.8, linestyle=":")
        ax.xaxis.set_major_locator(FixedLocator(ticks))
        ax.yaxis.set_major_locator(FixedLocator(FIFTHS))
        ax.yaxis.set_major_formatter(PercentFormatter(1))
        tidy(ax)
        heights = spread([height for height, _ in ends.values()], gap=0.06)
        for (name, (_, colour)), y in zip(ends.items(), heights, strict=True):
            note(ax, name, (last, y), (6, 0), "data", va="center", color=colour, bbox=PAPER)
        note(ax, self.caption, (0, 0), (0, -36), va="top", linespacing=1.4)
        return ax


def _count(patients: float) -> str:
    """A whole number as it is; an effective one with a digit where it is small."""
    if isinstance(patients, np.integer):
        return str(patients)
    return f"{patients:.0f}" if patients >= 9.95 or patients == 0 else f"{patients:.1f}"
