import numpy as np
import pytest

from evaluation.bootstrap import bootstrap_counts
from evaluation.estimates import ELSEWHERE, FIXED, OUT_OF_FOLD, is_by_construction
from evaluation.metrics.brier import brier_losses
from evaluation.metrics.catalogue import BRIER, IBS, OBSERVED_EXPECTED, standard_metrics
from evaluation.metrics.metric import metric_estimates, metric_obstacle
from evaluation.metrics.over_time import mean_over_time
from evaluation.report.tables import metrics_by_learner
from evaluation.validation.performance import performance_table
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

TIMES = np.array([2.0, 6.0, 12.0])


def judged(seed=0, n=90):
    generator = np.random.default_rng(seed)
    log_hazard = generator.normal(-2.5, 0.8, n)
    latent = generator.exponential(np.exp(-log_hazard))
    censored = generator.uniform(0, 40, n)
    outcome = Outcome(np.minimum(latent, censored), latent <= censored)
    noisy = log_hazard + generator.normal(0, 0.4, n)
    survival = np.exp(-np.exp(noisy)[:, None] * TIMES)
    return outcome, SurvivalPrediction(noisy, survival, TIMES)


def test_the_standard_metrics_are_those_of_the_performance_table():
    outcome, first = judged()
    _, second = judged(1)
    folds = [np.arange(90) % 3, np.arange(90) % 4]
    counts = bootstrap_counts(90, 30, 5)
    ours = metric_estimates(
        "cox", outcome, [first, second], folds, standard_metrics([6.0], 12.0), counts
    )
    theirs = performance_table("cox", outcome, [first, second], folds, [6.0], 12.0, counts)
    theirs = theirs.head(len(ours))
    assert ours["metric"].tolist() == theirs["metric"].tolist()
    columns = ["estimate", "ci_low", "ci_high", "n", "events"]
    assert ours[columns].to_numpy() == pytest.approx(theirs[columns].to_numpy())


def test_no_information_is_the_mean_over_all_pairs_of_outcome_and_prediction():
    outcome, prediction = judged(2, n=25)
    everyone = [brier_losses(outcome, np.tile(row, (25, 1)), TIMES) for row in prediction.survival]
    scores = np.mean([losses.mean(axis=0) for losses in everyone], axis=0)
    assert BRIER.at(6.0).no_information(outcome, prediction) == pytest.approx(scores[1])
    expected = mean_over_time(scores, TIMES)
    assert IBS.at(12.0).no_information(outcome, prediction) == pytest.approx(expected)


def test_obstacles_are_said_in_words():
    outcome, prediction = judged()
    assert metric_obstacle(BRIER.at(6.0), outcome, [prediction]) == ""
    unknown = prediction.survival.copy()
    unknown[:3, 1] = np.nan
    partial = SurvivalPrediction(prediction.risk_score, unknown, TIMES)
    assert "missing for 3 of 90" in metric_obstacle(BRIER.at(6.0), outcome, [partial])
    assert "missing for 3 of 90" in metric_obstacle(IBS.at(12.0), outcome, [partial])
    assert metric_obstacle(BRIER.at(12.0), outcome, [partial]) == ""
    quiet = Outcome(outcome.time, np.zeros(90))
    assert metric_obstacle(BRIER.at(6.0), quiet, [prediction]) == "no event by 6 months"
    score = SurvivalPrediction(prediction.risk_score, np.full((90, 3), np.nan), TIMES)
    assert "only orders patients" in metric_obstacle(BRIER.at(6.0), outcome, [score])
    assert metric_obstacle(standard_metrics([6.0], 12.0)[0], outcome, [score]) == ""
    assert "one time alone" in metric_obstacle(IBS.at(2.0), outcome, [prediction])
    with pytest.raises(KeyError, match="not among"):
        metric_obstacle(BRIER.at(7.0), outcome, [prediction])
    short = Outcome([1, 2, 3], [1, 1, 0])
    assert "beyond the follow-up" in metric_obstacle(BRIER.at(6.0), short, [prediction])


def test_what_has_no_value_says_what_that_means():
    outcome, _ = judged()
    flat = SurvivalPrediction(np.zeros(90), np.full((90, 3), 0.5), TIMES)
    alone = [np.arange(90)]
    table = metric_estimates(
        "x", outcome, [flat], alone, standard_metrics([6.0], 12.0), bootstrap_counts(90, 3, 0)
    ).set_index("metric")
    assert "no comparable pair" in table.loc["harrell_c", "note"]
    assert "do not vary" in table.loc["calibration_slope", "note"]
    assert np.isfinite(table.loc["brier", "estimate"])


def test_bad_input_is_refused():
    outcome, prediction = judged()
    with pytest.raises(ValueError, match="at least one"):
        metric_estimates("cox", outcome, [], [], [BRIER.at(6.0)], np.ones((1, 90)))
    with pytest.raises(ValueError, match="every repeat needs"):
        metric_estimates(
            "cox", outcome, [prediction], [np.zeros(3)], [BRIER.at(6.0)], np.ones((1, 90))
        )


def test_an_observed_to_expected_ratio_out_of_fold_says_that_it_is_near_1_by_construction():
    outcome, prediction = judged()
    predictions, folds = [prediction], [np.arange(90) % 3]
    metrics = [OBSERVED_EXPECTED.at(6.0), BRIER.at(6.0)]
    counts = np.ones((2, len(outcome)))
    for resampled, told in ((OUT_OF_FOLD, True), (FIXED, False), (ELSEWHERE, False)):
        table = metric_estimates("x", outcome, predictions, folds, metrics, counts, resampled)
        assert is_by_construction(table) is told
        assert ("near 1 by construction" in " ".join(metrics_by_learner(table))) is told
        assert not is_by_construction(table[table["metric"] == "brier"])
