"""Pictures of the evaluation: the numbers in `.frame`, the drawing in `.plot(ax)`.

`plot` draws on the Axes given, or on those of a new figure with constrained layout, and
returns them (`ax.figure.savefig(...)` writes the file). pyplot and its global state are not used.
Text stands outside the axes, so a figure passed in should have `layout="constrained"` too and
leave each picture some 6 inches (the calibration plot 4).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, PercentFormatter
from numpy.typing import ArrayLike

from evaluation.displays.palette import OKABE_ITO, ArmStyle, arm_styles
from evaluation.regimens.crude.comparison import log_rank
from evaluation.results import format_estimate, format_p
from evaluation.statistics.kaplan_meier import kaplan_meier, median_time
from features.outcome import Outcome

FONT_SIZE = 8
ALL_PATIENTS = "All patients"
_LINE = 12  # points from one line of text to the next
_GREY = "#666666"
_FIFTHS = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


@dataclass(frozen=True)
class KaplanMeierDisplay:
    """Kaplan-Meier curves of the arms of a regimen comparison.

    Attributes
    ----------
    frame : DataFrame
        The columns of `kaplan_meier` after a column arm; time in months.
    medians : DataFrame
        One row an arm: arm, n, events, median, ci_low, ci_high (months).
    log_rank_p : float
        Over all arms; NaN for a single arm.
    endpoint : str
        Label of the vertical axis.
    """

    frame: pd.DataFrame
    medians: pd.DataFrame
    log_rank_p: float = np.nan
    endpoint: str = "Overall survival"

    @classmethod
    def from_outcomes(
        cls, outcome: Outcome, regimen: ArrayLike | None, endpoint: str = "Overall survival"
    ) -> KaplanMeierDisplay:
        """Estimate the curve and the median of every regimen, with log-log limits.

        Parameters
        ----------
        outcome : Outcome
            Time in months and event of n patients.
        regimen : array-like of shape (n,), str, or None
            Arm of each patient. None gives one curve, of all patients.
        endpoint : str
            What survival means here ("Event-free survival").
        """
        if regimen is None:
            regimen = [ALL_PATIENTS] * len(outcome)
        regimen = np.asarray(regimen, dtype=object)
        curves, medians = [], []
        for arm in sorted(set(regimen)):
            patients = outcome.take(regimen == arm)
            curves.append(kaplan_meier(patients).assign(arm=arm))
            counts = {"arm": arm, "n": len(patients), "events": patients.n_events}
            medians.append(counts | median_time(patients)._asdict())
        frame = pd.concat(curves, ignore_index=True)
        frame.insert(0, "arm", frame.pop("arm"))
        p_value = log_rank(outcome, regimen).p_value if len(curves) > 1 else np.nan
        return cls(frame, pd.DataFrame(medians), p_value, endpoint)

    @property
    def caption(self) -> str:
        """Medians with their intervals, the log-rank p, and how the intervals were made."""
        lines = []
        for row in self.medians.to_dict("records"):
            median = format_estimate(row["median"], row["ci_low"], row["ci_high"], digits=1)
            reached = "not reached" if np.isnan(row["median"]) else f"{median} months"
            counts = f"{row['events']} events in {row['n']} patients"
            lines.append(f"{row['arm']}: median {reached}, {counts}")
        if np.isfinite(self.log_rank_p):
            p_text = format_p(self.log_rank_p)
            lines.append(f"Log-rank p {p_text if p_text.startswith('<') else '= ' + p_text}")
        lines.append(
            "Median (95% CI) and shaded 95% intervals on the log-log scale; ticks: censored"
        )
        return "\n".join(lines)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the curves, the numbers at risk under them and the caption; return the Axes."""
        ax = ax or _new_axes(6.5, 4.6)
        styles = arm_styles(self.medians["arm"])
        if ALL_PATIENTS in styles:  # not the colour of any arm
            styles[ALL_PATIENTS] = ArmStyle(OKABE_ITO["black"], "-")
        curves = {str(arm): curve for arm, curve in self.frame.groupby("arm", sort=True)}
        for arm, curve in curves.items():
            _draw_curve(ax, curve, styles[arm])

        ticks = _month_ticks(self.frame["time"].max())
        ax.set(xlim=(0, ticks[-1]), ylim=(0, 1.02), xlabel="Months", ylabel=self.endpoint)
        ax.xaxis.set_major_locator(FixedLocator(ticks))
        ax.yaxis.set_major_locator(FixedLocator(_FIFTHS))
        ax.yaxis.set_major_formatter(PercentFormatter(1))
        _tidy(ax)

        # Labels of curves that end in the last fifth stand together, clear of the longer curve.
        last = self.frame["time"].max()
        ends = {arm: curve["time"].max() for arm, curve in curves.items()}
        heights = _spread([curve["survival"].iloc[-1] for curve in curves.values()], gap=0.06)
        for (arm, end), y in zip(ends.items(), heights, strict=True):
            x = last if end > 0.8 * last else end
            # A label may lie on another arm's curve.
            paper = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8}
            color = styles[arm].color
            _note(ax, arm, (x, y), (6, 0), "data", va="center", color=color, bbox=paper)

        depth = 36
        _note(ax, "Number at risk", (0, 0), (0, -depth), va="top", ha="left", color=_GREY)
        for arm, curve in curves.items():
            depth += _LINE
            color = styles[arm].color
            _note(ax, arm, (0, 0), (-16, -depth), va="top", ha="right", color=color)
            first_later = np.searchsorted(curve["time"], ticks, side="left")
            at_risk = np.append(curve["n_risk"].to_numpy(), 0)[first_later]
            for tick, count in zip(ticks, at_risk, strict=True):
                where = ("data", "axes fraction")
                _note(ax, str(count), (tick, 0), (0, -depth), where, va="top", ha="center")
        _note(ax, self.caption, (0, 0), (0, -depth - 1.6 * _LINE), va="top", linespacing=1.4)
        return ax


