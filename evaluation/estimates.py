"""Estimates and their bootstrap replicates as rows with an interval, and a reason where missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from evaluation.bootstrap import MAX_UNDEFINED, percentile_interval
from features.outcome import Outcome


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
        What else is to be said.

    Returns
    -------
    DataFrame
        `estimate`, `ci_low`, `ci_high` (95% percentiles), `ci_method`, `note`. A NaN estimate has
        a note in every case; so has an interval refused because more than 10% of the replicates
        have no estimate.
    """
    estimates = np.atleast_1d(np.asarray(estimates, dtype=float))
    each_obstacle = _each(obstacles, len(estimates))
    rows = []
    for i, (estimate, obstacle) in enumerate(zip(estimates, each_obstacle, strict=True)):
        own = None if replicates is None else np.asarray(replicates)[:, i]
        rows.append(_row(estimate, own, obstacle, _each(notes, len(estimates))[i]))
    return pd.DataFrame(rows, columns=["estimate", "ci_low", "ci_high", "ci_method", "note"])


def check_patients(outcome: Outcome) -> None:
    """Raise a ValueError when the outcome holds no patient: there is nothing to judge."""
    if not len(outcome):
        raise ValueError("outcome holds no patient; a measure needs at least one")


def everyone_then(counts: np.ndarray | None, n: int) -> np.ndarray:
    """Every patient once, then the counts of the replicates if any: (1 + B, n), type of counts."""
    if counts is None:
        return np.ones((1, n))
    return np.vstack([np.ones_like(counts, shape=(1, n)), counts])


def missing_predictions(predictions: np.ndarray) -> str:
    """Say for how many patients a prediction is NaN; empty when for none. Shape (n,) or (n, m)."""
    unknown = np.isnan(predictions)
    missing = int((unknown.any(axis=1) if unknown.ndim == 2 else unknown).sum())
    return f"prediction is missing for {missing} of {len(predictions)} patients" if missing else ""


def _row(
    estimate: float, replicates: np.ndarray | None, obstacle: str, note: str
) -> dict[str, object]:
    if obstacle or np.isnan(estimate):
        reason = obstacle or note or "not estimable"
        unknown = dict.fromkeys(["estimate", "ci_low", "ci_high"], np.nan)
        return unknown | {"ci_method": "", "note": reason}
    if replicates is None or not len(replicates):
        alone = {"estimate": estimate, "ci_low": np.nan, "ci_high": np.nan}
        return alone | {"ci_method": "", "note": note}
    ci_low, ci_high = percentile_interval(replicates)
    undefined = np.isnan(replicates).mean()
    if undefined > MAX_UNDEFINED:
        refused = f"no interval: {undefined:.0%} of the replicates are not estimable"
        note = "; ".join(filter(None, [note, refused]))
    return {
        "estimate": estimate,
        "ci_low": ci_low,
        "ci_high": ci_high,
        "ci_method": f"bootstrap percentile, B={len(replicates)}, patients, predictions fixed",
        "note": note,
    }


def _each(texts: Sequence[str] | str, n: int) -> list[str]:
    return [texts] * n if isinstance(texts, str) else list(texts)
