import numpy as np
import pytest

from evaluation.metrics.auc import integrated_auc, replicate_auc
from evaluation.metrics.calibration.curve import replicate_calibration_errors
from evaluation.metrics.calibration.intercept import replicate_intercepts_at_horizon
from evaluation.metrics.extended import (
    auc_metric,
    calibration_error_metrics,
    cohort_metrics,
    has_competing,
    integrated_auc_metric,
    intercept_metric,
)
from evaluation.metrics.metric import slope_metric
from evaluation.results import WITHOUT_HORIZON
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

TIMES = np.array([1.0, 2.0, 3.0, 6.0, 9.0, 12.0])
N = 150
ONCE = np.ones((1, N))


@pytest.fixture(scope="module")
def judged():
    rng = np.random.default_rng(9)
    score = rng.normal(-2.3, 0.8, N)
    latent, censored = rng.exponential(np.exp(-score)), rng.uniform(4, 40, N)
    outcome = Outcome(np.minimum(latent, censored), latent <= censored)
    return outcome, SurvivalPrediction(score, np.exp(-np.exp(score)[:, None] * TIMES), TIMES)


def test_each_metric_is_its_function(judged):
    outcome, p = judged
    risk = 1 - p.at(6.0)
    value = auc_metric(6.0).evaluate(outcome, p, None, ONCE)[0]
    assert value == pytest.approx(replicate_auc(outcome, risk, [6.0])[0, 0])
    intercept = intercept_metric(6.0).evaluate(outcome, p, None, ONCE)[0]
    assert intercept == replicate_intercepts_at_horizon(outcome, risk, 6.0, ONCE)[0]
    errors = [m.evaluate(outcome, p, None, ONCE)[0] for m in calibration_error_metrics(6.0)]
    assert errors == pytest.approx(replicate_calibration_errors(outcome, risk, 6.0)[0, :3])


def test_what_three_metrics_share_is_of_the_prediction_at_hand(judged):
    outcome, p = judged
    worse = SurvivalPrediction(p.risk_score, p.survival**2, TIMES)
    ici, e50, _ = calibration_error_metrics(6.0)
    for prediction in (p, worse, p):
        expected = replicate_calibration_errors(outcome, 1 - prediction.at(6.0), 6.0)[0]
        assert ici.evaluate(outcome, prediction, None, ONCE)[0] == pytest.approx(expected[0])
        assert e50.evaluate(outcome, prediction, None, ONCE)[0] == pytest.approx(expected[1])
    twice = 2 * ONCE
    twice[0, : N // 2] = 1
    expected = replicate_calibration_errors(outcome, 1 - p.at(6.0), 6.0, twice)[0, 0]
    assert ici.evaluate(outcome, p, None, twice)[0] == pytest.approx(expected)


def test_the_mean_auc_runs_from_a_quarter_of_tau(judged):
    outcome, p = judged
    metric = integrated_auc_metric(12.0)
    times = [3.0, 6.0, 9.0, 12.0]
    auc = replicate_auc(outcome, p.event_probability[:, 2:], times)
    expected = integrated_auc(auc, times)[0]
    assert metric.evaluate(outcome, p, None, ONCE)[0] == pytest.approx(expected)
    assert "3 to 12 months" in metric.note


def test_predictions_that_differ_between_folds_alone_have_no_slope(judged):
    outcome, p = judged
    fold = np.arange(N) % 3
    flat = SurvivalPrediction(np.zeros(N), np.exp(-(0.05 + 0.01 * fold)[:, None] * TIMES), TIMES)
    for metric in (slope_metric(6.0), *calibration_error_metrics(6.0)):
        assert np.isnan(metric.evaluate(outcome, flat, fold, ONCE)).all()
        assert np.isfinite(metric.evaluate(outcome, p, fold, ONCE)).all()


def test_the_endpoint_decides_which_metrics_there_are(judged):
    outcome, _ = judged
    names = [m.name for m in cohort_metrics(outcome, [6.0, 12.0], 12.0, [0.25, 0.5])]
    assert names.count("net_benefit_0.25") == 2
    assert {"harrell_c", "integrated_auc", "ici", "calibration_intercept"} <= set(names)
    assert not has_competing(outcome)
    none = Outcome(outcome.time, outcome.event, competing=np.zeros(N, dtype=bool))
    assert not has_competing(none)
    some = Outcome(outcome.time, outcome.event, competing=~outcome.event)
    assert has_competing(some)
    metrics = cohort_metrics(some, [6.0, 12.0], 12.0, [0.25])
    assert all(m.name.startswith("competing_") for m in metrics)


def test_what_is_told_without_its_horizon_has_one_value(judged):
    outcome, _ = judged
    for cohort in (outcome, Outcome(outcome.time, outcome.event, competing=~outcome.event)):
        names = [m.name for m in cohort_metrics(cohort, [6.0, 12.0], 12.0, [0.5])]
        assert all(names.count(name) == 1 for name in WITHOUT_HORIZON if name in names)
        assert all(names.count(name) == 2 for name in names if name not in WITHOUT_HORIZON)
