"""Forest plot: estimates with intervals, one row each, beside their numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from evaluation.displays.style import GREY, OKABE_ITO, log_ticks, new_axes, note, text_width, tidy
from evaluation.results import format_estimate, format_p

INTERVAL_HEADER = "Estimate (95% interval)"


@dataclass(frozen=True)
class ForestPlotDisplay:
    """Estimates with intervals, one row each, beside their numbers.

    Attributes
    ----------
    frame : DataFrame
        label, estimate, ci_low, ci_high, optional n and p_value; drawn from top
        to bottom. Squares have an area by n, or else by the inverse of the
        squared interval width. A missing estimate prints "not estimable". Optional shown: what
        is printed in place of an estimate with its interval; None prints that.
    scale : str
        Name of the estimate, with its unit ("Hazard ratio").
    favours : (str, str)
        What lies left and right of the reference line ("favours HMA", "favours LDAC").
    reference : float
        Value of no difference: 1 for ratios, 0 for differences.
    log : bool
        Logarithmic axis, for ratios.
    n_header : str
    header : str
        Of the numbers; another than INTERVAL_HEADER where not all limits are of 95% intervals.
    """

    frame: pd.DataFrame
    scale: str = "Hazard ratio"
    favours: tuple[str, str] = ("", "")
    reference: float = 1.0
    log: bool = field(default=True, kw_only=True)
    n_header: str = field(default="n", kw_only=True)
    header: str = field(default=INTERVAL_HEADER, kw_only=True)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw squares, intervals, reference line and text columns; return the Axes."""
        rows = self.frame.reset_index(drop=True)
        left, right = self._columns(rows)
        text_inches = sum(text_width(column) + 12 for column in left + right) / 72
        ax = ax or new_axes(text_inches + 2.8, 1.3 + 0.26 * len(rows))
        if self.log:
            ax.set_xscale("log")
        low, high = _forest_limits(rows, self.reference, self.log)
        ax.set(xlim=(low, high), ylim=(len(rows) - 0.4, -0.6))
        ax.axvline(self.reference, color=GREY, lw=0.8, zorder=1)
        color = OKABE_ITO["blue"]
        sizes = _square_sizes(rows, self.log)
        for y, row in enumerate(rows.to_dict("records")):
            if not np.isfinite(row["estimate"]):
                continue
            start, end = np.nan_to_num([row["ci_low"], row["ci_high"]], nan=row["estimate"])
            ax.plot(np.clip([start, end], low, high), [y, y], color=color, lw=1.2)
            # An arrow says that the interval goes on beyond the axis.
            if end > high:
                ax.plot(high, y, ">", color=color, ms=5, clip_on=False)
            if start < low:
                ax.plot(low, y, "<", color=color, ms=5, clip_on=False)
            if low <= row["estimate"] <= high:
                ax.plot(row["estimate"], y, "s", color=color, ms=sizes[y])

        tidy(ax)
        if self.log:
            ax.xaxis.set_major_locator(FixedLocator(log_ticks(low, high)))
            ax.xaxis.set_minor_locator(NullLocator())
            ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        else:
            ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.spines["left"].set_visible(False)
        ax.set_yticks([])
        ax.set_xlabel(self.scale)
        # Back to back from the middle, so that long names run outwards and never into each other.
        left_text, right_text = self.favours
        below = {"va": "top", "color": GREY}
        if left_text:
            note(ax, f"\N{LEFTWARDS ARROW} {left_text}", (0.5, 0), (-8, -36), ha="right", **below)
        if right_text:
            note(ax, f"{right_text} \N{RIGHTWARDS ARROW}", (0.5, 0), (8, -36), ha="left", **below)
        # The label starts its column; numbers left of the axis end theirs, so that digits align.
        offset = -10.0
        for i, column in reversed(list(enumerate(left))):
            width = text_width(column)
            place, align = (offset - width, "left") if i == 0 else (offset, "right")
            _write_column(ax, column, (0, place), align)
            offset -= width + 12
        offset = 12.0
        for column in right:
            _write_column(ax, column, (1, offset), "left")
            offset += text_width(column) + 12
        return ax

    def _columns(self, rows: pd.DataFrame) -> tuple[list[list[str]], list[list[str]]]:
        """Text columns left (label, n) and right (estimate, p) of the axis, header first."""
        left = [["", *rows["label"].astype(str)]]
        if "n" in rows:
            left.append([self.n_header, *(f"{n:.0f}" if np.isfinite(n) else "" for n in rows["n"])])
        interval = rows[["estimate", "ci_low", "ci_high"]].itertuples(index=False)
        printed = [format_estimate(*row) for row in interval]
        if "shown" in rows:
            given = rows["shown"]
            printed = [
                own if pd.isna(text) else str(text)
                for own, text in zip(printed, given, strict=True)
            ]
        right = [[self.header, *printed]]
        if "p_value" in rows:
            right.append(["p", *(format_p(p) for p in rows["p_value"])])
        return left, right


def _write_column(ax: Axes, column: list[str], place: tuple[float, float], align: str) -> None:
    """Write a text column at (axes fraction, offset in points), its header above the first row."""
    x, offset = place
    where = ("axes fraction", "data")
    header, *texts = column
    note(ax, header, (x, -0.75), (offset, 0), where, va="bottom", ha=align, weight="bold")
    for y, text in enumerate(texts):
        note(ax, text, (x, y), (offset, 0), where, va="center", ha=align)


def _forest_limits(rows: pd.DataFrame, reference: float, log: bool) -> tuple[float, float]:
    """Axis limits around all intervals; on a log axis at most 20-fold from the reference."""
    values = rows[["estimate", "ci_low", "ci_high"]].to_numpy(dtype=float).ravel()
    values = np.append(values[np.isfinite(values)], reference)
    if not log:
        margin = 0.06 * (np.ptp(values) or 1.0)
        return float(values.min() - margin), float(values.max() + margin)
    values = np.clip(values, reference / 20, reference * 20)
    return float(min(values.min() / 1.1, 0.8)), float(max(values.max() * 1.1, 1.25))


def _square_sizes(rows: pd.DataFrame, log: bool) -> np.ndarray:
    """Side of each square in points, its area by weight; the heaviest has 8, none less than 3."""
    if "n" in rows:
        weight = rows["n"].to_numpy(dtype=float)
    else:
        limits = rows[["ci_low", "ci_high"]].to_numpy(dtype=float)
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = 1 / np.diff(np.log(limits) if log else limits, axis=1)[:, 0] ** 2
    weight = np.where(np.isfinite(weight), weight, 0)
    return np.maximum(8 * np.sqrt(weight / max(weight.max(), 1e-12)), 3)
