"""Contributions of covariates to predictions, drawn by shap: all, of a group, one in its values.

shap draws with pyplot and with numpy's global random numbers; both are given back as they were, and
a picture is the same each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
import pandas as pd
from matplotlib._pylab_helpers import Gcf
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from numpy.typing import ArrayLike

from evaluation.displays.style import (
    FONT_SIZE,
    GREY,
    OKABE_ITO,
    ArmStyle,
    arm_styles,
    new_axes,
    note,
    tidy,
)

if TYPE_CHECKING:
    import shap

NOT_KNOWN = "not known"
# An average over fewer patients would tell what one of them has.
FEWEST_AVERAGED = 5
# shap's colours run from blue to red.
HIGHEST = "red"


@contextmanager
def drawn_by_shap(ax: Axes) -> Iterator[None]:
    """Make an axes pyplot's current one and seed numpy, for the time that shap draws."""
    figure = ax.get_figure(root=True)
    assert isinstance(figure, Figure)
    # shap draws from numpy's global generator.
    state, interactive = np.random.get_state(), matplotlib.is_interactive()  # noqa: NPY002
    number = max(Gcf.figs, default=0) + 1
    Gcf.set_active(FigureCanvasAgg.new_manager(figure, number))
    figure.sca(ax)
    np.random.seed(0)  # noqa: NPY002
    try:
        with matplotlib.rc_context():
            yield
    finally:
        Gcf.figs.pop(number)
        FigureCanvasAgg(figure)
        matplotlib.interactive(interactive)
        np.random.set_state(state)  # noqa: NPY002


@dataclass(frozen=True)
class BeeswarmDisplay:
    """Contributions of every covariate and patient, the covariates with the largest ones first.

    Attributes
    ----------
    explanation : shap.Explanation of n patients and p covariates
        On the event probability.
    horizon : float
        Months.
    learner : str
    labels : mapping of covariate -> words for it
    """

    explanation: shap.Explanation
    horizon: float
    learner: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def frame(self) -> pd.DataFrame:
        """Covariate, label and mean absolute contribution, the largest first."""
        return _by_size(self.explanation, np.abs(self.explanation.values).mean(axis=0), self.labels)

    def plot(self, ax: Axes | None = None, most: int = 12) -> Axes:
        """Draw a swarm of points a covariate; those beyond `most` are one row. Return the Axes."""
        import shap

        found = self.explanation
        ax = ax or new_axes(6.5, 1.5 + 0.34 * min(len(found.feature_names), most))
        coloured = [
            _coloured(codes, shown)
            for codes, shown in zip(found.data.T, found.display_data.T, strict=True)
        ]
        points = shap.Explanation(
            100 * found.values,
            100 * found.base_values,
            pd.DataFrame({place: values for place, (values, _) in enumerate(coloured)}),
            feature_names=[
                self.labels.get(name, name) + told
                for name, (_, told) in zip(found.feature_names, coloured, strict=True)
            ],
        )
        with drawn_by_shap(ax):
            shap.plots.beeswarm(
                points, max_display=most, ax=ax, show=False, plot_size=None, s=11,
                color_bar_label="Value of the covariate",
            )  # fmt: skip
        for axes in ax.figure.axes:
            axes.tick_params(labelsize=FONT_SIZE)
            axes.yaxis.label.set_fontsize(FONT_SIZE)
        tidy(ax)
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
        ax.set_xlabel(_axis(self.horizon))
        caption = f"{self.learner}: one point a patient; grey: a category of several, or not known."
        note(ax, caption, (0, 0), (0, -38), va="top", color=GREY)
        return ax


@dataclass(frozen=True)
class WaterfallDisplay:
    """How the mean prediction of a group of patients comes from that of all: no single patient's.

    Attributes
    ----------
    explanation : shap.Explanation of n patients and p covariates
        On the event probability.
    group : ndarray of shape (n,), bool
        Whose mean contributions are drawn.
    name : str
        Of the group.
    horizon, learner, labels
        As `BeeswarmDisplay`.

    Raises
    ------
    ValueError
        For a group of fewer than 5 patients.
    """

    explanation: shap.Explanation
    group: np.ndarray
    name: str
    horizon: float
    learner: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.group.sum() < FEWEST_AVERAGED:
            raise ValueError(
                f"group must hold at least {FEWEST_AVERAGED} patients; got {self.group.sum()}"
            )

    @property
    def frame(self) -> pd.DataFrame:
        """Covariate, label and mean contribution in the group, the largest first."""
        return _by_size(self.explanation, self._mean(), self.labels)

    def _mean(self) -> np.ndarray:
        mean: np.ndarray = self.explanation.values[self.group].mean(axis=0)
        return mean

    def plot(self, ax: Axes | None = None, most: int = 10) -> Axes:
        """Draw an arrow a covariate, from the mean of all to that of the group."""
        import shap

        found = self.explanation
        rows = min(len(found.feature_names), most)
        ax = ax or new_axes(6.5, 1.7 + 0.34 * rows)
        figure = ax.get_figure(root=True)
        assert isinstance(figure, Figure)
        (width, height), before = figure.get_size_inches(), len(figure.axes)
        base, values = 100 * float(found.base_values[0]), 100 * self._mean()
        names = [self.labels.get(name, name) for name in found.feature_names]
        with drawn_by_shap(ax):
            shap.plots.waterfall(
                shap.Explanation(values, base, feature_names=names), max_display=most, show=False
            )
        figure.set_size_inches(float(width), float(height))
        tidy(ax)
        ax.set_xlabel(f"Predicted event probability at {self.horizon:g} months (%)")
        for text in ax.texts:
            text.set_fontsize(FONT_SIZE)
        # shap's two axes above write both ends as formulas; the caption says them in words.
        for above in figure.axes[before:]:
            above.remove()
        caption = (
            f"{self.learner}: from the mean of all {len(self.group)} patients, {base:.1f}%, "
            f"to that of the {self.group.sum()} patients\nof the {self.name}, "
            f"{base + values.sum():.1f}%.\n"
            "Mean contributions to this model's predictions, percentage points; not causal."
        )
        note(ax, caption, (0, 0), (0, -38), va="top", color=GREY, linespacing=1.4)
        return ax


