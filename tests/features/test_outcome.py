import numpy as np
import pytest

from features.outcome import Outcome


def test_follow_up_and_events_are_those_of_the_patients():
    # Events of patients 1 and 3; the longest time belongs to the censored patient 2.
    outcome = Outcome(np.array([2.0, 30.0, 0.0]), np.array([True, False, True]))
    assert len(outcome) == 3
    assert outcome.n_events == 2
    assert outcome.follow_up == 30.0


def test_the_first_event_is_not_the_first_time():
    # 1 month is a censoring; without an event there is no earliest.
    assert Outcome([3.0, 1.0, 2.5, 7.0], [1, 0, 1, 1]).first_event == 2.5
    assert Outcome([3.0, 1.0], [0, 0]).first_event == np.inf


def test_an_outcome_of_nobody_has_no_follow_up():
    assert Outcome(np.array([]), np.array([], dtype=bool)).follow_up == 0.0


def test_zeros_and_ones_become_flags():
    assert Outcome(np.array([1, 2]), np.array([0, 1])).event.tolist() == [False, True]


def test_a_one_two_coding_is_refused():
    with pytest.raises(ValueError, match="recode it on reading"):
        Outcome(np.array([1.0, 2.0]), np.array([1, 2]))


@pytest.mark.parametrize("time", [-0.1, np.nan, np.inf])
def test_a_time_that_is_none_is_refused(time):
    with pytest.raises(ValueError, match=r"finite and >= 0 months"):
        Outcome(np.array([1.0, time]), np.array([True, True]))


@pytest.mark.parametrize(
    ("time", "event"), [([1.0, 2.0], [True]), ([[1.0, 2.0]], [[True, False]]), ([], [True])]
)
def test_unequal_shapes_are_named(time, event):
    with pytest.raises(ValueError, match=r"got shapes \(.*\) and \(.*\)"):
        Outcome(np.array(time), np.array(event))


def test_an_outcome_is_a_copy_that_nobody_can_change():
    time = np.array([1.0, 2.0])
    outcome = Outcome(time, np.array([True, False]))
    time[0] = 99.0
    assert outcome.time[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        outcome.time[0] = 5.0
    with pytest.raises(ValueError, match="read-only"):
        outcome.event[0] = False


@pytest.mark.parametrize("rows", [[2, 0], np.array([True, False, True])])
def test_take_selects_by_position_in_order_or_by_mask(rows):
    taken = Outcome(np.array([1.0, 2.0, 3.0]), np.array([True, False, False])).take(rows)
    if isinstance(rows, list):
        assert taken.time.tolist() == [3.0, 1.0]
        assert taken.event.tolist() == [False, True]
    else:
        assert taken.time.tolist() == [1.0, 3.0]
        assert taken.event.tolist() == [True, False]


FULL = Outcome(
    [1.0, 2.0, 3.0],
    [True, False, False],
    ["relapse", "death", "last contact"],
    ["relapse_date", "death_date", "last_contact_date"],
    [False, True, False],
)


def test_taking_patients_takes_everything_along():
    taken = FULL.take([2, 1])
    assert taken.reason.tolist() == ["last contact", "death"]
    assert taken.source.tolist() == ["last_contact_date", "death_date"]
    assert taken.competing.tolist() == [False, True]
    bare = Outcome([1.0], [True]).take([0])
    assert bare.reason is bare.source is bare.competing is None


def test_nobody_can_change_what_an_outcome_says():
    for part in (FULL.reason, FULL.source, FULL.competing):
        with pytest.raises(ValueError, match="read-only"):
            part[0] = part[1]


@pytest.mark.parametrize("part", ["reason", "source", "competing"])
def test_every_part_is_as_long_as_the_times(part):
    with pytest.raises(ValueError, match=f"{part} must be as long as time"):
        Outcome([1.0, 2.0], [True, False], **{part: [False]})


def test_an_event_is_no_competing_event():
    with pytest.raises(ValueError, match="ends with the event or with a competing one"):
        Outcome([1.0], [True], competing=[True])


def test_of_a_hazard_a_competing_event_is_a_censoring():
    both = Outcome([1.0, 2.0, 3.0], [True, False, False], competing=[False, True, False])
    assert both.has_competing
    alone = both.cause_specific
    assert not alone.has_competing
    assert alone.event.tolist() == [True, False, False]
    nobody = Outcome([1.0], [True], competing=[False])
    assert not nobody.has_competing
    assert nobody.cause_specific is nobody
