"""All covariates' contributions to a model's predictions at one horizon, patient by patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D

from evaluation.displays.palette import arm_styles
from evaluation.displays.pictures import _GREY, FONT_SIZE, _new_axes, _note, _tidy
from features.dataset import REGIMEN

# Of the distance between two rows, how far points of one row may stand apart.
_ROW_HEIGHT = 0.36
_BINS = 60
# The brightest end of the map would vanish on white paper.
_COLORS = ListedColormap(colormaps["cividis"](np.linspace(0, 0.9, 256)))


@dataclass(frozen=True)
class ContributionDisplay:
    """SHAP values of every covariate and patient, the covariates with the largest ones first.

    Attributes
    ----------
    frame : DataFrame
        covariate, label, row (patient, from 1), value (as text where a category), place (0 to 1:
        rank of a number among the patients; NaN for a category or a missing value), contribution.
        Ordered by the mean absolute contribution of the covariate.
    scale : str
        "event probability" or "RMST".
    horizon : float
        Months.
    learner : str
    """

    frame: pd.DataFrame
    scale: str
    horizon: float
    learner: str

    @classmethod
    def from_contributions(
        cls,
        contributions: pd.DataFrame,
        predictors: pd.DataFrame,
        *,
        scale: str,
        horizon: float,
        learner: str,
        labels: Mapping[str, str] | None = None,
    ) -> ContributionDisplay:
        """Join contributions with the values that they belong to.

        Parameters
        ----------
        contributions : DataFrame of shape (n, p)
            As `covariate_contributions` gives them.
        predictors : DataFrame of shape (n, p)
            The same patients in the same order.
        labels : mapping of covariate -> words for it, optional

        Raises
        ------
        ValueError
            When the tables hold different numbers of patients.
        """
        if len(contributions) != len(predictors):
            raise ValueError(
                f"contributions of {len(contributions)} patients, predictors of {len(predictors)}"
            )
        size = contributions.abs().mean().sort_values(ascending=False, kind="stable")
        frames = []
        for name in size.index:
            values = predictors[name].reset_index(drop=True)
            number = pd.api.types.is_numeric_dtype(values)
            rank = values.rank(method="average") if number else pd.Series(np.nan, values.index)
            span = rank.max() - rank.min()
            frames.append(
                pd.DataFrame(
                    {
                        "covariate": name,
                        "label": (labels or {}).get(name, name),
                        "row": np.arange(1, len(values) + 1),
                        "value": values.astype(object),
                        "place": (rank - rank.min()) / span if span > 0 else rank * 0 + 0.5,
                        "contribution": contributions[name].to_numpy(),
                    }
                )
            )
        return cls(pd.concat(frames, ignore_index=True), scale, horizon, learner)

    def plot(self, ax: Axes | None = None, most: int = 12) -> Axes:
        """Draw a swarm of points a covariate, at most `most` of them; return the Axes."""
        names = list(dict.fromkeys(self.frame["covariate"]))[:most]
        ax = ax or _new_axes(6.5, 1.5 + 0.34 * len(names))
        ax.axvline(0, color=_GREY, lw=0.8, zorder=1)
        shown = self.frame[self.frame["covariate"].isin(names)]
        span = shown["contribution"].max() - shown["contribution"].min() or 1.0
        for y, name in enumerate(names):
            own = shown[shown["covariate"] == name]
            heights = y + _swarm(own["contribution"].to_numpy(), span)
            self._draw_row(ax, name, own, heights)
        ax.set(ylim=(len(names) - 0.4, -0.6), yticks=range(len(names)))
        ax.set_yticklabels([_last(shown, name, "label") for name in names])
        _tidy(ax)
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
        if self.scale == "RMST":
            ax.set_xlabel(f"Contribution to predicted RMST up to {self.horizon:g} months (months)")
        else:
            ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
            ax.set_xlabel(
                f"Contribution to predicted event probability at {self.horizon:g} months "
                "(percentage points)"
            )
        if shown["place"].notna().any():
            bar = ax.figure.colorbar(ScalarMappable(cmap=_COLORS), ax=ax, fraction=0.025, pad=0.02)
            bar.set_ticks([0, 1], labels=["lowest", "highest"])
            bar.ax.tick_params(labelsize=FONT_SIZE, length=0)
            bar.set_label("Value of the covariate", fontsize=FONT_SIZE)
            bar.outline.set_visible(False)
        left_out = self.frame["covariate"].nunique() - len(names)
        caption = f"{self.learner}: one point a patient; hollow: a category or not known."
        if left_out:
            caption += f" {left_out} covariates with smaller contributions are left out."
        _note(ax, caption, (0, 0), (0, -38), va="top", color=_GREY)
        return ax

    def _draw_row(self, ax: Axes, name: str, own: pd.DataFrame, heights: np.ndarray) -> None:
        x, place = own["contribution"].to_numpy(), own["place"].to_numpy()
        if name == REGIMEN:
            styles = arm_styles(own["value"].astype(str))
            handles = []
            for arm, style in sorted(styles.items()):
                rows = (own["value"] == arm).to_numpy()
                look: dict[str, Any] = {"marker": style.marker, "color": style.color, "ls": ""}
                ax.plot(x[rows], heights[rows], ms=3.6, mew=0, **look)
                handles.append(Line2D([], [], ms=4, label=arm, **look))
            ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), frameon=False,
                      ncols=len(handles), fontsize=FONT_SIZE, borderaxespad=0.2,
                      handletextpad=0.2)  # fmt: skip
            return
        known = ~np.isnan(place)
        ax.scatter(x[known], heights[known], s=11, c=place[known], cmap=_COLORS, vmin=0, vmax=1,
                   linewidths=0, zorder=2)  # fmt: skip
        ax.scatter(x[~known], heights[~known], s=11, facecolors="white", edgecolors=_GREY,
                   linewidths=0.6, zorder=2)  # fmt: skip


def _swarm(x: np.ndarray, span: float) -> np.ndarray:
    """How far each point stands from the middle of its row, by how many are near it."""
    bins = np.floor(np.nan_to_num(x) / span * _BINS).astype(int)
    offset = np.zeros(len(x))
    crowd = max(np.unique(bins, return_counts=True)[1].max(), 2)
    for one in np.unique(bins):
        rows = np.flatnonzero(bins == one)
        # From the middle outwards, in turn above and below, in the order of the contributions.
        order = rows[np.argsort(x[rows], kind="stable")]
        step = (np.arange(len(order)) + 1) // 2 * np.where(np.arange(len(order)) % 2, 1, -1)
        offset[order] = step * min(_ROW_HEIGHT / (crowd / 2), 0.09)
    return offset


def _last(frame: pd.DataFrame, name: str, column: str) -> str:
    return str(frame.loc[frame["covariate"] == name, column].iloc[0])
