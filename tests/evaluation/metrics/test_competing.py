import numpy as np
import pytest

from evaluation.bootstrap import bootstrap_counts
from evaluation.metrics.auc import replicate_auc
from evaluation.metrics.brier import brier_losses, null_losses
from evaluation.metrics.catalogue import cohort_metrics
from evaluation.metrics.metric import metric_estimates
from features.outcome import Outcome
from models.prediction import SurvivalPrediction


def judged(seed=0, n=120):
    generator = np.random.default_rng(seed)
    time = generator.exponential(10, n)
    kind = generator.choice(3, n, p=[0.2, 0.5, 0.3])
    outcome = Outcome(time, kind == 1, competing=kind == 2)
    incidence = np.sort(generator.uniform(0.05, 0.9, (n, 3)), axis=1)
    return outcome, SurvivalPrediction(incidence[:, 2], 1 - incidence, np.array([3.0, 8.0, 15.0]))


def test_a_table_with_intervals_from_the_bootstrap_counts():
    outcome, prediction = judged()
    everybody = [np.zeros(120, dtype=int)]
    counts = bootstrap_counts(120, 50, 1)
    table = metric_estimates(
        "cox", outcome, [prediction], everybody, cohort_metrics(outcome, [8.0], 15.0), counts
    ).set_index("metric")
    score = brier_losses(outcome, prediction.survival[:, [1]], [8.0]).mean()
    null = null_losses(outcome, [8.0]).mean()
    assert table.loc["competing_brier", "estimate"] == pytest.approx(score)
    assert table.loc["competing_ipa", "estimate"] == pytest.approx(1 - score / null)
    auc = replicate_auc(outcome, 1 - prediction.at(8.0), [8.0])[0, 0]
    assert table.loc["competing_auc", "estimate"] == pytest.approx(auc)
    assert (table["ci_low"] < table["estimate"]).all()
    assert (table["estimate"] < table["ci_high"]).all()
    assert table["ci_method"].str.contains("bootstrap percentile, B=50").all()


def test_what_the_outcome_cannot_support_is_missing_with_the_reason():
    outcome, prediction = judged()
    late = SurvivalPrediction(prediction.risk_score, prediction.survival, np.array([3, 8, 900.0]))
    table = metric_estimates(
        "cox", outcome, [late], [np.zeros(120)], cohort_metrics(outcome, [900.0], 900.0),
        bootstrap_counts(120, 5, 1),
    )  # fmt: skip
    assert table["estimate"].isna().all()
    assert table["note"].str.contains("beyond the follow-up").all()