def _draw_curve(ax: Axes, curve: pd.DataFrame, style: Any) -> None:
    """Step curve from 100% at month 0, its band, and a tick at each censored time."""
    time = np.append(0.0, curve["time"])
    survival = np.append(1.0, curve["survival"])
    # Before the first event there is no interval to shade: the band starts as the line itself.
    low, high = (
        np.where(survival == 1, 1.0, np.append(1.0, curve[limit]))
        for limit in ("ci_low", "ci_high")
    )
    ax.fill_between(time, low, high, step="post", color=style.color, alpha=0.13, linewidth=0)
    ax.step(time, survival, where="post", color=style.color, linestyle=style.linestyle, lw=1.6)
    censored = curve[curve["n_censor"] > 0]
    ax.plot(censored["time"], censored["survival"], "|", color=style.color, ms=6, mew=1.0)


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
        ax = ax or _new_axes(4.2, 4.9)
        color = OKABE_ITO["blue"]
        ax.plot([0, 1], [0, 1], color=_GREY, lw=0.8, linestyle=(0, (4, 3)), zorder=1)
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
        _note(ax, corner, (0, 1), (7, -7), va="top", linespacing=1.4)

        histogram = ax.inset_axes((0, -0.22, 1, 0.18), sharex=ax)
        histogram.hist(self.predicted, bins=np.linspace(0, 1, 41).tolist(), color=_GREY)
        histogram.set_xlabel(f"Predicted probability of an event by {horizon}")
        histogram.set_ylabel("Patients")
        ax.tick_params(labelbottom=False)
        for axes in (ax, histogram):
            axes.xaxis.set_major_locator(FixedLocator(_FIFTHS))
            axes.xaxis.set_major_formatter(PercentFormatter(1))
            _tidy(axes)
        ax.yaxis.set_major_locator(FixedLocator(_FIFTHS))
        ax.yaxis.set_major_formatter(PercentFormatter(1))
        return ax


INTERVAL_HEADER = "Estimate (95% interval)"


