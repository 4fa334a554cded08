"""Names of estimators are made and read in one place."""

import pytest

from evaluation.regimens.estimators import (
    ADVERSE_EVENT,
    BY_ARM,
    COX,
    E_VALUE,
    ESTIMATORS,
    G_COMPUTATION,
    OVERLAP,
    STABILISED,
    parts_of,
    read_name,
    rows_in,
    rows_of,
)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda one: one.key)
def test_a_name_is_read_back_as_the_estimator_that_made_it(estimator):
    parts = [""] + ["a part", "x, y: of z"] * bool(estimator.before_part)
    for part in parts:
        assert read_name(estimator.named(part)) == (estimator, part)


def test_keys_and_labels_stand_once():
    assert len({one.key for one in ESTIMATORS}) == len(ESTIMATORS)
    assert len({one.label for one in ESTIMATORS}) == len(ESTIMATORS)


def test_a_name_that_nobody_makes_is_told():
    with pytest.raises(KeyError, match="no estimator is called 'Cox'"):
        read_name("Cox")


def test_rows_are_found_by_what_they_are():
    names = [COX.named("age: above 65"), COX.named(), OVERLAP.named("Cox"), "sepsis"]
    assert rows_of(names[:3], COX).tolist() == [True, True, False]
    assert parts_of(names[:3]) == ["age: above 65", "", "Cox"]
    assert rows_in(["adverse event rate", "response rate"], ADVERSE_EVENT).tolist() == [True, False]
    nested = E_VALUE.named(STABILISED.named("Cox"))
    assert read_name(read_name(nested).part).estimator is STABILISED
    assert read_name(G_COMPUTATION.named(BY_ARM)).part == BY_ARM
