"""From all patients to those analysed: how many each rule removed, as a flow diagram."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.displays import FONT_SIZE

ATTRITION_COLUMNS = ("step", "rule", "removed", "removed_missing", "left")

# Inches.
_LINE, _PAD, _GAP = 0.15, 0.08, 0.2
_MAIN, _SIDE, _BETWEEN = 2.3, 3.3, 0.45
_WRAP = 46


@dataclass(frozen=True)
class AttritionDisplay:
    """Flow diagram of an attrition table: boxes downwards, removed patients beside them.

    Attributes
    ----------
    frame : DataFrame
        As `features.inclusion.apply_inclusion` returns it: step, rule (its name), removed
        (patients), removed_missing (those of them for whom a missing value leaves the rule open),
        left; where there, criterion (the rule in words) and kept_missing. The first line holds all
        patients and removes none.
    arms : mapping of regimen -> patients
        Shown in the last box; empty without regimens.
    """

    frame: pd.DataFrame
    arms: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        absent = [c for c in ATTRITION_COLUMNS if c not in self.frame]
        if absent or self.frame.empty:
            raise ValueError(f"attrition needs a line and the columns {ATTRITION_COLUMNS}")
        left, removed = self.frame["left"].astype(int), self.frame["removed"].astype(int)
        if removed.iloc[0] or not (left.shift(1).iloc[1:] - removed.iloc[1:] == left[1:]).all():
            raise ValueError("attrition does not add up: left must fall by removed at each step")
        if (self.frame["removed_missing"].astype(int) > removed).any():
            raise ValueError("removed_missing counts some of removed and cannot exceed it")
        if self.arms and sum(self.arms.values()) != left.iloc[-1]:
            raise ValueError(f"the arms hold {sum(self.arms.values())} of {left.iloc[-1]} patients")

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the diagram; return the Axes, whose unit is the inch."""
        main, side = self._texts()
        heights = [_height(text) for text in main]
        gaps = [max(_height(text) + 2 * _PAD, 2 * _GAP) if text else 2 * _GAP for text in side]
        total = sum(heights) + sum(gaps)
        width = _MAIN + (_BETWEEN + _SIDE if any(side) else 0)
        ax = (
            ax
            or Figure(figsize=(width + 0.1, total + 0.1), dpi=150, layout="constrained").subplots()
        )
        ax.set(xlim=(-0.02, width + 0.02), ylim=(total + 0.02, -0.02), aspect="equal")
        ax.set_axis_off()
        top = 0.0
        for i, (text, height) in enumerate(zip(main, heights, strict=True)):
            _box(ax, text, _MAIN / 2, top + height / 2, "center", i in (0, len(main) - 1))
            if i == len(main) - 1:
                break
            bottom, next_top = top + height, top + height + gaps[i]
            _arrow(ax, (_MAIN / 2, bottom), (_MAIN / 2, next_top))
            if side[i]:
                middle = (bottom + next_top) / 2
                _arrow(ax, (_MAIN / 2, middle), (_MAIN + _BETWEEN, middle))
                _box(ax, side[i], _MAIN + _BETWEEN, middle, "left", False)
            top = next_top
        return ax

    def _texts(self) -> tuple[list[str], list[str]]:
        """Text of each box downwards, and of the box beside each arrow between two of them."""
        rows = self.frame.to_dict("records")
        main = [f"{_first_up(str(rows[0]['rule'])) or 'All patients'}\nn = {rows[0]['left']}"]
        main += [f"n = {row['left']}" for row in rows[1:]]
        if len(main) > 1:
            main[-1] = f"Analysed\n{main[-1]}"
        if self.arms:
            main[-1] += "".join(f"\n{arm}: {n}" for arm, n in self.arms.items())
        return main, [_removed(row) for row in rows[1:]]


def _removed(row: Mapping[str, object]) -> str:
    """How many a rule removed and why, and for how many it could not be decided."""
    removed, missing, kept = (
        int(str(row.get(column, 0))) for column in ("removed", "removed_missing", "kept_missing")
    )
    rule, criterion = str(row["rule"]), str(row.get("criterion", ""))
    lines = [f"Removed: {removed}", *textwrap.wrap(f"Rule: {rule}", _WRAP)]
    if criterion not in ("", rule):
        lines += textwrap.wrap(f"({criterion})", _WRAP)
    if missing:
        lines.append(f"not met: {removed - missing}, value missing: {missing}")
    if kept:
        lines.append(f"kept although the value is missing: {kept}")
    return "\n".join(lines)


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]


def _height(text: str) -> float:
    return 2 * _PAD + _LINE * len(text.splitlines())


def _box(ax: Axes, text: str, x: float, y: float, align: str, strong: bool) -> None:
    """Box of the main column (centred, as wide as the column) or beside it (from x on)."""
    height, width = _height(text), _MAIN if align == "center" else _SIDE
    left = x - width / 2 if align == "center" else x
    ax.fill_between(
        [left, left + width], y - height / 2, y + height / 2,
        facecolor="#EAF2F8" if strong else "white", edgecolor="#666666", linewidth=0.8, zorder=2,
    )  # fmt: skip
    ax.text(x if align == "center" else x + _PAD, y, text, ha=align, va="center",
            fontsize=FONT_SIZE, linespacing=1.3, zorder=3)  # fmt: skip


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.annotate("", end, xytext=start, zorder=1,
                arrowprops={"arrowstyle": "-|>", "color": "#666666", "lw": 0.8,
                            "shrinkA": 0, "shrinkB": 0})  # fmt: skip
