"""The life table by hand, with late entry, and against greenwood; R's values are in the consumers'
tests (`test_kaplan_meier`, `test_rmst`, `test_competing_incidence`)."""

import greenwood as gw
import numpy as np
import pytest

from features.life_table import LifeTable, log_log_limits, time_at_level
from features.outcome import Outcome

# A has the event at 1, B a competing event at 2, C is censored at 2, D has the event at 3,
# E is censored at 4.
COMPETING = Outcome([1, 2, 2, 3, 4], [1, 0, 0, 1, 0], competing=[0, 1, 0, 0, 0])
# The first patient was there from the start, the second came at 2, the third at 3 when the first
# had the event, the fourth at 1.
LATE = Outcome([3, 5, 6, 5], [1, 1, 0, 0])
ENTRY = np.array([0, 2, 3, 1])


def cohort(seed, n=60):
    generator = np.random.default_rng(seed)
    kind = generator.choice(3, n, p=[0.3, 0.4, 0.3])
    time = np.ceil(generator.exponential(10, n))
    entry = np.floor(time * generator.random(n)) * (generator.random(n) < 0.7)
    return Outcome(time, kind == 1, competing=kind == 2), entry, generator


def test_the_columns_count_who_is_there_and_who_leaves():
    table = LifeTable.of(COMPETING)
    assert table.times.tolist() == [1, 2, 3, 4]
    assert table.at_risk.tolist() == [5, 4, 2, 1]
    assert table.events.tolist() == [1, 0, 1, 0]
    assert table.competing.tolist() == [0, 1, 0, 0]
    assert table.censored.tolist() == [0, 1, 0, 1]
    assert table.follow_up == 4


def test_all_estimates_by_hand():
    table = LifeTable.of(COMPETING)
    assert table.survival == pytest.approx([4 / 5, 3 / 5, 3 / 10, 3 / 10])
    assert table.incidence() == pytest.approx([1 / 5, 1 / 5, 1 / 2, 1 / 2])
    assert table.incidence("competing") == pytest.approx([0, 1 / 5, 1 / 5, 1 / 5])
    assert table.cumulative_hazard == pytest.approx([1 / 5, 9 / 20, 19 / 20, 19 / 20])
    # At 2 the competing event comes before the censoring: one of three is censored.
    assert table.censoring == pytest.approx([1, 2 / 3, 2 / 3, 0])
    # One month at 1, one at 4/5, one at 3/5, half a month at 3/10.
    assert table.restricted_mean(3.5) == pytest.approx(1 + 0.8 + 0.6 + 0.15)
    assert table.quantile() == 3
    assert table.at([0, 2.5, 9], table.survival, 1.0) == pytest.approx([1, 3 / 5, 3 / 10])


def test_greenwood_by_hand():
    # 5 at risk, one event at 1; 3 at risk, one event at 3: 1/(5 x 4) + 1/(3 x 2).
    table = LifeTable.of(Outcome([1, 2, 3, 4, 4], [1, 0, 1, 0, 0]))
    assert table.std_error[2] == pytest.approx(8 / 15 * np.sqrt(1 / 20 + 1 / 6))
    low, high = table.limits()
    assert -np.log(low[2]) / -np.log(8 / 15) == pytest.approx(
        np.exp(1.959964 * np.sqrt(13 / 60) / -np.log(8 / 15))
    )
    assert low[2] < 8 / 15 < high[2]
    # Nothing bounds 100%; and where the last one dies nothing has an error.
    assert np.isnan(log_log_limits(np.array([1.0, 0.0]), np.zeros(2))).all()
    assert np.isnan(LifeTable.of(Outcome([1, 2], [1, 1])).std_error[1])


@pytest.mark.parametrize(
    ("curve", "time"),
    [
        ([0.8, 0.4, 0.3], 2),
        ([0.8, 0.5, 0.3], 2.5),  # flat at the level up to a later drop: the midpoint
        ([0.5, 0.5, 0.3], 2),
        ([0.8, 0.5, 0.5], 2),  # flat to the end: its first time
        ([0.8, 0.7, 0.6], np.nan),
        ([np.nan, np.nan, 0.4], 3),
    ],
)
def test_the_time_at_a_level(curve, time):
    assert time_at_level(np.array([1.0, 2, 3]), np.array(curve)) == pytest.approx(time, nan_ok=True)


