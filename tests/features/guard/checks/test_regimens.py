import numpy as np
import pytest
from scipy import stats

from features.guard.checks.regimens import follow_up_table, log_rank_p, median_follow_up


def one_arm(time, censored):
    time = np.array(time, dtype=float)
    return follow_up_table(time, np.array(censored, dtype=bool), np.zeros(len(time), dtype=int), 1)


def test_the_reverse_median_counts_censoring_and_not_events():
    # At risk 5, 4, 3, 2, 1. Ends at 2 (3/4 left), an event at 3, at 4 (3/8): reached at 4.
    table = one_arm([1, 2, 3, 4, 5], [0, 1, 0, 1, 1])
    assert median_follow_up(table) == 4


def test_where_the_curve_hits_a_half_the_median_is_the_middle_of_the_step():
    # At risk 4: 3/4 at 1, exactly 1/2 at 2, below from 6 on: (2 + 6) / 2.
    assert median_follow_up(one_arm([1, 2, 6, 7], [1, 1, 1, 1])) == 4


def test_a_median_that_is_not_reached_is_infinite():
    assert median_follow_up(one_arm([1, 2, 3, 4], [1, 0, 0, 0])) == np.inf


@pytest.mark.parametrize("seed", range(4))
def test_the_log_rank_test_of_two_arms_is_scipys(seed):
    rng = np.random.default_rng(seed)
    time = rng.integers(1, 30, 120).astype(float)
    censored, arm = rng.random(120) < 0.5, rng.integers(0, 2, 120)
    # What is an event there is the end of follow-up here.
    samples = [
        stats.CensoredData(
            uncensored=time[(arm == a) & censored], right=time[(arm == a) & ~censored]
        )
        for a in (0, 1)
    ]
    expected = stats.logrank(*samples).pvalue
    assert log_rank_p(follow_up_table(time, censored, arm, 2)) == pytest.approx(expected)


def test_three_arms_of_which_two_are_copies_have_a_larger_p_than_two():
    rng = np.random.default_rng(1)
    time, censored = rng.exponential(10, 60).round(1), rng.random(60) < 0.7
    arm = np.repeat([0, 1], 30)
    two = log_rank_p(follow_up_table(time, censored, arm, 2))
    three = follow_up_table(
        np.append(time, time[:30]), np.append(censored, censored[:30]), np.append(arm, [2] * 30), 3
    )
    assert 0 < two < 1
    assert 0 < log_rank_p(three) < 1


def test_the_same_patients_in_both_arms_do_not_differ():
    time, censored = np.tile([3.0, 5, 8, 13], 2), np.tile([True, False, True, True], 2)
    assert log_rank_p(follow_up_table(time, censored, np.repeat([0, 1], 4), 2)) == pytest.approx(1)


def test_without_an_end_of_follow_up_there_is_no_test():
    table = follow_up_table(np.array([1.0, 2]), np.zeros(2, dtype=bool), np.array([0, 1]), 2)
    assert np.isnan(log_rank_p(table))
