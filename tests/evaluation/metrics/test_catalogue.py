from dataclasses import replace

import numpy as np
import pytest

from evaluation.metrics.auc import replicate_auc
from evaluation.metrics.calibration.curve import replicate_calibration_errors
from evaluation.metrics.calibration.intercept import replicate_intercepts_at_horizon
from evaluation.metrics.catalogue import (
    AUC,
    BRIER,
    CALIBRATION_ERRORS,
    CATALOGUE,
    D_CALIBRATION,
    HARRELL_C,
    INTEGRATED_AUC,
    INTERCEPT,
    NET_BENEFIT,
    SLOPE,
    cohort_metrics,
    find_metric,
    is_one_of,
    metric_label,
    metric_of,
    stored_name,
    version_for,
)
from evaluation.metrics.metric import metric_obstacle
from evaluation.metrics.over_time import mean_over_time
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
    expected = mean_over_time(auc, times)[0]
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


def test_a_name_in_a_table_finds_its_metric_again():
    for metric in CATALOGUE.values():
        placed = metric.at(6.0, 0.25) if metric.place == "threshold" else metric.at(6.0)
        for name in (placed.name, replace(placed, difference=True).name):
            found = metric_of(name)
            assert (found.key, found.name) == (metric.key, name)
            assert found.difference == name.endswith("_difference")
    assert metric_of("net_benefit_1e-05").threshold == 1e-5


@pytest.mark.parametrize("name", ["repeat", "net_benefit", "brier_0.2", "competing", "", "ibs_6m"])
def test_another_name_is_no_metric(name):
    assert find_metric(name) is None
    assert not is_one_of(name, *CATALOGUE.values())
    with pytest.raises(KeyError, match="no metric of the catalogue: harrell_c, uno_c"):
        metric_of(name)


def test_what_stands_for_a_metric_under_competing_events_is_computed_as_it_is(judged):
    outcome, _ = judged
    some = Outcome(outcome.time, outcome.event, competing=~outcome.event)
    for metric in CATALOGUE.values():
        assert version_for(outcome, metric) is metric
        if metric.is_competing:
            stands_for = metric.competing_for[0]
            assert version_for(some, stands_for) is metric
            assert is_one_of(metric.name, stands_for)
            assert not is_one_of(stands_for.name, metric)
            same = (metric.kernel, metric.better, metric.needs, metric.place, metric.digits)
            asked = stands_for
            assert same == (asked.kernel, asked.better, asked.needs, asked.place, asked.digits)
    assert version_for(some, HARRELL_C).key == "competing_c"
    with pytest.raises(KeyError, match="no version under competing events"):
        version_for(some, SLOPE)


def test_a_label_holds_threshold_and_months():
    assert metric_label("harrell_c") == "Harrell C"
    assert metric_label("ibs", 12.0) == "IBS"
    assert metric_label("brier_difference", 12.0) == "Brier 12 mo"
    assert metric_label("net_benefit_0.25", 6.0) == "Net benefit at 25% 6 mo"
    assert stored_name("ibs", 12.0) == "ibs"
    assert stored_name("net_benefit_0.25", 6.0) == "net_benefit_0.25_6m"


def test_a_threshold_is_asked_for_where_there_is_one():
    for threshold in (0.0, 1.0, np.nan):
        with pytest.raises(ValueError, match="expected a probability between 0 and 1"):
            NET_BENEFIT.at(6.0, threshold)
    with pytest.raises(ValueError, match=r"brier: threshold is 0\.2; expected none"):
        BRIER.at(6.0, 0.2)


def test_what_is_not_made_of_one_prediction_says_so(judged):
    outcome, p = judged
    with pytest.raises(TypeError, match="d_calibration_p is not made of one prediction"):
        D_CALIBRATION.evaluate(outcome, p, None, ONCE)


@pytest.mark.parametrize("metric", [m for m in CATALOGUE.values() if m.kernel], ids=lambda m: m.key)
def test_every_metric_keeps_the_contract(judged, metric):
    outcome, p = judged
    if metric.is_competing:
        other = ~outcome.event & (np.arange(N) % 2 == 0)
        outcome = Outcome(outcome.time, outcome.event, competing=other)
    placed = metric.at(6.0, 0.25) if metric.place == "threshold" else metric.at(6.0)
    assert metric_obstacle(placed, outcome, [p]) == ""
    fold = np.arange(N) % 2
    samples = np.vstack([ONCE, 2 * ONCE, np.arange(N) < 100])
    values = placed.evaluate(outcome, p, fold, samples)
    lowest, highest = metric.bounds
    assert values.shape == (3,)
    assert ((values >= lowest) & (values <= highest)).all()
    assert values[1] == pytest.approx(values[0])  # Everybody twice.
    order = np.random.default_rng(0).permutation(N)
    again = placed.evaluate(outcome.take(order), p.take(order), fold[order], samples[:, order])
    assert again == pytest.approx(values)
    nothing = placed.no_information(outcome, p)
    assert nothing is None or lowest <= nothing <= highest
