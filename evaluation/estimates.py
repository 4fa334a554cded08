"""Estimates and their bootstrap replicates as rows with an interval, and a reason where missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from evaluation.bootstrap import MAX_UNDEFINED, percentile_interval
from evaluation.methods import by_patients
from evaluation.remarks import Remark, joined, no_interval, not_estimable
from evaluation.results import format_estimate, tidy
from features.outcome import Outcome

OUT_OF_FOLD = "patients, out-of-fold predictions fixed"
FIXED = "patients, predictions fixed"
ELSEWHERE = "patients, predictions by models of other centers or earlier patients fixed"
# Every patient of a random fold is predicted by models of the others: their mean is the mean of the
# cohort, whatever the covariates. Over cohorts the ratio varies much less than its interval says.
BY_CONSTRUCTION = Remark.BY_CONSTRUCTION.says(", no evidence of calibration")
NEAR_1 = "near 1 by construction"
COLUMNS = ("estimate", "ci_low", "ci_high", "ci_method", "note")


def is_by_construction(metrics: pd.DataFrame) -> bool:
    """Whether O/E in a table of metrics is close to 1 whatever was predicted."""
    return any(map(Remark.BY_CONSTRUCTION.within, metrics["note"]))


def performance_texts(metrics: pd.DataFrame) -> dict[str, str]:
    """Metric, with its horizon where it has one -> estimate and interval, for a model card."""
    texts = {}
    for row in metrics.itertuples():
        at = "" if np.isnan(row.horizon) else f" at {row.horizon:g} months"
        value = format_estimate(row.estimate, row.ci_low, row.ci_high, 3)
        near = f", {NEAR_1}" if Remark.BY_CONSTRUCTION.within(row.note) else ""
        texts[f"{row.metric}{at}"] = value + near
    return texts


def with_cohort(counts: np.ndarray, n: int) -> np.ndarray:
    """Put the cohort itself, every patient once, before the counts of its replicates.

    Parameters
    ----------
    counts : ndarray of shape (B, n)
        From `bootstrap_counts`; B may be 0.
    n : int
        Patients.

    Returns
    -------
    ndarray of shape (1 + B, n)

    Raises
    ------
    ValueError
        When counts does not hold one column a patient.
    """
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[1] != n:
        raise ValueError(f"counts has shape {counts.shape}; expected (B, {n})")
    return np.vstack([np.ones_like(counts, shape=(1, n)), counts])


def estimate_row(
    values: np.ndarray,
    obstacle: str = "",
    note: str = "",
    resampled: str = OUT_OF_FOLD,
    undefined: str = "no finite value",
) -> dict[str, Any]:
    """Estimate, percentile limits, their method and a note.

    Parameters
    ----------
    values : ndarray of shape (1 + B,)
        Of the cohort, then of its replicates.
    obstacle : str
        Why the cohort cannot support the estimate; empty when it can. The row is then NaN and the
        obstacle is its note.
    note : str
        What else a reader should know.
    resampled : str
        What the bootstrap draws and what it holds fixed.
    undefined : str
        What it means when the cohort's own value is NaN.

    Returns
    -------
    dict
        `estimate`, `ci_low`, `ci_high`, `ci_method`, `note`. Without limits, and a note that says
        so, when more than 10% of the replicates have no estimate.
    """
    estimate, replicates = float(values[0]), values[1:]
    if obstacle or np.isnan(estimate):
        reason = obstacle or not_estimable(undefined)
        return {"estimate": np.nan, "ci_low": np.nan, "ci_high": np.nan, "note": reason}
    ci_low, ci_high = percentile_interval(replicates)
    failed = np.isnan(replicates).mean() if len(replicates) else 0.0
    if failed > MAX_UNDEFINED:
        refused = no_interval(f"{failed:.0%} of the replicates are not estimable")
        note = joined(note, refused)
    return {
        "estimate": estimate,
        "ci_low": ci_low,
        "ci_high": ci_high,
        "ci_method": by_patients(len(replicates), resampled),
        "note": note,
    }


def estimate_rows(
    estimates: ArrayLike,
    replicates: np.ndarray | None,
    obstacles: Sequence[str] | str = "",
    notes: Sequence[str] | str = "",
) -> pd.DataFrame:
    """One row an estimate, its interval from the replicates.

    Parameters
    ----------
    estimates : array-like of shape (m,)
        Of the cohort.
    replicates : ndarray of shape (B, m), or None for no interval
        The same of each bootstrap replicate, predictions held fixed.
    obstacles : str, or sequence of m of them
        Why an estimate cannot be had; empty where it can. Such an estimate and its limits are NaN.
    notes : str, or sequence of m of them
        What else is to be said; of a NaN estimate without an obstacle, why it is.

    Returns
    -------
    DataFrame
        `estimate`, `ci_low`, `ci_high` (95% percentiles), `ci_method`, `note`. A NaN estimate has
        a note in every case; so has an interval refused because more than 10% of the replicates
        have no estimate.
    """
    values = np.atleast_1d(np.asarray(estimates, dtype=float))
    each = zip(values, _each(obstacles, len(values)), _each(notes, len(values)), strict=True)
    rows = []
    for i, (estimate, obstacle, note) in enumerate(each):
        if np.isnan(estimate):
            obstacle = obstacle or note or "not estimable"
        own = np.empty(0) if replicates is None else np.asarray(replicates)[:, i]
        row = estimate_row(np.append(estimate, own), obstacle, note, FIXED)
        rows.append(row if len(own) and not obstacle else row | {"ci_method": ""})
    return tidy(rows, COLUMNS)


def check_patients(outcome: Outcome) -> None:
    """Raise a ValueError when the outcome holds no patient: there is nothing to judge."""
    if not len(outcome):
        raise ValueError("outcome holds no patient; a measure needs at least one")


def missing_predictions(predictions: np.ndarray) -> str:
    """Say for how many patients a prediction is NaN; empty when for none. Shape (n,) or (n, m)."""
    unknown = np.isnan(predictions)
    missing = int((unknown.any(axis=1) if unknown.ndim == 2 else unknown).sum())
    return f"prediction is missing for {missing} of {len(predictions)} patients" if missing else ""


def _each(texts: Sequence[str] | str, n: int) -> list[str]:
    return [texts] * n if isinstance(texts, str) else list(texts)
