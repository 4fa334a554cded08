"""What every measure must do where the answer is known, and at the edges where there is none."""

import numpy as np
import pandas as pd
import pytest

from evaluation.bootstrap import bootstrap_counts
from evaluation.metrics.auc import replicate_auc
from evaluation.metrics.brier import brier_losses, null_losses, scaled_brier
from evaluation.metrics.calibration.at_horizon import (
    calibration_slope,
    observed_expected,
    replicate_slopes,
)
from evaluation.metrics.calibration.curve import calibration_curve, replicate_calibration_errors
from evaluation.metrics.calibration.d_calibration import d_calibration, d_calibration_test
from evaluation.metrics.calibration.in_time import calibration_in_time
from evaluation.metrics.calibration.intercept import replicate_intercepts_at_horizon
from evaluation.metrics.calibration.risk_distribution import discrimination_slope, risk_summary
from evaluation.metrics.decision_curve import decision_curve, replicate_treated
from evaluation.metrics.discrimination import harrell_c, uno_c
from evaluation.statistics.kaplan_meier import survival_at
from features.outcome import Outcome

HORIZON, TIMES = 6.0, np.array([3.0, 6.0])

# Scalars of a cohort: outcome, survival (n, 2) at TIMES.
SCALARS = {
    "harrell_c": lambda o, s: harrell_c(o, 1 - s[:, 1]),
    "uno_c": lambda o, s: uno_c(o, 1 - s[:, 1], HORIZON),
    "auc": lambda o, s: replicate_auc(o, 1 - s, TIMES)[0, 1],
    "brier": lambda o, s: brier_losses(o, s, TIMES)[:, 1].mean(),
    "oe": lambda o, s: observed_expected(o, 1 - s[:, 1], HORIZON).ratio,
    "slope": lambda o, s: calibration_slope(o, 1 - s[:, 1]).slope,
    "intercept": lambda o, s: replicate_intercepts_at_horizon(
        o, 1 - s[:, 1], HORIZON, np.ones((1, len(o)))
    )[0],
    "ici": lambda o, s: replicate_calibration_errors(o, 1 - s[:, 1], HORIZON)[0, 0],
    "in_time": lambda o, s: calibration_in_time(o, s, TIMES)["estimate"][0],
    "d_calibration": lambda o, s: d_calibration_test(o, s[:, 1]).chi_square,
    "net_benefit": lambda o, s: decision_curve(o, {"m": 1 - s[:, 1]}, HORIZON, [0.3])["estimate"][
        0
    ],
    "discrimination_slope": lambda o, s: discrimination_slope(o, 1 - s[:, 1], HORIZON)[0],
}
# Efron's likelihood sees doubled patients as ties, as in R; as case weights they change nothing.
TIES_BY_EFRON = {"slope", "ici"}


def simulated(seed, n=400, ties=False):
    """Exponential times on a known log hazard, and the true survival at TIMES."""
    generator = np.random.default_rng(seed)
    rate = np.exp(generator.normal(-2.3, 0.8, n))
    latent, censored = generator.exponential(1 / rate), generator.uniform(0, 30, n)
    time = np.minimum(latent, censored)
    outcome = Outcome(np.floor(time * 4) / 4 if ties else time, latent <= censored)
    return outcome, np.exp(-rate[:, None] * TIMES)


@pytest.mark.parametrize("name", SCALARS)
def test_order_of_patients_does_not_matter(name):
    outcome, survival = simulated(1, ties=True)
    assert (outcome.time == 0).any()  # zero times and ties are among them
    order = np.random.default_rng(0).permutation(len(outcome))
    ours = SCALARS[name](outcome.take(order), survival[order])
    assert ours == pytest.approx(SCALARS[name](outcome, survival), rel=1e-9)


@pytest.mark.parametrize("name", sorted(set(SCALARS) - TIES_BY_EFRON - {"d_calibration"}))
def test_every_patient_twice_changes_no_estimate(name):
    outcome, survival = simulated(2, ties=True)
    twice = np.repeat(np.arange(len(outcome)), 2)
    ours = SCALARS[name](outcome.take(twice), survival[twice])
    assert ours == pytest.approx(SCALARS[name](outcome, survival), rel=1e-9)


