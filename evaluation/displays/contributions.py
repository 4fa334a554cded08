"""Contributions of covariates to predictions, patient by patient: all, or one against another."""

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

from evaluation.displays.style import FONT_SIZE, GREY, arm_styles, new_axes, note, tidy
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
        ax = ax or new_axes(6.5, 1.5 + 0.34 * len(names))
        ax.axvline(0, color=GREY, lw=0.8, zorder=1)
        shown = self.frame[self.frame["covariate"].isin(names)]
        span = shown["contribution"].max() - shown["contribution"].min() or 1.0
        for y, name in enumerate(names):
            own = shown[shown["covariate"] == name]
            heights = y + _swarm(own["contribution"].to_numpy(), span)
            self._draw_row(ax, name, own, heights)
        ax.set(ylim=(len(names) - 0.4, -0.6), yticks=range(len(names)))
        ax.set_yticklabels([_last(shown, name, "label") for name in names])
        tidy(ax)
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
        note(ax, caption, (0, 0), (0, -38), va="top", color=GREY)
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
        ax.scatter(x[~known], heights[~known], s=11, facecolors="white", edgecolors=GREY,
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


NOT_KNOWN = "not known"


@dataclass(frozen=True)
class DependenceDisplay:
    """One point a patient: a covariate's value and the contribution of the regimen.

    Attributes
    ----------
    frame : DataFrame
        row, regimen, value, contribution, refit_low, refit_high (95% of refits, NaN without them),
        refit_sd.
    covariate : str
        Words for the horizontal axis, with the unit.
    scale : str
        "event probability" or "RMST".
    horizon : float
        Months.
    learner : str
    """

    frame: pd.DataFrame
    covariate: str
    scale: str
    horizon: float
    learner: str

    @classmethod
    def from_contributions(
        cls,
        contributions: pd.DataFrame,
        values: pd.Series,
        *,
        scale: str,
        horizon: float,
        label: str | None = None,
    ) -> DependenceDisplay:
        """Select one output and put the covariate beside it.

        Parameters
        ----------
        contributions : DataFrame
            From `contribution_table`, of one learner.
        values : Series of shape (n,)
            The covariate of all patients of the table that `row` counts in.

        Raises
        ------
        ValueError
            When the output is not in the table, or a row is not among the values.
        """
        learners = contributions["learner"].unique()
        at = np.isclose(contributions["horizon"], horizon) & (contributions["scale"] == scale)
        own = contributions[at].sort_values("row")
        if len(learners) != 1 or not len(own) or own["row"].max() > len(values):
            raise ValueError(
                f"{len(own)} contributions to {scale} at {horizon:g} months of learners "
                f"{sorted(learners)}; expected some of one learner, of {len(values)} patients"
            )
        columns = ["row", "regimen", "contribution", "refit_low", "refit_high", "refit_sd"]
        frame = own[columns].reset_index(drop=True)
        frame.insert(2, "value", values.to_numpy()[frame["row"] - 1])
        name = label or str(values.name)
        return cls(frame, name, scale, horizon, str(learners[0]))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the points by arm, each with its range over refits; return the Axes."""
        ax = ax or new_axes(6.0, 3.8)
        x = self._draw_positions(ax)
        ax.axhline(0, color=GREY, lw=0.8, zorder=1)
        styles = arm_styles(self.frame["regimen"])
        handles = []
        for arm, style in sorted(styles.items()):
            rows = (self.frame["regimen"] == arm).to_numpy()
            own = self.frame[rows]
            ax.vlines(x[rows], own["refit_low"], own["refit_high"], color=style.color, lw=0.7,
                      alpha=0.35, zorder=2)  # fmt: skip
            ax.plot(x[rows], own["contribution"], style.marker, color=style.color, ms=4.2,
                    mew=0.4, mec="white", zorder=3)  # fmt: skip
            handles.append(
                Line2D([], [], ls="", marker=style.marker, color=style.color, ms=5, label=arm)
            )
        ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), frameon=False,
                  ncols=len(handles), fontsize=FONT_SIZE, borderaxespad=0.2,
                  handletextpad=0.2)  # fmt: skip
        tidy(ax)
        ax.set_xlabel(self.covariate)
        if self.scale == "RMST":
            ax.set_ylabel(
                f"Contribution of the regimen to\nRMST up to {self.horizon:g} months (months)"
            )
        else:
            ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
            ax.set_ylabel(
                "Contribution of the regimen to event\n"
                f"probability at {self.horizon:g} months (points)"
            )
        bars = "line: 95% of bootstrap refits" if self.frame["refit_low"].notna().any() else ""
        caption = "; ".join(part for part in (f"{self.learner}: one point a patient", bars) if part)
        caption += ".\nA contribution to this model's prediction; not causal."
        note(ax, caption, (0, 0), (0, -38), va="top", color=GREY, linespacing=1.4)
        return ax

    def _draw_positions(self, ax: Axes) -> np.ndarray:
        """Places along the axis, shape (n,); levels of a category are spread a little."""
        values = self.frame["value"]
        numbers = pd.api.types.is_numeric_dtype(values)
        if numbers and values.nunique() > 6 and values.notna().all():
            return values.to_numpy(dtype=float)
        if numbers:
            text = values.map(lambda value: NOT_KNOWN if pd.isna(value) else value)
            if values.nunique() > 6:
                # A column of its own, right of the known values.
                beyond = values.max() + 0.12 * (values.max() - values.min())
                ticks = [t for t in ax.xaxis.get_major_locator().tick_values(
                    values.min(), values.max()) if values.min() <= t <= values.max()]  # fmt: skip
                ax.set_xticks([*ticks, beyond], labels=[*(f"{t:g}" for t in ticks), NOT_KNOWN])
                return values.fillna(beyond).to_numpy(dtype=float)
            known = [f"{value:g}" for value in sorted(values.dropna().unique())]
            text = text.map(lambda value: value if isinstance(value, str) else f"{value:g}")
        else:
            text = values.map(lambda value: NOT_KNOWN if pd.isna(value) else str(value))
            known = sorted(set(text) - {NOT_KNOWN})
        levels = [*known, *([NOT_KNOWN] if (text == NOT_KNOWN).any() else [])]
        place = text.map({level: at for at, level in enumerate(levels)}).to_numpy(dtype=float)
        within = self.frame.groupby(text.to_numpy())["contribution"].rank(method="first")
        count = text.map(text.value_counts()).to_numpy()
        # Golden-ratio steps, so that neighbours in height do not stand above each other.
        spread = ((within.to_numpy() * 0.618) % 1 - 0.5) * 0.6 * (count > 1)
        ax.set_xticks(range(len(levels)), labels=levels)
        ax.set_xlim(-0.5, len(levels) - 0.5)
        return place + spread
