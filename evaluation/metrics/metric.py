"""A metric as a value: evaluated on a cohort, its bootstrap replicates, its folds, in one call.

A metric says of itself how it is called, printed and computed, so that tables, reports and rules
ask it (by `catalogue.metric_of`) and never read its name. A set of patients is a row of counts,
whether a bootstrap replicate, a test fold, the patients in or out of a bootstrap sample, or
everybody. Comparisons, optimism and incremental value therefore take any metric, those under
competing events among them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from evaluation.estimates import BY_CONSTRUCTION, OUT_OF_FOLD, estimate_row, with_cohort
from evaluation.remarks import joined
from evaluation.results import metric_table
from evaluation.statistics import censoring_weights
from features.outcome import Outcome
from models.prediction import SurvivalPrediction


class Asked(NamedTuple):
    """Of whom and where a metric is asked for: the parameters of `Metric.evaluate`, its place."""

    outcome: Outcome
    prediction: SurvivalPrediction
    fold: np.ndarray | None
    samples: np.ndarray
    horizon: float
    threshold: float

    @property
    def survival(self) -> np.ndarray:
        """Predicted survival at the horizon, (n,); 1 - incidence where events compete."""
        return self.prediction.at(self.horizon)

    @property
    def risk(self) -> np.ndarray:
        """Predicted event probability at the horizon, (n,)."""
        return 1.0 - self.survival

    def curves(self) -> tuple[np.ndarray, np.ndarray]:
        """Predicted survival up to the horizon, (n, m), and its times, (m,)."""
        last = column_of(self.prediction.times, self.horizon) + 1
        return self.prediction.survival[:, :last], self.prediction.times[:last]


Kernel = Callable[[Asked], np.ndarray]


class Axis(NamedTuple):
    """How a metric is drawn: the axis' label, the value of no difference, what lies beside it."""

    label: str
    reference: float
    favours: tuple[str, str] = ("", "")
    log: bool = False


@dataclass(frozen=True)
class Metric:
    """One measure of a survival prediction.

    Attributes
    ----------
    key : str
        What it is called in tables and files.
    label : str
        What it is called in reports.
    kernel : callable (Asked) -> ndarray of shape (B,), or None
        Its value in each sample. None for one that is not made of one prediction.
    better : {"higher", "lower", "one", "zero"}
        What is better; "one" and "zero" are targets.
    needs : {"order", "horizon", "grid"}
        Which predictions it reads: the risk score, survival at the horizon, or up to it.
    place : {"none", "tau", "horizon", "threshold"}
        Where it is asked for: nowhere in time, up to the last horizon, at each horizon, or at each
        horizon and threshold. Of the first two there is one value, whose name says all.
    section : {"overall", "horizon", "calibration", "utility", "instability"}
        Table of a report in which it stands.
    digits : int
        Decimals that a report prints.
    axis : Axis, optional
        Of a forest plot; None where none is drawn.
    competing_for : tuple of Metric
        In whose place it stands under competing events; empty for a metric of survival.
    undefined : str
        What it means when the value is NaN although outcome and predictions are known.
    note : str
        Convention that a reader should know.
    note_at : callable (horizon) -> str, optional
        The same where it depends on the horizon.
    without_information : callable (Asked) -> float, optional
        Its value when predictions and outcomes are independent, for the .632+ estimate.
    bounds : (float, float)
        What it can be at least and at most.
    near_1_out_of_fold : bool
        Out-of-fold close to 1 by construction.
    horizon, threshold : float
        Months, event probability; NaN where there is none. See `at`.
    difference : bool
        Not the metric itself but a difference in it.
    """

    key: str
    label: str
    kernel: Kernel | None
    better: Literal["higher", "lower", "one", "zero"]
    needs: Literal["order", "horizon", "grid"]
    place: Literal["none", "tau", "horizon", "threshold"]
    section: Literal["overall", "horizon", "calibration", "utility", "instability"]
    digits: int = 2
    axis: Axis | None = None
    competing_for: tuple[Metric, ...] = ()
    undefined: str = "no finite value"
    note: str = ""
    note_at: Callable[[float], str] | None = None
    without_information: Callable[[Asked], float] | None = None
    bounds: tuple[float, float] = (-np.inf, np.inf)
    near_1_out_of_fold: bool = False
    horizon: float = np.nan
    threshold: float = np.nan
    difference: bool = False

    @property
    def name(self) -> str:
        """What stands in the column `metric` of a table: 'ibs', 'net_benefit_0.2'."""
        at = "" if np.isnan(self.threshold) else f"_{self.threshold:g}"
        return f"{self.key}{at}{DIFFERENCE if self.difference else ''}"

    @property
    def has_horizon(self) -> bool:
        """Whether there is a value at each horizon; else a name says all of it."""
        return self.place in ("horizon", "threshold")

    @property
    def is_competing(self) -> bool:
        """Whether it judges a cumulative incidence under competing events."""
        return bool(self.competing_for)

    def at(self, horizon: float, threshold: float = np.nan) -> Metric:
        """The metric at a horizon, or up to it; itself where it has no place in time.

        Raises
        ------
        ValueError
            When a threshold is missing, not asked for, or not inside (0, 1).
        """
        asks = self.place == "threshold"
        if not (0 < threshold < 1 if asks else np.isnan(threshold)):
            allowed = "a probability between 0 and 1" if asks else "none"
            raise ValueError(f"{self.key}: threshold is {threshold}; expected {allowed}")
        if self.place == "none":
            return self
        note = self.note if self.note_at is None else self.note_at(horizon)
        return replace(self, horizon=horizon, threshold=threshold, note=note)

    def evaluate(
        self,
        outcome: Outcome,
        prediction: SurvivalPrediction,
        fold: np.ndarray | None,
        samples: np.ndarray,
    ) -> np.ndarray:
        """The metric in each sample, shape (B,).

        Parameters
        ----------
        fold : ndarray of shape (n,), or None
            Pairs of different folds are not compared.
        samples : ndarray of shape (B, n)
            How often each set holds each patient. Censoring weights and null model come from the
            whole outcome.

        Raises
        ------
        TypeError
            For a metric that is not made of one prediction.
        """
        if self.kernel is None:
            raise TypeError(f"{self.key} is not made of one prediction")
        return self.kernel(self._asked(outcome, prediction, fold, samples))

    def no_information(self, outcome: Outcome, prediction: SurvivalPrediction) -> float | None:
        """Its value when predictions and outcomes are independent; None where none is known."""
        if self.without_information is None:
            return None
        once = np.ones((1, len(outcome)))
        return self.without_information(self._asked(outcome, prediction, None, once))

    def _asked(
        self,
        outcome: Outcome,
        prediction: SurvivalPrediction,
        fold: np.ndarray | None,
        samples: np.ndarray,
    ) -> Asked:
        return Asked(outcome, prediction, fold, samples, self.horizon, self.threshold)


# What the name of a difference adds to that of its metric.
DIFFERENCE = "_difference"


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
        if metric.near_1_out_of_fold and resampled == OUT_OF_FOLD:
            note = joined(BY_CONSTRUCTION, note)
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
