"""A metric as a value: evaluated on a cohort, its bootstrap replicates, its folds, in one call.

A set of patients is a row of counts, whether a bootstrap replicate, a test fold, the patients in or
out of a bootstrap sample, or everybody. Comparisons, optimism and incremental value therefore take
any metric, those under competing events among them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from evaluation.estimates import BY_CONSTRUCTION, OUT_OF_FOLD, estimate_row, with_cohort
from evaluation.metrics.brier import (
    brier_losses,
    integrated_brier,
    null_losses,
    replicate_scores,
    scaled_brier,
)
from evaluation.metrics.calibration.at_horizon import replicate_observed_expected, replicate_slopes
from evaluation.metrics.discrimination import harrell_c, uno_c
from evaluation.results import metric_table
from evaluation.statistics.censoring import censoring_weights
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

Evaluate = Callable[[Outcome, SurvivalPrediction, np.ndarray | None, np.ndarray], np.ndarray]

RULE = "trapezoid from the first time of the grid"
NULL_MODEL = "null model: Kaplan-Meier of all patients, not out-of-fold"
SHARE = (0.0, 1.0)
LOSS = (0.0, np.inf)
NO_PAIR = "no comparable pair of patients within a fold"
NULL_RIGHT = "the null model is never wrong"
NOBODY_APART = "predicted risks do not vary within a fold, or separate the events"
NOTHING_EXPECTED = "the expected probability is 0"


def half(outcome: Outcome, prediction: SurvivalPrediction) -> float:
    """What a concordance is without information."""
    return 0.5


@dataclass(frozen=True)
class Metric:
    """One measure of a survival prediction.

    Attributes
    ----------
    name : str
    horizon : float
        Months; NaN where there is none.
    evaluate : callable (outcome, prediction, fold, samples) -> ndarray of shape (B,)
        `fold` holds one label a patient, or None; pairs of different folds are not compared.
        `samples` of shape (B, n) says how often each set holds each patient. Censoring weights and
        null model come from the whole outcome.
    better : {"higher", "lower", "one", "zero"}
        What is better; "one" and "zero" are targets.
    needs : {"order", "horizon", "grid"}
        Which predictions it reads: the risk score, survival at the horizon, or up to it.
    undefined : str
        What it means when the value is NaN although outcome and predictions are known.
    note : str
        Convention that a reader should know.
    no_information : callable (outcome, prediction) -> float, optional
        Its value when predictions and outcomes are independent, for the .632+ estimate.
    bounds : (float, float)
        What it can be at least and at most.
    """

    name: str
    horizon: float
    evaluate: Evaluate
    better: str
    needs: str
    undefined: str = "no finite value"
    note: str = ""
    no_information: Callable[[Outcome, SurvivalPrediction], float] | None = None
    bounds: tuple[float, float] = (-np.inf, np.inf)


def standard_metrics(horizons: Sequence[float], tau: float) -> list[Metric]:
    """Harrell's and Uno's C and IBS; Brier, IPA, O/E and slope at each horizon (months)."""
    metrics = [harrell_c_metric(), uno_c_metric(tau), ibs_metric(tau)]
    for horizon in horizons:
        metrics += [
            brier_metric(horizon),
            ipa_metric(horizon),
            observed_expected_metric(horizon),
            slope_metric(horizon),
        ]
    return metrics


def harrell_c_metric() -> Metric:
    """Harrell's C of the risk score."""

    def evaluate(
        outcome: Outcome, p: SurvivalPrediction, fold: np.ndarray | None, samples: np.ndarray
    ) -> np.ndarray:
        return np.asarray(harrell_c(outcome, p.risk_score, counts=samples, group=fold))

    return Metric(
        "harrell_c", np.nan, evaluate, "higher", "order", NO_PAIR, no_information=half, bounds=SHARE
    )


def uno_c_metric(tau: float) -> Metric:
    """Uno's C of the risk score, events up to tau months."""

    def evaluate(
        outcome: Outcome, p: SurvivalPrediction, fold: np.ndarray | None, samples: np.ndarray
    ) -> np.ndarray:
        return np.asarray(uno_c(outcome, p.risk_score, tau, counts=samples, group=fold))

    return Metric(
        "uno_c", tau, evaluate, "higher", "order", NO_PAIR, no_information=half, bounds=SHARE
    )


