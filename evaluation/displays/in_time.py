"""Curves over time: AUC, Brier score, O/E, and the regimen's contribution to a model.

Curves have bands; numbers at risk stand under the axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from evaluation.displays.style import (
    DASHED,
    GREY,
    LINE,
    OKABE_ITO,
    ArmStyle,
    arm_styles,
    log_ticks,
    month_ticks,
    new_axes,
    note,
    spread,
    tidy,
)
from evaluation.methods import replicates_of

NULL_MODEL = "Kaplan-Meier"
MEAN, CONTRAST = "mean in arm", "contrast"


@dataclass(frozen=True)
class InTimeDisplay:
    """A measure of one or several models over time.

    Attributes
    ----------
    frame : DataFrame
        model, time in months, estimate, ci_low, ci_high (NaN without an interval), ci_method.
    at_risk : DataFrame
        Patients at risk at the ticks: time, n_at_risk.
    summary : str
        Lines of the caption above what the band is.
    """

    frame: pd.DataFrame
    at_risk: pd.DataFrame
    summary: str = ""
    height: ClassVar[float] = 4.0

    @property
    def caption(self) -> str:
        """The summary, and what the band is."""
        return "\n".join(filter(None, [self.summary, interval_sentence(self.frame)]))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the curves, the line or model to compare with and the numbers at risk."""
        ax = ax or new_axes(5.6, self.height)
        frame = self._prepare(ax)
        draw_curves(ax, frame, self._styles(), self.at_risk)
        write_caption(ax, self.caption)
        return ax

    def _prepare(self, ax: Axes) -> pd.DataFrame:
        """Set the vertical axis up; return what is drawn."""
        raise NotImplementedError

    def _styles(self) -> dict[str, ArmStyle]:
        return arm_styles(self.frame["model"])

    def _known(self) -> np.ndarray:
        limits = self.frame[["estimate", "ci_low", "ci_high"]].to_numpy(dtype=float)
        known: np.ndarray = limits[np.isfinite(limits)]
        return known


class AucDisplay(InTimeDisplay):
    """Cumulative/dynamic AUC over time, beside the line of no discrimination."""

    def _prepare(self, ax: Axes) -> pd.DataFrame:
        known = np.append(self._known(), 0.5)
        ax.axhline(0.5, color=GREY, lw=0.8, linestyle=DASHED, zorder=1)
        ax.set_ylim(max(np.floor(known.min() * 10 - 0.2) / 10, 0), 1)
        ax.set_ylabel("AUC for events by month t")
        return self.frame


class BrierDisplay(InTimeDisplay):
    """Brier score over time, beside that of the null model (`NULL_MODEL`)."""

    height = 4.2

    def _prepare(self, ax: Axes) -> pd.DataFrame:
        highest = np.nanmax([*self.frame["estimate"], *self.frame["ci_high"], 0.25])
        ax.set_ylim(0, highest * 1.05)
        ax.yaxis.set_major_locator(FixedLocator(np.arange(0, highest * 1.05, 0.05).tolist()))
        ax.set_ylabel("Brier score at month t")
        without_band = self.frame.copy()
        limits = without_band["model"] == NULL_MODEL
        without_band.loc[limits, ["ci_low", "ci_high"]] = np.nan
        return without_band

    def _styles(self) -> dict[str, ArmStyle]:
        models = [name for name in self.frame["model"].unique() if name != NULL_MODEL]
        return arm_styles(models) | {NULL_MODEL: ArmStyle(OKABE_ITO["black"], (0, (4, 2)))}


