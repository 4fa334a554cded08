"""Names of estimates know what they are of."""

import copy

import pandas as pd
import pytest

from evaluation.estimators import (
    ADVERSE_EVENT,
    COX,
    E_VALUE,
    ESTIMATORS,
    OVERLAP,
    RESPONSE,
    STABILISED,
    of_rates,
    of_weights,
    parts_of,
    rows_in,
    rows_of,
)
from evaluation.remarks import Remark, joined, not_estimable
from evaluation.results import Estimate, regimen_table


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda one: one.key)
def test_a_name_knows_the_estimator_that_made_it(estimator):
    for part in ("", "a part", "x, y: of z"):
        name = copy.deepcopy(estimator.named(part))
        assert (name.estimator, name.part) == (estimator, part)
        assert name == (estimator.label + estimator.before_part + part if part else estimator.label)


def test_keys_and_labels_stand_once():
    assert len({one.key for one in ESTIMATORS}) == len(ESTIMATORS)
    assert len({one.label for one in ESTIMATORS}) == len(ESTIMATORS)


def test_words_alone_are_no_name():
    with pytest.raises(AttributeError):
        rows_of(["Cox hazard ratio"], COX)


def test_rows_are_found_by_what_they_are():
    names = [COX.named("age: above 65"), COX.named(), OVERLAP.named("Cox")]
    assert rows_of(names, COX).tolist() == [True, True, False]
    assert parts_of(names) == ["age: above 65", "", "Cox"]
    rates = [of_rates(ADVERSE_EVENT).named(), of_rates(RESPONSE).named()]
    assert rows_in(rates, ADVERSE_EVENT).tolist() == [True, False]
    assert E_VALUE.named(STABILISED.named("Cox")).part.estimator == STABILISED
    assert of_weights("overlap") == OVERLAP


def test_a_table_keeps_what_its_cells_know():
    rows = [Estimate(COX, "hazard ratio", "A", "B", note=joined(not_estimable("no event")))]
    table = pd.concat([regimen_table(rows), regimen_table(rows)], ignore_index=True)
    assert rows_of(table["estimator"], COX).all()
    assert Remark.NOT_ESTIMABLE.within(table["note"].iloc[1]) == ["not estimable: no event"]
    assert list(table["family"]) == ["classical"] * 2
