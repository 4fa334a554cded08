import greenwood
import numpy as np
import pytest

from evaluation.bootstrap import bootstrap_counts
from evaluation.metrics.calibration.at_horizon import complementary_log_log
from evaluation.metrics.calibration.curve import (
    calibration_curve,
    replicate_calibration_errors,
    restricted_cubic_spline,
    spline_knots,
)
from features.outcome import Outcome


def weibull_cohort(seed, n=400, factor=1.0, ties=False):
    """Patients and their true event probability at 6 months, on a log hazard times `factor`."""
    generator = np.random.default_rng(seed)
    log_hazard = generator.normal(-2.5, 0.8, n)
    latent = generator.exponential(np.exp(-log_hazard))
    censored = generator.uniform(0, 40, n)
    time = np.minimum(latent, censored)
    outcome = Outcome(np.ceil(time) if ties else time, latent <= censored)
    return outcome, -np.expm1(-6 * np.exp(log_hazard * factor))


def integrated_calibration_index(outcome, risk):
    return replicate_calibration_errors(outcome, risk, 6)[0, 0]


def test_spline_by_hand():
    # Knots 0, 1, 3, divided by 3^2. At 2: (2^3 - 1^3 x 3/2) / 9. At 4, beyond the last knot:
    # (4^3 - 3^3 x 3/2 + 1^3 x 1/2) / 9.
    terms = restricted_cubic_spline(np.array([-1.0, 2, 4]), np.array([0.0, 1, 3]))
    assert terms[:, 0].tolist() == [-1, 2, 4]
    assert terms[:, 1].tolist() == pytest.approx([0, 6.5 / 9, (64 - 40.5 + 0.5) / 9])
    # Linear beyond the outer knots: equal steps.
    far = restricted_cubic_spline(np.array([3.0, 4, 5]), np.array([0.0, 1, 3]))[:, 1]
    assert far[1] - far[0] == pytest.approx(far[2] - far[1])


def test_knots_of_few_patients_are_the_fifth_from_either_end():
    assert spline_knots(np.arange(101.0), 3).tolist() == pytest.approx([10, 50, 90])
    assert spline_knots(np.arange(60.0), 3).tolist() == [4, 29.5, 55]
    assert spline_knots(np.array([0.0] * 50 + [1.0] * 60), 3).tolist() == []


def test_curve_equals_greenwoods_cox_regression_with_its_baseline():
    outcome, risk = weibull_cohort(0)
    score = complementary_log_log(risk)
    design = restricted_cubic_spline(score, spline_knots(score, 3))
    observed = greenwood.Surv(outcome.time, event=outcome.event.astype(int))
    fit = greenwood.CoxPH().fit(observed, design)
    ratio = np.exp(design @ fit.coef_)
    events = np.sort(outcome.time[outcome.event & (outcome.time <= 6)])
    hazard = sum(1 / ratio[outcome.time >= t].sum() for t in events)
    ours = calibration_curve(outcome, risk, 6, at=risk)["observed"]
    np.testing.assert_allclose(ours, -np.expm1(-hazard * ratio), atol=1e-8)


def test_the_truth_is_near_the_diagonal_and_wrong_predictions_are_not():
    outcome, truth = weibull_cohort(1, n=3000)
    assert integrated_calibration_index(outcome, truth) < 0.03
    _, extreme = weibull_cohort(1, n=3000, factor=1.3)
    assert integrated_calibration_index(outcome, extreme) > 0.1


def test_a_curve_of_the_cohort_recalibrates_it():
    outcome, risk = weibull_cohort(2, factor=1.2)
    recalibrated = calibration_curve(outcome, risk, 6, at=risk)["observed"].to_numpy()
    assert integrated_calibration_index(outcome, recalibrated) < 0.02


