import numpy as np
import pandas as pd
import pytest

from evaluation.bootstrap import bootstrap_counts
from evaluation.brier import brier_score, integrated_brier
from evaluation.calibration import calibration_slope, observed_expected
from evaluation.discrimination import harrell_c
from evaluation.kaplan_meier import survival_at
from evaluation.performance import (
    fold_scores,
    paired_difference,
    performance_table,
)
from evaluation.results import METRIC_COLUMNS
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

TIMES = np.array([0.5, 3.0, 6.0, 9.0, 12.0])
HORIZONS, TAU = [6.0, 12.0], 12.0
METRICS = ["harrell_c", "uno_c", "ibs"] + 2 * [
    "brier",
    "ipa",
    "calibration_oe",
    "calibration_slope",
]


def cross_validated(seed=0, n=60, repeats=2, noise=0.4):
    """Outcome, one noisy exponential prediction a repeat, and random folds."""
    generator = np.random.default_rng(seed)
    log_hazard = generator.normal(-2.5, 0.7, n)
    latent = generator.exponential(np.exp(-log_hazard))
    censored = generator.uniform(0, 40, n)
    outcome = Outcome(np.minimum(latent, censored), latent <= censored)
    predictions, folds = [], []
    for _ in range(repeats):
        score = log_hazard + noise * generator.normal(size=n)
        survival = np.exp(-np.exp(score)[:, None] * TIMES)
        predictions.append(SurvivalPrediction(score, survival, TIMES))
        folds.append(generator.permutation(n) % 5)
    return outcome, predictions, folds


def table_of(outcome, predictions, folds, horizons=HORIZONS, tau=TAU, replicates=40):
    counts = bootstrap_counts(len(outcome), replicates, seed=1, strata=outcome.event)
    return performance_table("cox", outcome, predictions, folds, horizons, tau, counts)


def value(table, metric, horizon):
    return table.set_index(["metric", "horizon"]).loc[(metric, horizon)]


def test_table_holds_every_metric_with_its_interval():
    outcome, predictions, folds = cross_validated()
    table = table_of(outcome, predictions, folds)
    assert tuple(table.columns) == METRIC_COLUMNS
    assert table["metric"].tolist() == METRICS
    assert (table["ci_low"] < table["estimate"]).all()
    assert (table["estimate"] < table["ci_high"]).all()
    assert (table["n"] == 60).all()
    assert table["ci_method"].unique().tolist() == [
        "bootstrap percentile, B=40, patients, out-of-fold predictions fixed"
    ]
    assert value(table, "brier", 6.0)["events"] == (outcome.event & (outcome.time <= 6)).sum()
    assert table["events"].iloc[0] == outcome.n_events


def test_estimates_are_means_over_repeats_of_the_metrics_themselves():
    outcome, predictions, folds = cross_validated()
    table = table_of(outcome, predictions, folds)
    concordance = [
        harrell_c(outcome, p.risk_score, group=fold)
        for p, fold in zip(predictions, folds, strict=True)
    ]
    assert table["estimate"].iloc[0] == pytest.approx(np.mean(concordance))
    scores = [brier_score(outcome, p.survival, TIMES) for p in predictions]
    integrals = [integrated_brier(score["brier"].to_numpy(), TIMES) for score in scores]
    assert value(table, "ibs", TAU)["estimate"] == pytest.approx(np.mean(integrals))
    accuracy = [score["ipa"].iloc[2] for score in scores]
    assert value(table, "ipa", 6.0)["estimate"] == pytest.approx(np.mean(accuracy))
    risks = [1 - p.at(6.0) for p in predictions]
    ratios = [observed_expected(outcome, risk, 6.0).ratio for risk in risks]
    assert value(table, "calibration_oe", 6.0)["estimate"] == pytest.approx(np.mean(ratios))
    slopes = [calibration_slope(outcome, risk).slope for risk in risks]
    assert value(table, "calibration_slope", 6.0)["estimate"] == pytest.approx(np.mean(slopes))


