import itertools

import numpy as np
import pytest

from features.guard.checks.leakage import harrell_c


def every_pair(time, event, score):
    """The definition, pair by pair."""
    pairs = concordant = 0.0
    for i, j in itertools.permutations(range(len(time)), 2):
        if event[i] and (time[i] < time[j] or (time[i] == time[j] and not event[j])):
            pairs += 1
            concordant += (score[i] > score[j]) + 0.5 * (score[i] == score[j])
    return concordant / pairs


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("distinct", [3, 1000])
def test_the_fast_count_is_the_count_of_every_pair(seed, distinct):
    rng = np.random.default_rng(seed)
    time = rng.integers(1, 15, 60).astype(float)
    event = rng.random(60) < 0.6
    score = rng.integers(0, distinct, 60).astype(float)
    assert harrell_c(time, event, score) == pytest.approx(every_pair(time, event, score))


def test_the_order_of_times_itself_is_perfect_in_either_direction():
    time, event = np.arange(1.0, 9.0), np.ones(8, dtype=bool)
    assert harrell_c(time, event, -time) == 1
    assert harrell_c(time, event, time) == 0
    assert harrell_c(time, event, np.zeros(8)) == 0.5


def test_of_equal_times_the_event_comes_before_the_censoring():
    # One comparable pair: the event at 5 against the censoring at 5.
    both = np.array([5.0, 5.0])
    assert harrell_c(both, np.array([True, False]), np.array([2.0, 1.0])) == 1


def test_two_events_at_one_time_are_no_pair():
    both = np.array([5.0, 5.0])
    assert np.isnan(harrell_c(both, np.array([True, True]), np.array([2.0, 1.0])))


def test_without_events_there_is_no_pair():
    assert np.isnan(harrell_c(np.array([1.0, 2.0]), np.zeros(2, dtype=bool), np.array([1.0, 2.0])))
