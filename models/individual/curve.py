"""What is read from one survival curve: given alive at a time, median, restricted mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def given_alive(later: np.ndarray, since: np.ndarray) -> np.ndarray:
    """Survival to a later time of those alive at an earlier one, S(t) / S(s).

    Parameters
    ----------
    later : ndarray of shape (..., n_times)
        S(t), t at or after s.
    since : ndarray of shape (...)
        S(s).

    Returns
    -------
    ndarray of shape (..., n_times)
        NaN where S(s) is 0: nobody is alive to be told anything.
    """
    alive = np.asarray(since, dtype=float)[..., None]
    out = np.full(np.broadcast(later, alive).shape, np.nan)
    return np.divide(later, alive, out=out, where=alive > 0)


def median_time(survival: np.ndarray, times: np.ndarray) -> float | None:
    """First of the times at which survival is at or below one half; None when not reached.

    Parameters
    ----------
    survival, times : ndarray of shape (n_times,)
        NaN where nothing is known counts as not reached.
    """
    below = np.flatnonzero(np.nan_to_num(survival, nan=1.0) <= 0.5)
    return float(times[below[0]]) if len(below) else None


def restricted_mean(
    survival: np.ndarray, times: np.ndarray, until: float, *, steps: bool
) -> np.ndarray:
    """Mean event-free months up to a time: the area under the curve.

    Parameters
    ----------
    survival : ndarray of shape (..., n_times)
    times : ndarray of shape (n_times,)
        Months above 0, increasing; survival before the first is 1.
    until : float
        Months.
    steps : bool
        Whether survival steps at these times and stays until the next, or runs straight between.

    Returns
    -------
    ndarray of shape (...)
    """
    inside = times < until
    values = np.concatenate([np.ones((*survival.shape[:-1], 1)), survival[..., inside]], axis=-1)
    edges = np.concatenate([[0.0], times[inside], [until]])
    if steps:
        return np.asarray(values @ np.diff(edges))
    # Straight to the first time at or beyond the end, cut there.
    end = _between(survival, times, until)
    closed = np.concatenate([values, end[..., None]], axis=-1)
    return np.asarray(((closed[..., 1:] + closed[..., :-1]) / 2) @ np.diff(edges))


def _between(survival: np.ndarray, times: np.ndarray, at: float) -> np.ndarray:
    after = int(np.searchsorted(times, at))
    before_time = times[after - 1] if after else 0.0
    before = survival[..., after - 1] if after else np.ones(survival.shape[:-1])
    if after == len(times):
        return np.asarray(before)
    share = (at - before_time) / (times[after] - before_time)
    return np.asarray(before + share * (survival[..., after] - before))


def curve_grid(jumps: ArrayLike | None, until: float, step: float = 0.1) -> np.ndarray:
    """Times that hold a whole curve: where it steps, else every tenth of a month, and the end.

    Parameters
    ----------
    jumps : array-like, optional
        Months; None where survival falls continuously.
    until : float
        Months; the last time.
    """
    if jumps is None:
        count = max(int(np.ceil(until / step - 1e-9)), 1)
        return np.append(step * np.arange(1, count), until)
    known = np.asarray(jumps, dtype=float)
    return np.union1d(known[(known > 0) & (known < until)], [until])