def test_replicates_that_draw_everyone_once_repeat_the_estimate():
    outcome, predictions, folds = cross_validated()
    ones = np.ones((3, len(outcome)), dtype=np.uint16)
    table = performance_table("cox", outcome, predictions, folds, HORIZONS, TAU, ones)
    for limit in ("ci_low", "ci_high"):
        np.testing.assert_allclose(table[limit], table["estimate"], rtol=1e-12)


def test_same_seed_same_table():
    judged = cross_validated()
    pd.testing.assert_frame_equal(table_of(*judged), table_of(*judged), check_exact=True)


def test_order_of_patients_does_not_matter():
    outcome, predictions, folds = cross_validated()
    order = np.random.default_rng(3).permutation(len(outcome))
    shuffled = table_of(
        outcome.take(order), [p.take(order) for p in predictions], [f[order] for f in folds]
    )
    expected = table_of(outcome, predictions, folds)["estimate"]
    np.testing.assert_allclose(shuffled["estimate"], expected)


def test_every_patient_twice_changes_no_estimate():
    outcome, predictions, folds = cross_validated()
    twice = np.repeat(np.arange(len(outcome)), 2)
    doubled = table_of(
        outcome.take(twice), [p.take(twice) for p in predictions], [f[twice] for f in folds]
    )
    expected = table_of(outcome, predictions, folds)
    # Doubling ties every event with its copy, which Efron's method of the slope takes account of.
    same = expected["metric"] != "calibration_slope"
    np.testing.assert_allclose(doubled["estimate"][same], expected["estimate"][same])


def test_kaplan_meier_as_the_prediction():
    outcome, _, folds = cross_validated(repeats=1)
    survival = np.tile(survival_at(outcome, TIMES)["survival"], (len(outcome), 1))
    flat = SurvivalPrediction(np.zeros(len(outcome)), survival, TIMES)
    table = table_of(outcome, [flat], folds)
    assert value(table, "uno_c", TAU)["estimate"] == 0.5
    assert value(table, "ipa", 6.0)["estimate"] == pytest.approx(0, abs=1e-12)
    assert value(table, "calibration_oe", 6.0)["estimate"] == pytest.approx(1)
    slope = value(table, "calibration_slope", 6.0)
    assert np.isnan(slope["estimate"])
    assert "do not vary" in slope["note"]


def test_risk_scores_of_different_folds_are_not_compared():
    outcome, predictions, folds = cross_validated(repeats=1)
    shifted = predictions[0].risk_score + 100.0 * folds[0]
    moved = SurvivalPrediction(shifted, predictions[0].survival, TIMES)
    pd.testing.assert_frame_equal(
        table_of(outcome, [moved], folds), table_of(outcome, predictions, folds)
    )


def test_unknown_survival_makes_its_horizon_unknown_and_says_why():
    outcome, predictions, folds = cross_validated()
    survival = predictions[1].survival.copy()
    survival[:7, -1] = np.nan
    predictions[1] = SurvivalPrediction(predictions[1].risk_score, survival, TIMES)
    table = table_of(outcome, predictions, folds)
    unknown = (table["horizon"] == 12) & (table["metric"] != "uno_c")
    assert table["estimate"].isna().tolist() == unknown.tolist()
    assert table["note"][unknown].str.contains("missing for 7 of 60 patients").all()


def test_horizon_beyond_follow_up_is_unknown_and_says_why():
    outcome, predictions, folds = cross_validated()
    cut = Outcome(np.minimum(outcome.time, 8), outcome.event & (outcome.time <= 8))
    table = table_of(cut, predictions, folds)
    late = table["horizon"] == 12
    assert table["estimate"].isna().tolist() == late.tolist()
    assert table["note"][late].str.contains("12 months is beyond the follow-up").all()


def test_without_events_by_the_horizon_it_is_unknown_and_says_why():
    outcome, predictions, folds = cross_validated()
    late_events = Outcome(outcome.time + 6.5, outcome.event)
    table = table_of(late_events, predictions, folds)
    early = table["horizon"] == 6
    assert table["estimate"].isna().tolist() == early.tolist()
    assert table["note"][early].str.contains("no event by 6 months").all()
    never = Outcome(outcome.time, np.zeros(len(outcome), dtype=bool))
    assert table_of(never, predictions, folds)["estimate"].isna().all()


