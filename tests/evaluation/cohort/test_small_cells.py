"""Hidden counts cannot be reconstructed, checked by trying every table that fits."""

import itertools

import numpy as np
import pytest

from evaluation.cohort.small_cells import cells_to_hide, is_small, possible_counts


def with_sum(arms):
    arms = np.array(arms)
    return np.column_stack([arms, arms.sum(axis=1)])


def ways_to_fill(column, hidden):
    """All ways to put counts >= 1 in the gaps of an arm whose patients are known in number."""
    left = int(column[hidden].sum())
    for values in itertools.product(range(1, left + 1), repeat=max(int(hidden.sum()) - 1, 0)):
        last = [left - sum(values)] if hidden.any() else []
        if not last or last[0] >= 1:
            filled = column.copy()
            filled[hidden] = [*values, *last]
            yield filled


def tables_that_fit(counts, hidden):
    """Every table of two arms and their sum that agrees with all that is visible."""
    arms = [list(ways_to_fill(counts[:, j], hidden[:, j])) for j in (0, 1)]
    for first, second in itertools.product(*arms):
        total = first + second
        if (total == counts[:, 2])[~hidden[:, 2]].all():
            yield np.column_stack([first, second, total])


def test_a_zero_is_not_small():
    assert is_small(np.array([0, 1, 4, 5]), 5).tolist() == [False, True, True, False]


def test_nothing_is_hidden_without_a_small_count():
    assert not cells_to_hide(with_sum([[7, 9], [8, 0]]), 5).any()


def test_one_small_count_in_one_column_hides_a_second():
    # 20 patients in all: 17 + 3. Showing 17 would tell the 3.
    assert cells_to_hide(np.array([[17], [3]]), 5).ravel().tolist() == [True, True]


def test_the_smallest_of_the_others_is_hidden_too():
    hidden = cells_to_hide(np.array([[17], [3], [9], [0]]), 5).ravel()
    assert hidden.tolist() == [False, True, True, False]


def test_two_small_counts_that_add_up_to_less_than_the_limit_need_a_third():
    # 1 + 1 = 20 - 18: two hidden counts of at least 1 that add up to 2 are both 1.
    assert cells_to_hide(np.array([[18], [1], [1]]), 5).all()


def test_a_small_count_in_one_arm_hides_a_rectangle():
    # Level x arm with sums (3, 20 | 23), (17, 10 | 27): the column sum of the first arm betrays the
    # 3 unless 17 is hidden, the row sums betray both unless 20 and 10 are. The totals may stay.
    hidden = cells_to_hide(with_sum([[3, 20], [17, 10]]), 5)
    assert hidden.tolist() == [[True, True, False], [True, True, False]]


def test_a_row_of_last_choice_is_spared():
    counts = np.array([[9], [3], [6]])
    assert cells_to_hide(counts, 5).ravel().tolist() == [False, True, True]
    spared = cells_to_hide(counts, 5, last_choice=np.array([False, False, True])).ravel()
    assert spared.tolist() == [True, True, False]


def test_a_public_count_stays_and_zeros_go_instead():
    # Everything but the public 6 is hidden, the zero too: 2 + 0 could then be 1 + 1.
    counts = np.array([[2], [0], [6]])
    public = np.array([[False], [False], [True]])
    assert cells_to_hide(counts, 5, public=public).ravel().tolist() == [True, True, False]


def test_possible_counts_are_those_of_a_calculation_by_hand():
    counts = with_sum([[3, 20], [17, 10]])
    hidden = np.array([[True, True, False], [True, True, False]])
    # a + b = 23, a + c = 20, b + d = 30, c + d = 27, all >= 1: a from 1 (b = 22) to 19 (c = 1).
    assert possible_counts(counts, hidden, (0, 0)) == (1, 19)


@pytest.mark.parametrize("seed", range(12))
def test_no_small_count_can_be_reconstructed(seed):
    rng = np.random.default_rng(seed)
    counts = with_sum(rng.choice([0, 1, 2, 3, 4, 6], size=(3, 2), p=[0.2, 0.2, 0.2, 0.1, 0.1, 0.2]))
    limit = 3
    if (counts.sum(axis=0) < limit).any():
        counts[0] += np.array([limit, limit, 2 * limit])
    hidden = cells_to_hide(counts, limit)
    small = is_small(counts, limit)
    assert hidden[small].all()
    if hidden.all():
        return  # then zeros are possible as well, and nothing but sums is known
    fits = list(tables_that_fit(counts, hidden))
    for cell in zip(*np.nonzero(small), strict=True):
        possible = {int(table[cell]) for table in fits}
        assert {1 if cell[1] < 2 else 2, 2} <= possible
        assert possible_counts(counts, hidden, cell) == (min(possible), max(possible))
