"""Internal-external validation: each center left out, its own row, and a random-effects summary.

With two or three centers this describes those centers; it cannot say how centers vary.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from evaluation.bootstrap import bootstrap_counts, percentile_interval
from evaluation.metrics import HARRELL_C, OBSERVED_EXPECTED, SLOPE, events_by, harrell_c
from evaluation.metrics.calibration import calibration_slope, observed_expected
from evaluation.results import METRIC_COLUMNS, metric_table
from evaluation.statistics import pool_random_effects
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

CENTER_COLUMNS = (
    *METRIC_COLUMNS[:3],
    "center",
    "scale",
    *METRIC_COLUMNS[3:6],
    "standard_error",
    "prediction_low",
    "prediction_high",
    "tau2",
    "i2",
    *METRIC_COLUMNS[6:],
)
POOLED = "All centers"
MIN_EVENTS = 10
_OVERLAP = "models of different left-out centers share training patients"
# Scale on which each measure is pooled, after Debray et al. 2019.
_SCALES = {HARRELL_C.name: "logit", OBSERVED_EXPECTED.name: "log", SLOPE.name: "identity"}
_TRANSFORMS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "logit": (special.logit, special.expit),
    "log": (np.log, np.exp),
    "identity": (lambda x: x, lambda x: x),
}


def center_table(
    learner_name: str,
    outcome: Outcome,
    prediction: SurvivalPrediction,
    center: ArrayLike,
    horizons: Sequence[float],
    *,
    seed: int,
    replicates: int = 1000,
    min_events: int = MIN_EVENTS,
) -> pd.DataFrame:
    """C, O/E and calibration slope in each left-out center, and their random-effects summary.

    Parameters
    ----------
    outcome : Outcome of n patients
    prediction : SurvivalPrediction
        Each center predicted by a model of the others; NaN for a center without which no event is
        left to learn from.
    center : array-like of shape (n,)
    horizons : sequence of float
        Months, among the predicted times.
    seed, replicates : int
        Of the bootstrap of the C-index inside each center.
    min_events : int
        With fewer events (by the horizon) in a center, a measure is not given there.

    Returns
    -------
    DataFrame with CENTER_COLUMNS
        A row a metric and center, then `center` "All centers": `harrell_c` (no horizon),
        `calibration_oe` and `calibration_slope` at each horizon. `standard_error`, `tau2` are on
        `scale` ("logit", "log", "identity"); estimate and limits are not transformed.
        `prediction_low` and `prediction_high`: where a new center is expected. A center that cannot
        support a measure is NaN with the reason, and is not pooled.

    Raises
    ------
    ValueError
        When center does not hold one label a patient, holds missing ones, or the prediction does
        not fit.
    KeyError
        When a horizon is not among the predicted times.

    References
    ----------
    Debray et al., Stat Methods Med Res 2019, 10.1177/0962280218785504 (scales);
    `pool_random_effects` for the rest.
    """
    n = len(outcome)
    labels = np.asarray(center)
    if labels.shape != (n,) or prediction.risk_score.shape != (n,):
        raise ValueError(
            f"center and prediction need one entry for each of the {n} patients; got shapes "
            f"{labels.shape} and {prediction.risk_score.shape}"
        )
    labels = _centers(labels)
    measures = [(HARRELL_C.name, np.nan)]
    for horizon in horizons:
        measures += [(OBSERVED_EXPECTED.name, horizon), (SLOPE.name, horizon)]
    rows: list[dict[str, Any]] = []
    for metric, horizon in measures:
        own = []
        for name in np.unique(labels):
            members = labels == name
            inside = outcome.take(members)
            about = _about(learner_name, metric, horizon, str(name), inside)
            predicted = prediction.take(members)
            obstacle = _obstacle(metric, inside, predicted, horizon, min_events)
            if obstacle:
                own.append(about | {"note": obstacle})
            elif metric == HARRELL_C.name:
                draw = np.random.SeedSequence([seed, zlib.crc32(name.encode())])
                counts = bootstrap_counts(len(inside), replicates, int(draw.generate_state(1)[0]))
                own.append(about | _concordance(inside, predicted, counts))
            elif metric == OBSERVED_EXPECTED.name:
                own.append(about | _observed_expected(inside, predicted, horizon))
            else:
                own.append(about | _slope(inside, predicted, horizon))
        rows += own
        rows.append(_about(learner_name, metric, horizon, POOLED, outcome) | _pool(own, metric))
    return _table(rows)


def _centers(labels: ArrayLike) -> np.ndarray:
    labels = np.asarray(labels, dtype=object)
    missing = int(pd.isna(labels).sum())
    if missing:
        raise ValueError(
            f"center is missing for {missing} of {len(labels)} patients; leave them out, or give "
            "them a center of their own"
        )
    return labels.astype(str)


def _about(
    learner_name: str, metric: str, horizon: float, center: str, outcome: Outcome
) -> dict[str, Any]:
    return {
        "learner": learner_name,
        "metric": metric,
        "horizon": horizon,
        "center": center,
        "scale": _SCALES[metric],
        "n": len(outcome),
        "events": events_by(outcome, horizon),
    }


def _obstacle(
    metric: str, outcome: Outcome, prediction: SurvivalPrediction, horizon: float, min_events: int
) -> str:
    if np.isnan(prediction.risk_score).any():
        return "no event outside this center to learn from"
    if horizon > outcome.follow_up:
        follow_up = outcome.follow_up
        return f"{horizon:g} months is beyond the follow-up of this center ({follow_up:g})"
    events = events_by(outcome, horizon)
    if events < min_events:
        by_then = "" if np.isnan(horizon) else f" by {horizon:g} months"
        return f"{events} events{by_then}; a center needs at least {min_events}"
    if metric == HARRELL_C.name:
        return ""
    missing = int(np.isnan(prediction.at(horizon)).sum())
    if not missing:
        return ""
    return (
        f"predicted survival is missing for {missing} of {len(outcome)} patients "
        "(beyond the training follow-up)"
    )


def _concordance(
    outcome: Outcome, prediction: SurvivalPrediction, counts: np.ndarray
) -> dict[str, Any]:
    estimate = float(harrell_c(outcome, prediction.risk_score))
    if np.isnan(estimate):
        return {"note": "no comparable pair of patients"}
    replicates = np.asarray(harrell_c(outcome, prediction.risk_score, counts=counts))
    # A replicate without a wrong pair has no logit, nor has one without a right pair.
    inside = (replicates > 0) & (replicates < 1)
    low, high = percentile_interval(replicates)
    usable = 0 < estimate < 1 and inside.sum() > 1 and inside.mean() >= 0.9
    values = replicates[inside]
    error = special.logit(values).std(ddof=1) if usable else np.nan
    return {
        "estimate": estimate,
        "ci_low": low,
        "ci_high": high,
        "standard_error": error,
        "ci_method": f"bootstrap percentile, B={len(counts)}, patients of the center",
        "note": "" if usable else "not pooled: no standard error of its logit",
    }


def _observed_expected(
    outcome: Outcome, prediction: SurvivalPrediction, horizon: float
) -> dict[str, Any]:
    found = observed_expected(outcome, 1.0 - prediction.at(horizon), horizon)
    if np.isnan(found.ratio):
        return {"note": "the expected probability is 0"}
    # The limits are ratio exp(-+ 1.96 error).
    error = np.log(found.ci_high / found.ratio) / 1.96 if found.ratio > 0 else np.nan
    return {
        "estimate": found.ratio,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "standard_error": error,
        "ci_method": "Kaplan-Meier, Greenwood, log of O/E",
        "note": "" if np.isfinite(error) else "not pooled: the observed probability is 0 or 1",
    }


def _slope(outcome: Outcome, prediction: SurvivalPrediction, horizon: float) -> dict[str, Any]:
    found = calibration_slope(outcome, 1.0 - prediction.at(horizon))
    if np.isnan(found.slope):
        return {"note": "predicted risks do not vary"}
    return {
        "estimate": found.slope,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "standard_error": found.standard_error,
        "ci_method": "Cox, Wald",
        "note": "",
    }


def _pool(rows: Sequence[dict[str, Any]], metric: str) -> dict[str, Any]:
    """The random-effects row of one metric; limits back on its own scale."""
    to_scale, back = _TRANSFORMS[_SCALES[metric]]
    known = [row for row in rows if np.isfinite(float(row.get("standard_error", np.nan)))]
    estimates = np.array([row["estimate"] for row in known], dtype=float)
    errors = np.array([row["standard_error"] for row in known], dtype=float)
    pooled = pool_random_effects(to_scale(estimates), errors)
    left_out = len(rows) - len(known)
    notes = [
        pooled.note,
        f"{left_out} of {len(rows)} centers not pooled" if left_out else "",
        _OVERLAP if pooled.centers > 1 else "",
    ]
    return {
        "estimate": float(back(pooled.estimate)),
        "ci_low": float(back(pooled.ci_low)),
        "ci_high": float(back(pooled.ci_high)),
        "standard_error": pooled.standard_error,
        "prediction_low": float(back(pooled.prediction_low)),
        "prediction_high": float(back(pooled.prediction_high)),
        "tau2": pooled.tau2,
        "i2": pooled.i2,
        "ci_method": (
            f"random effects (REML), Hartung-Knapp-Sidik-Jonkman, {pooled.centers} centers"
        ),
        "note": "; ".join(filter(None, notes)),
    }


def _table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """METRIC_COLUMNS with the center, its scale and what the pooling adds, in CENTER_COLUMNS."""
    added = [column for column in CENTER_COLUMNS if column not in METRIC_COLUMNS]
    table = metric_table({k: v for k, v in row.items() if k not in added} for row in rows)
    for column in added:
        values = [row.get(column, np.nan) for row in rows]
        table[column] = values if column in ("center", "scale") else np.array(values, dtype=float)
    return table[list(CENTER_COLUMNS)]
