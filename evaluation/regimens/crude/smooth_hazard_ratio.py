"""Hazard ratio of two arms as it runs over time: a smooth through scaled Schoenfeld residuals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.regimens.crude.hazard_ratio import event_scale, has_hazard_ratio, two_arm_cox
from evaluation.remarks import not_estimable
from evaluation.statistics import CoxFit
from features.life_table import Z
from features.outcome import Outcome

SMOOTH_COLUMNS = ("time", "hazard_ratio", "ci_low", "ci_high", "log_hazard_ratio", "std_error")
DEGREES_OF_FREEDOM = 4
# Fewer events a degree of freedom than this bend the curve after single patients.
EVENTS_PER_DEGREE = 5


def why_no_smooth(arm: Outcome, reference: Outcome, df: int = DEGREES_OF_FREEDOM) -> str:
    """Say why there is no smooth hazard ratio; empty where there is one."""
    if not has_hazard_ratio(arm, reference):
        return not_estimable("one arm has no event while the other is at risk")
    times = np.concatenate([o.time[o.event] for o in (arm, reference)])
    distinct = len(np.unique(times))
    needed = EVENTS_PER_DEGREE * df
    if len(times) < needed or distinct <= df:
        return not_estimable(
            f"{len(times)} events at {distinct} times; {df} degrees of freedom need {needed} events"
        )
    return ""


def smooth_hazard_ratio(
    arm: Outcome, reference: Outcome, df: int = DEGREES_OF_FREEDOM, points: int = 200
) -> pd.DataFrame:
    """Estimate the hazard ratio over time, with pointwise 95% limits.

    Parameters
    ----------
    arm, reference : Outcome
        The two arms' patients.
    df : int
        Degrees of freedom of the natural cubic spline, the intercept included; at least 2, which is
        a straight line.
    points : int
        Times at which the curve is given.

    Returns
    -------
    DataFrame with SMOOTH_COLUMNS
        From the first to the last event time (months, increasing); hazard ratio of arm over
        reference arm, above 1 worse. No rows where `why_no_smooth` says why.

    Notes
    -----
    The scaled Schoenfeld residuals plus the Cox coefficient scatter around log HR(t). A natural
    spline in the scale of cox.zph's km transform, 1 - S(t-), so that each event counts alike, is
    fitted to them by least squares, with boundary knots at the first and last event and the others
    at quantiles of the events. Standard errors as in R's plot.cox.zph: sqrt(d V x'(X'X)^-1 x) with
    d events and variance V of the Cox coefficient; they take V as constant over time.

    References
    ----------
    Grambsch and Therneau, Biometrika 1994, 10.1093/biomet/81.3.515
    """
    if df < 2:
        raise ValueError(f"df must be at least 2, a straight line; got {df}")
    if why_no_smooth(arm, reference, df):
        return pd.DataFrame(columns=list(SMOOTH_COLUMNS), dtype=float)
    model = two_arm_cox(arm, reference)
    times, residuals, variance = scaled_schoenfeld(model)
    event_times, scale = event_scale(model)
    scaled = np.interp(times, event_times, scale)
    knots = np.quantile(scaled, np.linspace(0, 1, df))
    if len(np.unique(knots)) < df:  # heavy ties: spread the knots over the distinct times
        knots = np.quantile(scale, np.linspace(0, 1, df))
    design = natural_spline(scaled, knots)
    grid = np.linspace(times[0], times[-1], points)
    basis = natural_spline(np.interp(grid, event_times, scale), knots)
    # The fit hangs on the space alone, so an orthonormal basis of it keeps the numbers small.
    q, r = np.linalg.qr(design)
    basis = np.linalg.solve(r.T, basis.T).T
    log_ratio = basis @ (q.T @ residuals)
    error = np.sqrt(len(times) * variance * (basis**2).sum(axis=1))
    return pd.DataFrame(
        {
            "time": grid,
            "hazard_ratio": np.exp(log_ratio),
            "ci_low": np.exp(log_ratio - Z * error),
            "ci_high": np.exp(log_ratio + Z * error),
            "log_hazard_ratio": log_ratio,
            "std_error": error,
        }
    )


def scaled_schoenfeld(model: CoxFit) -> tuple[np.ndarray, np.ndarray, float]:
    """Event times in order, one scaled residual plus coefficient each, and the variance V.

    Of a model with one column and no strata.

    Returns
    -------
    tuple of ndarray of shape (d,), ndarray of shape (d,), float
        As R's residuals(fit, "scaledsch"): their mean is the Cox coefficient.
    """
    times, residuals, _ = model.schoenfeld
    variance = float(model.covariance[0, 0])
    return times, len(times) * variance * residuals[:, 0] + model.coef[0], variance


def natural_spline(x: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Basis of the natural cubic splines with these knots, the constant included.

    Parameters
    ----------
    x : ndarray of shape (n,)
    knots : ndarray of shape (k,)
        Increasing, k >= 2; linear beyond the outer two.

    Returns
    -------
    ndarray of shape (n, k)

    References
    ----------
    Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2009, eq. 5.4
    """
    last = knots[-1]

    def slope(knot: float) -> np.ndarray:
        cubes = np.maximum(x - knot, 0) ** 3 - np.maximum(x - last, 0) ** 3
        return np.asarray(cubes / (last - knot))

    bends = [slope(knot) - slope(knots[-2]) for knot in knots[:-2]]
    return np.column_stack([np.ones_like(x), x, *bends])
