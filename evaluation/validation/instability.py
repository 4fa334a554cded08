"""How far predictions would have been others, had the model been developed on other patients.

Each patient's prediction by the model is set beside those of models refitted to bootstrap samples:
tables per patient, per refit, and in sum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from evaluation.bootstrap import MAX_UNDEFINED
from evaluation.metrics import (
    AVERAGE_CHANGE,
    AVERAGE_MAPE,
    REFITTED_OE,
    REFITTED_SLOPE,
    Metric,
    events_by,
)
from evaluation.metrics.calibration import complementary_log_log
from evaluation.results import metric_table
from evaluation.statistics import CoxFit
from evaluation.validation.refits import Refits
from features.outcome import Outcome

CalibrationCurve = Callable[[Outcome, np.ndarray, float, np.ndarray], np.ndarray]
GRID = 50


def refitted_probabilities(refits: Refits, horizon: float) -> np.ndarray:
    """Event probability of every patient at a horizon by each refit that has one, (B, n).

    Raises
    ------
    KeyError
        When the horizon (months) is not among the predicted times.
    """
    each = [1.0 - p.at(horizon) for p in refits.fitted]
    known = [row for row in each if not np.isnan(row).any()]
    return np.array(known).reshape(len(known), len(refits.outcome))


def prediction_instability(refits: Refits, horizon: float) -> pd.DataFrame:
    """Spread of each patient's predicted event probability over the refits.

    Parameters
    ----------
    refits : Refits
        200 samples or more.
    horizon : float
        Months.

    Returns
    -------
    DataFrame, one row a patient in order
        `original` (event probability by the model), `refitted_mean`, `refitted_low`,
        `refitted_high` (2.5 and 97.5 percentiles over refits), `mape` (mean absolute difference of
        the refits from the original, in probability: 0.05 is five points), `refits`, `note`. NaN
        with a reason when the model, or more than 10% of the refits, do not predict there.

    Raises
    ------
    KeyError
        When the horizon is not among the predicted times.

    References
    ----------
    Riley and Collins, Biom J 2023, 10.1002/bimj.202200302
    """
    original = 1.0 - refits.original.at(horizon)
    others = refitted_probabilities(refits, horizon)
    table = pd.DataFrame({"original": original})
    obstacle = _obstacle(refits, horizon)
    columns = ["refitted_mean", "refitted_low", "refitted_high", "mape"]
    if obstacle:
        table[columns] = np.nan
    else:
        table["refitted_mean"] = others.mean(axis=0)
        table["refitted_low"], table["refitted_high"] = np.quantile(others, [0.025, 0.975], axis=0)
        table["mape"] = np.abs(others - original).mean(axis=0)
    return table.assign(refits=len(others), note=obstacle)


def classification_instability(refits: Refits, horizon: float, threshold: float) -> pd.DataFrame:
    """How often a refit puts a patient on the other side of a decision threshold.

    Parameters
    ----------
    threshold : float
        Event probability; at or above it is high risk.

    The others and errors are those of `prediction_instability`.

    Returns
    -------
    DataFrame, one row a patient in order
        `original`, `high_risk` (by the model), `changed` (share of refits that disagree, 0 to 1;
        one half is a coin toss), `refits`, `note`.

    Raises
    ------
    ValueError
        When the threshold is not inside (0, 1).
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold is {threshold}; expected a probability between 0 and 1")
    original = 1.0 - refits.original.at(horizon)
    others = refitted_probabilities(refits, horizon)
    obstacle = _obstacle(refits, horizon)
    high = original >= threshold
    changed = np.full(len(original), np.nan)
    if not obstacle:
        changed = ((others >= threshold) != high).mean(axis=0)
    return pd.DataFrame(
        {
            "original": original,
            "high_risk": high,
            "changed": changed,
            "refits": len(others),
            "note": obstacle,
        }
    )


def proportional_curve(
    outcome: Outcome, event_probability: np.ndarray, horizon: float, at: np.ndarray
) -> np.ndarray:
    """Calibration curve with two parameters: Cox regression on cloglog of the prediction.

    Parameters
    ----------
    outcome : Outcome of n patients
    event_probability : ndarray of shape (n,)
        Predicted, by the horizon (months).
    at : ndarray of shape (m,)
        Predicted probabilities at which the curve is wanted.

    Returns
    -------
    ndarray of shape (m,)
        Observed probability, 1 - exp(-H0 exp(slope cloglog(at))), H0 at the horizon in Efron's
        form; NaN without a slope, or beyond follow-up.
    """
    if horizon > outcome.follow_up:
        return np.full(len(at), np.nan)
    covariate = complementary_log_log(event_probability)[:, None]
    fit = CoxFit.fit(outcome, covariate, times=[horizon])
    columns = complementary_log_log(np.asarray(at))[:, None]
    score = fit.standardised(columns) @ fit.standardised_coef
    return np.asarray(-np.expm1(-fit.hazard[0] * np.exp(score)))


