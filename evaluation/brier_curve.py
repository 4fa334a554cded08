"""Brier score over time with its interval, beside that of the Kaplan-Meier null model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from evaluation.brier import (
    brier_losses,
    increasing_times,
    null_losses,
    replicate_scores,
    scaled_brier,
)
from evaluation.calibration import Z_95
from evaluation.censoring import CensoringModel
from evaluation.estimates import estimate_rows, everyone_then, missing_predictions
from evaluation.influence import brier_standard_errors, influence_method
from features.outcome import Outcome

NULL_MODEL = "Kaplan-Meier"


def brier_curve(
    outcome: Outcome,
    survival: Mapping[str, np.ndarray],
    times: ArrayLike,
    counts: np.ndarray | None = None,
    censoring: CensoringModel | None = None,
) -> pd.DataFrame:
    """Brier score of each model and of the null model at each time.

    Parameters
    ----------
    outcome : Outcome of n patients
    survival : mapping of name to ndarray of shape (n, m)
        Predicted probability of being event-free after each time. Not an event probability.
    times : array-like of shape (m,)
        Months, increasing.
    counts : ndarray of shape (B, n), optional
        How often each bootstrap replicate holds each patient; the losses stay fixed. Without them
        the interval of a model is 1.96 standard errors to either side (`brier_standard_errors`),
        unless a censoring model is given.
    censoring : CensoringModel, optional
        Of the outcome itself by default.

    Returns
    -------
    DataFrame, one row a model and time
        `model` ("Kaplan-Meier" is the null model), `time`, `estimate` (lower is better), `ci_low`,
        `ci_high`, `ci_method`, `ipa` (1 - score / score of the null model), `n_at_risk` (followed
        beyond the time), `note`.

    Raises
    ------
    ValueError
        As `brier_losses`.
    """
    times = increasing_times(times)
    losses = {
        name: brier_losses(outcome, predicted, times, censoring)
        for name, predicted in survival.items()
    }
    null = null_losses(outcome, times, censoring)
    at_risk = (outcome.time[:, None] > times).sum(axis=0)
    parts = []
    for name, own in (losses | {NULL_MODEL: null}).items():
        scores = replicate_scores(own, everyone_then(counts, len(outcome)))
        reasons = [_why_not(outcome, survival.get(name), i, time) for i, time in enumerate(times)]
        notes = ["censoring weights are unknown" if np.isnan(e) else "" for e in scores[0]]
        replicates = None if counts is None else scores[1:]
        part = estimate_rows(scores[0], replicates, reasons, notes)
        if counts is None and censoring is None and name in survival:
            reach = Z_95 * brier_standard_errors(outcome, survival[name], times)
            reach[part["estimate"].isna()] = np.nan
            part["ci_low"] = np.maximum(part["estimate"] - reach, 0.0)
            part["ci_high"] = part["estimate"] + reach
            part["ci_method"] = np.where(np.isnan(reach), "", influence_method(outcome))
        part.insert(0, "model", name)
        part.insert(1, "time", times)
        part.insert(6, "ipa", scaled_brier(scores[0], null.mean(axis=0)))
        part.insert(7, "n_at_risk", at_risk)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _why_not(outcome: Outcome, survival: np.ndarray | None, column: int, time: float) -> str:
    if time > outcome.follow_up:
        return f"{time:g} months is beyond the follow-up of the outcome ({outcome.follow_up:g})"
    return "" if survival is None else missing_predictions(np.asarray(survival)[:, column])
