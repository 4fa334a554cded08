import numpy as np
import pytest

from evaluation.metrics.calibration.at_horizon import calibration_slope, complementary_log_log
from evaluation.results import METRIC_COLUMNS
from evaluation.statistics.kaplan_meier import survival_at
from evaluation.validation.instability import (
    calibration_instability,
    classification_instability,
    instability_table,
    prediction_instability,
    proportional_curve,
    refitted_probabilities,
)
from evaluation.validation.refits import Refits
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

TIMES = np.array([6.0, 12.0])


def prediction(risk, late=None):
    risk = np.asarray(risk, dtype=float)
    late = risk if late is None else np.asarray(late, dtype=float)
    return SurvivalPrediction(risk, 1 - np.column_stack([risk, late]), TIMES)


def by_hand():
    """Three patients, a model and four refits."""
    outcome = Outcome([2, 8, 15], [1, 1, 0])
    refitted = [[0.7, 0.5, 0.2], [0.5, 0.3, 0.1], [0.6, 0.6, 0.1], [0.8, 0.4, 0.4]]
    original = prediction([0.6, 0.4, 0.2])
    return Refits(outcome, original, tuple(map(prediction, refitted)), np.ones((4, 3)))


def simulated(seed=0, n=200, replicates=20, noise=0.3):
    generator = np.random.default_rng(seed)
    log_hazard = generator.normal(-2.5, 0.8, n)
    latent = generator.exponential(np.exp(-log_hazard))
    censored = generator.uniform(13, 40, n)
    outcome = Outcome(np.minimum(latent, censored), latent <= censored)

    def predict(log_hazard):
        survival = np.exp(-np.exp(log_hazard)[:, None] * TIMES)
        return SurvivalPrediction(log_hazard, survival, TIMES)

    refitted = tuple(predict(log_hazard + generator.normal(0, noise, n)) for _ in range(replicates))
    return Refits(outcome, predict(log_hazard), refitted, np.ones((replicates, n)))


def test_mape_by_hand():
    table = prediction_instability(by_hand(), 6.0)
    # First patient: |.7 - .6|, |.5 - .6|, 0, |.8 - .6|: .4 / 4. Second: .1, .1, .2, 0.
    # Third: 0, .1, .1, .2.
    assert table["mape"].to_numpy() == pytest.approx([0.1, 0.1, 0.1])
    assert table["refitted_mean"].to_numpy() == pytest.approx([0.65, 0.45, 0.2])
    assert table["refitted_low"].iloc[0] == pytest.approx(np.quantile([0.7, 0.5, 0.6, 0.8], 0.025))
    total = instability_table("cox", by_hand(), [6.0]).set_index("metric")
    assert total.loc["average_mape", "estimate"] == pytest.approx(0.1)
    assert "no confidence interval" in total.loc["average_mape", "ci_method"]


def test_classification_by_hand():
    table = classification_instability(by_hand(), 6.0, 0.5)
    # At or above .5 is high: the first patient always; the second in two of four refits, which the
    # model puts below; the third never.
    assert table["high_risk"].tolist() == [True, False, False]
    assert table["changed"].tolist() == [0.0, 0.5, 0.0]
    total = instability_table("cox", by_hand(), [6.0], [0.5]).set_index("metric")
    assert total.loc["average_change_0.5", "estimate"] == pytest.approx(0.5 / 3)


def test_equal_refits_are_perfectly_stable():
    refits = simulated(noise=0.0)
    assert prediction_instability(refits, 6.0)["mape"].to_numpy() == pytest.approx(np.zeros(200))
    assert (classification_instability(refits, 6.0, 0.4)["changed"] == 0).all()
    curves = calibration_instability(refits, 6.0)
    own = curves.loc[curves["model"] == 0, "observed"].to_numpy()
    for _, rows in curves.groupby("model"):
        assert rows["observed"].to_numpy() == pytest.approx(own)


def test_more_noise_is_more_instability():
    little, much = (
        prediction_instability(simulated(noise=noise), 6.0)["mape"].mean() for noise in (0.1, 0.8)
    )
    assert much > 3 * little


def test_a_calibrated_prediction_has_the_diagonal_as_its_curve():
    refits = simulated(seed=3, n=5000, replicates=1)
    risk = 1 - refits.original.at(6.0)
    at = np.array([0.2, 0.4, 0.6])
    assert proportional_curve(refits.outcome, risk, 6.0, at) == pytest.approx(at, abs=0.03)
    # Its mean over the patients is the Kaplan-Meier probability, as Cox's hazard makes it.
    everyone = proportional_curve(refits.outcome, risk, 6.0, risk)
    observed = 1 - survival_at(refits.outcome, [6.0])["survival"].iloc[0]
    assert everyone.mean() == pytest.approx(observed, abs=0.005)