def test_every_patient_counted_twice_changes_no_estimate():
    outcome, survival = simulated(3, ties=True)
    risk, once = 1 - survival[:, 1], np.ones((1, len(outcome)))
    for replicate in (
        lambda counts: replicate_slopes(outcome, risk, counts),
        lambda counts: replicate_calibration_errors(outcome, risk, HORIZON, counts)[:, 0],
        lambda counts: replicate_auc(outcome, risk, TIMES, counts)[0],
        lambda counts: replicate_intercepts_at_horizon(outcome, risk, HORIZON, counts),
        lambda counts: replicate_treated(outcome, risk, HORIZON, [0.3], counts).true_positive[0],
        lambda counts: discrimination_slope(outcome, risk, HORIZON, counts),
    ):
        np.testing.assert_allclose(replicate(2 * once), replicate(once), rtol=1e-9)


def test_kaplan_meier_as_the_prediction_is_calibrated_in_the_large_and_tells_nobody_apart():
    outcome, _ = simulated(4, ties=True)
    survival = np.tile(survival_at(outcome, TIMES)["survival"], (len(outcome), 1))
    expected = {
        "harrell_c": 0.5, "uno_c": 0.5, "auc": 0.5, "oe": 1, "intercept": 0, "in_time": 1,
        "discrimination_slope": 0,
    }  # fmt: skip
    for name, value in expected.items():
        assert SCALARS[name](outcome, survival) == pytest.approx(value, abs=1e-9), name
    score = brier_losses(outcome, survival, TIMES).mean(axis=0)
    null = null_losses(outcome, TIMES).mean(axis=0)
    assert scaled_brier(score, null).tolist() == pytest.approx([0, 0])
    # Everyone above the threshold is treated: as treating all.
    table = decision_curve(outcome, {"Kaplan-Meier": 1 - survival[:, 1]}, HORIZON, [0.05])
    assert table["estimate"][0] == pytest.approx(table["estimate"][1])


def test_the_truth_of_a_simulated_cohort_is_calibrated_within_error():
    outcome, survival = simulated(5, n=4000)
    risk = 1 - survival[:, 1]
    slope, ratio = calibration_slope(outcome, risk), observed_expected(outcome, risk, HORIZON)
    assert slope.ci_low < 1 < slope.ci_high
    assert ratio.ci_low < 1 < ratio.ci_high
    assert SCALARS["intercept"](outcome, survival) == pytest.approx(0, abs=0.1)
    assert SCALARS["ici"](outcome, survival) < 0.025
    # Predictions half as far from each other on the log hazard scale have twice the slope.
    shrunk = calibration_slope(outcome, -np.expm1(-np.sqrt(-np.log1p(-risk))))
    assert shrunk.slope == pytest.approx(2 * slope.slope)


SINGLE = Outcome([5.0], [1])
EDGES = {
    "all censored": (Outcome([1.0, 2, 7, 8, 9, 9], np.zeros(6)), None),
    "no event by the first time": (Outcome([4.0, 5, 7, 8, 9, 9], [1, 1, 0, 1, 0, 1]), None),
    "everyone had the event": (Outcome([0.0, 1, 1, 2, 2, 3], np.ones(6)), None),
    "single patient with the event": (SINGLE, None),
    "single patient censored": (Outcome([5.0], [0]), None),
    "zero times alone": (Outcome(np.zeros(4), [1, 0, 1, 0]), None),
    "not followed up": (Outcome([1.0, 2, 2, 2, 2.5, 2.5], [1, 0, 1, 0, 0, 1]), None),
    "one prediction missing": (Outcome([1.0, 4, 5, 8, 9, 9], [1, 0, 1, 0, 0, 1]), 2),
    "ties": (Outcome([3.0, 3, 3, 6, 6, 9], [1, 0, 1, 0, 1, 0]), None),
}


