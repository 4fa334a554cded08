"""Picture of the Brier score over time against Kaplan-Meier, with numbers at risk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator
from numpy.typing import ArrayLike

from evaluation.brier import (
    brier_losses,
    increasing_times,
    integrated_brier,
    null_losses,
    replicate_scores,
    scaled_brier,
)
from evaluation.calibration import Z_95
from evaluation.censoring import CensoringModel
from evaluation.curve_in_time import at_risk_table, draw_curves, interval_sentence, write_caption
from evaluation.displays import _new_axes
from evaluation.estimates import estimate_rows, missing_predictions
from evaluation.influence import INFLUENCE_METHOD, brier_standard_errors
from evaluation.palette import OKABE_ITO, ArmStyle, arm_styles
from features.outcome import Outcome

NULL_MODEL = "Kaplan-Meier"


@dataclass(frozen=True)
class BrierDisplay:
    """Brier score of one or several models over time beside that of the null model.

    Attributes
    ----------
    frame : DataFrame
        model ("Kaplan-Meier" is the null model), time (months), estimate (lower is better),
        ci_low, ci_high, ci_method, ipa (1 - score / score of the null model), n_at_risk, note.
    at_risk : DataFrame
        Patients at risk at the ticks: time, n_at_risk.
    """

    frame: pd.DataFrame
    at_risk: pd.DataFrame

    @classmethod
    def from_predictions(
        cls,
        outcome: Outcome,
        survival: Mapping[str, np.ndarray],
        times: ArrayLike,
        counts: np.ndarray | None = None,
        censoring: CensoringModel | None = None,
    ) -> BrierDisplay:
        """Score each model at each time.

        Parameters
        ----------
        outcome : Outcome of n patients
        survival : mapping of name to ndarray of shape (n, m)
            Predicted probability of being event-free after each time.
        times : array-like of shape (m,)
            Months, increasing.
        counts : ndarray of shape (B, n), optional
            How often each bootstrap replicate holds each patient; the losses stay fixed. Without
            them the band is 1.96 standard errors to either side (`brier_standard_errors`).
        censoring : CensoringModel, optional
            Of the outcome itself by default.
        """
        times = increasing_times(times)
        null = null_losses(outcome, times, censoring)
        losses = {
            name: brier_losses(outcome, predicted, times, censoring)
            for name, predicted in survival.items()
        }
        obstacles = {name: _obstacles(outcome, survival[name], times) for name in survival}
        at_risk = (outcome.time[:, None] > times).sum(axis=0)
        everyone = np.ones((1, len(outcome)))
        parts = []
        for name, own in (losses | {NULL_MODEL: null}).items():
            estimate = replicate_scores(own, everyone)[0]
            reasons = obstacles.get(name) or _obstacles(outcome, np.zeros(null.shape), times)
            replicates = None if counts is None else replicate_scores(own, counts)
            notes = ["censoring weights are unknown" if np.isnan(e) else "" for e in estimate]
            part = estimate_rows(estimate, replicates, reasons, notes)
            if counts is None and censoring is None and name in survival:
                reach = Z_95 * brier_standard_errors(outcome, survival[name], times)
                reach[part["estimate"].isna()] = np.nan
                part["ci_low"] = np.maximum(part["estimate"] - reach, 0.0)
                part["ci_high"] = part["estimate"] + reach
                part["ci_method"] = np.where(np.isnan(reach), "", INFLUENCE_METHOD)
            part.insert(0, "model", name)
            part.insert(1, "time", times)
            part.insert(6, "ipa", scaled_brier(estimate, null.mean(axis=0)))
            part.insert(7, "n_at_risk", at_risk)
            parts.append(part)
        return cls(pd.concat(parts, ignore_index=True), at_risk_table(outcome, times[-1]))

    @property
    def caption(self) -> str:
        """Integrated score of each curve, and what the band is."""
        lines = []
        for model in self.frame["model"].unique():
            curve = self.frame[self.frame["model"] == model]
            if len(curve) > 1:
                times = curve["time"].to_numpy()
                score = float(integrated_brier(curve["estimate"].to_numpy(), times))
                shown = f"{score:.3f}" if np.isfinite(score) else "not estimable"
                lines.append(f"{model}: integrated Brier score {shown}")
        if lines:
            span = f"{self.frame['time'].min():g} to {self.frame['time'].max():g} months"
            lines.append(f"Integrated from {span} by the trapezoid rule; lower is better")
        return "\n".join(filter(None, [*lines, interval_sentence(self.frame)]))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the scores, the null model and the numbers at risk; return the Axes."""
        ax = ax or _new_axes(5.6, 4.2)
        models = [name for name in self.frame["model"].unique() if name != NULL_MODEL]
        highest = np.nanmax([*self.frame["estimate"], *self.frame["ci_high"], 0.25])
        ax.set_ylim(0, highest * 1.05)
        ax.yaxis.set_major_locator(FixedLocator(np.arange(0, highest * 1.05, 0.05).tolist()))
        ax.set_ylabel("Brier score at month t")
        null_style = {NULL_MODEL: ArmStyle(OKABE_ITO["black"], (0, (4, 2)))}
        without_band = self.frame.copy()
        limits = without_band["model"] == NULL_MODEL
        without_band.loc[limits, ["ci_low", "ci_high"]] = np.nan
        draw_curves(ax, without_band, arm_styles(models) | null_style, self.at_risk)
        write_caption(ax, self.caption)
        return ax


def _obstacles(outcome: Outcome, survival: np.ndarray, times: np.ndarray) -> list[str]:
    survival = np.asarray(survival, dtype=float)
    reasons = []
    for column, time in enumerate(times):
        beyond = f"{time:g} months is beyond the follow-up of the outcome ({outcome.follow_up:g})"
        missing = missing_predictions(survival[:, column])
        reasons.append(beyond if time > outcome.follow_up else missing)
    return reasons
