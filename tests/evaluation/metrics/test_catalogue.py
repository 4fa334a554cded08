import numpy as np
import pytest

from evaluation.metrics.auc import integrated_auc, replicate_auc
from evaluation.metrics.calibration.curve import replicate_calibration_errors
from evaluation.metrics.calibration.intercept import replicate_intercepts_at_horizon
from evaluation.metrics.catalogue import (
    AUC,
    CALIBRATION_ERRORS,
    INTEGRATED_AUC,
    INTERCEPT,
    SLOPE,
    cohort_metrics,
)
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
    value = AUC.at(6.0).evaluate(outcome, p, None, ONCE)[0]
    assert value == pytest.approx(replicate_auc(outcome, risk, [6.0])[0, 0])
    intercept = INTERCEPT.at(6.0).evaluate(outcome, p, None, ONCE)[0]
    assert intercept == replicate_intercepts_at_horizon(outcome, risk, 6.0, ONCE)[0]
    errors = [
        m.evaluate(outcome, p, None, ONCE)[0] for m in [m.at(6.0) for m in CALIBRATION_ERRORS]
    ]
    assert errors == pytest.approx(replicate_calibration_errors(outcome, risk, 6.0)[0, :3])


def test_what_three_metrics_share_is_of_the_prediction_at_hand(judged):
    outcome, p = judged
    worse = SurvivalPrediction(p.risk_score, p.survival**2, TIMES)
    ici, e50, _ = [m.at(6.0) for m in CALIBRATION_ERRORS]
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
    metric = INTEGRATED_AUC.at(12.0)
    times = [3.0, 6.0, 9.0, 12.0]
    auc = replicate_auc(outcome, p.event_probability[:, 2:], times)
    expected = integrated_auc(auc, times)[0]
    assert metric.evaluate(outcome, p, None, ONCE)[0] == pytest.approx(expected)
    assert "3 to 12 months" in metric.note


def test_predictions_that_differ_between_folds_alone_have_no_slope(judged):
    outcome, p = judged
    fold = np.arange(N) % 3
    flat = SurvivalPrediction(np.zeros(N), np.exp(-(0.05 + 0.01 * fold)[:, None] * TIMES), TIMES)
    for metric in (SLOPE.at(6.0), *[m.at(6.0) for m in CALIBRATION_ERRORS]):
        assert np.isnan(metric.evaluate(outcome, flat, fold, ONCE)).all()
        assert np.isfinite(metric.evaluate(outcome, p, fold, ONCE)).all()


def test_the_endpoint_decides_which_metrics_there_are(judged):
    outcome, _ = judged
    names = [m.name for m in cohort_metrics(outcome, [6.0, 12.0], 12.0, [0.25, 0.5])]
    assert names.count("net_benefit_0.25") == 2
    assert {"harrell_c", "integrated_auc", "ici", "calibration_intercept"} <= set(names)
    assert not outcome.has_competing
    none = Outcome(outcome.time, outcome.event, competing=np.zeros(N, dtype=bool))
    assert not none.has_competing
    some = Outcome(outcome.time, outcome.event, competing=~outcome.event)
    assert some.has_competing
    metrics = cohort_metrics(some, [6.0, 12.0], 12.0, [0.25])
    assert all(m.name.startswith("competing_") for m in metrics)


def test_what_is_told_without_its_horizon_has_one_value(judged):
    outcome, _ = judged
    for cohort in (outcome, Outcome(outcome.time, outcome.event, competing=~outcome.event)):
        metrics = cohort_metrics(cohort, [6.0, 12.0], 12.0, [0.5])
        names = [m.name for m in metrics]
        assert all(names.count(m.name) == 1 + m.has_horizon for m in metrics)
