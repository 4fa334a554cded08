"""Love plot: standardised mean differences of the covariates before and after weighting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evaluation.displays.palette import OKABE_ITO
from evaluation.displays.pictures import _GREY, FONT_SIZE, _new_axes, _note, _tidy
from evaluation.regimens.adjusted.balance import NEGLIGIBLE, UNWEIGHTED

_MARKERS = ("o", "s", "D", "^", "v")


@dataclass(frozen=True)
class LoveDisplay:
    """Absolute standardised mean difference of each covariate, one marker a weighting.

    Attributes
    ----------
    frame : DataFrame
        `balance_table` of one pair of arms: term, weighting, smd. Drawn from the largest difference
        before weighting down; a difference that cannot be estimated is not drawn and said so.
    """

    frame: pd.DataFrame

    def __post_init__(self) -> None:
        if self.frame.duplicated(["term", "weighting"]).any():
            raise ValueError(
                "frame must hold one row a term and weighting; select one pair of arms"
            )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the markers, the limit of a negligible difference and the legend."""
        before = self.frame[self.frame["weighting"] == UNWEIGHTED]
        order = before.assign(size=before["smd"].abs()).sort_values(
            "size", ascending=False, na_position="last", kind="stable"
        )["term"]
        place = {str(term): y for y, term in enumerate(order)}
        ax = ax or _new_axes(6.0, 1.5 + 0.2 * len(place))
        colors = [OKABE_ITO["black"], *(c for name, c in OKABE_ITO.items() if name != "black")]
        ax.axvline(NEGLIGIBLE, color=_GREY, lw=0.8, linestyle=(0, (4, 3)), zorder=1)
        weightings = list(dict.fromkeys(self.frame["weighting"]))
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
        ax.set(xlim=(0, max(1.08 * largest, 2 * NEGLIGIBLE)), ylim=(len(place) - 0.4, -0.6))
        ax.set_xlabel("Absolute standardised mean difference, SD")
        ax.set_yticks(range(len(place)), list(place))
        ax.grid(axis="y", color="#DDDDDD", lw=0.5)
        ax.set_axisbelow(True)
        _tidy(ax)
        ax.legend(
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False, fontsize=FONT_SIZE,
            borderaxespad=0.2, handletextpad=0.3,
        )  # fmt: skip
        lost = sorted(set(self.frame.loc[self.frame["smd"].isna(), "term"].astype(str)))
        said = f"Dashed: {NEGLIGIBLE:g}, the usual limit of a negligible difference"
        if lost:
            said += f"\nNot estimable: {', '.join(lost)}"
        _note(ax, said, (0, 0), (0, -36), va="top", color=_GREY, linespacing=1.4)
        return ax
