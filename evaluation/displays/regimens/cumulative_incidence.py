"""Picture of cumulative incidences by arm, with numbers at risk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, PercentFormatter
from numpy.typing import ArrayLike

from evaluation.displays.palette import OKABE_ITO, ArmStyle, arm_styles
from evaluation.displays.pictures import (
    _FIFTHS,
    _GREY,
    _LINE,
    ALL_PATIENTS,
    _month_ticks,
    _new_axes,
    _note,
    _spread,
    _tidy,
)
from evaluation.regimens.arms import outcomes_by_arm, p_text
from evaluation.regimens.crude.cumulative_incidence import (
    competing_as_event,
    cumulative_incidence,
    gray_test,
)
from features.outcome import Outcome

_PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8}


@dataclass(frozen=True)
class CumulativeIncidenceDisplay:
    """Aalen-Johansen curves of one event by arm.

    Attributes
    ----------
    frame : DataFrame
        The columns of `cumulative_incidence` after a column arm; time in months.
    gray_p : float
        Gray's test over all arms; NaN for a single arm or without an event.
    event, competing : str
        What is counted ("relapse"), and what can come first ("death without relapse").
    """

    frame: pd.DataFrame
    gray_p: float
    event: str
    competing: str

    @classmethod
    def from_outcome(
        cls,
        outcome: Outcome,
        regimen: ArrayLike | None,
        event: str = "relapse",
        competing: str = "death without relapse",
    ) -> CumulativeIncidenceDisplay:
        """Estimate the curve of every regimen.

        Parameters
        ----------
        outcome : Outcome
            Time in months, event and competing event of n patients.
        regimen : array-like of shape (n,), str, or None
            Arm of each patient. None gives one curve, of all patients.
        event, competing : str
            Their names.
        """
        if regimen is None:
            regimen = [ALL_PATIENTS] * len(outcome)
        labels = np.asarray(regimen, dtype=object)
        arms = sorted(set(labels))
        by_arm = outcomes_by_arm(outcome, labels, arms)
        frame = pd.concat(
            [cumulative_incidence(mine).assign(arm=arm) for arm, mine in by_arm.items()],
            ignore_index=True,
        )
        frame.insert(0, "arm", frame.pop("arm"))
        return cls(frame, gray_test(outcome, labels).p_value, event, competing)

    @classmethod
    def pair(
        cls,
        outcome: Outcome,
        regimen: ArrayLike | None,
        event: str = "relapse",
        competing: str = "death without relapse",
    ) -> tuple[CumulativeIncidenceDisplay, CumulativeIncidenceDisplay]:
        """Make the displays of the event and of the competing one, which belong side by side."""
        return (
            cls.from_outcome(outcome, regimen, event, competing),
            cls.from_outcome(competing_as_event(outcome), regimen, competing, event),
        )

    @property
    def caption(self) -> str:
        """Counts by arm, Gray's p, and how the curves were made."""
        lines = []
        for arm, curve in self.frame.groupby("arm", sort=True):
            n = int(curve["n_risk"].iloc[0])
            events, other = int(curve["n_event"].sum()), int(curve["n_competing"].sum())
            lines.append(
                f"{arm}: {n} patients, {events} with {self.event}, {other} with {self.competing}"
            )
        if np.isfinite(self.gray_p):
            lines.append(f"Gray's test {p_text(self.gray_p)}")
        lines.append("Aalen-Johansen, shaded 95% intervals on the log-log scale; ticks: censored")
        return "\n".join(lines)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the curves, the numbers at risk under them and the caption; return the Axes."""
        ax = ax or _new_axes(6.5, 4.6)
        curves = {str(arm): curve for arm, curve in self.frame.groupby("arm", sort=True)}
        styles = arm_styles(curves)
        if ALL_PATIENTS in styles:  # not the colour of any arm
            styles[ALL_PATIENTS] = ArmStyle(OKABE_ITO["black"], "-")
        for arm, curve in curves.items():
            _draw(ax, curve, styles[arm])

        last = float(self.frame["time"].max())
        ticks = _month_ticks(last)
        label = f"Cumulative incidence of\n{self.event}"
        ax.set(xlim=(0, ticks[-1]), ylim=(0, 1.02), xlabel="Months", ylabel=label)
        ax.xaxis.set_major_locator(FixedLocator(ticks))
        ax.yaxis.set_major_locator(FixedLocator(_FIFTHS))
        ax.yaxis.set_major_formatter(PercentFormatter(1))
        _tidy(ax)
        # Labels of curves that end in the last fifth stand together, clear of the longer curve.
        heights = _spread([curve["incidence"].iloc[-1] for curve in curves.values()], gap=0.06)
        for (arm, curve), y in zip(curves.items(), heights, strict=True):
            end = float(curve["time"].max())
            x = last if end > 0.8 * last else end
            color = styles[arm].color
            _note(ax, arm, (x, y), (6, 0), "data", va="center", color=color, bbox=_PAPER)

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


def _draw(ax: Axes, curve: pd.DataFrame, style: ArmStyle) -> None:
    """Step curve from 0% at month 0, its band, and a tick at each censored time."""
    time = np.append(0.0, curve["time"])
    incidence = np.append(0.0, curve["incidence"])
    # Before the first event there is no interval to shade: the band starts as the line itself.
    low, high = (
        np.where(np.isnan(limit), incidence, limit)
        for limit in (np.append(0.0, curve["ci_low"]), np.append(0.0, curve["ci_high"]))
    )
    ax.fill_between(time, low, high, step="post", color=style.color, alpha=0.13, linewidth=0)
    ax.step(time, incidence, where="post", color=style.color, linestyle=style.linestyle, lw=1.6)
    censored = curve[curve["n_censor"] > 0]
    ax.plot(censored["time"], censored["incidence"], "|", color=style.color, ms=6, mew=1.0)