def test_replicates_are_the_tables_of_the_drawn_patients():
    outcome, entry, generator = cohort(1)
    draws = generator.integers(len(outcome), size=(3, len(outcome)))
    counts = np.stack([np.bincount(draw, minlength=len(outcome)) for draw in draws])
    together = LifeTable.of(outcome, counts, entry)
    for row, draw in enumerate(draws):
        alone = LifeTable.of(outcome.take(draw), entry=entry[draw])
        for read in (
            lambda t: t.survival,
            lambda t: t.incidence("competing"),
            lambda t: t.incidence_error(),
            lambda t: t.censoring,
        ):
            expected = together.at(alone.times, read(together), np.nan)[row]
            np.testing.assert_allclose(expected, read(alone), atol=1e-12)
        assert together.follow_up[row] == alone.follow_up
        assert together.restricted_mean(8)[row] == pytest.approx(alone.restricted_mean(8))
        variance = alone.restricted_mean_variance(8)
        assert together.restricted_mean_variance(8)[row] == pytest.approx(variance)


def test_who_comes_late_is_at_risk_after_his_entry_alone():
    table = LifeTable.of(LATE, entry=ENTRY)
    # At 3 the third patient comes, and is not at risk yet: 1 of 3 has the event. At 5 three are
    # at risk, one has the event.
    assert table.at_risk.tolist() == [3, 3, 1]
    assert table.survival == pytest.approx([2 / 3, 4 / 9, 4 / 9])
    assert table.std_error[1] == pytest.approx(4 / 9 * np.sqrt(1 / 6 + 1 / 6))
    assert table.restricted_mean(6) == pytest.approx(3 + 2 * 2 / 3 + 4 / 9)


def test_late_entry_agrees_with_greenwood():
    for seed in range(5):
        outcome, entry, _ = cohort(seed)
        surv = gw.Surv(entry, outcome.time, outcome.event, type="counting")
        fit = gw.KaplanMeier(conf_type="log-log").fit(surv).to_frame(format="pandas")
        table = LifeTable.count(outcome.time, outcome.event, entry=entry)
        known = np.isin(table.times, fit["time"]) & (table.survival > 0) & (table.survival < 1)
        assert known.sum() > 5
        fit = fit[np.isin(fit["time"], table.times[known])]
        low, high = table.limits()
        for ours, theirs in (
            (table.at_risk, "n_risk"),
            (table.survival, "estimate"),
            (table.std_error, "std_error"),
            (low, "conf_low"),
            (high, "conf_high"),
        ):
            np.testing.assert_allclose(ours[known], fit[theirs], rtol=1e-10)


def test_who_is_there_from_the_start_enters_at_zero():
    outcome = Outcome([0, 2, 3], [1, 1, 0])
    plain, entered = LifeTable.of(outcome), LifeTable.of(outcome, entry=np.zeros(3))
    assert entered.at_risk.tolist() == plain.at_risk.tolist() == [3, 2, 1]
    assert entered.survival_influence([2]).tolist() == plain.survival_influence([2]).tolist()


def test_an_entry_is_before_the_own_time():
    for entry in ([0, 5, 0, 0], [-1, 0, 0, 0]):
        with pytest.raises(ValueError, match="before the patient's own time"):
            LifeTable.of(LATE, entry=entry)


def test_no_patient_is_an_error():
    with pytest.raises(ValueError, match="no patient"):
        LifeTable.of(Outcome(np.zeros(0), np.zeros(0, dtype=bool)))


@pytest.mark.parametrize("late", [False, True])
def test_influence_is_the_derivative_by_the_weights(late):
    outcome, entry, generator = cohort(2)
    entry = entry if late else None
    weights = generator.random(len(outcome)) + 0.2
    table = LifeTable.of(outcome, weights, entry)
    times, tau, step = np.array([0.5, 3, 8, 15]), 15, 1e-6
    by_survival = table.survival_influence(times)
    by_mean = table.restricted_mean_influence(tau)
    for patient in range(0, len(outcome), 5):
        moved = weights.copy()
        moved[patient] += step
        other = LifeTable.of(outcome, moved, entry)
        change = other.at(times, other.survival, 1.0) - table.at(times, table.survival, 1.0)
        np.testing.assert_allclose(change / step, by_survival[patient], atol=1e-6)
        change = other.restricted_mean(tau) - table.restricted_mean(tau)
        assert change / step == pytest.approx(by_mean[patient], abs=1e-5)


def test_without_competing_events_the_incidence_is_one_minus_survival():
    outcome, entry, _ = cohort(3)
    table = LifeTable.count(outcome.time, outcome.event, entry=entry)
    np.testing.assert_allclose(table.incidence(), 1 - table.survival, atol=1e-12)
    known = table.survival > 0
    np.testing.assert_allclose(table.incidence_error()[known], table.std_error[known], atol=1e-12)
    assert (table.incidence("competing") == 0).all()


def test_a_remainder_of_rounding_is_nobody():
    weights = np.array([0.1, 0.2, 0.3, 1e-17])
    table = LifeTable.of(Outcome([1, 1, 1, 2], [1, 1, 1, 0]), weights)
    assert table.survival.tolist() == [0, 0]
    assert np.isfinite(table.survival_influence([1.5])).all()