@dataclass(frozen=True)
class DependenceDisplay:
    """One point a patient: a covariate's value and a contribution, with how steady it is.

    Attributes
    ----------
    frame : DataFrame
        value, contribution; regimen where points are told apart by it; refit_low, refit_high (95%
        of refits) where there are some.
    covariate : str
        Words for the horizontal axis, with the unit.
    horizon : float
        Months.
    learner : str
    of : str
        Whose contribution it is.
    """

    frame: pd.DataFrame
    covariate: str
    horizon: float
    learner: str
    of: str = "the regimen"

    @classmethod
    def from_contributions(
        cls, contributions: pd.DataFrame, values: pd.Series, horizon: float, label: str
    ) -> DependenceDisplay:
        """Select the regimen's contributions at one horizon and put a covariate beside them.

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
        scale = contributions["scale"] == "event probability"
        own = contributions[np.isclose(contributions["horizon"], horizon) & scale]
        own = own.sort_values("row")
        if len(learners) != 1 or not len(own) or own["row"].max() > len(values):
            raise ValueError(
                f"{len(own)} contributions at {horizon:g} months of learners "
                f"{sorted(learners)}; expected some of one learner, of {len(values)} patients"
            )
        columns = ["row", "regimen", "contribution", "refit_low", "refit_high"]
        frame = own[columns].reset_index(drop=True)
        frame.insert(2, "value", values.to_numpy()[frame["row"] - 1])
        return cls(frame, label, horizon, str(learners[0]))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the points by arm, each with its range over refits; return the Axes."""
        import shap

        ax = ax or new_axes(6.0, 3.8)
        x = self._draw_positions(ax)
        if ax.get_autoscalex_on():
            margin = 0.05 * (np.ptp(x) or 1.0)
            ax.set_xlim(x.min() - margin, x.max() + margin)
        ax.axhline(0, color=GREY, lw=0.8, zorder=1)
        if "regimen" in self.frame:
            styles = arm_styles(self.frame["regimen"])
            arms = self.frame["regimen"].to_numpy()
        else:
            styles = {"": ArmStyle(OKABE_ITO["blue"], "-")}
            arms = np.full(len(self.frame), "")
        told = "refit_low" in self.frame and self.frame["refit_low"].notna().any()
        for arm, style in sorted(styles.items()):
            rows = arms == arm
            own = self.frame[rows]
            if told:
                ax.vlines(x[rows], 100 * own["refit_low"], 100 * own["refit_high"],
                          color=style.color, lw=0.7, alpha=0.35, zorder=2)  # fmt: skip
            points = shap.Explanation(
                100 * own["contribution"].to_numpy(dtype=float), data=x[rows], feature_names=arm
            )
            drawn = len(ax.collections)
            with drawn_by_shap(ax):
                shap.plots.scatter(
                    points, color=style.color, hist=False, x_jitter=0, dot_size=18, ax=ax,
                    show=False,
                )  # fmt: skip
            marker = MarkerStyle(style.marker)
            path = marker.get_path().transformed(marker.get_transform())
            ax.collections[drawn].set(paths=[path], zorder=3)
        if len(styles) > 1:
            handles = [
                Line2D([], [], ls="", marker=style.marker, color=style.color, ms=5, label=arm)
                for arm, style in sorted(styles.items())
            ]
            ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), frameon=False,
                      ncols=len(handles), fontsize=FONT_SIZE, borderaxespad=0.2,
                      handletextpad=0.2)  # fmt: skip
        tidy(ax)
        ax.set_xlabel(self.covariate)
        ax.set_ylabel(
            f"Contribution of {self.of} to event\nprobability at {self.horizon:g} months (points)"
        )
        bars = "; line: 95% of bootstrap refits" if told else ""
        caption = f"{self.learner}: one point a patient{bars}"
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


def _axis(horizon: float) -> str:
    return f"Contribution to predicted event probability at {horizon:g} months (percentage points)"


def _by_size(
    explanation: shap.Explanation, values: np.ndarray, labels: Mapping[str, str]
) -> pd.DataFrame:
    names = list(explanation.feature_names)
    table = pd.DataFrame(
        {
            "covariate": names,
            "label": [labels.get(name, name) for name in names],
            "contribution": values,
        }
    )
    return table.sort_values("contribution", key=np.abs, ascending=False, kind="stable")


def _coloured(codes: np.ndarray, shown: ArrayLike) -> tuple[pd.Series, str]:
    """Values that shap colours from low to high, and what a colour means where that is not plain.

    A category of two levels is coloured; one of several is not, nor is what nobody has known.
    """
    text = pd.Series(shown)
    levels = sorted({str(value) for value in text[text.notna()] if isinstance(value, str)})
    if not levels and not np.isnan(codes).all():
        return pd.Series(codes), ""
    if len(levels) == 2:
        return pd.Series(codes), f" ({HIGHEST}: {levels[1]})"
    return pd.Series(["" for _ in codes], dtype=object), ""
