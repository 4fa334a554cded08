"""Smooth calibration curve at a horizon by hazard regression, and its distance from the diagonal.

Curve -> ICI, E50, E90, Emax. The outcome is regressed on a restricted cubic spline of the
complementary log-log of the prediction; the fitted event probability is what was observed among
patients of that prediction.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from evaluation.estimates import estimate_rows, missing_predictions
from evaluation.metrics.calibration.at_horizon import (
    LOG_CLIP,
    checked_probabilities,
    complementary_log_log,
)
from evaluation.statistics import CoxFit
from features.outcome import Outcome

# Percent quantiles of the outer knots by the number of knots; those between are evenly spaced.
OUTER_QUANTILE = {3: 0.10, 4: 0.05, 5: 0.05, 6: 0.05, 7: 0.025}
ERRORS = ("ici", "e50", "e90", "emax")
METHOD = "Cox regression on a restricted cubic spline of cloglog(prediction), {} knots"
LINEAR = "straight line instead of a spline: too few distinct predictions"


def calibration_curve(
    outcome: Outcome,
    event_probability: np.ndarray,
    horizon: float,
    counts: np.ndarray | None = None,
    *,
    knots: int = 3,
    at: ArrayLike | None = None,
) -> pd.DataFrame:
    """Observed event probability as a smooth function of the predicted one.

    Parameters
    ----------
    outcome : Outcome of n patients
        All of its follow-up is used; the hazards are proportional in the prediction.
    event_probability : ndarray of shape (n,)
        Predicted probability of the event by the horizon; clipped for the logarithm.
    horizon : float
        Months.
    counts : ndarray of shape (B, n), optional
        How often each bootstrap replicate holds each patient; the knots stay those of the cohort.
    knots : int
        3 to 7.
    at : array-like of shape (m,), optional
        Predictions at which the curve is wanted; by default 101 from the smallest to the largest.

    Returns
    -------
    DataFrame, one row a prediction
        `horizon`, `predicted` (increasing by default), `observed`, `ci_low`, `ci_high` (pointwise),
        `ci_method`, `note`.

    Raises
    ------
    ValueError
        When event_probability does not hold one probability a patient, or for other knots.

    References
    ----------
    Austin, Harrell and van Klaveren, Stat Med 2020, 10.1002/sim.8570; R's `rms::val.surv` smooths
    by hazard regression with adaptive splines (polspline) instead.
    """
    event_probability = checked_probabilities(event_probability, outcome)
    known = event_probability[~np.isnan(event_probability)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    predicted = np.linspace(low, high, 101) if at is None else np.asarray(at, dtype=float)
    obstacle = _why_no_curve(outcome, event_probability, horizon)
    estimate = np.full(len(predicted), np.nan)
    replicates, note = None, ""
    if not obstacle:
        places = _knots(event_probability, knots)
        note = "" if len(places) else LINEAR
        estimate = _observed(
            _fit(outcome, event_probability, horizon, None, places), predicted, places
        )[0]
        if counts is not None:
            fit = _fit(outcome, event_probability, horizon, counts, places)
            replicates = _observed(fit, predicted, places)
        if np.isnan(estimate).all():
            note = "the hazard regression has no finite estimate"
    table = estimate_rows(estimate, replicates, obstacle, note)
    table = table.rename(columns={"estimate": "observed"})
    table.insert(0, "horizon", float(horizon))
    table.insert(1, "predicted", predicted)
    return table


def replicate_calibration_errors(
    outcome: Outcome,
    event_probability: np.ndarray,
    horizon: float,
    counts: np.ndarray | None = None,
    *,
    knots: int = 3,
) -> np.ndarray:
    """ICI, E50, E90 and Emax of the cohort, or of each bootstrap replicate.

    Parameters and errors are those of `calibration_curve`.

    Returns
    -------
    ndarray of shape (B, 4), or (1, 4) without counts
        NaN where a prediction is NaN or the regression has no finite estimate.
    """
    event_probability = checked_probabilities(event_probability, outcome)
    weights = np.ones((1, len(outcome))) if counts is None else np.atleast_2d(counts)
    if _why_no_curve(outcome, event_probability, horizon):
        return np.full((len(weights), len(ERRORS)), np.nan)
    places = _knots(event_probability, knots)
    fit = _fit(outcome, event_probability, horizon, counts, places)
    clipped = np.clip(event_probability, LOG_CLIP, 1.0 - LOG_CLIP)
    return _summarise(
        weights,
        fit.standardised(_spline(event_probability, places)),
        clipped,
        fit.standardised_coef,
        fit.hazard[:, 0],
    )


def spline_knots(values: np.ndarray, knots: int) -> np.ndarray:
    """Knots at quantiles of the values, as R's `Hmisc::rcspline.eval` places them.

    With fewer than 100 values the outer knots are the fifth smallest and largest. Its special rule
    for values of which a twentieth or more tie at either end is left out. Empty when fewer than
    three of the knots, or fewer of the values than knots, are distinct.

    Raises
    ------
    ValueError
        When knots is not 3 to 7.

    References
    ----------
    Harrell, Regression Modeling Strategies, 2015, section 2.4.6
    """
    if knots not in OUTER_QUANTILE:
        raise ValueError(f"knots must be 3 to 7; got {knots}")
    outer = OUTER_QUANTILE[knots]
    places = np.quantile(values, np.linspace(outer, 1.0 - outer, knots))
    if 10 <= len(values) < 100:
        places[[0, -1]] = np.sort(values)[[4, -5]]
    places = np.unique(places)
    enough = len(places) >= 3 and len(np.unique(values)) >= knots
    return places if enough else np.empty(0)


def restricted_cubic_spline(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Terms of a cubic spline that is linear beyond the outer knots, (n, n_knots - 1).

    The first column is the value itself; the others are divided by the squared distance of the
    outer knots, as in `Hmisc::rcspline.eval`. Without knots the first column alone.
    """
    values = np.asarray(values, dtype=float)
    columns = [values]
    if len(places):
        first, before_last, last = places[0], places[-2], places[-1]
        for place in places[:-2]:
            term = np.maximum(values - place, 0) ** 3
            term -= np.maximum(values - before_last, 0) ** 3 * (last - place) / (last - before_last)
            term += np.maximum(values - last, 0) ** 3 * (before_last - place) / (last - before_last)
            columns.append(term / (last - first) ** 2)
    return np.column_stack(columns)


