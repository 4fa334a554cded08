"""One time of what differs by round-off: between patients, and against horizons.

Months that were computed from days, from years or by a subtraction carry round-off, so that two
patients of the same day may hold two floats. R's `survival::timefix` joins them; here every time,
and every horizon, also lands on the same float, so that `time <= horizon` needs no tolerance.
Step functions of time are read here.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import AfterValidator

# Whole days and whole months both are whole numbers of a sixteenth of a day: 365.25 * 16 / 12.
PARTS_A_MONTH = 487
# Months written with six decimals, or held in single precision, still mean the day: 2.6 seconds.
NEAR = 1e-6
# Any other time is kept to this many decimals of a month, so that 0.2 years are 2.4 months.
DECIMALS = 9
# As R: times closer than this, in months or as a share of the mean time, are one.
TOLERANCE = float(np.sqrt(np.finfo(float).eps))


def one_time(months: ArrayLike) -> np.ndarray:
    """Months without round-off, each by itself; what went through once does not change again.

    Parameters
    ----------
    months : array_like of any shape
        Times or horizons. NaN stays.

    Returns
    -------
    ndarray of the same shape, float
    """
    rounded = np.round(np.asarray(months, dtype=float), DECIMALS)
    with np.errstate(invalid="ignore"):
        day = np.round(rounded * PARTS_A_MONTH) / PARTS_A_MONTH
        return np.where(np.abs(day - rounded) <= NEAR, day, rounded)


def one_time_each(months: np.ndarray) -> np.ndarray:
    """The times of a cohort, those that cannot be told apart made one: the earliest of them.

    Parameters
    ----------
    months : ndarray of shape (n,), float, finite

    Returns
    -------
    ndarray of shape (n,)
    """
    months = one_time(months)
    distinct = np.unique(months)
    if len(distinct) < 2:
        return months
    tolerance = min(TOLERANCE * max(1.0, float(np.abs(distinct).mean())), NEAR)
    first = np.append(True, np.diff(distinct) > tolerance)
    if first.all():
        return months
    kept = distinct[first]
    joined: np.ndarray = kept[np.searchsorted(kept, months, side="right") - 1]
    return joined


def step_values(
    at: ArrayLike,
    step_times: np.ndarray,
    values: np.ndarray,
    before: float,
    side: Literal["left", "right"] = "right",
) -> np.ndarray:
    """Read right-continuous step functions at given times.

    Parameters
    ----------
    at : array-like of shape (n_times,)
    step_times : ndarray of shape (n_steps,), increasing
    values : ndarray of shape (..., n_steps)
        Value from each step on.
    before : float
        Value before the first step (1 for survival, 0 for a cumulative hazard).
    side : {"right", "left"}
        The value at the time, or just before it.

    Returns
    -------
    ndarray of shape (..., n_times)
    """
    column = np.searchsorted(step_times, np.asarray(at, dtype=float), side=side)
    padded = np.concatenate([np.full((*values.shape[:-1], 1), before), values], axis=-1)
    return padded[..., column]


# Months of a configuration: a landmark, a horizon.
Months = Annotated[float, AfterValidator(lambda months: float(one_time(months)))]
