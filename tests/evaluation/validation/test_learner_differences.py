import numpy as np
import pytest

from evaluation.bootstrap import bootstrap_counts
from evaluation.metrics.brier import brier_losses
from evaluation.metrics.catalogue import BRIER, HARRELL_C, IBS, SLOPE, standard_metrics
from evaluation.metrics.metric import metric_values
from evaluation.metrics.over_time import mean_over_time
from evaluation.validation.corrected_variance import corrected_test
from evaluation.validation.learner_differences import (
    DIFFERENCE_COLUMNS,
    SPLIT_COLUMNS,
    fold_values,
    learner_differences,
    split_variation,
)
from evaluation.validation.performance import fold_scores
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

TIMES = np.array([2.0, 6.0, 12.0])
N = 90


def cohort(seed=0):
    generator = np.random.default_rng(seed)
    log_hazard = generator.normal(-2.5, 0.8, N)
    latent = generator.exponential(np.exp(-log_hazard))
    censored = generator.uniform(5, 40, N)
    return Outcome(np.minimum(latent, censored), latent <= censored), log_hazard


def predicted(log_hazard, seed, noise):
    noisy = log_hazard + np.random.default_rng(seed).normal(0, noise, N)
    return SurvivalPrediction(noisy, np.exp(-np.exp(noisy)[:, None] * TIMES), TIMES)


OUTCOME, LOG_HAZARD = cohort()
FOLDS = [np.random.default_rng(k).permutation(np.arange(N) % 5) for k in range(3)]
GOOD = [predicted(LOG_HAZARD, k, 0.1) for k in range(3)]
POOR = [predicted(LOG_HAZARD, 10 + k, 1.5) for k in range(3)]
COUNTS = bootstrap_counts(N, 60, 3)


def differences(metrics, predictions=None, folds=FOLDS):
    both = predictions or {"cox": POOR, "forest": GOOD}
    return learner_differences(OUTCOME, both, folds, metrics, COUNTS)


def test_percentile_rows_are_the_paired_bootstrap():
    metrics = [HARRELL_C, IBS.at(12.0)]
    table = differences(metrics)
    assert tuple(table.columns) == DIFFERENCE_COLUMNS
    ours = table[table["ci_method"].str.contains("percentile")]
    everyone = np.vstack([np.ones((1, N)), COUNTS])
    for metric, row in zip(metrics, ours.to_dict("records"), strict=True):
        good, poor = (metric_values(metric, OUTCOME, p, FOLDS, everyone) for p in (GOOD, POOR))
        assert row["estimate"] == pytest.approx((good - poor)[0])
        limits = np.quantile((good - poor)[1:], [0.025, 0.975])
        assert [row["ci_low"], row["ci_high"]] == pytest.approx(limits)
    assert ours["p_value"].isna().all()


def test_tested_rows_are_the_corrected_test_of_the_fold_scores():
    table = differences([IBS.at(12.0)])
    tested = table[table["ci_method"].str.contains("corrected resampled t")].iloc[0]
    scores = [fold_scores(OUTCOME, each, FOLDS, 12.0)["ibs"].to_numpy() for each in (GOOD, POOR)]
    expected = corrected_test(scores[0] - scores[1], 0.25)
    assert tested["estimate"] == pytest.approx(expected.mean)
    assert tested["ci_low"] == pytest.approx(expected.ci_low)
    assert tested["p_value"] == pytest.approx(expected.p_value)
    assert "15 test folds, df=14" in tested["ci_method"]


def test_the_better_learner_is_favoured():
    table = differences([HARRELL_C, IBS.at(12.0)])
    assert (table["estimate"] > 0).tolist() == [True, True, False, False]
    assert "above 0 favours" in table["note"].iloc[0]
    assert "below 0 favours" in table["note"].iloc[2]


def test_a_learner_does_not_differ_from_itself():
    table = differences(standard_metrics([6.0], 12.0), {"a": GOOD, "b": GOOD})
    known = table["estimate"].dropna()
    assert len(known) >= 7
    assert (known == 0).all()
    # Without variation over the folds there is no test; it is not p = 1 and not p = 0.
    assert table["p_value"].isna().all()
    assert table["note"].str.contains("does not vary over folds").any()


def test_fold_values_are_those_of_each_fold_alone():
    values = fold_values(BRIER.at(6.0), OUTCOME, GOOD, FOLDS)
    losses = brier_losses(OUTCOME, GOOD[0].at(6.0)[:, None], [6.0])[:, 0]
    expected = [losses[FOLDS[0] == k].mean() for k in range(5)]
    assert values[:5] == pytest.approx(expected)
    assert len(values) == 15