def brier_metric(horizon: float) -> Metric:
    """IPCW Brier score at a horizon."""

    def evaluate(
        outcome: Outcome, p: SurvivalPrediction, fold: np.ndarray | None, samples: np.ndarray
    ) -> np.ndarray:
        losses = brier_losses(outcome, p.at(horizon)[:, None], [horizon])
        return replicate_scores(losses, samples)[:, 0]

    def no_information(outcome: Outcome, p: SurvivalPrediction) -> float:
        return float(_shuffled_brier(outcome, p.at(horizon)[:, None], np.array([horizon]))[0])

    return Metric(
        "brier", horizon, evaluate, "lower", "horizon", no_information=no_information, bounds=LOSS
    )


def ibs_metric(tau: float) -> Metric:
    """Integrated Brier score over the predicted times up to tau."""

    def evaluate(
        outcome: Outcome, p: SurvivalPrediction, fold: np.ndarray | None, samples: np.ndarray
    ) -> np.ndarray:
        last = column_of(p.times, tau) + 1
        losses = brier_losses(outcome, p.survival[:, :last], p.times[:last])
        per_patient = integrated_brier(losses, p.times[:last])
        return replicate_scores(per_patient[:, None], samples)[:, 0]

    def no_information(outcome: Outcome, p: SurvivalPrediction) -> float:
        last = column_of(p.times, tau) + 1
        scores = _shuffled_brier(outcome, p.survival[:, :last], p.times[:last])
        return float(integrated_brier(scores, p.times[:last]))

    return Metric(
        "ibs", tau, evaluate, "lower", "grid", note=RULE, no_information=no_information, bounds=LOSS
    )


def ipa_metric(horizon: float) -> Metric:
    """Index of prediction accuracy: 1 - Brier / Brier of Kaplan-Meier."""
    brier = brier_metric(horizon)

    def evaluate(
        outcome: Outcome, p: SurvivalPrediction, fold: np.ndarray | None, samples: np.ndarray
    ) -> np.ndarray:
        null = replicate_scores(null_losses(outcome, [horizon]), samples)[:, 0]
        return scaled_brier(brier.evaluate(outcome, p, fold, samples), null)

    def no_information(outcome: Outcome, p: SurvivalPrediction) -> float:
        null = null_losses(outcome, [horizon]).mean(axis=0)
        shuffled = _shuffled_brier(outcome, p.at(horizon)[:, None], np.array([horizon]))
        return float(scaled_brier(shuffled, null)[0])

    return Metric(
        "ipa",
        horizon,
        evaluate,
        "higher",
        "horizon",
        NULL_RIGHT,
        NULL_MODEL,
        no_information,
        (-np.inf, 1.0),
    )


def observed_expected_metric(horizon: float) -> Metric:
    """Kaplan-Meier event probability over the mean predicted one."""

    def evaluate(
        outcome: Outcome, p: SurvivalPrediction, fold: np.ndarray | None, samples: np.ndarray
    ) -> np.ndarray:
        return replicate_observed_expected(outcome, 1.0 - p.at(horizon), horizon, samples)

    return Metric("calibration_oe", horizon, evaluate, "one", "horizon", NOTHING_EXPECTED)


def slope_metric(horizon: float) -> Metric:
    """Calibration slope: Cox coefficient of cloglog of the predicted risk."""

    def evaluate(
        outcome: Outcome, p: SurvivalPrediction, fold: np.ndarray | None, samples: np.ndarray
    ) -> np.ndarray:
        risk = 1.0 - p.at(horizon)
        if not tells_apart(risk, fold):
            return np.full(len(samples), np.nan)
        return replicate_slopes(outcome, risk, samples)

    # A prediction that is independent of the outcome has slope 0.
    return Metric(
        "calibration_slope",
        horizon,
        evaluate,
        "one",
        "horizon",
        NOBODY_APART,
        no_information=lambda _outcome, _prediction: 0.0,
    )


def tells_apart(risk: np.ndarray, fold: np.ndarray | None) -> bool:
    """Whether predictions differ within some fold.

    Those of the null model differ between folds alone, by who trained them; a regression on them
    would measure nothing but that.
    """
    if fold is None:
        return True
    order = np.lexsort((risk, fold))
    same_fold = np.diff(np.asarray(fold)[order]) == 0
    return bool((same_fold & (np.diff(risk[order]) > 0)).any())