@dataclass(frozen=True)
class ForestPlotDisplay:
    """Estimates with intervals, one row each, beside their numbers.

    Attributes
    ----------
    frame : DataFrame
        label, estimate, ci_low, ci_high, optional n and p_value; drawn from top
        to bottom. Squares have an area by n, or else by the inverse of the
        squared interval width. A missing estimate prints "not estimable".
    scale : str
        Name of the estimate, with its unit ("Hazard ratio").
    favours : (str, str)
        What lies left and right of the reference line ("favours HMA", "favours LDAC").
    reference : float
        Value of no difference: 1 for ratios, 0 for differences.
    log : bool
        Logarithmic axis, for ratios.
    header : str
        Of the numbers; another than INTERVAL_HEADER where not all limits are of 95% intervals.
    """

    frame: pd.DataFrame
    scale: str = "Hazard ratio"
    favours: tuple[str, str] = ("", "")
    reference: float = 1.0
    log: bool = field(default=True, kw_only=True)
    header: str = field(default=INTERVAL_HEADER, kw_only=True)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw squares, intervals, reference line and text columns; return the Axes."""
        rows = self.frame.reset_index(drop=True)
        left, right = self._columns(rows)
        text_inches = sum(_text_width(column) + 12 for column in left + right) / 72
        ax = ax or _new_axes(text_inches + 2.8, 1.3 + 0.26 * len(rows))
        if self.log:
            ax.set_xscale("log")
        low, high = _forest_limits(rows, self.reference, self.log)
        ax.set(xlim=(low, high), ylim=(len(rows) - 0.4, -0.6))
        ax.axvline(self.reference, color=_GREY, lw=0.8, zorder=1)
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

        _tidy(ax)
        if self.log:
            ax.xaxis.set_major_locator(FixedLocator(_log_ticks(low, high)))
            ax.xaxis.set_minor_locator(NullLocator())
            ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        else:
            ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.spines["left"].set_visible(False)
        ax.set_yticks([])
        ax.set_xlabel(self.scale)
        # Back to back from the middle, so that long names run outwards and never into each other.
        left_text, right_text = self.favours
        below = {"va": "top", "color": _GREY}
        if left_text:
            _note(ax, f"\N{LEFTWARDS ARROW} {left_text}", (0.5, 0), (-8, -36), ha="right", **below)
        if right_text:
            _note(ax, f"{right_text} \N{RIGHTWARDS ARROW}", (0.5, 0), (8, -36), ha="left", **below)
        # The label starts its column; numbers left of the axis end theirs, so that digits align.
        offset = -10.0
        for i, column in reversed(list(enumerate(left))):
            width = _text_width(column)
            place, align = (offset - width, "left") if i == 0 else (offset, "right")
            _write_column(ax, column, (0, place), align)
            offset -= width + 12
        offset = 12.0
        for column in right:
            _write_column(ax, column, (1, offset), "left")
            offset += _text_width(column) + 12
        return ax

    def _columns(self, rows: pd.DataFrame) -> tuple[list[list[str]], list[list[str]]]:
        """Text columns left (label, n) and right (estimate, p) of the axis, header first."""
        left = [["", *rows["label"].astype(str)]]
        if "n" in rows:
            left.append(["n", *(f"{n:.0f}" if np.isfinite(n) else "" for n in rows["n"])])
        interval = rows[["estimate", "ci_low", "ci_high"]].itertuples(index=False)
        right = [[self.header, *(format_estimate(*row) for row in interval)]]
        if "p_value" in rows:
            right.append(["p", *(format_p(p) for p in rows["p_value"])])
        return left, right


def _write_column(ax: Axes, column: list[str], place: tuple[float, float], align: str) -> None:
    """Write a text column at (axes fraction, offset in points), its header above the first row."""
    x, offset = place
    where = ("axes fraction", "data")
    header, *texts = column
    _note(ax, header, (x, -0.75), (offset, 0), where, va="bottom", ha=align, weight="bold")
    for y, text in enumerate(texts):
        _note(ax, text, (x, y), (offset, 0), where, va="center", ha=align)


def _new_axes(width: float, height: float) -> Axes:
    return Figure(figsize=(width, height), dpi=150, layout="constrained").subplots()


def _tidy(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=FONT_SIZE)
    ax.xaxis.label.set_fontsize(FONT_SIZE + 1)
    ax.yaxis.label.set_fontsize(FONT_SIZE + 1)


def _note(
    ax: Axes,
    text: str,
    at: tuple[float, float],
    offset: tuple[float, float],
    where: Any = "axes fraction",
    **style: Any,
) -> None:
    """Text `offset` points from a place that may lie outside the axes."""
    ax.annotate(
        text,
        at,
        xytext=offset,
        xycoords=where,
        textcoords="offset points",
        annotation_clip=False,
        **({"fontsize": FONT_SIZE} | style),
    )


def _text_width(texts: list[str]) -> float:
    """Width in points of the longest text, set in bold."""
    return max(_extent(text) for text in texts if text)


@lru_cache(maxsize=4096)
def _extent(text: str) -> float:
    path = TextPath((0, 0), text, size=FONT_SIZE, prop=FontProperties(weight="bold"))
    return float(path.get_extents().width)


def _month_ticks(last: float) -> list[float]:
    """Ticks every 3 months up to a year and a half, every 6 up to six years, then every 12."""
    step = 3 if last <= 18 else 6 if last <= 72 else 12
    return (np.arange(0, max(np.ceil(last / step), 1) + 1) * step).tolist()


def _spread(heights: list[float], gap: float) -> np.ndarray:
    """Move label heights apart to at least `gap`, keeping their order, none below 0."""
    order = np.argsort(heights, kind="stable")
    placed = np.maximum(np.asarray(heights, dtype=float), gap / 2)
    for below, above in itertools.pairwise(order):
        placed[above] = max(placed[above], placed[below] + gap)
    return placed


def _forest_limits(rows: pd.DataFrame, reference: float, log: bool) -> tuple[float, float]:
    """Axis limits around all intervals; on a log axis at most 20-fold from the reference."""
    values = rows[["estimate", "ci_low", "ci_high"]].to_numpy(dtype=float).ravel()
    values = np.append(values[np.isfinite(values)], reference)
    if not log:
        margin = 0.06 * (np.ptp(values) or 1.0)
        return float(values.min() - margin), float(values.max() + margin)
    values = np.clip(values, reference / 20, reference * 20)
    return float(min(values.min() / 1.1, 0.8)), float(max(values.max() * 1.1, 1.25))


def _log_ticks(low: float, high: float) -> list[float]:
    """Ticks inside the limits: 1, 2 and 5 times powers of ten, 1 and 3 on a long axis, more on a
    short one.
    """
    steps: list[float] = [1, 2, 5] if high / low < 30 else [1, 3]
    if high / low < 4:
        steps = [1, 1.25, 1.5, 2, 3, 4, 5, 6, 8]
    ticks = np.outer(10.0 ** np.arange(-4, 5), steps).ravel()
    return ticks[(ticks >= low) & (ticks <= high)].tolist()


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
