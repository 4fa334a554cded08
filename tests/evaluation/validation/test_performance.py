import numpy as np
import pandas as pd
import pytest

from evaluation.bootstrap import bootstrap_counts
from evaluation.metrics.brier import brier_losses, null_losses
from evaluation.metrics.calibration.at_horizon import calibration_slope, observed_expected
from evaluation.metrics.catalogue import HARRELL_C, IBS
from evaluation.metrics.discrimination import harrell_c
from evaluation.metrics.over_time import mean_over_time
from evaluation.results import METRIC_COLUMNS
from evaluation.statistics.kaplan_meier import survival_at
from evaluation.validation.champion import mean_ibs
from evaluation.validation.learner_differences import learner_differences
from evaluation.validation.performance import fold_scores, mean_prediction, performance_table
from features.dataset import Dataset
from features.outcome import Outcome
from models.prediction import SurvivalPrediction
from models.resampling import bootstrap_strata

TIMES = np.array([0.5, 3.0, 6.0, 9.0, 12.0])
HORIZONS, TAU = [6.0, 12.0], 12.0
METRICS = [
    "harrell_c",
    "uno_c",
    "ibs",
    *2 * ["brier", "ipa", "calibration_oe", "calibration_slope"],
    "integrated_auc",
    *2 * ["auc", "calibration_intercept", "ici", "e50", "e90", "net_benefit_0.4"],
    "d_calibration_p",
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
    return performance_table("cox", outcome, predictions, folds, horizons, tau, counts, [0.4])


def value(table, metric, horizon):
    return table.set_index(["metric", "horizon"]).loc[(metric, horizon)]


def test_table_holds_every_metric_with_its_interval():
    outcome, predictions, folds = cross_validated()
    table = table_of(outcome, predictions, folds)
    assert tuple(table.columns) == METRIC_COLUMNS
    assert table["metric"].tolist() == METRICS
    # ICI, E50 and E90 are never negative: of few patients their replicates may all lie above.
    unbiased = table[~table["metric"].isin(["ici", "e50", "e90", "d_calibration_p"])]
    assert (unbiased["ci_low"] < unbiased["estimate"]).all()
    assert (unbiased["estimate"] < unbiased["ci_high"]).all()
    assert (table["n"] == 60).all()
    assert table["ci_method"].unique().tolist() == [
        "bootstrap percentile, B=40, patients, out-of-fold predictions fixed",
        "a test has no interval",
    ]
    assert table["estimate"].between(-5, 5).all()
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
    scores = [brier_losses(outcome, p.survival, TIMES).mean(axis=0) for p in predictions]
    integrals = [mean_over_time(score, TIMES) for score in scores]
    assert value(table, "ibs", TAU)["estimate"] == pytest.approx(np.mean(integrals))
    accuracy = [1 - score[2] / null_losses(outcome, TIMES).mean(axis=0)[2] for score in scores]
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
    assert table["ci_low"].isna().tolist() == [*[False] * (len(table) - 1), True]
    for limit in ("ci_low", "ci_high"):
        np.testing.assert_allclose(table[limit][:-1], table["estimate"][:-1], rtol=1e-12)


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
    # Doubling ties every event with its copy, which Efron's method of the Cox regressions takes
    # account of; a test on twice as many patients has a smaller p.
    regressions = ["calibration_slope", "ici", "e50", "e90", "d_calibration_p"]
    same = ~expected["metric"].isin(regressions)
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
    # AUC(t) starts at 3 months.
    unknown = early | (table["metric"] == "integrated_auc")
    assert table["estimate"].isna().tolist() == unknown.tolist()
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


def test_a_patient_whom_a_repeat_does_not_test_counts_in_the_others():
    outcome, predictions, folds = cross_validated()
    # The first repeat tests everybody but the last 10, who have no prediction there.
    later = np.arange(60) >= 50
    first = SurvivalPrediction(
        np.where(later, np.nan, predictions[0].risk_score),
        np.where(later[:, None], np.nan, predictions[0].survival),
        TIMES,
    )
    marked = [np.where(later, -1, folds[0]), folds[1]]
    table = table_of(outcome, [first, predictions[1]], marked)
    assert table["estimate"].notna().all()
    assert (table["n"] == 60).all()
    alone = table_of(
        outcome.take(~later), [predictions[0].take(~later)], [folds[0][~later]], replicates=2
    )
    second = table_of(outcome, [predictions[1]], [folds[1]], replicates=2)
    means = (alone["estimate"] + second["estimate"]) / 2
    # The test is made once, on mean predictions.
    np.testing.assert_allclose(table["estimate"][:-1], means[:-1])


def test_who_is_never_tested_is_left_out():
    outcome, predictions, folds = cross_validated()
    never = np.arange(60) < 10
    marked = [np.where(never, -1, fold) for fold in folds]
    blank = [
        SurvivalPrediction(
            np.where(never, np.nan, p.risk_score),
            np.where(never[:, None], np.nan, p.survival),
            TIMES,
        )
        for p in predictions
    ]
    counts = bootstrap_counts(60, 30, seed=1)
    settings = (HORIZONS, TAU)
    whole = performance_table("cox", outcome, blank, marked, *settings, counts)
    rest = performance_table(
        "cox",
        outcome.take(~never),
        [p.take(~never) for p in predictions],
        [fold[~never] for fold in folds],
        *settings,
        counts[:, ~never],
    )
    pd.testing.assert_frame_equal(whole, rest)
    metrics = [HARRELL_C, IBS.at(TAU)]
    worse = cross_validated(noise=3.0)[1]
    worse = [SurvivalPrediction(p.risk_score, p.survival, TIMES) for p in worse]
    pair = learner_differences(outcome, {"a": blank, "b": worse}, marked, metrics, counts)
    assert (pair["n"] == 50).all()
    assert pair["estimate"].notna().all()
    assert len(fold_scores(outcome, blank, marked, TAU)) == 10


def test_mean_prediction_knows_who_was_tested():
    times = np.array([6.0])
    first = SurvivalPrediction(
        np.array([1.0, np.nan, np.nan]), np.array([[0.2], [np.nan], [np.nan]]), times
    )
    second = SurvivalPrediction(
        np.array([3.0, 4.0, np.nan]), np.array([[0.4], [0.6], [np.nan]]), times
    )
    folds = [np.array([0, -1, -1]), np.array([0, 1, -1])]
    mean = mean_prediction([first, second], folds)
    np.testing.assert_allclose(mean.survival[:, 0], [0.3, 0.6, np.nan])
    np.testing.assert_allclose(mean.risk_score, [2.0, 4.0, np.nan])


def test_with_competing_events_the_cumulative_incidence_is_judged():
    outcome, predictions, folds = cross_validated()
    competing = ~outcome.event & (np.arange(60) % 2 == 0)
    table = table_of(Outcome(outcome.time, outcome.event, competing=competing), predictions, folds)
    assert set(table["metric"]) == {
        f"competing_{name}" for name in ("c", "ibs", "auc", "brier", "ipa", "oe")
    }
    assert table["estimate"].notna().all()
    scores = fold_scores(
        Outcome(outcome.time, outcome.event, competing=competing), predictions, folds, TAU
    )
    # Each column says what it measures: none is Harrell's C, nor the IBS of survival.
    assert list(scores.columns) == ["repeat", "fold", "competing_ibs", "competing_c"]
    means = table.set_index("metric")["estimate"]
    assert scores["competing_ibs"].mean() == pytest.approx(means["competing_ibs"])
    assert mean_ibs({"cox": scores})["cox"] == scores["competing_ibs"].mean()


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


def test_a_missing_risk_score_leaves_the_other_metrics():
    rng = np.random.default_rng(4)
    outcome = Outcome(rng.exponential(9, 60), rng.random(60) < 0.7)
    times = np.array([1.0, 3.0, 6.0])
    risk = rng.normal(size=60)
    risk[7] = np.nan
    survival = np.exp(-times / 9) * np.ones((60, 1))
    prediction = SurvivalPrediction(risk, survival, times)
    table = performance_table(
        "m", outcome, [prediction], [np.zeros(60, dtype=int)], [6.0], 6.0, np.ones((5, 60))
    ).set_index("metric")
    assert np.isnan(table.loc["harrell_c", "estimate"])
    assert table.loc["harrell_c", "note"] == "risk score is missing for 1 of 60 patients"
    assert table.loc["brier", "estimate"] > 0


def test_the_interval_of_observed_over_expected_is_about_greenwoods():
    # Everybody who lives is censored at 24 months: with as many events in every replicate the
    # interval would have no width.
    rng = np.random.default_rng(5)
    time = rng.exponential(20, 300)
    outcome = Outcome(np.minimum(time, 24.0), time <= 24.0)
    risk = np.full(300, 1 - np.exp(-23.9 / 20))
    prediction = SurvivalPrediction(rng.normal(size=300), (1 - risk)[:, None], np.array([23.9]))
    dataset = Dataset(pd.DataFrame(index=range(300)), None, None, outcome)
    counts = bootstrap_counts(300, 400, 1, bootstrap_strata(dataset))
    row = (
        performance_table(
            "m", outcome, [prediction], [np.zeros(300, dtype=int)], [23.9], 23.9, counts
        )
        .set_index("metric")
        .loc["calibration_oe"]
    )
    greenwood = observed_expected(outcome, risk, 23.9)
    width = greenwood.ci_high - greenwood.ci_low
    assert row["ci_high"] - row["ci_low"] == pytest.approx(width, rel=0.15)