class Tested(NamedTuple):
    """The patients whom some repeat tests, their predictions and folds; `rows` is the mask (n,)."""

    rows: np.ndarray
    outcome: Outcome
    predictions: list[SurvivalPrediction]
    folds: list[np.ndarray]


def tested_patients(
    outcome: Outcome,
    predictions: Sequence[SurvivalPrediction],
    folds: Sequence[np.ndarray],
) -> Tested:
    """Leave out whoever no repeat tests (fold -1 in all of them).

    Raises
    ------
    ValueError
        As `check_predictions`, and when nobody is tested.
    """
    check_predictions(outcome, predictions, folds)
    rows = np.any([np.asarray(fold) >= 0 for fold in folds], axis=0)
    if not rows.any():
        raise ValueError("folds hold -1 alone: no repeat tests any patient")
    return Tested(
        rows,
        outcome.take(rows),
        [p.take(rows) for p in predictions],
        [np.asarray(fold)[rows] for fold in folds],
    )


def _without_risk_score(
    predictions: Sequence[SurvivalPrediction], folds: Sequence[np.ndarray] | None
) -> str:
    each = [np.isnan(p.risk_score) for p in predictions]
    if folds is not None:
        each = [row & (np.asarray(fold) >= 0) for row, fold in zip(each, folds, strict=True)]
    missing = int(np.any(each, axis=0).sum())
    return f"risk score is missing for {missing} of {len(each[0])} patients" if missing else ""


def metric_obstacle(
    metric: Metric,
    outcome: Outcome,
    predictions: Sequence[SurvivalPrediction],
    folds: Sequence[np.ndarray] | None = None,
) -> str:
    """Why this cohort cannot support the metric; empty when it can.

    With folds, a prediction may be missing where its repeat does not test the patient (-1).
    """
    horizon = metric.horizon
    if horizon > outcome.follow_up:
        follow_up = outcome.follow_up
        return f"{horizon:g} months is beyond the follow-up of the outcome ({follow_up:g})"
    if not events_by(outcome, horizon):
        return "no event" if np.isnan(horizon) else f"no event by {horizon:g} months"
    if metric.needs == "order":
        return _without_risk_score(predictions, folds)
    if any(np.isnan(p.survival).all() for p in predictions):
        return "no probability at any time: a score that only orders patients, or no follow-up"
    if outcome.censoring is not None and np.isnan(censoring_weights(outcome, [horizon])).any():
        return f"weights for censoring are unknown at {horizon:g} months: a group is not followed"
    last = column_of(predictions[0].times, horizon)
    if metric.needs == "grid" and not last:
        return "one time alone cannot be integrated over"
    first = 0 if metric.needs == "grid" else last
    each = [np.isnan(p.survival[:, first : last + 1]).any(axis=1) for p in predictions]
    if folds is not None:
        each = [row & (np.asarray(fold) >= 0) for row, fold in zip(each, folds, strict=True)]
    missing = int(np.any(each, axis=0).sum())
    if not missing:
        return ""
    return (
        f"predicted survival is missing for {missing} of {len(outcome)} patients "
        "(beyond the training follow-up)"
    )


def metric_values(
    metric: Metric,
    outcome: Outcome,
    predictions: Sequence[SurvivalPrediction],
    folds: Sequence[np.ndarray | None],
    samples: np.ndarray,
) -> np.ndarray:
    """The metric in each sample, averaged over the repeats, shape (B,); NaN where undefined.

    A repeat is judged on the patients that it tests, fold -1 left out.
    """
    each = [
        repeat_values(metric, outcome, p, fold, samples)
        for p, fold in zip(predictions, folds, strict=True)
    ]
    return np.mean(each, axis=0)


