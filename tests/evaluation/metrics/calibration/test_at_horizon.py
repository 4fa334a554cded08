import json
from pathlib import Path

import greenwood
import numpy as np
import pandas as pd
import pytest

from evaluation.metrics.calibration.at_horizon import (
    calibration_slope,
    complementary_log_log,
    grouped_calibration,
    observed_expected,
    replicate_observed_expected,
    replicate_slopes,
)
from evaluation.metrics.observed import observed_probability
from evaluation.statistics.kaplan_meier import survival_at
from features.outcome import Outcome

SHARED = Path(__file__).parents[4].parent / "shared"

#                      A  B  C  D  E  F
COHORT = Outcome(time=[1, 2, 2, 3, 4, 5], event=[1, 1, 0, 0, 1, 0])


def weibull_cohort(seed, n=120, ties=False):
    """Patients with a known log hazard, and their true event probability at 6 months."""
    generator = np.random.default_rng(seed)
    log_hazard = generator.normal(-2.5, 0.8, n)
    latent = generator.exponential(np.exp(-log_hazard))
    censored = generator.uniform(0, 40, n)
    time = np.minimum(latent, censored)
    outcome = Outcome(np.ceil(time) if ties else time, latent <= censored)
    return outcome, -np.expm1(-6 * np.exp(log_hazard))


def bootstrap(seed, n, replicates=5):
    draws = np.random.default_rng(seed).integers(n, size=(replicates, n))
    return draws, np.stack([np.bincount(draw, minlength=n) for draw in draws]).astype(np.uint16)


def test_observed_over_expected_by_hand():
    result = observed_expected(COHORT, np.full(6, 0.25), 3.5)
    # Kaplan-Meier at 3.5: 1 - 5/6 x 4/5 = 1/3. Greenwood: 2/3 sqrt(1/30 + 1/20) = 0.19245;
    # interval 4/3 exp(-+ 1.96 x 0.19245 x 3).
    assert result.observed == pytest.approx(1 / 3)
    assert result.ratio == pytest.approx(4 / 3)
    spread = 1.96 * 3 * 2 / 3 * np.sqrt(1 / 30 + 1 / 20)
    limits = [4 / 3 * np.exp(-spread), 4 / 3 * np.exp(spread)]
    assert [result.ci_low, result.ci_high] == pytest.approx(limits)


def test_kaplan_meier_as_the_prediction_is_calibrated_in_the_large():
    outcome, _ = weibull_cohort(0, ties=True)
    risk = np.full(len(outcome), 1 - survival_at(outcome, [6])["survival"].iloc[0])
    assert observed_expected(outcome, risk, 6).ratio == pytest.approx(1)


def test_true_risk_is_calibrated():
    outcome, risk = weibull_cohort(1, n=2000)
    ratio = observed_expected(outcome, risk, 6)
    assert ratio.ci_low < 1 < ratio.ci_high
    slope = calibration_slope(outcome, risk)
    assert slope.ci_low < 1 < slope.ci_high


def test_without_an_event_there_is_no_interval():
    result = observed_expected(COHORT, np.full(6, 0.25), 0.5)
    assert result.ratio == 0
    assert np.isnan([result.ci_low, result.ci_high]).all()


def test_beyond_follow_up_nothing_is_known_unless_everyone_had_the_event():
    assert np.isnan(observed_expected(COHORT, np.full(6, 0.25), 6).ratio)
    assert observed_probability(Outcome([1, 2], [1, 1]), 6).estimate == 1


def test_unknown_risk_gives_no_estimate():
    outcome, risk = weibull_cohort(2)
    risk[3] = np.nan
    assert np.isnan(observed_expected(outcome, risk, 6).ratio)
    assert np.isnan(calibration_slope(outcome, risk).slope)
    counts = np.ones((2, len(risk)))
    assert np.isnan(replicate_observed_expected(outcome, risk, 6, counts)).all()
    assert np.isnan(replicate_slopes(outcome, risk, counts)).all()


