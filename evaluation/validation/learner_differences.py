"""Paired differences between learners in any metric, and what the split adds to an estimate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from evaluation.bootstrap import MAX_UNDEFINED
from evaluation.estimates import estimate_row, with_cohort
from evaluation.methods import by_folds
from evaluation.metrics import (
    Metric,
    check_predictions,
    events_by,
    metric_obstacle,
    metric_values,
    repeat_values,
    tested_patients,
)
from evaluation.remarks import joined
from evaluation.results import METRIC_COLUMNS, metric_table
from evaluation.validation.corrected_variance import corrected_test
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

DIFFERENCE_COLUMNS = (*METRIC_COLUMNS[:-1], "p_value", "note")
SPLIT_COLUMNS = (
    "learner",
    "metric",
    "horizon",
    "repeats",
    "estimate",
    "lowest",
    "highest",
    "sd_between_repeats",
    "sd_ci_low",
    "sd_ci_high",
    "split_error",
    "patient_error",
    "split_share",
    "note",
)
FAVOURS = {
    "higher": "above 0 favours the first named",
    "lower": "below 0 favours the first named",
    "one": "a target of 1: the sign favours nobody",
    "zero": "a target of 0: the sign favours nobody",
}


def learner_differences(
    outcome: Outcome,
    predictions: Mapping[str, Sequence[SurvivalPrediction]],
    folds: Sequence[np.ndarray],
    metrics: Sequence[Metric],
    counts: np.ndarray,
    test_to_train: float | None = None,
) -> pd.DataFrame:
    """Difference of every learner from the first in each metric, by two methods.

    Parameters
    ----------
    outcome : Outcome of n patients
    predictions : mapping of learner name to sequence of SurvivalPrediction
        Two learners or more, the reference first; each one out-of-fold prediction a repeat, all on
        the same folds.
    folds : sequence of ndarray of shape (n,)
        One a repeat: the fold of each patient, -1 for one whom the repeat does not test. A patient
        whom no repeat tests is left out.
    metrics : sequence of Metric
    counts : ndarray of shape (B, n)
        The bootstrap counts that the other tables use.
    test_to_train : float, optional
        Patients tested for each one trained on; 1 / (K - 1) of K folds a repeat by default. A
        bootstrap, whose repeats have one test fold each, must state it.

    Returns
    -------
    DataFrame with DIFFERENCE_COLUMNS, two rows a metric
        `learner` reads "name - reference", `metric` "name_difference". `ci_method` tells the rows
        apart: the percentile interval over patients, the fitted models held fixed; and the
        corrected resampled t-test over the folds, which knows the variation of training and has
        the `p_value`. The estimate of the first is over all patients, that of the second the mean
        over folds. NaN with a reason in `note` where one cannot be estimated.

    Raises
    ------
    ValueError
        With fewer than two learners, or when predictions, folds and counts do not fit.
    KeyError
        When a horizon is not among the predicted times.
    """
    if len(predictions) < 2:
        raise ValueError(f"predictions names {list(predictions)}; a difference needs two learners")
    for repeats in predictions.values():
        check_predictions(outcome, repeats, folds)
    tested = tested_patients(outcome, next(iter(predictions.values())), folds)
    samples = with_cohort(counts, len(outcome))[:, tested.rows]
    judged = {name: [p.take(tested.rows) for p in own] for name, own in predictions.items()}
    outcome, folds = tested.outcome, tested.folds
    (reference, base), *others = judged.items()
    rows = []
    for metric in metrics:
        base_obstacle = metric_obstacle(metric, outcome, base, folds)
        for name, own in others:
            obstacle = base_obstacle or metric_obstacle(metric, outcome, own, folds)
            about = {
                "learner": f"{name} - {reference}",
                "metric": replace(metric, difference=True).name,
                "horizon": metric.horizon,
                "n": len(outcome),
                "events": events_by(outcome, metric.horizon),
            }
            if obstacle:
                missing = estimate_row(np.full(1, np.nan), obstacle)
                rows += [about | missing] * 2
                continue
            values = metric_values(metric, outcome, own, folds, samples)
            values = values - metric_values(metric, outcome, base, folds, samples)
            note = joined(FAVOURS[metric.better], metric.note)
            rows.append(about | estimate_row(values, note=note, undefined=metric.undefined))
            per_fold = fold_values(metric, outcome, own, folds)
            per_fold = per_fold - fold_values(metric, outcome, base, folds)
            rows.append(about | _tested(per_fold, folds, note, test_to_train))
    table = metric_table({k: v for k, v in row.items() if k != "p_value"} for row in rows)
    table.insert(len(table.columns) - 1, "p_value", [row.get("p_value", np.nan) for row in rows])
    return table


def fold_values(
    metric: Metric,
    outcome: Outcome,
    predictions: Sequence[SurvivalPrediction],
    folds: Sequence[np.ndarray],
) -> np.ndarray:
    """The metric in every test fold, shape (folds of all repeats,); NaN where not estimable.

    Censoring weights and null model come from all patients of the repeat, since a fold alone may
    not be followed long enough.
    """
    each = [
        repeat_values(metric, outcome, p, fold, _members(fold))
        for p, fold in zip(predictions, folds, strict=True)
    ]
    return np.concatenate(each)


def split_variation(
    learner_name: str,
    outcome: Outcome,
    predictions: Sequence[SurvivalPrediction],
    folds: Sequence[np.ndarray],
    metrics: Sequence[Metric],
    counts: np.ndarray,
) -> pd.DataFrame:
    """How much of the variation of an estimate comes from the split into folds.

    Repeats see the same patients, so that they differ by the split (and what it does to training)
    alone. Bootstrap replicates of the mean over repeats differ by the patients alone.

    Parameters and errors are those of `metric_estimates`.

    Returns
    -------
    DataFrame with SPLIT_COLUMNS, one row a metric
        `estimate` is the mean over repeats, `lowest` and `highest` the extremes;
        `sd_between_repeats` with a 95% chi-square interval; `split_error` is the standard
        error of the mean over repeats due to the split, sd / sqrt(repeats); `patient_error` that
        due to the patients (bootstrap); `split_share` the split's share of their summed variance.
        NaN with a reason with one repeat alone, or where a repeat has no estimate.
    """
    among, outcome, predictions, folds = tested_patients(outcome, predictions, folds)
    samples = with_cohort(counts, len(among))[:, among]
    rows = []
    for metric in metrics:
        row = {"learner": learner_name, "metric": metric.name, "horizon": metric.horizon}
        row |= {"repeats": len(predictions)}
        obstacle = metric_obstacle(metric, outcome, predictions, folds)
        if obstacle:
            rows.append(row | {"note": obstacle})
            continue
        each = np.array(
            [
                repeat_values(metric, outcome, p, fold, samples)
                for p, fold in zip(predictions, folds, strict=True)
            ]
        )
        rows.append(row | _variation(each[:, 0], each[:, 1:].mean(axis=0)))
    table = pd.DataFrame(rows, columns=list(SPLIT_COLUMNS))
    numbers = list(SPLIT_COLUMNS[4:-1])
    table[numbers] = table[numbers].astype(float)
    return table


def _variation(repeats: np.ndarray, replicates: np.ndarray) -> dict[str, object]:
    if np.isnan(repeats).any():
        missing = int(np.isnan(repeats).sum())
        return {"note": f"not estimable in {missing} of {len(repeats)} repeats"}
    row: dict[str, object] = {
        "estimate": repeats.mean(),
        "lowest": repeats.min(),
        "highest": repeats.max(),
    }
    known = replicates[~np.isnan(replicates)]
    enough = len(known) > 1 and len(known) >= (1 - MAX_UNDEFINED) * len(replicates)
    patient = known.std(ddof=1) if enough else np.nan
    row["patient_error"] = patient
    count = len(repeats)
    if count < 2:
        return row | {"note": "one repeat alone does not show what the split adds"}
    deviation = repeats.std(ddof=1)
    low, high = np.sqrt((count - 1) / stats.chi2.ppf([0.975, 0.025], count - 1)) * deviation
    split = deviation / np.sqrt(count)
    total = split**2 + patient**2
    return row | {
        "sd_between_repeats": deviation,
        "sd_ci_low": low,
        "sd_ci_high": high,
        "split_error": split,
        "split_share": split**2 / total if total > 0 else np.nan,
        "note": f"{count} repeats; standard deviation with chi-square interval",
    }


def _tested(
    differences: np.ndarray,
    folds: Sequence[np.ndarray],
    note: str,
    test_to_train: float | None,
) -> dict[str, object]:
    count = len(differences)
    missing = int(np.isnan(differences).sum())
    if missing:
        reason = f"not estimable in {missing} of {count} test folds"
        return estimate_row(np.full(1, np.nan), reason)
    if count < 2:
        return estimate_row(np.full(1, np.nan), "one test fold alone has no variation to test by")
    sizes = {len(_labels(fold)) for fold in folds}
    if test_to_train is None and (len(sizes) > 1 or min(sizes) < 2):
        reason = f"the corrected test needs the same number of folds a repeat; got {sorted(sizes)}"
        return estimate_row(np.full(1, np.nan), reason)
    ratio = 1 / (sizes.pop() - 1) if test_to_train is None else test_to_train
    test = corrected_test(differences, ratio)
    if np.isnan(test.standard_error):
        note = joined(note, "no test: the difference does not vary over folds")
    return {
        "estimate": test.mean,
        "ci_low": test.ci_low,
        "ci_high": test.ci_high,
        "ci_method": by_folds(count, test.degrees_of_freedom),
        "p_value": test.p_value,
        "note": note,
    }


def _members(fold: np.ndarray) -> np.ndarray:
    """One row a fold, 1 for its patients, shape (folds, n)."""
    return (_labels(fold)[:, None] == np.asarray(fold)).astype(float)


def _labels(fold: np.ndarray) -> np.ndarray:
    """The folds that are tested; -1 is none."""
    labels = np.unique(fold)
    return labels[labels >= 0]