def test_interval_is_refused_when_replicates_often_fail():
    # One event alone makes pairs: a replicate without it (37%) has no C-index.
    outcome = Outcome([1, 13, 14, 15, 16], [1, 0, 0, 0, 0])
    prediction = SurvivalPrediction(np.arange(5.0), np.full((5, 5), 0.5), TIMES)
    counts = bootstrap_counts(5, 200, seed=0)
    table = performance_table("cox", outcome, [prediction], [np.zeros(5)], [6.0], TAU, counts)
    concordance = table.iloc[0]
    assert concordance["estimate"] == 0
    assert np.isnan(concordance["ci_low"])
    assert "of the replicates are not estimable" in concordance["note"]


def test_difference_is_paired():
    outcome, predictions, folds = cross_validated()
    counts = bootstrap_counts(len(outcome), 40, seed=1)
    _, worse, _ = cross_validated(noise=3.0)
    learners = {"cox": predictions, "forest": worse, "copy": predictions}
    table = paired_difference(outcome, learners, folds, TAU, counts)
    assert tuple(table.columns) == METRIC_COLUMNS
    assert table["learner"].tolist() == 2 * ["forest - cox"] + 2 * ["copy - cox"]
    forest = performance_table("forest", outcome, worse, folds, [], TAU, counts)
    cox = performance_table("cox", outcome, predictions, folds, [], TAU, counts)
    expected = (forest["estimate"] - cox["estimate"])[[0, 2]]
    np.testing.assert_allclose(table["estimate"][:2], expected)
    copy = table.iloc[2:][["estimate", "ci_low", "ci_high"]].to_numpy()
    np.testing.assert_array_equal(copy, np.zeros((2, 3)))


def test_difference_says_which_survival_is_missing():
    outcome, predictions, folds = cross_validated(repeats=1)
    survival = np.where(TIMES > 9, np.nan, predictions[0].survival)
    short = [SurvivalPrediction(predictions[0].risk_score, survival, TIMES)]
    counts = bootstrap_counts(len(outcome), 10, seed=1)
    table = paired_difference(outcome, {"cox": predictions, "short": short}, folds, TAU, counts)
    assert table["estimate"].isna().tolist() == [False, True]
    assert "missing for 60 of 60" in table["note"].iloc[1]


def test_folds_average_to_the_cohort():
    outcome, predictions, folds = cross_validated()
    scores = fold_scores(outcome, predictions, folds, TAU)
    assert list(scores.columns) == ["repeat", "fold", "ibs", "harrell_c"]
    assert len(scores) == 10
    # 60 patients in five folds of twelve: the plain mean is the mean over patients.
    table = table_of(outcome, predictions, folds)
    assert scores["ibs"].mean() == pytest.approx(value(table, "ibs", TAU)["estimate"])
    second = folds[0] == 1
    expected = harrell_c(outcome.take(second), predictions[0].risk_score[second])
    assert scores["harrell_c"].iloc[1] == expected


def test_wrong_arguments_are_named():
    outcome, predictions, folds = cross_validated()
    with pytest.raises(ValueError, match=r"predictions \(2\) and folds \(1\)"):
        table_of(outcome, predictions, folds[:1])
    with pytest.raises(ValueError, match="for each of the 60 patients"):
        table_of(outcome, predictions, [fold[:5] for fold in folds])
    with pytest.raises(KeyError, match=r"horizon 7.0 is not among the predicted times"):
        table_of(outcome, predictions, folds, horizons=[7.0])
    with pytest.raises(ValueError, match="counts has shape"):
        performance_table("cox", outcome, predictions, folds, [], TAU, np.ones((2, 5)))
    other = SurvivalPrediction(predictions[1].risk_score, predictions[1].survival, TIMES + 1)
    with pytest.raises(ValueError, match="share the same times"):
        table_of(outcome, [predictions[0], other], folds)
