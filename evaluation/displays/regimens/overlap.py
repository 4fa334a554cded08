"""Overlap of two arms: the distribution of the propensity in each."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, PercentFormatter

from evaluation.displays.palette import arm_styles
from evaluation.displays.pictures import _GREY, _new_axes, _note, _tidy
from evaluation.regimens.adjusted.propensity import propensity_limits

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
    """

    frame: pd.DataFrame
    verdict: str = ""

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
        ax = ax or _new_axes(6.0, 3.4)
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
        # Beyond these the verdict counts a patient as outside; without both arms there are none.
        share = float((self.frame["regimen"] == arm).mean())
        for limit in propensity_limits(share) if 0 < share < 1 else ():
            ax.axvline(limit, color=_GREY, lw=0.8, linestyle=(0, (4, 3)))
        ax.axhline(0, color="black", lw=0.8)
        step = max(1, round(highest / 3))
        top = step * (int(np.ceil(highest / step)))
        ax.set(xlim=(0, 1), ylim=(-1.18 * top, 1.18 * top), ylabel="Patients")
        ax.set_xlabel(f"Propensity: probability of {arm} given the covariates")
        ax.xaxis.set_major_locator(FixedLocator([0.0, 0.2, 0.4, 0.6, 0.8, 1.0]))
        ax.xaxis.set_major_formatter(PercentFormatter(1))
        ax.yaxis.set_major_locator(FixedLocator(list(range(-top, top + 1, step))))
        ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
        _tidy(ax)
        for name, y, va in ((arm, 1.0, "top"), (reference, 0.0, "bottom")):
            count = int((self.frame["regimen"] == name).sum())
            label = f"{name}, n = {count}"
            color = styles[name].color
            shift = -3 if va == "top" else 3
            paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
            _note(ax, label, (0, y), (6, shift), va=va, color=color, weight="bold", bbox=paper)
        if self.verdict:
            said = textwrap.fill(self.verdict, _CHARACTERS)
            _note(ax, said, (0, 0), (0, -40), va="top", color=_GREY, linespacing=1.4)
        return ax