def tables(outcome, survival, counts):
    """Every table of estimates with a note."""
    risk = 1 - survival[:, 1]
    yield calibration_curve(outcome, risk, HORIZON, counts).rename(columns={"observed": "estimate"})
    yield calibration_in_time(outcome, survival, TIMES, counts)
    yield calibration_in_time(outcome, survival, TIMES)
    yield d_calibration(outcome, survival[:, 1], counts)
    yield decision_curve(outcome, {"model": risk}, HORIZON, [0.2, 0.5], counts)
    summary = risk_summary(outcome, risk, HORIZON)
    yield summary.assign(estimate=summary["mean"])


@pytest.mark.parametrize("edge", EDGES)
def test_at_every_edge_there_is_an_estimate_or_a_reason(edge):
    outcome, missing = EDGES[edge]
    survival = np.linspace([0.9, 0.8], [0.5, 0.2], len(outcome))
    if missing is not None:
        survival[missing] = np.nan
    counts = bootstrap_counts(len(outcome), 20, seed=1)
    for table in tables(outcome, survival, counts):
        assert len(table)
        unknown = table["estimate"].isna()
        assert (table.loc[unknown, "note"] != "").all(), table
        assert not np.isinf(table["estimate"].to_numpy(dtype=float)).any()
        if missing is not None and "strategy" not in table:
            assert unknown.any()


@pytest.mark.parametrize("edge", EDGES)
def test_at_every_edge_a_scalar_is_a_number_or_missing(edge):
    outcome, missing = EDGES[edge]
    survival = np.linspace([0.9, 0.8], [0.5, 0.2], len(outcome))
    if missing is not None:
        survival[missing] = np.nan
    for name, scalar in SCALARS.items():
        if missing is not None and name in ("harrell_c", "uno_c"):
            with pytest.raises(ValueError, match="risk_score is NaN"):
                scalar(outcome, survival)
            continue
        value = scalar(outcome, survival)
        assert not np.isinf(value), name
        if missing is not None:
            assert np.isnan(value), name


@pytest.mark.parametrize("name", sorted(set(SCALARS) - {"harrell_c"}))
def test_nobody_to_judge_is_an_error(name):
    with pytest.raises(ValueError, match="holds no patient"):
        SCALARS[name](Outcome(np.empty(0), np.empty(0)), np.empty((0, 2)))


def test_before_the_first_event_survival_is_one_and_nothing_is_carried_beyond_the_last():
    outcome = Outcome([4.0, 5, 7], [1, 1, 0])
    table = calibration_in_time(outcome, np.full((3, 3), 0.9), [1, 4, 8])
    assert table["observed"].tolist()[:2] == pytest.approx([0, 1 / 3])
    assert np.isnan(table["observed"][2])


def test_a_score_at_the_last_time_with_patients_censored_there_is_unknown():
    # Followed to a cut-off at 6 and judged at 6: nobody is followed beyond, so the weight of C and
    # D is unknown. riskRegression leaves their loss out, which makes the score too good.
    outcome = Outcome([1.0, 3, 6, 6], [1, 1, 0, 0])
    assert np.isnan(brier_losses(outcome, np.full((4, 1), 0.5), [6]).mean())
    assert brier_losses(outcome, np.full((4, 1), 0.5), [5.9]).mean() == 0.25


@pytest.mark.parametrize(
    "refused",
    [
        lambda o, s: replicate_auc(o, 1 - s, TIMES[::-1]),
        lambda o, s: brier_losses(o, s, TIMES[::-1]),
        lambda o, s: calibration_in_time(o, s, TIMES[::-1]),
        lambda o, s: decision_curve(o, {"model": 1 - s[:, 1]}, HORIZON, [0.5, 0.2]),
    ],
)
def test_unsorted_times_are_refused(refused):
    outcome, survival = simulated(6, n=20)
    with pytest.raises(ValueError, match="increasing"):
        refused(outcome, survival)


def test_same_seed_same_bytes():
    outcome, survival = simulated(7, n=60)
    counts = [bootstrap_counts(60, 30, seed=4) for _ in range(2)]
    for first, second in zip(*(tables(outcome, survival, c) for c in counts), strict=True):
        pd.testing.assert_frame_equal(first, second, check_exact=True)
