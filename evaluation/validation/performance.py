"""How well a learner predicts, from its out-of-fold predictions: one tidy table with intervals.

Repeats of the cross-validation are averaged inside every bootstrap replicate, and all learners
share the counts of the bootstrap, so that their differences are paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from evaluation.estimates import OUT_OF_FOLD
from evaluation.metrics import (
    D_CALIBRATION,
    HARRELL_C,
    IBS,
    IPA,
    Metric,
    at_own_time,
    cohort_metrics,
    column_of,
    events_by,
    metric_estimates,
    metric_obstacle,
    tested_patients,
    version_for,
)
from evaluation.metrics.calibration import d_calibration_test
from evaluation.results import metric_table
from evaluation.validation.learner_differences import fold_values
from features.outcome import Outcome
from models.prediction import SurvivalPrediction


def performance_table(
    learner_name: str,
    outcome: Outcome,
    predictions: Sequence[SurvivalPrediction],
    folds: Sequence[np.ndarray],
    horizons: Sequence[float],
    tau: float,
    counts: np.ndarray,
    thresholds: Sequence[float] = (),
    resampled: str = OUT_OF_FOLD,
) -> pd.DataFrame:
    """Discrimination, overall accuracy, calibration and utility of one learner.

    Parameters
    ----------
    learner_name : str
    outcome : Outcome of n patients
        With competing events the predictions are judged as cumulative incidences.
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
        Months; the truncation of Uno's C and the end of what is integrated.
    counts : ndarray of shape (B, n)
        From `bootstrap_counts`, the same for every learner.
    thresholds : sequence of float
        Event probabilities at which one would act, for the net benefit.
    resampled : str
        What the bootstrap draws and what it holds fixed.

    Returns
    -------
    DataFrame with METRIC_COLUMNS
        The metrics of `cohort_metrics`, then D-calibration. The estimate is the mean over repeats;
        the interval is the 95% percentile over replicates, each the mean over repeats, with the
        predictions and the censoring weights held fixed. `events` are those by the horizon, all
        of them where there is none. Where a metric cannot be estimated it is NaN and `note` says
        why. `d_calibration_p` is the p-value of a test on the mean prediction of each patient; it
        has no interval, and is not made with competing events.

    Raises
    ------
    ValueError
        When predictions, folds and counts do not fit the outcome or each other.
    KeyError
        When tau or a horizon is not among the predicted times; nothing is interpolated.
    """
    metrics = cohort_metrics(outcome, horizons, tau, thresholds)
    table = metric_estimates(learner_name, outcome, predictions, folds, metrics, counts, resampled)
    if outcome.has_competing:
        return table
    row = {"learner": learner_name} | _d_calibration(outcome, predictions, folds, tau)
    return pd.concat([table, metric_table([row])], ignore_index=True)


def compared_metrics(outcome: Outcome, horizons: Sequence[float], tau: float) -> list[Metric]:
    """The metrics in which learners are compared: C, IBS, and IPA at each horizon."""
    found = [version_for(outcome, metric).at(tau) for metric in (HARRELL_C, IBS)]
    return found if outcome.has_competing else [*found, *(IPA.at(h) for h in horizons)]


def mean_prediction(
    predictions: Sequence[SurvivalPrediction], folds: Sequence[np.ndarray]
) -> SurvivalPrediction:
    """Each patient's prediction averaged over the repeats that test the patient, for pictures.

    Returns
    -------
    SurvivalPrediction
        Of all n patients in order; NaN for one whom no repeat tests. Risk scores of different
        repeats are on different scales; their mean is for display alone.
    """
    tested = np.array([np.asarray(fold) >= 0 for fold in folds])
    number = tested.sum(axis=0)
    survival = np.zeros(predictions[0].survival.shape)
    risk = np.zeros(len(number))
    for prediction, rows in zip(predictions, tested, strict=True):
        survival[rows] += prediction.survival[rows]
        risk[rows] += prediction.risk_score[rows]
    known = np.where(number > 0, number, np.nan)
    return SurvivalPrediction(risk / known, survival / known[:, None], predictions[0].times)


def fold_scores(
    outcome: Outcome,
    predictions: Sequence[SurvivalPrediction],
    folds: Sequence[np.ndarray],
    tau: float,
) -> pd.DataFrame:
    """Integrated Brier score and C of each test fold.

    Parameters, and errors, are those of `performance_table`. The censoring weights come from all
    patients of the repeat, since a fold alone may not be followed up to tau.

    Returns
    -------
    DataFrame, one row a fold of a repeat
        `repeat` from 0, `fold`, `ibs` (lower is better), `harrell_c`; NaN where not estimable. With
        competing events `competing_ibs` and `competing_c`, those of the cumulative incidence.
    """
    _, outcome, predictions, folds = tested_patients(outcome, predictions, folds)
    ibs, c_index = (version_for(outcome, metric).at(tau) for metric in (IBS, HARRELL_C))
    places = [
        (repeat, label) for repeat, fold in enumerate(folds) for label in np.unique(fold[fold >= 0])
    ]
    return pd.DataFrame(
        {
            "repeat": [repeat for repeat, _ in places],
            "fold": [label for _, label in places],
            ibs.name: fold_values(ibs, outcome, predictions, folds),
            c_index.name: fold_values(c_index, outcome, predictions, folds),
        }
    )


def _d_calibration(
    outcome: Outcome,
    predictions: Sequence[SurvivalPrediction],
    folds: Sequence[np.ndarray],
    tau: float,
) -> dict[str, Any]:
    _, outcome, predictions, folds = tested_patients(outcome, predictions, folds)
    row: dict[str, Any] = {"metric": D_CALIBRATION.name, "horizon": tau, "n": len(outcome)}
    row |= {"events": events_by(outcome, tau)}
    last = column_of(predictions[0].times, tau) + 1
    mean = mean_prediction(predictions, folds)
    until = SurvivalPrediction(mean.risk_score, mean.survival[:, :last], mean.times[:last])
    # The test needs survival up to tau, as what is integrated does.
    obstacle = metric_obstacle(IBS.at(tau), outcome, predictions, folds)
    if obstacle:
        return row | {"note": obstacle}
    own = at_own_time(outcome, until)
    test = d_calibration_test(own.outcome, own.survival)
    told = f"chi-square {test.chi_square:.1f}, df={test.degrees_of_freedom}; followed up to tau"
    note = "; ".join(filter(None, [told if np.isfinite(test.p_value) else "", test.note]))
    return row | {
        "estimate": test.p_value,
        "ci_method": "a test has no interval",
        "note": note,
    }
