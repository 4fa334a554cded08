"""How well a learner predicts, from its out-of-fold predictions: one tidy table with intervals.

Repeats of the cross-validation are averaged inside every bootstrap replicate, and all learners
share the counts of the bootstrap, so that their differences are paired.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from evaluation.bootstrap import MAX_UNDEFINED, percentile_interval
from evaluation.brier import (
    brier_losses,
    integrated_brier,
    null_losses,
    replicate_scores,
    scaled_brier,
)
from evaluation.calibration import replicate_observed_expected, replicate_slopes
from evaluation.discrimination import harrell_c, uno_c
from evaluation.results import metric_table
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

NOT_ESTIMABLE = {
    "harrell_c": "no comparable pair of patients within a fold",
    "uno_c": "no comparable pair of patients within a fold",
    "ipa": "the null model is never wrong",
    "calibration_oe": "the expected probability is 0",
    "calibration_slope": "predicted risks do not vary, or separate the events",
}
NULL_MODEL = "null model: Kaplan-Meier of all patients, not out-of-fold"
RULE = "trapezoid from the first time of the grid"


def performance_table(
    learner_name: str,
    outcome: Outcome,
    predictions: Sequence[SurvivalPrediction],
    folds: Sequence[np.ndarray],
    horizons: Sequence[float],
    tau: float,
    counts: np.ndarray,
) -> pd.DataFrame:
    """Discrimination, overall accuracy and calibration of one learner.

    Parameters
    ----------
    learner_name : str
    outcome : Outcome of n patients
    predictions : sequence of SurvivalPrediction
        One a repeat, each out-of-fold for all n patients in order, on the same increasing `times`
        from near 0 to tau, every horizon among them. Survival may be NaN.
    folds : sequence of ndarray of shape (n,), int
        One a repeat: the fold of each patient, -1 for one whom the repeat does not test. Risk
        scores of different folds come from different fitted models, so concordance compares
        patients of the same fold only. A patient whom no repeat tests is left out altogether.
    horizons : sequence of float
        Months.
    tau : float
        Months; the truncation of Uno's C and the end of the integrated Brier score.
    counts : ndarray of shape (B, n)
        From `bootstrap_counts`, the same for every learner.

    Returns
    -------
    DataFrame with METRIC_COLUMNS
        `harrell_c` (no horizon), `uno_c` and `ibs` (at tau); at each horizon `brier`, `ipa`,
        `calibration_oe` and `calibration_slope`. The estimate is the mean over repeats; the
        interval is the 95% percentile over replicates, each the mean over repeats, with the
        predictions and the censoring weights held fixed. `events` are those by the horizon, all
        of them where there is none. Where a metric cannot be estimated it is NaN and `note` says
        why.

    Raises
    ------
    ValueError
        When predictions, folds and counts do not fit the outcome or each other.
    KeyError
        When tau or a horizon is not among the predicted times; nothing is interpolated.
    """
    judged = _judge(outcome, predictions, folds, counts)
    until_tau = judged.unknown_outcome(tau)
    values = [
        ("harrell_c", np.nan, judged.harrell_c(), "", ""),
        ("uno_c", tau, judged.uno_c(tau), until_tau, ""),
        ("ibs", tau, judged.ibs(tau), until_tau or judged.unpredicted(judged.up_to(tau)), RULE),
    ]
    for horizon in horizons:
        obstacle = judged.unknown_outcome(horizon) or judged.unpredicted([judged.column(horizon)])
        values += [
            ("brier", horizon, judged.brier(horizon), obstacle, ""),
            ("ipa", horizon, judged.ipa(horizon), obstacle, NULL_MODEL),
            ("calibration_oe", horizon, judged.calibration_oe(horizon), obstacle, ""),
            ("calibration_slope", horizon, judged.calibration_slope(horizon), obstacle, ""),
        ]
    return metric_table(
        {
            "learner": learner_name,
            "metric": metric,
            "horizon": horizon,
            "n": len(judged.outcome),
            "events": judged.events_by(horizon),
        }
        | _summary(replicates, obstacle or _why_not(metric, replicates), note)
        for metric, horizon, replicates, obstacle, note in values
    )


def paired_difference(
    outcome: Outcome,
    predictions: Mapping[str, Sequence[SurvivalPrediction]],
    folds: Sequence[np.ndarray],
    tau: float,
    counts: np.ndarray,
) -> pd.DataFrame:
    """Difference in Harrell's C and integrated Brier score of every learner from the first.

    Parameters
    ----------
    predictions : mapping of learner name to sequence of SurvivalPrediction
        Two learners or more, the reference first, all evaluated on the same folds.

    The others, the errors and the meaning of the interval are those of `performance_table`.

    Returns
    -------
    DataFrame with METRIC_COLUMNS
        `learner` reads "name - reference". `harrell_c_difference` above 0 and `ibs_difference`
        below 0 favour the named learner.
    """
    (reference, first), *others = predictions.items()
    base = _judge(outcome, first, folds, counts)
    base_c, base_ibs = base.harrell_c(), base.ibs(tau)
    base_obstacle = base.unknown_outcome(tau) or base.unpredicted(base.up_to(tau))
    rows = []
    for name, repeats in others:
        own = _judge(outcome, repeats, folds, counts)
        c_difference = own.harrell_c() - base_c
        ibs_difference = own.ibs(tau) - base_ibs
        ibs_obstacle = base_obstacle or own.unpredicted(own.up_to(tau))
        pair = {"learner": f"{name} - {reference}", "n": len(own.outcome)}
        rows += [
            pair
            | {"metric": "harrell_c_difference", "events": own.outcome.n_events}
            | _summary(c_difference, _why_not("harrell_c", c_difference)),
            pair
            | {"metric": "ibs_difference", "horizon": tau, "events": own.events_by(tau)}
            | _summary(ibs_difference, ibs_obstacle, RULE),
        ]
    return metric_table(rows)


def fold_scores(
    outcome: Outcome,
    predictions: Sequence[SurvivalPrediction],
    folds: Sequence[np.ndarray],
    tau: float,
) -> pd.DataFrame:
    """Integrated Brier score and Harrell's C of each test fold.

    Parameters, and errors, are those of `performance_table`. The censoring weights come from all
    patients, since a fold alone may not be followed up to tau.

    Returns
    -------
    DataFrame, one row a fold of a repeat
        `repeat` from 0, `fold`, `ibs` (lower is better), `harrell_c`; NaN where not estimable.
    """
    _check_shapes(outcome, predictions, folds)
    rows = []
    for repeat, (prediction, fold) in enumerate(zip(predictions, folds, strict=True)):
        grid = _up_to(prediction.times, tau)
        losses = brier_losses(outcome, prediction.survival[:, grid], prediction.times[grid])
        ibs = integrated_brier(losses, prediction.times[grid])
        rows += [
            {
                "repeat": repeat,
                "fold": label,
                "ibs": ibs[fold == label].mean(),
                "harrell_c": harrell_c(
                    outcome.take(fold == label), prediction.risk_score[fold == label]
                ),
            }
            for label in np.unique(fold[fold >= 0])
        ]
    return pd.DataFrame(rows, columns=["repeat", "fold", "ibs", "harrell_c"])


def _judge(
    outcome: Outcome,
    predictions: Sequence[SurvivalPrediction],
    folds: Sequence[np.ndarray],
    counts: np.ndarray,
) -> _Judged:
    """Put predictions beside the outcomes of the patients whom some repeat tests."""
    _check_shapes(outcome, predictions, folds)
    if np.ndim(counts) != 2 or counts.shape[1] != len(outcome):
        raise ValueError(f"counts has shape {np.shape(counts)}; expected (B, {len(outcome)})")
    ever = np.any([fold >= 0 for fold in folds], axis=0)
    if ever.all():
        return _Judged(outcome, predictions, folds, counts)
    return _Judged(
        outcome.take(ever),
        [prediction.take(ever) for prediction in predictions],
        [fold[ever] for fold in folds],
        counts[:, ever],
    )


@dataclass(frozen=True)
class _Judged:
    """Out-of-fold predictions of one learner beside what happened.

    Every metric is an array of shape (1 + B,): the cohort itself, then its replicates, each
    averaged over the repeats.
    """

    outcome: Outcome
    predictions: Sequence[SurvivalPrediction]
    folds: Sequence[np.ndarray]
    counts: np.ndarray

    @property
    def times(self) -> np.ndarray:
        return self.predictions[0].times

    @cached_property
    def samples(self) -> np.ndarray:
        """Every patient once, then the counts of the replicates."""
        everyone = np.ones_like(self.counts, shape=(1, len(self.outcome)))
        return np.vstack([everyone, self.counts])

    @cached_property
    def losses(self) -> np.ndarray:
        """Brier losses averaged over repeats, (n, n_times): the scores are linear in them."""
        total, tested = np.zeros((len(self.outcome), len(self.times))), np.zeros(len(self.outcome))
        for prediction, fold in zip(self.predictions, self.folds, strict=True):
            losses = brier_losses(self.outcome, prediction.survival, self.times)
            total += np.where((fold >= 0)[:, None], losses, 0.0)
            tested += fold >= 0
        return total / tested[:, None]

    def mean_over_repeats(
        self, metric: Callable[[Outcome, SurvivalPrediction, np.ndarray, np.ndarray], Any]
    ) -> np.ndarray:
        """A metric of each repeat's tested patients, averaged: (1 + B,)."""
        each = []
        for prediction, fold in zip(self.predictions, self.folds, strict=True):
            rows = fold >= 0
            if rows.all():
                each.append(metric(self.outcome, prediction, fold, self.samples))
            else:
                part = self.outcome.take(rows), prediction.take(rows), fold[rows]
                each.append(metric(*part, self.samples[:, rows]))
        return np.mean(np.asarray(each, dtype=float), axis=0)

    def harrell_c(self) -> np.ndarray:
        return self.mean_over_repeats(
            lambda outcome, p, fold, counts: harrell_c(
                outcome, p.risk_score, counts=counts, group=fold
            )
        )

    def uno_c(self, tau: float) -> np.ndarray:
        return self.mean_over_repeats(
            lambda outcome, p, fold, counts: uno_c(
                outcome, p.risk_score, tau, counts=counts, group=fold
            )
        )

    def ibs(self, tau: float) -> np.ndarray:
        grid = self.up_to(tau)
        per_patient = integrated_brier(self.losses[:, grid], self.times[grid])
        return replicate_scores(per_patient[:, None], self.samples)[:, 0]

    def brier(self, horizon: float) -> np.ndarray:
        losses = self.losses[:, [self.column(horizon)]]
        return replicate_scores(losses, self.samples)[:, 0]

    def ipa(self, horizon: float) -> np.ndarray:
        null = null_losses(self.outcome, [horizon])
        return scaled_brier(self.brier(horizon), replicate_scores(null, self.samples)[:, 0])

    def calibration_oe(self, horizon: float) -> np.ndarray:
        return self.mean_over_repeats(
            lambda outcome, p, _, counts: replicate_observed_expected(
                outcome, 1.0 - p.at(horizon), horizon, counts
            )
        )

    def calibration_slope(self, horizon: float) -> np.ndarray:
        return self.mean_over_repeats(
            lambda outcome, p, _, counts: replicate_slopes(outcome, 1.0 - p.at(horizon), counts)
        )

    def column(self, horizon: float) -> int:
        return _column(self.times, horizon)

    def up_to(self, tau: float) -> list[int]:
        return _up_to(self.times, tau)

    def events_by(self, horizon: float) -> int:
        """Events by the horizon; all of them when it is NaN."""
        event, time = self.outcome.event, self.outcome.time
        return int((event & ~(time > horizon)).sum())

    def unknown_outcome(self, horizon: float) -> str:
        """Why the outcome tells nothing at the horizon; empty when it does."""
        follow_up = self.outcome.follow_up
        if horizon > follow_up:
            return f"{horizon:g} months is beyond the follow-up of the outcome ({follow_up:g})"
        return "" if self.events_by(horizon) else f"no event by {horizon:g} months"

    def unpredicted(self, columns: list[int]) -> str:
        """For how many patients survival is missing at these times, in any repeat."""
        each = [
            np.isnan(p.survival[:, columns]).any(axis=1) & (fold >= 0)
            for p, fold in zip(self.predictions, self.folds, strict=True)
        ]
        missing = int(np.any(each, axis=0).sum())
        if not missing:
            return ""
        return (
            f"predicted survival is missing for {missing} of {len(self.outcome)} patients "
            "(beyond the training follow-up)"
        )


