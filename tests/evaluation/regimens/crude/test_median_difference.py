"""Bootstrap of median differences against the unweighted median and at its edges."""

import numpy as np
import pytest

from evaluation.regimens.crude.median_difference import median_difference_rows, weighted_medians
from evaluation.statistics.kaplan_meier import median_time
from features.outcome import Outcome

RNG = np.random.default_rng(3)
TIMES = RNG.exponential(8, 30).round(1)
OUTCOME = Outcome(TIMES, RNG.random(30) < 0.8)


def one_row(by_arm, replicates=200, seed=1):
    (row,) = median_difference_rows(by_arm, replicates, seed)
    return row


def test_each_sample_has_the_median_of_its_patients():
    counts = np.random.default_rng(2).multinomial(30, np.full(30, 1 / 30), size=50)
    drawn = [median_time(OUTCOME.take(np.repeat(np.arange(30), c))).median for c in counts]
    np.testing.assert_allclose(weighted_medians(OUTCOME, counts), drawn)


def test_a_curve_that_stays_at_one_half_takes_the_midpoint():
    # S is exactly 1/2 from month 3 to 7.
    outcome = Outcome([1, 3, 7, 9], [1, 1, 1, 1])
    assert weighted_medians(outcome, np.ones((1, 4)))[0] == 5
    assert median_time(outcome).median == 5


def test_the_difference_and_its_direction():
    by_arm = {"A": Outcome(OUTCOME.time + 20, OUTCOME.event), "B": OUTCOME}
    row = one_row(by_arm)
    assert row.value == pytest.approx(20)
    assert row.low < 20 < row.high
    assert row.low > 0
    assert row.note == "above 0: longer than B"


def test_the_seed_decides_and_the_order_of_patients_does_not():
    by_arm = {"A": OUTCOME.take(np.arange(15)), "B": OUTCOME.take(np.arange(15, 30))}
    turned = {arm: outcome.take(np.arange(15)[::-1]) for arm, outcome in by_arm.items()}
    assert one_row(by_arm) == one_row(by_arm) == one_row(turned)
    # Quantiles fall on differences of observed times, so that single limits may agree.
    assert any(one_row(by_arm, seed=seed) != one_row(by_arm) for seed in (2, 3, 4))


def test_a_median_that_is_not_reached():
    never = Outcome([5, 6, 7], [1, 0, 0])
    row = one_row({"A": never, "B": OUTCOME})
    assert np.isnan([row.value, row.low, row.high]).all()
    assert row.note == "not estimable: median of A not reached"


def test_samples_without_a_median_leave_no_interval():
    # Reached, but only just: many samples do not.
    barely = Outcome([1, 2, 3, 9, 9, 9], [1, 1, 1, 0, 0, 0])
    row = one_row({"A": barely, "B": OUTCOME})
    assert np.isfinite(row.value)
    assert np.isnan(row.low)
    assert "of the replicates reach no median" in row.note


def test_an_arm_of_one_patient_has_no_interval():
    row = one_row({"A": Outcome([4], [1]), "B": OUTCOME})
    assert np.isfinite(row.value)
    assert np.isnan(row.low)
    assert "A holds one patient" in row.note


def test_batches_of_samples_give_what_one_batch_gives(monkeypatch):
    counts = np.random.default_rng(2).multinomial(30, np.full(30, 1 / 30), size=50)
    whole = weighted_medians(OUTCOME, counts)
    monkeypatch.setattr("evaluation.regimens.crude.median_difference._BATCH", 210)
    np.testing.assert_array_equal(weighted_medians(OUTCOME, counts), whole)