class ObservedExpectedDisplay(InTimeDisplay):
    """Observed over expected events by month t; the axis is logarithmic."""

    height = 3.8

    def _prepare(self, ax: Axes) -> pd.DataFrame:
        known = self._known()
        known = np.append(known[known > 0], [0.8, 1.25])
        low, high = max(known.min() / 1.05, 0.2), min(known.max() * 1.05, 5.0)
        ax.set_yscale("log")
        ax.set_ylim(low, high)
        near = (0.8, 0.9, 1.0, 1.1, 1.25, 1.5)
        fine = near if high / low < 2.5 else (0.25, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0)
        ticks = [tick for tick in fine if low <= tick <= high]
        ax.yaxis.set_major_locator(FixedLocator(ticks or log_ticks(low, high)))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.axhline(1, color=GREY, lw=0.8, linestyle=DASHED, zorder=1)
        ax.set_ylabel("Observed / expected events by month t")
        # A ratio of 0, before the first event, has no place on a logarithmic axis.
        return self.frame.assign(estimate=self.frame["estimate"].where(self.frame["estimate"] > 0))


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
        ax = ax or new_axes(6.5, 3.6)
        shown = self.frame[(self.frame["kind"] == self.kind) & self.frame["estimate"].notna()]
        styles = arm_styles(self.frame["arm"])
        ax.axhline(0, color=GREY, lw=0.8, zorder=1)
        ends = {}
        for arm, course in shown.groupby("arm", sort=True):
            style, time = styles[str(arm)], course["time"]
            ax.fill_between(time, course["ci_low"], course["ci_high"], color=style.color,
                            alpha=0.15, linewidth=0)  # fmt: skip
            ax.plot(time, course["estimate"], color=style.color, linestyle=style.linestyle, lw=1.6)
            ends[str(arm)] = float(course["estimate"].iloc[-1])
        last = shown["time"].max()
        ticks = month_ticks(last)
        low, high = ax.get_ylim()
        span = high - low
        heights = low + span * spread([(end - low) / span for end in ends.values()], gap=0.07)
        for (arm, _), y in zip(ends.items(), heights, strict=True):
            color = styles[arm].color
            note(ax, arm, (last, y), (6, 0), "data", va="center", color=color)
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
        tidy(ax)
        method = shown["ci_method"].iloc[0]
        told = (
            f"{self.frame['learner'].iloc[0]}: {caption}.\n"
            f"Band: 95%, {method}.\nA contribution to this model's prediction; not causal."
        )
        note(ax, told, (0, 0), (0, -38), va="top", color=GREY, linespacing=1.4)
        return ax


def draw_curves(
    ax: Axes, frame: pd.DataFrame, styles: Mapping[str, ArmStyle], at_risk: pd.DataFrame
) -> None:
    """Draw the curve and band of each model, its name at its end, and the numbers at risk.

    Parameters
    ----------
    ax : Axes
    frame : DataFrame
        model, time (months), estimate, and ci_low and ci_high, NaN where there is no interval.
    styles : mapping of model to ArmStyle
        In the order of drawing.
    at_risk : DataFrame
        From `at_risk_table`; its times are the ticks.
    """
    ends = {}
    for model, style in styles.items():
        curve = frame[frame["model"] == model]
        band = curve["ci_low"], curve["ci_high"]
        ax.fill_between(curve["time"], *band, color=style.color, alpha=0.13, linewidth=0)
        line: dict[str, Any] = {"color": style.color, "linestyle": style.linestyle}
        ax.plot(curve["time"], curve["estimate"], lw=1.6, **line)
        known = curve.dropna(subset="estimate")
        if len(known):
            ends[model] = (known["time"].iloc[-1], known["estimate"].iloc[-1])
    ticks = at_risk["time"].tolist()
    ax.set_xlim(0, ticks[-1])
    ax.set_xlabel("Months")
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    tidy(ax)
    if len(styles) > 1 and ends:
        low, high = ax.get_ylim()
        heights = spread([(y - low) / (high - low) for _, y in ends.values()], gap=0.065)
        last = max(x for x, _ in ends.values())
        for model, height in zip(ends, heights, strict=True):
            where = ("data", "axes fraction")
            color = styles[model].color
            note(ax, model, (last, height), (5, 0), where, va="center", color=color)

    note(ax, "At risk", (0, 0), (-24, -40), va="top", ha="right", color=GREY)
    for tick, count in zip(ticks, at_risk["n_at_risk"], strict=True):
        where = ("data", "axes fraction")
        note(ax, str(count), (tick, 0), (0, -40), where, va="top", ha="center")


def write_caption(ax: Axes, caption: str) -> None:
    """Write the caption under the numbers at risk."""
    note(ax, caption, (0, 0), (0, -40 - 1.6 * LINE), va="top", linespacing=1.4)


def interval_sentence(frame: pd.DataFrame) -> str:
    """Say what the band is, from the column ci_method; empty when there is none."""
    methods = sorted({method for method in frame["ci_method"] if method})
    if not methods or not np.isfinite(frame["ci_low"]).any():
        return ""
    replicates = replicates_of(methods[0])
    if replicates is None:
        return f"Band: pointwise 95% interval, {methods[0]}"
    return f"Band: pointwise 95% bootstrap interval, {replicates} replicates, predictions fixed"
