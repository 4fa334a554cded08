"""The walk through trees as a compiled loop, for many patients.

Entered by itself, since it loads numba.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True)
def walk(
    X: np.ndarray,
    roots: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    feature: np.ndarray,
    threshold: np.ndarray,
    missing_left: np.ndarray,
    set_row: np.ndarray,
    sets: np.ndarray,
    strict: bool,
) -> np.ndarray:
    """As `Trees.leaves`."""
    found = np.empty((len(X), len(roots)), dtype=np.int64)
    for i in range(len(X)):
        for t in range(len(roots)):
            node = roots[t]
            while feature[node] >= 0:
                value = X[i, feature[node]]
                if np.isnan(value):
                    go_left = missing_left[node]
                elif set_row[node] >= 0:
                    if value >= 0 and value < sets.shape[1]:
                        go_left = not sets[set_row[node], int(value)]
                    else:
                        go_left = True
                elif strict:
                    go_left = value < threshold[node]
                else:
                    go_left = value <= threshold[node]
                node = left[node] if go_left else right[node]
            found[i, t] = node
    return found