def _summary(values: np.ndarray, obstacle: str, note: str = "") -> dict[str, Any]:
    """Estimate, limits and note from the values of the cohort and of its replicates."""
    if obstacle:
        return {"estimate": np.nan, "ci_low": np.nan, "ci_high": np.nan, "note": obstacle}
    estimate, replicates = values[0], values[1:]
    ci_low, ci_high = percentile_interval(replicates)
    undefined = np.isnan(replicates).mean() if len(replicates) else 0.0
    if undefined > MAX_UNDEFINED:
        refused = f"no interval: {undefined:.0%} of the replicates are not estimable"
        note = "; ".join(filter(None, [note, refused]))
    method = f"bootstrap percentile, B={len(replicates)}, patients, out-of-fold predictions fixed"
    return {
        "estimate": estimate,
        "ci_low": ci_low,
        "ci_high": ci_high,
        "ci_method": method,
        "note": note,
    }


def _why_not(metric: str, values: np.ndarray) -> str:
    if not np.isnan(values[0]):
        return ""
    return f"not estimable: {NOT_ESTIMABLE.get(metric, 'no finite value')}"


def _column(times: np.ndarray, horizon: float) -> int:
    found = np.flatnonzero(np.isclose(times, horizon))
    if not len(found):
        raise KeyError(f"horizon {horizon} is not among the predicted times {times.tolist()}")
    return int(found[0])


def _up_to(times: np.ndarray, tau: float) -> list[int]:
    return list(range(_column(times, tau) + 1))


def _check_shapes(
    outcome: Outcome,
    predictions: Sequence[SurvivalPrediction],
    folds: Sequence[np.ndarray],
) -> None:
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
