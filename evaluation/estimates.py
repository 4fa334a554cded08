"""One row of a result table from the values of a cohort and of its bootstrap replicates."""

from __future__ import annotations

from typing import Any

import numpy as np

from evaluation.bootstrap import MAX_UNDEFINED, percentile_interval

OUT_OF_FOLD = "patients, out-of-fold predictions fixed"


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
        reason = obstacle or f"not estimable: {undefined}"
        return {"estimate": np.nan, "ci_low": np.nan, "ci_high": np.nan, "note": reason}
    ci_low, ci_high = percentile_interval(replicates)
    failed = np.isnan(replicates).mean() if len(replicates) else 0.0
    if failed > MAX_UNDEFINED:
        refused = f"no interval: {failed:.0%} of the replicates are not estimable"
        note = "; ".join(filter(None, [note, refused]))
    return {
        "estimate": estimate,
        "ci_low": ci_low,
        "ci_high": ci_high,
        "ci_method": f"bootstrap percentile, B={len(replicates)}, {resampled}",
        "note": note,
    }