def test_slope_is_one_after_recalibration():
    outcome, risk = weibull_cohort(3)
    slope = calibration_slope(outcome, risk).slope
    # cloglog(risk) x slope is the linear predictor that fits these patients best.
    recalibrated = -np.expm1(-np.exp(slope * complementary_log_log(risk)))
    assert calibration_slope(outcome, recalibrated).slope == pytest.approx(1)


def test_slope_is_missing_when_it_cannot_be_estimated():
    assert np.isnan(calibration_slope(COHORT, np.full(6, 0.25)).slope)
    no_event = Outcome(COHORT.time, np.zeros(6, dtype=bool))
    assert np.isnan(calibration_slope(no_event, np.linspace(0.1, 0.6, 6)).slope)
    assert np.isnan(replicate_slopes(COHORT, np.full(6, 0.25), np.ones((1, 6)))).all()
    # The higher the risk the earlier the event, without exception: the slope is infinite.
    separated = Outcome([1, 2, 3, 4], [1, 1, 1, 1])
    risk = np.array([0.9, 0.7, 0.5, 0.3])
    assert np.isnan(replicate_slopes(separated, risk, np.ones((1, 4)))).all()


@pytest.mark.parametrize("ties", [False, True])
def test_every_patient_once_is_the_cohort(ties):
    outcome, risk = weibull_cohort(4, ties=ties)
    ones = np.ones((1, len(risk)), dtype=np.uint16)
    slope = calibration_slope(outcome, risk).slope
    assert replicate_slopes(outcome, risk, ones)[0] == pytest.approx(slope, abs=1e-7)
    assert replicate_slopes(outcome, risk, 2 * ones)[0] == pytest.approx(slope, abs=1e-7)
    ratio = observed_expected(outcome, risk, 6).ratio
    assert replicate_observed_expected(outcome, risk, 6, ones)[0] == pytest.approx(ratio)


def test_replicate_slopes_equal_weighted_cox_regression():
    # Without ties among the patients, Efron's and Breslow's weighted likelihoods are the same.
    outcome, risk = weibull_cohort(5)
    _, counts = bootstrap(5, len(risk))
    expected = []
    for count in counts:
        drawn = count > 0
        fit = greenwood.CoxPH(ties="breslow").fit(
            greenwood.Surv(outcome.time[drawn], event=outcome.event[drawn].astype(int)),
            complementary_log_log(risk[drawn])[:, None],
            weights=count[drawn].astype(float),
        )
        expected.append(fit.coef_[0])
    np.testing.assert_allclose(replicate_slopes(outcome, risk, counts), expected, atol=1e-6)


def test_tied_events_share_their_mean_weight_as_in_efrons_weighted_likelihood():
    # Two tied events of weights 1 and 3, one patient at risk beyond. With r = exp(b x), x = 1, 0, 0
    # and b = slope: log L = 1 b - 2 log(r + 3 + 1) - 2 log((r + 3) / 2 + 1).
    # Gradient 0: 1 = 2 r / (r + 4) + 2 r / (r + 5), so 3 r^2 + 9 r - 20 = 0.
    root = (-9 + np.sqrt(81 + 240)) / 6
    outcome = Outcome([1, 1, 2], [1, 1, 0])
    risk = -np.expm1(-np.exp([1.0, 0.0, 0.0]))
    slopes = replicate_slopes(outcome, risk, np.array([[1, 3, 1]]))
    assert slopes[0] == pytest.approx(np.log(root))


def test_replicate_ratio_is_that_of_the_drawn_patients():
    outcome, risk = weibull_cohort(6, ties=True)
    draws, counts = bootstrap(6, len(risk))
    expected = [observed_expected(outcome.take(draw), risk[draw], 6).ratio for draw in draws]
    np.testing.assert_allclose(replicate_observed_expected(outcome, risk, 6, counts), expected)


def test_probabilities_are_clipped_for_the_logarithm_alone():
    assert np.isfinite(complementary_log_log(np.array([0.0, 1.0]))).all()
    risk = np.array([1.0, 0.4, 0.2, 0.3, 0.5, 0.0])
    assert observed_expected(COHORT, risk, 3.5).expected == pytest.approx(0.4)
    assert np.isfinite(calibration_slope(COHORT, risk).slope)