def test_errors_are_ordered_and_belong_to_the_curve():
    outcome, risk = weibull_cohort(3, factor=0.7)
    distance = np.abs(calibration_curve(outcome, risk, 6, at=risk)["observed"] - risk)
    expected = [distance.mean(), *np.quantile(distance, [0.5, 0.9, 1])]
    np.testing.assert_allclose(replicate_calibration_errors(outcome, risk, 6)[0], expected)


def test_a_replicate_weighs_patients_by_their_counts():
    outcome, risk = weibull_cohort(4)
    counts = bootstrap_counts(len(risk), 3, seed=0)
    ours = replicate_calibration_errors(outcome, risk, 6, counts)
    for count, row in zip(counts, ours, strict=True):
        curve = calibration_curve(outcome, risk, 6, count[None], at=risk)
        # One replicate: both limits are its curve.
        distance = np.abs(np.repeat(curve["ci_low"].to_numpy() - risk, count))
        expected = [distance.mean(), *np.quantile(distance, [0.5, 0.9, 1])]
        np.testing.assert_allclose(row, expected)


def test_order_and_counts_of_two_do_not_matter():
    outcome, risk = weibull_cohort(5, ties=True)
    expected = replicate_calibration_errors(outcome, risk, 6)
    order = np.random.default_rng(0).permutation(len(risk))
    ours = replicate_calibration_errors(outcome.take(order), risk[order], 6)
    np.testing.assert_allclose(ours, expected, atol=1e-10)
    twice = replicate_calibration_errors(outcome, risk, 6, np.full((1, len(risk)), 2))
    # The mean is the same; a median between two patients may move to either of them.
    assert twice[0, [0, 3]] == pytest.approx(expected[0, [0, 3]])
    assert twice[0, [1, 2]] == pytest.approx(expected[0, [1, 2]], abs=1e-3)


def test_band_holds_the_curve_and_is_named():
    outcome, risk = weibull_cohort(6)
    counts = bootstrap_counts(len(risk), 200, seed=1)
    curve = calibration_curve(outcome, risk, 6, counts)
    inner = curve.iloc[10:90]
    assert (inner["ci_low"] < inner["observed"]).all()
    assert (inner["observed"] < inner["ci_high"]).all()
    assert curve["predicted"].is_monotonic_increasing
    assert curve["ci_method"].iloc[0].startswith("bootstrap percentile, B=200")


def test_few_distinct_predictions_make_a_straight_line_and_say_so():
    outcome, _ = weibull_cohort(7)
    two = np.where(np.arange(len(outcome)) % 2, 0.2, 0.6)
    assert "straight line" in calibration_curve(outcome, two, 6)["note"].iloc[0]


@pytest.mark.parametrize(
    ("change", "horizon", "reason"),
    [
        (lambda risk: np.where(np.arange(len(risk)) < 2, np.nan, risk), 6, "missing for 2 of 400"),
        (lambda risk: np.full(len(risk), 0.3), 6, "predictions do not vary"),
        (lambda risk: risk, 1000, "beyond the follow-up"),
        (lambda risk: risk, 0, "no event by 0 months"),
    ],
)
def test_what_cannot_be_had_is_missing_with_a_reason(change, horizon, reason):
    outcome, risk = weibull_cohort(8)
    risk = change(risk)
    counts = bootstrap_counts(len(risk), 5, seed=1)
    table = calibration_curve(outcome, risk, horizon, counts)
    assert table[["observed", "ci_low", "ci_high"]].isna().to_numpy().all()
    assert table["note"].str.contains(reason).all()
    assert np.isnan(replicate_calibration_errors(outcome, risk, horizon, counts)).all()


def test_wrong_arguments_are_named():
    outcome, risk = weibull_cohort(9)
    with pytest.raises(ValueError, match="event_probability has shape"):
        calibration_curve(outcome, risk[:3], 6)
    with pytest.raises(ValueError, match="knots must be 3 to 7"):
        replicate_calibration_errors(outcome, risk, 6, knots=2)
