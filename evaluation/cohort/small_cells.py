"""Which counts of a table to hide, so that no small one can be computed from the others."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

HIDDEN = "hidden"


def is_small(counts: np.ndarray, limit: int) -> np.ndarray:
    """True for counts from 1 to `limit` - 1; a zero singles out nobody."""
    return (np.asarray(counts) > 0) & (np.asarray(counts) < limit)


def cells_to_hide(
    counts: np.ndarray,
    limit: int,
    last_choice: np.ndarray | None = None,
    public: np.ndarray | None = None,
) -> np.ndarray:
    """Hide counts from 1 to `limit` - 1, and as many others as their protection takes.

    A small count is safe when the published numbers leave every count from 1 to `limit` - 1 open
    for it (to 2 where that is 1; a sum of arms from their number on). What a reader is taken to
    know: every visible count, the patients
    of each column, that a row's arms add up to its last column, and that a hidden count is
    at least 1. Where hiding every other count does not help, the zeros are hidden too.

    Parameters
    ----------
    counts : ndarray of shape (n_rows, n_columns), int
        Patients in each level (and with a missing value) by arm. With more than one column the last
        one is the sum of the others. The column sums are public and at least `limit`.
    limit : int
        The smallest count that may be shown.
    last_choice : ndarray of shape (n_rows,), bool, optional
        Rows from which further counts are taken only when no other row will do.
    public : ndarray of shape (n_rows, n_columns), bool, optional
        Counts that are told elsewhere and so are never hidden; none of them small.

    Returns
    -------
    ndarray of shape (n_rows, n_columns), bool
        True where the count must not be shown.

    References
    ----------
    Complementary (secondary) cell suppression with audit bounds: Hundepool et al., Statistical
    Disclosure Control, 2012, chapter 4. The bounds are exact: the constraints of a two-way table
    are totally unimodular, so the linear programme has whole solutions.
    """
    counts = np.asarray(counts, dtype=int)
    small = is_small(counts, limit)
    public = np.zeros_like(small) if public is None else np.asarray(public, dtype=bool)
    hidden = small.copy()
    cost = _cost(counts, last_choice)
    while not _safe(counts, hidden, small, limit):
        free = ~hidden & ~public & (counts > 0)
        beside = _lines(hidden) & free
        if not free.any():
            return ~public
        choice = beside if beside.any() else free
        hidden[np.unravel_index(np.argmin(np.where(choice, cost, np.inf)), counts.shape)] = True
    # What turned out not to be needed is shown again, the dearest first.
    for place in sorted(zip(*np.nonzero(hidden & ~small), strict=True), key=lambda p: -cost[p]):
        hidden[place] = False
        if not _safe(counts, hidden, small, limit):
            hidden[place] = True
    return hidden


def possible_counts(
    counts: np.ndarray, hidden: np.ndarray, cell: tuple[int, int]
) -> tuple[int, int]:
    """Compute the smallest and the largest count a hidden cell may have, given all that is visible.

    Parameters
    ----------
    counts, hidden : ndarray of shape (n_rows, n_columns)
        As for `cells_to_hide`.
    cell : (row, column)
        Of a hidden count.
    """
    rows, columns = np.nonzero(hidden)
    sign = np.ones(counts.shape, dtype=int)
    equations = [columns == j for j in range(counts.shape[1])]
    if counts.shape[1] > 1:
        sign[:, -1] = -1
        equations += [np.where(rows == i, sign[rows, columns], 0) for i in range(counts.shape[0])]
    matrix = np.array(equations, dtype=float)
    target = np.where((rows == cell[0]) & (columns == cell[1]), 1.0, 0.0)
    bounds = []
    for direction in (1, -1):
        # The true counts solve the equations, so their right-hand side follows from them.
        solved = linprog(
            direction * target, A_eq=matrix, b_eq=matrix @ counts[hidden], bounds=(1, None)
        )
        bounds.append(round(direction * solved.fun))
    return bounds[0], bounds[1]


def _cost(counts: np.ndarray, last_choice: np.ndarray | None) -> np.ndarray:
    """Small counts first, then the sum over arms, rows of last choice at the end."""
    total = counts.sum() + 1
    cost = counts.astype(float)
    if counts.shape[1] > 1:
        cost[:, -1] += total
    if last_choice is not None:
        cost[np.asarray(last_choice, dtype=bool)] += 4 * total
    return cost


def _lines(hidden: np.ndarray) -> np.ndarray:
    """Cells that share a row or a column with a hidden one."""
    rows, columns = np.any(hidden, axis=1), np.any(hidden, axis=0)
    return rows[:, None] | columns[None, :]


def _safe(counts: np.ndarray, hidden: np.ndarray, small: np.ndarray, limit: int) -> bool:
    n_columns = counts.shape[1]
    for row, column in zip(*np.nonzero(small), strict=True):
        low, high = possible_counts(counts, hidden, (int(row), int(column)))
        # Hidden counts are at least 1, so the sum of so many arms cannot be less than their number.
        least = n_columns - 1 if column == n_columns - 1 > 0 else 1
        if low > least or high < max(limit - 1, 2) or low == high:
            return False
    return True