def test_a_metric_that_a_fold_cannot_support_is_missing_with_the_reason():
    # Folds of one patient have no pair.
    table = differences([HARRELL_C], folds=[np.arange(N)] * 3)
    assert table["estimate"].isna().all()
    assert "not estimable in 270 of 270 test folds" in table["note"].iloc[1]
    unknown = np.ones((N, 3))
    unknown[:, 1] = np.nan
    late = differences([BRIER.at(6.0)], {
        "cox": POOR,
        "forest": [SurvivalPrediction(p.risk_score, p.survival * unknown, TIMES) for p in GOOD],
    })  # fmt: skip
    assert late["estimate"].isna().all()
    assert late["note"].str.contains("missing for 90 of 90").all()


def test_unequal_numbers_of_folds_are_not_tested():
    table = differences([BRIER.at(6.0)], folds=[FOLDS[0], FOLDS[1], np.arange(N) % 4])
    assert np.isfinite(table["estimate"].iloc[0])
    assert "same number of folds" in table["note"].iloc[1]


def test_one_test_fold_a_repeat_needs_the_ratio_and_one_in_all_is_not_tested():
    # A bootstrap of three repeats tests the patients not drawn, here every third one.
    drawn = [np.where(np.arange(N) % 3 == k, 0, -1) for k in range(3)]
    table = differences([IBS.at(12.0)], folds=drawn)
    assert "same number of folds" in table["note"].iloc[1]
    both = {"cox": POOR, "forest": GOOD}
    stated = learner_differences(OUTCOME, both, drawn, [IBS.at(12.0)], COUNTS, 0.368)
    assert stated["p_value"].iloc[1] < 0.05
    late = [np.where(np.arange(N) < 60, -1, 0)]
    one = learner_differences(
        OUTCOME, {"cox": POOR[:1], "forest": GOOD[:1]}, late, [IBS.at(12.0)], COUNTS, 0.5
    )
    assert one["n"].tolist() == [30, 30]
    assert "one test fold alone" in one["note"].iloc[1]


def test_split_variation_by_hand():
    table = split_variation("cox", OUTCOME, POOR, FOLDS, [IBS.at(12.0)], COUNTS)
    assert tuple(table.columns) == SPLIT_COLUMNS
    row = table.iloc[0]
    each = [mean_over_time(brier_losses(OUTCOME, p.survival, TIMES).mean(0), TIMES) for p in POOR]
    assert row["estimate"] == pytest.approx(np.mean(each))
    assert (row["lowest"], row["highest"]) == pytest.approx((min(each), max(each)))
    assert row["sd_between_repeats"] == pytest.approx(np.std(each, ddof=1))
    assert row["split_error"] == pytest.approx(np.std(each, ddof=1) / np.sqrt(3))
    variance = row["split_error"] ** 2
    share = variance / (variance + row["patient_error"] ** 2)
    assert row["split_share"] == pytest.approx(share)
    # 2 degrees of freedom: chi-square quantiles .0506356 and 7.37776.
    limits = np.std(each, ddof=1) * np.sqrt(2 / np.array([7.37776, 0.0506356]))
    assert (row["sd_ci_low"], row["sd_ci_high"]) == pytest.approx(tuple(limits), rel=1e-5)


def test_equal_repeats_owe_nothing_to_the_split():
    same = [GOOD[0]] * 3
    row = split_variation("cox", OUTCOME, same, FOLDS, [BRIER.at(6.0)], COUNTS).iloc[0]
    assert row["sd_between_repeats"] == pytest.approx(0)
    assert row["split_share"] == pytest.approx(0)
    assert row["patient_error"] > 0


def test_one_repeat_says_that_it_shows_nothing():
    metrics = [BRIER.at(6.0), BRIER.at(12.0)]
    table = split_variation("cox", OUTCOME, GOOD[:1], FOLDS[:1], metrics, COUNTS)
    assert table["sd_between_repeats"].isna().all()
    assert table["note"].str.contains("one repeat alone").all()
    flat = SurvivalPrediction(np.zeros(N), np.full((N, 3), 0.5), TIMES)
    row = split_variation("cox", OUTCOME, [flat, GOOD[0]], FOLDS[:2], [SLOPE.at(6.0)], COUNTS)
    assert row["note"].iloc[0] == "not estimable in 1 of 2 repeats"


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="two learners"):
        differences([BRIER.at(6.0)], {"cox": POOR})
    with pytest.raises(KeyError, match="not among"):
        differences([BRIER.at(7.0)])