def _knots(event_probability: np.ndarray, knots: int) -> np.ndarray:
    return spline_knots(complementary_log_log(event_probability), knots)


def _spline(event_probability: np.ndarray, places: np.ndarray) -> np.ndarray:
    return restricted_cubic_spline(complementary_log_log(event_probability), places)


def _fit(
    outcome: Outcome,
    event_probability: np.ndarray,
    horizon: float,
    counts: np.ndarray | None,
    places: np.ndarray,
) -> CoxFit:
    counts = np.ones((1, len(outcome))) if counts is None else np.atleast_2d(counts)
    return CoxFit.fit(outcome, _spline(event_probability, places), counts, times=[horizon])


def _observed(fit: CoxFit, predicted: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Event probability of each replicate at the predictions, (B, m)."""
    scores = fit.standardised_coef @ fit.standardised(_spline(predicted, places)).T
    observed: np.ndarray = -np.expm1(-fit.hazard * np.exp(scores))
    return observed


def _why_no_curve(outcome: Outcome, event_probability: np.ndarray, horizon: float) -> str:
    if np.isnan(event_probability).any():
        return missing_predictions(event_probability)
    if horizon > outcome.follow_up:
        return f"{horizon:g} months is beyond the follow-up of the outcome ({outcome.follow_up:g})"
    if not (outcome.event & (outcome.time <= horizon)).any():
        return f"no event by {horizon:g} months"
    return "" if np.ptp(event_probability) > 0 else "predictions do not vary"


def _summarise(
    weights: np.ndarray,
    design: np.ndarray,
    predicted: np.ndarray,
    coef: np.ndarray,
    hazard: np.ndarray,
) -> np.ndarray:
    """Mean, median, 90% quantile and maximum of |observed - predicted| of each replicate, (B, 4).

    Quantiles are R's type 7 of the patients repeated by their counts.
    """
    summary = np.full((len(weights), 4), np.nan)
    levels = np.array([0.5, 0.9, 1.0])
    for replicate in np.flatnonzero(~np.isnan(hazard)):
        observed = -np.expm1(-hazard[replicate] * np.exp(design @ coef[replicate]))
        distance = np.abs(observed - predicted)
        order = np.argsort(distance)
        distance, weight = distance[order], weights[replicate, order].astype(float)
        reached = np.cumsum(weight)
        place = levels * (reached[-1] - 1.0)
        below = np.floor(place)
        # The patients whose repetitions reach beyond these places, counted from 0.
        low, high = (
            distance[np.searchsorted(reached, np.minimum(k, reached[-1] - 1.0), side="right")]
            for k in (below, below + 1.0)
        )
        summary[replicate, 0] = weight @ distance / reached[-1]
        summary[replicate, 1:] = low + (place - below) * (high - low)
    return summary
