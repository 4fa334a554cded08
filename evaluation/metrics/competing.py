"""The metrics of a predicted cumulative incidence, as values that every comparison takes.

`event_probability` of the prediction must be the cumulative incidence of the event. A learner that
took competing events for censorings predicts something larger.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluation.metrics.brier import integrated_brier, replicate_scores, scaled_brier
from evaluation.metrics.calibration.competing import replicate_competing_oe
from evaluation.metrics.competing_brier import competing_brier_losses, competing_null_losses
from evaluation.metrics.competing_discrimination import competing_auc, weighted_wolbers_c
from evaluation.metrics.metric import (
    NO_PAIR,
    NOTHING_EXPECTED,
    NULL_RIGHT,
    RULE,
    SHARE,
    Metric,
    column_of,
    half,
)
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

NULL_MODEL = "null model: Aalen-Johansen of all patients, not out-of-fold"


def competing_metrics(horizons: Sequence[float], tau: float) -> list[Metric]:
    """C-index and IBS up to tau; AUC, Brier, IPA and O/E at each horizon (months).

    For a table with intervals, pass them to `metric_estimates`.
    """
    metrics = [competing_c_metric(tau), competing_ibs_metric(tau)]
    for horizon in horizons:
        metrics += [
            competing_auc_metric(horizon),
            competing_brier_metric(horizon),
            competing_ipa_metric(horizon),
            competing_oe_metric(horizon),
        ]
    return metrics


def competing_c_metric(tau: float) -> Metric:
    """Weighted C-index of Wolbers of the risk score, events up to tau."""

    def evaluate(
        outcome: Outcome, p: SurvivalPrediction, fold: np.ndarray | None, samples: np.ndarray
    ) -> np.ndarray:
        values = weighted_wolbers_c(outcome, p.risk_score, tau, counts=samples, group=fold)
        return np.asarray(values)

    return Metric(
        "competing_c", tau, evaluate, "higher", "order", NO_PAIR, no_information=half, bounds=SHARE
    )


def competing_auc_metric(horizon: float) -> Metric:
    """AUC at the horizon of the cumulative incidence predicted there."""

    def evaluate(
        outcome: Outcome, p: SurvivalPrediction, fold: np.ndarray | None, samples: np.ndarray
    ) -> np.ndarray:
        incidence = 1.0 - p.at(horizon)
        return np.asarray(competing_auc(outcome, incidence, horizon, counts=samples, group=fold))

    return Metric(
        "competing_auc", horizon, evaluate, "higher", "horizon", NO_PAIR, no_information=half
    )


def competing_brier_metric(horizon: float) -> Metric:
    """IPCW Brier score of the cumulative incidence at a horizon."""

    def evaluate(
        outcome: Outcome, p: SurvivalPrediction, fold: np.ndarray | None, samples: np.ndarray
    ) -> np.ndarray:
        losses = competing_brier_losses(outcome, 1.0 - p.at(horizon)[:, None], [horizon])
        return replicate_scores(losses, samples)[:, 0]

    return Metric("competing_brier", horizon, evaluate, "lower", "horizon")


def competing_ibs_metric(tau: float) -> Metric:
    """Integrated Brier score of the cumulative incidence over the predicted times up to tau."""

    def evaluate(
        outcome: Outcome, p: SurvivalPrediction, fold: np.ndarray | None, samples: np.ndarray
    ) -> np.ndarray:
        last = column_of(p.times, tau) + 1
        grid = p.times[:last]
        losses = competing_brier_losses(outcome, p.event_probability[:, :last], grid)
        return replicate_scores(integrated_brier(losses, grid)[:, None], samples)[:, 0]

    return Metric("competing_ibs", tau, evaluate, "lower", "grid", note=RULE)


def competing_ipa_metric(horizon: float) -> Metric:
    """1 - Brier / Brier of Aalen-Johansen."""
    brier = competing_brier_metric(horizon)

    def evaluate(
        outcome: Outcome, p: SurvivalPrediction, fold: np.ndarray | None, samples: np.ndarray
    ) -> np.ndarray:
        null = replicate_scores(competing_null_losses(outcome, [horizon]), samples)[:, 0]
        return scaled_brier(brier.evaluate(outcome, p, fold, samples), null)

    return Metric("competing_ipa", horizon, evaluate, "higher", "horizon", NULL_RIGHT, NULL_MODEL)


def competing_oe_metric(horizon: float) -> Metric:
    """Aalen-Johansen probability over the mean predicted cumulative incidence."""

    def evaluate(
        outcome: Outcome, p: SurvivalPrediction, fold: np.ndarray | None, samples: np.ndarray
    ) -> np.ndarray:
        return replicate_competing_oe(outcome, 1.0 - p.at(horizon), horizon, samples)

    return Metric("competing_oe", horizon, evaluate, "one", "horizon", NOTHING_EXPECTED)