def test_groups_by_hand():
    outcome = Outcome([1, 2, 3, 4, 5, 6], [1, 0, 1, 0, 0, 1])
    table = grouped_calibration(outcome, np.array([0.6, 0.5, 0.4, 0.1, 0.2, 0.3]), 4, groups=2)
    # Low risk: 4, 5, 6 months, no event by 4. High risk: 1 - 2/3 x 0 at the last patient, 3 months.
    assert table["n"].tolist() == [3, 3]
    assert table["events"].tolist() == [0, 2]
    assert table["expected"].tolist() == pytest.approx([0.2, 0.5])
    assert table["observed"].tolist() == pytest.approx([0, 1])
    assert table["ci_method"].unique().tolist() == ["Kaplan-Meier, log-log"]


def test_groups_follow_risk_and_hold_everyone():
    outcome, risk = weibull_cohort(7)
    table = grouped_calibration(outcome, risk, 6)
    assert table["group"].tolist() == [1, 2, 3, 4, 5]
    assert table["n"].sum() == len(outcome)
    assert table["expected"].is_monotonic_increasing
    assert (table["ci_low"] < table["observed"]).all()
    assert (table["observed"] < table["ci_high"]).all()
    order = np.random.default_rng(0).permutation(len(risk))
    pd.testing.assert_frame_equal(grouped_calibration(outcome.take(order), risk[order], 6), table)


def test_tied_risks_make_fewer_groups():
    outcome, _ = weibull_cohort(8)
    risk = np.where(np.arange(len(outcome)) % 2, 0.2, 0.6)
    assert grouped_calibration(outcome, risk, 6)["expected"].tolist() == pytest.approx([0.2, 0.6])


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="event_probability has shape"):
        observed_expected(COHORT, np.full(3, 0.2), 3)
    with pytest.raises(ValueError, match="not scores"):
        calibration_slope(COHORT, np.full(6, 1.2))
    with pytest.raises(ValueError, match="NaN for some patients"):
        grouped_calibration(COHORT, np.full(6, np.nan), 3)


@pytest.fixture(scope="module")
def references():
    path = SHARED / "references" / "calibration.json"
    if not path.exists():
        pytest.skip("the R reference values are not part of the project")
    return {entry["id"]: entry["result"] for entry in json.loads(path.read_text())["refs"]}


COHORTS = [("leuksurv", "time", "event"), ("bmt", "t2", "d3")]


@pytest.mark.parametrize(("name", "time", "event"), COHORTS)
@pytest.mark.parametrize(("column", "days"), [("6m", 182.625), ("12m", 365.25), ("24m", 730.5)])
def test_ratio_and_groups_equal_r(references, name, time, event, column, days):
    table = pd.read_csv(SHARED / "data" / f"{name}.csv")
    outcome, risk = Outcome(table[time], table[event] == 1), table[f"risk_{column}"].to_numpy()
    expected = references[f"oe_{name}_risk_{column}"]
    entries = [expected[key] for key in ("observed", "expected", "OE", "OE_lower", "OE_upper")]
    assert list(observed_expected(outcome, risk, days)) == pytest.approx(entries, abs=1e-8)
    groups = grouped_calibration(outcome, risk, days)
    assert groups["n"].tolist() == expected["group_n"]
    for ours, theirs in (("expected", "pred"), ("observed", "obs"), ("standard_error", "se")):
        assert groups[ours].tolist() == pytest.approx(expected[f"group_{theirs}"], abs=1e-9)


@pytest.mark.parametrize(("name", "time", "event"), COHORTS)
def test_slope_equals_r(references, name, time, event):
    table = pd.read_csv(SHARED / "data" / f"{name}.csv")
    outcome = Outcome(table[time], table[event] == 1)
    slope = calibration_slope(outcome, table["risk_12m"].to_numpy())
    expected = references[f"slope_{name}"]
    assert slope.slope == pytest.approx(expected["slope_cloglog_risk"], abs=1e-8)
    assert slope.standard_error == pytest.approx(expected["slope_cloglog_se"], abs=1e-8)
