"""Balance and overlap of two arms: love plot, and the distribution of the propensity."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, PercentFormatter

from evaluation.displays.style import (
    DASHED,
    FIFTHS,
    FONT_SIZE,
    GREY,
    OKABE_ITO,
    arm_styles,
    new_axes,
    note,
    tidy,
)

_MARKERS = ("o", "s", "D", "^", "v")


@dataclass(frozen=True)
class LoveDisplay:
    """Absolute standardised mean difference of each covariate, one marker a weighting.

    Attributes
    ----------
    frame : DataFrame
        `balance_table` of one pair of arms: term, weighting, smd. Drawn from the largest difference
        before weighting down; a difference that cannot be estimated is not drawn and said so. The
        first weighting is none.
    negligible : float
        The usual limit of a negligible difference.
    """

    frame: pd.DataFrame
    negligible: float

    def __post_init__(self) -> None:
        if self.frame.duplicated(["term", "weighting"]).any():
            raise ValueError(
                "frame must hold one row a term and weighting; select one pair of arms"
            )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the markers, the limit of a negligible difference and the legend."""
        weightings = list(dict.fromkeys(self.frame["weighting"]))
        before = self.frame[self.frame["weighting"] == weightings[0]]
        order = before.assign(size=before["smd"].abs()).sort_values(
            "size", ascending=False, na_position="last", kind="stable"
        )["term"]
        place = {str(term): y for y, term in enumerate(order)}
        ax = ax or new_axes(6.0, 1.5 + 0.2 * len(place))
        colors = [OKABE_ITO["black"], *(c for name, c in OKABE_ITO.items() if name != "black")]
        ax.axvline(self.negligible, color=GREY, lw=0.8, linestyle=DASHED, zorder=1)
        largest = float(np.nan_to_num(self.frame["smd"].abs()).max(initial=0.0))
        # Markers of one row stand a little apart, so that equal ones are seen.
        spread = np.linspace(-0.22, 0.22, len(weightings)) if len(weightings) > 1 else [0.0]
        for i, weighting in enumerate(weightings):
            rows = self.frame[(self.frame["weighting"] == weighting) & self.frame["smd"].notna()]
            y = rows["term"].map(place).to_numpy(dtype=float) + spread[i]
            ax.plot(
                rows["smd"].abs(), y, _MARKERS[i % len(_MARKERS)], color=colors[i % len(colors)],
                ms=5 if i else 6, mfc=colors[i % len(colors)] if i else "white", label=weighting,
                clip_on=False, zorder=3, linestyle="none",
            )  # fmt: skip
        ax.set(xlim=(0, max(1.08 * largest, 2 * self.negligible)), ylim=(len(place) - 0.4, -0.6))
        ax.set_xlabel("Absolute standardised mean difference, SD")
        ax.set_yticks(range(len(place)), list(place))
        ax.grid(axis="y", color="#DDDDDD", lw=0.5)
        ax.set_axisbelow(True)
        tidy(ax)
        ax.legend(
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False, fontsize=FONT_SIZE,
            borderaxespad=0.2, handletextpad=0.3,
        )  # fmt: skip
        lost = sorted(set(self.frame.loc[self.frame["smd"].isna(), "term"].astype(str)))
        said = f"Dashed: {self.negligible:g}, the usual limit of a negligible difference"
        if lost:
            said += f"\nNot estimable: {', '.join(lost)}"
        note(ax, said, (0, 0), (0, -36), va="top", color=GREY, linespacing=1.4)
        return ax


BINS = 20
_CHARACTERS = 84  # in a line under the picture


@dataclass(frozen=True)
class OverlapDisplay:
    """Mirrored histograms of the propensity, the arm above and the reference arm below.

    Attributes
    ----------
    frame : DataFrame
        One row a patient of one pair: arm, reference_arm, regimen, propensity (probability of the
        arm).
    verdict : str
        Of `positivity`, under the picture.
    limits : sequence of float
        Propensities beyond which the verdict counts a patient as outside.
    """

    frame: pd.DataFrame
    verdict: str = ""
    limits: Sequence[float] = ()

    def __post_init__(self) -> None:
        pairs = self.frame[["arm", "reference_arm"]].drop_duplicates()
        if len(pairs) != 1:
            raise ValueError(f"frame must hold one pair of arms; got {len(pairs)}, so select one")

    def counts(self) -> pd.DataFrame:
        """Patients in each bar: low, high (propensity), and one column a regimen."""
        edges = np.linspace(0, 1, BINS + 1)
        bars = {
            str(arm): np.histogram(group["propensity"], edges)[0]
            for arm, group in self.frame.groupby("regimen", sort=False)
        }
        return pd.DataFrame({"low": edges[:-1], "high": edges[1:], **bars})

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the two histograms and the range outside of which overlap is thin."""
        ax = ax or new_axes(6.0, 3.4)
        arm, reference = (str(self.frame[name].iloc[0]) for name in ("arm", "reference_arm"))
        styles = arm_styles([arm, reference])
        bars = self.counts()
        highest = 1.0
        for name, side in ((arm, 1), (reference, -1)):
            heights = bars[name].to_numpy() if name in bars else np.zeros(BINS)
            highest = max(highest, float(heights.max()))
            ax.bar(
                bars["low"], side * heights, width=1 / BINS, align="edge",
                color=styles[name].color, edgecolor="white", linewidth=0.6,
                hatch="" if side > 0 else "///",
            )  # fmt: skip
        for limit in self.limits:
            ax.axvline(limit, color=GREY, lw=0.8, linestyle=DASHED)
        ax.axhline(0, color="black", lw=0.8)
        step = max(1, round(highest / 3))
        top = step * (int(np.ceil(highest / step)))
        ax.set(xlim=(0, 1), ylim=(-1.18 * top, 1.18 * top), ylabel="Patients")
        ax.set_xlabel(f"Propensity: probability of {arm} given the covariates")
        ax.xaxis.set_major_locator(FixedLocator(FIFTHS))
        ax.xaxis.set_major_formatter(PercentFormatter(1))
        ax.yaxis.set_major_locator(FixedLocator(list(range(-top, top + 1, step))))
        ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
        tidy(ax)
        for name, y, va in ((arm, 1.0, "top"), (reference, 0.0, "bottom")):
            count = int((self.frame["regimen"] == name).sum())
            label = f"{name}, n = {count}"
            color = styles[name].color
            shift = -3 if va == "top" else 3
            paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
            note(ax, label, (0, y), (6, shift), va=va, color=color, weight="bold", bbox=paper)
        if self.verdict:
            said = textwrap.fill(self.verdict, _CHARACTERS)
            note(ax, said, (0, 0), (0, -40), va="top", color=GREY, linespacing=1.4)
        return ax