def test_the_curve_is_cox_regression_with_efron():
    outcome = Outcome([1, 2, 2, 4, 5], [1, 1, 1, 0, 1])
    risk = np.array([0.5, 0.6, 0.2, 0.3, 0.4])
    slope = calibration_slope(outcome, risk).slope
    hazard = np.exp(slope * complementary_log_log(risk))
    # By month 4.5: one event among all five at 1, two at 2 among the last four, the second when
    # half of each has left.
    tied = 1 / hazard[1:].sum() + 1 / (hazard[1:].sum() - hazard[1:3].sum() / 2)
    baseline = 1 / hazard.sum() + tied
    expected = 1 - np.exp(-baseline * np.exp(slope * complementary_log_log(np.array([0.3]))))
    found = proportional_curve(outcome, risk, 4.5, np.array([0.3]))
    assert found == pytest.approx(expected, rel=1e-6)


def test_curves_of_refits_and_another_way_of_estimating_them():
    refits = simulated(replicates=3)
    curves = calibration_instability(refits, 6.0, lambda outcome, p, horizon, at: at / 2)
    assert sorted(curves["model"].unique()) == [0, 1, 2, 3]
    assert curves["observed"].to_numpy() == pytest.approx(curves["predicted"].to_numpy() / 2)


def test_permuting_the_patients_permutes_the_table():
    refits = simulated()
    order = np.random.default_rng(1).permutation(200)
    shuffled = Refits(
        refits.outcome.take(order),
        refits.original.take(order),
        tuple(p.take(order) for p in refits.refitted),
        refits.counts[:, order],
    )
    before, after = (prediction_instability(r, 6.0)["mape"].to_numpy() for r in (refits, shuffled))
    assert after == pytest.approx(before[order])
    sums = [instability_table("cox", r, [6.0], [0.4])["estimate"] for r in (refits, shuffled)]
    assert sums[0].to_numpy() == pytest.approx(sums[1].to_numpy())


def test_few_refits_without_a_prediction_are_left_out_and_counted():
    refits = simulated(replicates=20)
    some = Refits(refits.outcome, refits.original, (None, *refits.refitted[1:]), refits.counts)
    assert refitted_probabilities(some, 6.0).shape == (19, 200)
    assert (prediction_instability(some, 6.0)["refits"] == 19).all()
    assert (
        "1 refits without a value left out" in instability_table("x", some, [6.0])["note"].iloc[0]
    )


def test_many_refits_without_a_prediction_leave_no_estimate():
    refits = simulated(replicates=20)
    half = Refits(refits.outcome, refits.original, (None,) * 5 + refits.refitted[5:], refits.counts)
    table = prediction_instability(half, 6.0)
    assert table["mape"].isna().all()
    assert table["note"].str.contains("5 of 20 refits").all()
    assert classification_instability(half, 6.0, 0.5)["changed"].isna().all()
    total = instability_table("cox", half, [6.0])
    assert tuple(total.columns) == METRIC_COLUMNS
    assert total["estimate"].isna().all()


def test_a_model_without_a_prediction_and_a_horizon_beyond_follow_up():
    refits = by_hand()
    unknown = SurvivalPrediction(np.zeros(3), np.full((3, 2), np.nan), TIMES)
    blind = Refits(refits.outcome, unknown, refits.refitted, refits.counts)
    assert prediction_instability(blind, 6.0)["note"].str.contains("for 3 of 3 patients").all()
    short = Refits(Outcome([2, 3, 5], [1, 1, 0]), refits.original, refits.refitted, refits.counts)
    table = instability_table("cox", short, [6.0]).set_index("metric")
    # Predictions can be compared where nothing is known of the outcome; calibration cannot.
    assert np.isfinite(table.loc["average_mape", "estimate"])
    assert "beyond the follow-up" in table.loc["refitted_slope", "note"]
    assert np.isnan(proportional_curve(short.outcome, np.array([0.6, 0.4, 0.2]), 6.0, TIMES)).all()


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="threshold"):
        classification_instability(by_hand(), 6.0, 1.2)
    with pytest.raises(KeyError, match="not among"):
        prediction_instability(by_hand(), 7.0)
