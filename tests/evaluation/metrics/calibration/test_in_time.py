import numpy as np
import pytest

from evaluation.bootstrap import bootstrap_counts
from evaluation.metrics.calibration.at_horizon import observed_expected
from evaluation.metrics.calibration.in_time import calibration_in_time
from evaluation.statistics.kaplan_meier import survival_at
from features.outcome import Outcome

#                      A  B  C  D  E  F
COHORT = Outcome(time=[1, 2, 2, 3, 4, 5], event=[1, 1, 0, 0, 1, 0])
SURVIVAL = np.tile([0.8, 0.5], (6, 1))


def random_cohort(seed, n=80):
    generator = np.random.default_rng(seed)
    outcome = Outcome(generator.integers(0, 15, n), generator.random(n) < 0.6)
    rate = generator.uniform(0.02, 0.2, n)
    times = np.array([1.0, 4.0, 9.0])
    return outcome, np.exp(-rate[:, None] * times), times


def test_by_hand():
    # Kaplan-Meier 5/6 at 1 and 2/3 at 3.5: observed 1/6 and 1/3 against 0.2 and 0.5.
    table = calibration_in_time(COHORT, SURVIVAL, [1, 3.5])
    assert table["observed"].tolist() == pytest.approx([1 / 6, 1 / 3])
    assert table["estimate"].tolist() == pytest.approx([5 / 6, 2 / 3])
    assert table["n_at_risk"].tolist() == [5, 2]


def test_each_time_is_the_ratio_at_one_horizon():
    outcome, survival, times = random_cohort(0)
    table = calibration_in_time(outcome, survival, times)
    for i, time in enumerate(times):
        expected = observed_expected(outcome, 1 - survival[:, i], time)
        row = table.loc[i, ["observed", "expected", "estimate", "ci_low", "ci_high"]]
        assert row.tolist() == pytest.approx(list(expected))
    assert "Greenwood" in table["ci_method"].iloc[0]


def test_kaplan_meier_as_the_prediction_is_calibrated_at_every_time():
    outcome, _, times = random_cohort(1)
    survival = np.tile(survival_at(outcome, times)["survival"], (len(outcome), 1))
    assert calibration_in_time(outcome, survival, times)["estimate"].tolist() == pytest.approx(
        [1, 1, 1]
    )


def test_replicates_are_those_of_the_drawn_patients():
    outcome, survival, times = random_cohort(2)
    for count in bootstrap_counts(len(outcome), 3, seed=0):
        rows = np.repeat(np.arange(len(outcome)), count)
        # The interval of one replicate is its estimate.
        ours = calibration_in_time(outcome, survival, times, count[None])["ci_low"]
        alone = calibration_in_time(outcome.take(rows), survival[rows], times)["estimate"]
        np.testing.assert_allclose(ours, alone)


def test_order_and_doubling_do_not_matter():
    outcome, survival, times = random_cohort(3)
    expected = calibration_in_time(outcome, survival, times)["estimate"]
    order = np.random.default_rng(0).permutation(len(outcome))
    for rows in (order, np.repeat(order, 2)):
        ours = calibration_in_time(outcome.take(rows), survival[rows], times)["estimate"]
        np.testing.assert_allclose(ours, expected)


def test_what_cannot_be_had_is_missing_with_a_reason():
    survival = np.tile([1.0, 0.5, 0.4], (6, 1))
    survival[0, 1] = np.nan
    table = calibration_in_time(COHORT, survival, [1, 3, 6])
    assert table["estimate"].isna().all()
    assert table["note"].tolist() == [
        "the expected probability is 0",
        "prediction is missing for 1 of 6 patients",
        "6 months is beyond the follow-up of the outcome (5)",
    ]
    # Once everybody has had the event, later times are known.
    late = calibration_in_time(Outcome([1, 2], [1, 1]), np.full((2, 1), 0.2), [5])
    assert late["estimate"].tolist() == [1 / 0.8]


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="times must be"):
        calibration_in_time(COHORT, SURVIVAL, [3, 1])
    with pytest.raises(ValueError, match="survival has shape"):
        calibration_in_time(COHORT, SURVIVAL, [3])
