"""Bootstrap of patients as counts: drawn once, shared by every learner and every metric."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

# With more replicates than this that have no estimate, percentiles of the others mislead.
MAX_UNDEFINED = 0.10


def bootstrap_counts(
    n: int, replicates: int, seed: int, strata: ArrayLike | None = None
) -> np.ndarray:
    """Draw how often each bootstrap replicate holds each patient.

    Parameters
    ----------
    n : int
        Patients.
    replicates : int
        B, the number of replicates.
    seed : int
        Same seed, same counts.
    strata : array-like of shape (n,), optional
        Labels; each replicate keeps the size of every stratum.

    Returns
    -------
    ndarray of shape (B, n), uint16
        Every row sums to n.

    Raises
    ------
    ValueError
        When strata does not hold one label a patient.

    References
    ----------
    Efron, Ann Stat 1979, 10.1214/aos/1176344552
    """
    labels = np.zeros(n, dtype=int) if strata is None else np.asarray(strata)
    if labels.shape != (n,):
        raise ValueError(f"strata has shape {labels.shape}; expected one label a patient, ({n},)")
    generator = np.random.default_rng(seed)
    counts = np.empty((replicates, n), dtype=np.uint16)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        size = len(members)
        for replicate in counts:
            replicate[members] = np.bincount(generator.integers(size, size=size), minlength=size)
    return counts


def percentile_interval(replicates: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Lower and upper limit of the percentile bootstrap interval.

    Parameters
    ----------
    replicates : array-like of shape (B,)
        The estimate in each replicate; NaN where it has none.
    level : float
        Coverage.

    Returns
    -------
    tuple of float
        Over the replicates with an estimate; both NaN when more than 10% (`MAX_UNDEFINED`) have
        none, or when there are no replicates.
    """
    replicates = np.asarray(replicates, dtype=float)
    undefined = np.isnan(replicates)
    if not replicates.size or undefined.mean() > MAX_UNDEFINED:
        return np.nan, np.nan
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(replicates[~undefined], [tail, 1.0 - tail])
    return float(low), float(high)
