"""Drawing of a measure over time: curves with bands, months, and numbers at risk under the axis.

Shared by the pictures of AUC, Brier score and calibration in time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator

from evaluation.displays.palette import ArmStyle
from evaluation.displays.pictures import _GREY, _LINE, _month_ticks, _note, _spread, _tidy
from evaluation.statistics.kaplan_meier import number_at_risk
from features.outcome import Outcome


def at_risk_table(outcome: Outcome, last: float) -> pd.DataFrame:
    """Patients at risk at the ticks of an axis that ends at `last` months: time, n_at_risk."""
    ticks = _month_ticks(last)
    return pd.DataFrame({"time": ticks, "n_at_risk": number_at_risk(outcome, ticks)})


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
    _tidy(ax)
    if len(styles) > 1 and ends:
        low, high = ax.get_ylim()
        heights = _spread([(y - low) / (high - low) for _, y in ends.values()], gap=0.065)
        last = max(x for x, _ in ends.values())
        for model, height in zip(ends, heights, strict=True):
            where = ("data", "axes fraction")
            color = styles[model].color
            _note(ax, model, (last, height), (5, 0), where, va="center", color=color)

    _note(ax, "At risk", (0, 0), (-24, -40), va="top", ha="right", color=_GREY)
    for tick, count in zip(ticks, at_risk["n_at_risk"], strict=True):
        where = ("data", "axes fraction")
        _note(ax, str(count), (tick, 0), (0, -40), where, va="top", ha="center")


def write_caption(ax: Axes, caption: str) -> None:
    """Write the caption under the numbers at risk."""
    _note(ax, caption, (0, 0), (0, -40 - 1.6 * _LINE), va="top", linespacing=1.4)


def interval_sentence(frame: pd.DataFrame) -> str:
    """Say what the band is, from the column ci_method; empty when there is none."""
    methods = sorted({method for method in frame["ci_method"] if method})
    if not methods or not np.isfinite(frame["ci_low"]).any():
        return ""
    replicates = methods[0].partition("B=")[2].partition(",")[0]
    if not replicates:
        return f"Band: pointwise 95% interval, {methods[0]}"
    return f"Band: pointwise 95% bootstrap interval, {replicates} replicates, predictions fixed"