def calibration_instability(
    refits: Refits, horizon: float, curve: CalibrationCurve = proportional_curve
) -> pd.DataFrame:
    """Calibration curve of the model and of every refit, all on the same original patients.

    Parameters
    ----------
    curve : callable (outcome, event_probability, horizon, at) -> observed
        How a calibration curve is estimated; `proportional_curve` by default.

    The others and errors are those of `prediction_instability`.

    Returns
    -------
    DataFrame, one row a model and predicted probability
        `model` (0 is the original, 1 to B the refits), `predicted` (50 values over the range of
        that model's predictions), `observed`; NaN where the curve cannot be estimated.
    """
    everyone = np.vstack(
        [1.0 - refits.original.at(horizon)[None, :], refitted_probabilities(refits, horizon)]
    )
    tables = []
    for model, probability in enumerate(everyone):
        if np.isnan(probability).any():
            continue
        at = np.linspace(probability.min(), probability.max(), GRID)
        observed = curve(refits.outcome, probability, horizon, at)
        tables.append(pd.DataFrame({"model": model, "predicted": at, "observed": observed}))
    if not tables:
        return pd.DataFrame(columns=["model", "predicted", "observed"])
    return pd.concat(tables, ignore_index=True)


def instability_table(
    learner_name: str,
    refits: Refits,
    horizons: Sequence[float],
    thresholds: Sequence[float] = (),
) -> pd.DataFrame:
    """Instability in sum, one row a measure and horizon, with its spread over the refits.

    Returns
    -------
    DataFrame with METRIC_COLUMNS
        `average_mape`: mean over patients of the mean absolute difference, with the 2.5 and 97.5
        percentiles over the refits' own mean difference. `refitted_oe` and `refitted_slope`:
        the refits' O/E and slope on the original patients, mean and percentiles.
        `average_change_<threshold>`: mean share of refits that classify a patient otherwise. The
        limits are the spread of refits, not a confidence interval; `ci_method` says so.

    References
    ----------
    Riley and Collins, Biom J 2023, 10.1002/bimj.202200302
    """
    rows = []
    for horizon in horizons:
        others = refitted_probabilities(refits, horizon)
        original = 1.0 - refits.original.at(horizon)
        obstacle = _obstacle(refits, horizon)
        follow_up = refits.outcome.follow_up
        beyond = f"{horizon:g} months is beyond the follow-up of the outcome ({follow_up:g})"
        unknown = beyond if horizon > follow_up else ""
        measures: list[tuple[str, np.ndarray, str]] = [
            (AVERAGE_MAPE.name, np.abs(others - original).mean(axis=1), "")
        ]
        for metric in (REFITTED_OE.at(horizon), REFITTED_SLOPE.at(horizon)):
            measures.append((metric.name, _of_refits(metric, refits), unknown))
        for threshold in thresholds:
            changed = (others >= threshold) != (original >= threshold)
            name = AVERAGE_CHANGE.at(horizon, threshold).name
            measures.append((name, changed.mean(axis=1), ""))
        for name, values, reason in measures:
            about = {"learner": learner_name, "metric": name, "horizon": horizon}
            about |= {"n": len(original), "events": events_by(refits.outcome, horizon)}
            rows.append(about | _spread(values, obstacle or reason, refits))
    return metric_table(rows)


def _of_refits(metric: Metric, refits: Refits) -> np.ndarray:
    once = np.ones((1, len(refits.outcome)))
    return np.array([metric.evaluate(refits.outcome, p, None, once)[0] for p in refits.fitted])


def _spread(values: np.ndarray, obstacle: str, refits: Refits) -> dict[str, object]:
    known = values[~np.isnan(values)]
    if not obstacle and len(known) < (1 - MAX_UNDEFINED) * len(values):
        obstacle = f"not estimable in {len(values) - len(known)} of {len(values)} refits"
    if obstacle:
        return {"note": obstacle}
    low, high = np.quantile(known, [0.025, 0.975])
    lost = len(refits.refitted) - len(known)
    return {
        "estimate": known.mean(),
        "ci_low": low,
        "ci_high": high,
        "ci_method": f"2.5 and 97.5 percentiles of {len(known)} refits; no confidence interval",
        "note": f"{lost} refits without a value left out" if lost else "",
    }


def _obstacle(refits: Refits, horizon: float) -> str:
    """Why instability cannot be told at the horizon; empty when it can."""
    unknown = int(np.isnan(refits.original.at(horizon)).sum())
    n = len(refits.outcome)
    if unknown:
        return f"the model predicts nothing at {horizon:g} months for {unknown} of {n} patients"
    total = len(refits.refitted)
    known = len(refitted_probabilities(refits, horizon))
    if not known or known < (1 - MAX_UNDEFINED) * total:
        return f"{total - known} of {total} refits predict nothing at {horizon:g} months"
    return ""
