"""A measure at each time of a grid made one value: its mean over time."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def mean_over_time(values: np.ndarray, times: ArrayLike) -> np.ndarray:
    """Integrate by the trapezoid rule over the given times and divide by their range.

    The interval from 0 to the first time is left out: start the grid near 0. For the Brier score
    R's `riskRegression` sums left steps from time 0 instead, with a score of 0 there.

    Parameters
    ----------
    values : ndarray of shape (..., n_times)
        Brier scores or losses, or AUC(t): (n_times,) of a cohort, (B, n_times) of its replicates,
        (n, n_times) of its patients.
    times : array-like of shape (n_times,), n_times >= 2
        Months, increasing.

    Returns
    -------
    ndarray of shape (...,)
        NaN when the value at any time is NaN.

    Raises
    ------
    ValueError
        When times are fewer than two or not increasing.

    References
    ----------
    Of AUC(t): Lambert and Chevret, Stat Methods Med Res 2016, 10.1177/0962280213515571
    """
    times = increasing_times(times)
    if len(times) < 2:
        raise ValueError(f"times needs at least two values to integrate over; got {times}")
    mean: np.ndarray = np.trapezoid(values, times, axis=-1) / (times[-1] - times[0])
    return mean


def increasing_times(times: ArrayLike) -> np.ndarray:
    """Times as an array, refused with a ValueError when they are none or do not increase."""
    times = np.asarray(times, dtype=float)
    if times.ndim != 1 or not len(times) or not (np.diff(times) > 0).all():
        raise ValueError(f"times must be a one-dimensional, increasing list; got {times.tolist()}")
    return times
