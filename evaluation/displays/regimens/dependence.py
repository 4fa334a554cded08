"""The contribution of the regimen against another covariate, with how steady each point is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from evaluation.displays.palette import arm_styles
from evaluation.displays.pictures import _GREY, FONT_SIZE, _new_axes, _note, _tidy

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
        ax = ax or _new_axes(6.0, 3.8)
        x = self._draw_positions(ax)
        ax.axhline(0, color=_GREY, lw=0.8, zorder=1)
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
        _tidy(ax)
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
        _note(ax, caption, (0, 0), (0, -38), va="top", color=_GREY, linespacing=1.4)
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
