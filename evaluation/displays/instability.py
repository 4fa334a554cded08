"""Pictures of instability: predictions, calibration curves and classification over refits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, PercentFormatter

from evaluation.displays.style import DASHED, FIFTHS, GREY, OKABE_ITO, new_axes, note, tidy

# More points than this make a picture black and a file large; refits are thinned evenly.
MAX_POINTS = 20_000
# Patients whose limits are averaged for one point of a percentile line.
BAND = 10


@dataclass(frozen=True)
class PredictionInstabilityDisplay:
    """Predictions of the model against those of the refits for the same patients.

    Attributes
    ----------
    frame : DataFrame
        From `prediction_instability`, one row a patient, event probabilities.
    draws : ndarray of shape (B, n)
        Event probability of each patient by each refit.
    horizon : float
        Months.
    """

    frame: pd.DataFrame
    draws: np.ndarray
    horizon: float

    @property
    def limits(self) -> pd.DataFrame:
        """The percentile lines: means of original, low and high over groups of patients."""
        ordered = self.frame.sort_values("original", kind="stable")
        groups = np.arange(len(ordered)) // BAND
        # The last, smaller group joins the one before.
        groups = np.minimum(groups, max(len(ordered) // BAND - 1, 0))
        columns = ["original", "refitted_low", "refitted_high"]
        return ordered[columns].groupby(groups).mean().reset_index(drop=True)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw refits as points, their percentile lines and the diagonal; return the Axes."""
        ax = ax or new_axes(4.2, 4.4)
        if self.frame["mape"].isna().all():
            return _empty(ax, self.frame["note"].iloc[0])
        step = max(1, int(np.ceil(self.draws.size / MAX_POINTS)))
        draws = self.draws[::step]
        original = np.tile(self.frame["original"].to_numpy(), len(draws))
        ax.plot(original, draws.ravel(), ".", color=GREY, ms=2, mew=0, alpha=0.35, rasterized=True)
        ax.plot([0, 1], [0, 1], color="black", lw=0.9)
        lines = self.limits
        style: dict[str, Any] = {"color": OKABE_ITO["vermillion"], "lw": 1.4, "ls": (0, (5, 2))}
        for column in ("refitted_low", "refitted_high"):
            ax.plot(lines["original"], lines[column], **style)
        corner = (
            f"{len(self.draws)} refits\naverage MAPE {self.frame['mape'].mean():.3f}\n"
            f"largest {self.frame['mape'].max():.3f}\n"
            "dashed: 2.5 and 97.5 percentiles"
        )
        note(ax, corner, (1, 0), (-4, 6), va="bottom", ha="right", linespacing=1.4)
        ax.set_xlabel(f"Event probability by {self.horizon:g} months, model")
        ax.set_ylabel(f"Event probability by {self.horizon:g} months, refits")
        return _square(ax)


@dataclass(frozen=True)
class CalibrationInstabilityDisplay:
    """Calibration curves of the refits on the original patients, around that of the model.

    Attributes
    ----------
    frame : DataFrame
        From `calibration_instability`: model (0 is the original), predicted, observed.
    horizon : float
        Months.
    """

    frame: pd.DataFrame
    horizon: float

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw refits thin, the model thick, and the diagonal; return the Axes."""
        ax = ax or new_axes(4.2, 4.4)
        curves = {model: rows for model, rows in self.frame.groupby("model")}
        if 0 not in curves:
            return _empty(ax, f"no calibration curve at {self.horizon:g} months")
        ax.plot([0, 1], [0, 1], color=GREY, lw=0.8, linestyle=DASHED, zorder=1)
        for model, rows in curves.items():
            if model:
                ax.plot(
                    rows["predicted"], rows["observed"], color=GREY, lw=0.5, alpha=0.35, zorder=2
                )
        own = curves[0]
        ax.plot(own["predicted"], own["observed"], color=OKABE_ITO["blue"], lw=2, zorder=3)
        corner = f"thick: model\nthin: {len(curves) - 1} refits,\noriginal patients"
        note(ax, corner, (0, 1), (7, -7), va="top", linespacing=1.4)
        ax.set_xlabel(f"Predicted probability of an event by {self.horizon:g} months")
        ax.set_ylabel(f"Observed events by {self.horizon:g} months")
        return _square(ax)


@dataclass(frozen=True)
class ClassificationInstabilityDisplay:
    """How often refits put each patient on the other side of a threshold.

    Attributes
    ----------
    frame : DataFrame
        From `classification_instability`, one row a patient.
    horizon : float
        Months.
    threshold : float
        Event probability.
    """

    frame: pd.DataFrame
    horizon: float
    threshold: float = 0.5

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw a point a patient and the threshold; return the Axes."""
        ax = ax or new_axes(4.6, 3.4)
        if self.frame["changed"].isna().all():
            return _empty(ax, self.frame["note"].iloc[0])
        ax.axvline(self.threshold, color=GREY, lw=0.9, linestyle=DASHED)
        ax.plot(
            self.frame["original"],
            self.frame["changed"],
            "o",
            color=OKABE_ITO["blue"],
            ms=3.5,
            mew=0,
            alpha=0.6,
            clip_on=False,
        )
        corner = f"threshold {self.threshold:.0%}\non average {self.frame['changed'].mean():.1%}"
        note(ax, corner, (1, 1), (-4, -4), va="top", ha="right", linespacing=1.4)
        ax.set(xlim=(0, 1), ylim=(0, max(0.6, float(self.frame["changed"].max()) * 1.05)))
        ax.set_xlabel(f"Event probability by {self.horizon:g} months, model")
        ax.set_ylabel("Refits that classify otherwise")
        ax.xaxis.set_major_locator(FixedLocator(FIFTHS))
        ax.xaxis.set_major_formatter(PercentFormatter(1))
        ax.yaxis.set_major_formatter(PercentFormatter(1))
        tidy(ax)
        return ax


def _square(ax: Axes) -> Axes:
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(FixedLocator(FIFTHS))
        axis.set_major_formatter(PercentFormatter(1))
    tidy(ax)
    return ax


def _empty(ax: Axes, reason: str) -> Axes:
    ax.set_axis_off()
    note(ax, f"Not shown: {reason}", (0.5, 0.5), (0, 0), ha="center", va="center", wrap=True)
    return ax
