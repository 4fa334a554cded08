import numpy as np
import pytest

from evaluation.bootstrap import bootstrap_counts
from evaluation.displays.in_time import NULL_MODEL
from evaluation.metrics.brier import brier_losses, null_losses, replicate_scores
from evaluation.metrics.catalogue import AUC, BRIER, IBS, NET_BENEFIT
from evaluation.metrics.decision_curve import TREAT_ALL, decision_curve
from evaluation.metrics.metric import metric_estimates
from evaluation.report.out_of_fold_curves import auc_over_time, brier_over_time, decisions
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

TIMES = np.linspace(0.5, 12, 24)
N = 120


@pytest.fixture(scope="module")
def judged():
    rng = np.random.default_rng(4)
    score = rng.normal(-2.3, 0.8, N)
    latent, censored = rng.exponential(np.exp(-score)), rng.uniform(4, 40, N)
    outcome = Outcome(np.minimum(latent, censored), latent <= censored)
    repeats = []
    for _ in range(2):
        noisy = score + rng.normal(0, 0.4, N)
        repeats.append(SurvivalPrediction(noisy, np.exp(-np.exp(noisy)[:, None] * TIMES), TIMES))
    folds = [np.arange(N) % 3, np.arange(N) % 4]
    return outcome, repeats, folds, bootstrap_counts(N, 40, 1)


def table_value(judged, metric):
    outcome, repeats, folds, counts = judged
    return metric_estimates("m", outcome, repeats, folds, [metric], counts).iloc[0]


def test_the_curves_pass_through_the_metric_table(judged):
    outcome, repeats, folds, counts = judged
    learners = {"m": repeats}
    limits = ["estimate", "ci_low", "ci_high"]
    auc = auc_over_time(outcome, learners, folds, 12.0, counts).frame.set_index("time")
    expected = table_value(judged, AUC.at(6.0))[limits].astype(float)
    assert auc.loc[6.0, limits].astype(float).to_numpy() == pytest.approx(expected.to_numpy())
    brier = brier_over_time(outcome, learners, folds, 12.0, counts).frame
    own = brier[brier["model"] == "m"].set_index("time")
    expected = table_value(judged, BRIER.at(6.0))[limits].astype(float)
    assert own.loc[6.0, limits].astype(float).to_numpy() == pytest.approx(expected.to_numpy())
    curve = decisions(outcome, learners, folds, 6.0, counts).frame
    at = curve[(curve["strategy"] == "m") & np.isclose(curve["threshold"], 0.4)].iloc[0]
    expected = table_value(judged, NET_BENEFIT.at(6.0, 0.4))[limits].astype(float)
    assert at[limits].astype(float).to_numpy() == pytest.approx(expected.to_numpy())


def test_the_integral_in_the_caption_is_the_ibs_of_the_table(judged):
    outcome, repeats, folds, counts = judged
    display = brier_over_time(outcome, {"m": repeats}, folds, 12.0, counts)
    ibs = table_value(judged, IBS.at(12.0))["estimate"]
    assert f"m: integrated Brier score {ibs:.3f}" in display.caption


def test_one_repeat_is_the_plain_curve(judged):
    outcome, repeats, _, counts = judged
    once = [np.zeros(N, dtype=int)]
    brier = brier_over_time(outcome, {"m": repeats[:1]}, once, 12.0, counts).frame
    losses = brier_losses(outcome, repeats[0].survival, TIMES)
    null = null_losses(outcome, TIMES)
    for name, own in (("m", losses), (NULL_MODEL, null)):
        table = brier[brier["model"] == name]
        assert table["estimate"].to_numpy() == pytest.approx(own.mean(axis=0))
        limits = np.quantile(replicate_scores(own, counts), [0.025, 0.975], axis=0)
        assert pytest.approx(limits) == table[["ci_low", "ci_high"]].to_numpy().T
        accuracy = 1 - own.mean(axis=0) / null.mean(axis=0)
        assert table["ipa"].to_numpy() == pytest.approx(accuracy, nan_ok=True)
    ours = decisions(outcome, {"m": repeats[:1]}, once, 6.0, counts).frame
    theirs = decision_curve(
        outcome, {"m": 1 - repeats[0].at(6.0)}, 6.0, np.arange(1, 20) / 20, counts
    )
    columns = ["estimate", "standardised", "treated", "true_positive", "false_positive"]
    same = ours["strategy"].isin(["m", TREAT_ALL])
    assert ours.loc[same, columns].to_numpy() == pytest.approx(
        theirs.loc[theirs["strategy"].isin(["m", TREAT_ALL]), columns].to_numpy(), nan_ok=True
    )


def test_a_patient_whom_a_repeat_does_not_test_is_judged_by_the_other(judged):
    outcome, repeats, folds, counts = judged
    late = np.arange(N) >= 100
    blank = SurvivalPrediction(
        np.where(late, np.nan, repeats[0].risk_score),
        np.where(late[:, None], np.nan, repeats[0].survival),
        TIMES,
    )
    marked = [np.where(late, -1, folds[0]), folds[1]]
    brier = brier_over_time(outcome, {"m": [blank, repeats[1]]}, marked, 12.0, counts).frame
    own = brier[brier["model"] == "m"].set_index("time")
    alone = brier_losses(outcome.take(~late), repeats[0].survival[~late], TIMES)
    whole = brier_losses(outcome, repeats[1].survival, TIMES)
    expected = (alone.mean(axis=0) + whole.mean(axis=0))[TIMES == 6.0] / 2
    assert own.loc[6.0, "estimate"] == pytest.approx(expected)
    assert (
        auc_over_time(outcome, {"m": [blank, repeats[1]]}, marked, 12.0, counts)
        .frame["estimate"]
        .notna()
        .all()
    )


def test_auc_starts_with_the_fifth_event_and_beyond_follow_up_is_missing(judged):
    outcome, repeats, folds, counts = judged
    frame = auc_over_time(outcome, {"m": repeats}, folds, 12.0, counts).frame
    fifth = np.sort(outcome.time[outcome.event])[4]
    assert frame["time"].iloc[0] >= fifth
    assert (frame["n_cases"] >= 5).all()
    short = Outcome(np.minimum(outcome.time, 9), outcome.event & (outcome.time <= 9))
    brier = brier_over_time(short, {"m": repeats}, folds, 12.0, counts).frame
    late = brier[(brier["time"] > 9) & (brier["model"] == "m")]
    assert late["estimate"].isna().all()
    assert late["note"].str.contains("beyond the follow-up").all()
    assert NULL_MODEL in brier["model"].to_numpy()