def repeat_values(
    metric: Metric,
    outcome: Outcome,
    prediction: SurvivalPrediction,
    fold: np.ndarray | None,
    samples: np.ndarray,
) -> np.ndarray:
    """The metric of one repeat's tested patients in each sample, shape (B,).

    NaN in a sample that holds none of them.
    """
    rows = None if fold is None else np.asarray(fold) >= 0
    if fold is None or rows is None or rows.all():
        return metric.evaluate(outcome, prediction, fold, samples)
    values = np.full(len(samples), np.nan)
    if rows.any():
        inside = samples[:, rows]
        some = inside.sum(axis=1) > 0
        part = outcome.take(rows), prediction.take(rows), fold[rows]
        values[some] = metric.evaluate(*part, inside[some])
    return values


def metric_estimates(
    learner_name: str,
    outcome: Outcome,
    predictions: Sequence[SurvivalPrediction],
    folds: Sequence[np.ndarray],
    metrics: Sequence[Metric],
    counts: np.ndarray,
    resampled: str = OUT_OF_FOLD,
) -> pd.DataFrame:
    """Any metrics of one learner with percentile intervals: METRIC_COLUMNS, one row a metric.

    Parameters and errors are those of `evaluation.validation.performance.performance_table`;
    `resampled` says in `ci_method` what the bootstrap draws and holds fixed.
    """
    rows_tested, outcome, predictions, folds = tested_patients(outcome, predictions, folds)
    samples = with_cohort(counts, len(rows_tested))[:, rows_tested]
    rows = []
    for metric in metrics:
        obstacle = metric_obstacle(metric, outcome, predictions, folds)
        values = np.full(1, np.nan)
        if not obstacle:
            values = metric_values(metric, outcome, predictions, folds, samples)
        about = {
            "learner": learner_name,
            "metric": metric.name,
            "horizon": metric.horizon,
            "n": len(outcome),
            "events": events_by(outcome, metric.horizon),
        }
        note = metric.note
        if metric.name.endswith("_oe") and resampled == OUT_OF_FOLD:
            note = "; ".join(filter(None, [BY_CONSTRUCTION, note]))
        found = estimate_row(values, obstacle, note, resampled, metric.undefined)
        rows.append(about | found)
    return metric_table(rows)


def events_by(outcome: Outcome, horizon: float) -> int:
    """Events by the horizon; all of them when it is NaN."""
    return int((outcome.event & ~(outcome.time > horizon)).sum())


def column_of(times: np.ndarray, horizon: float) -> int:
    """Position of a horizon on a grid of times.

    Raises
    ------
    KeyError
        When it is not among them; nothing is interpolated.
    """
    found = np.flatnonzero(np.isclose(times, horizon))
    if not len(found):
        raise KeyError(f"horizon {horizon} is not among the predicted times {times.tolist()}")
    return int(found[0])


def check_predictions(
    outcome: Outcome,
    predictions: Sequence[SurvivalPrediction],
    folds: Sequence[np.ndarray],
) -> None:
    """Refuse predictions or folds that do not fit the outcome or each other.

    Raises
    ------
    ValueError
        When there is no repeat, or one lacks a fold or a prediction for a patient.
    """
    n = len(outcome)
    if not len(predictions) or len(predictions) != len(folds):
        raise ValueError(
            f"predictions ({len(predictions)}) and folds ({len(folds)}) need one entry a repeat, "
            "and at least one"
        )
    for prediction, fold in zip(predictions, folds, strict=True):
        if np.shape(fold) != (n,) or prediction.risk_score.shape != (n,):
            raise ValueError(
                f"every repeat needs a fold and a prediction for each of the {n} patients; got "
                f"shapes {np.shape(fold)} and {prediction.risk_score.shape}"
            )
        if not np.array_equal(prediction.times, predictions[0].times):
            raise ValueError("predictions of all repeats must share the same times")


def _shuffled_brier(outcome: Outcome, survival: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Mean loss over all pairs of one patient's outcome and another's prediction, (n_times,).

    The loss w (y - S)^2 averages over independent S to w (y^2 - 2 y E S + E S^2), which three
    constant predictions give: 0, 1/2 and 1.
    """
    shape = survival.shape
    at_0, athalf, at_1 = (
        brier_losses(outcome, np.full(shape, value), times).mean(axis=0) for value in (0, 0.5, 1)
    )
    # A quadratic a + b S + c S^2 through the three.
    c = 2.0 * (at_1 - 2.0 * athalf + at_0)
    b = at_1 - at_0 - c
    return at_0 + b * survival.mean(axis=0) + c * (survival**2).mean(axis=0)
