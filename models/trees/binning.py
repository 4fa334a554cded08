"""Covariates in few ordered bins, so that a tree tries tens of thresholds and not thousands."""

from __future__ import annotations

import numpy as np

BINS = 32


def quantile_edges(X: np.ndarray, bins: int = BINS) -> list[np.ndarray]:
    """Where each feature is cut, about as many patients in every bin.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        NaN where missing.
    bins : int
        At most so many a feature; one with fewer distinct values keeps them apart.

    Returns
    -------
    list of p ndarrays, float32, increasing
        Each edge lies between two neighbouring values, as a tree's threshold does, so that no edge
        is a patient's value.
    """
    edges = []
    for column in np.asarray(X, dtype=np.float32).T:
        known = np.sort(column[~np.isnan(column)])
        values = np.unique(known)
        if len(values) > bins:
            place = np.linspace(0, len(known), bins + 1)[1:-1].astype(int)
            # The last value at or below each cut; an edge goes between it and the next one.
            last = np.unique(np.searchsorted(values, known[place - 1]))
            last = last[last < len(values) - 1]
        else:
            last = np.arange(len(values) - 1)
        below, above = values[last], values[last + 1]
        middle = below + (above - below) / 2
        # Between two neighbouring numbers of single precision there is no third.
        edges.append(np.where(middle > below, middle, above).astype(np.float32))
    return edges


def to_bins(X: np.ndarray, edges: list[np.ndarray]) -> np.ndarray:
    """Bin of each value, counted from 0, shape (n, p), float32; NaN stays NaN."""
    X = np.asarray(X, dtype=np.float32)
    binned = np.empty(X.shape, dtype=np.float32)
    for column, cuts in enumerate(edges):
        values = X[:, column]
        binned[:, column] = np.searchsorted(cuts, values, side="right")
        binned[np.isnan(values), column] = np.nan
    return binned
