import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from features.errors import InputError
from features.inclusion import InclusionRule, apply_inclusion

TABLE = pd.DataFrame(
    {
        "age": ["17", "18", "64.5", "", "90"],
        "stage": ["Relapse", "relapse ", "Diagnosis", "Relapse", None],
        "ecog": ["1", "2.0", "3", "1", None],
        "arm": ["a", "b", "a", "b", "a"],
    }
)


def included(*rules, table=TABLE):
    result = apply_inclusion(table, [InclusionRule.model_validate(rule) for rule in rules])
    return result.mask.tolist(), result.attrition


def T(*places):  # noqa: N802
    return [place in places for place in range(len(TABLE))]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"column": "age", "at_least": 18, "missing": "exclude"}, T(1, 2, 4)),
        ({"column": "age", "at_least": 18, "missing": "keep"}, T(1, 2, 3, 4)),
        ({"column": "age", "at_most": 64.5, "missing": "exclude"}, T(0, 1, 2)),
        ({"column": "age", "at_least": 18, "at_most": 70, "missing": "exclude"}, T(1, 2)),
        ({"column": "stage", "one_of": ["Relapse"], "missing": "exclude"}, T(0, 1, 3)),
        ({"column": "stage", "not_one_of": ["Relapse"], "missing": "keep"}, T(2, 4)),
        # 2 and 2.0 are one code.
        ({"column": "ecog", "one_of": [1, 2], "missing": "exclude"}, T(0, 1, 3)),
        ({"column": "age", "known": True}, T(0, 1, 2, 4)),
        ({"column": "age", "known": False}, T(3)),
        ({"column": "age", "at_least": 18, "known": True}, T(1, 2, 4)),
    ],
)
def test_each_condition(rule, expected):
    assert included({"name": "x", **rule})[0] == expected


def test_any_of_needs_one_and_what_is_missing_beside_it_does_not_matter():
    rule = {
        "name": "old or relapsed",
        "any_of": [{"column": "age", "at_least": 80}, {"column": "stage", "one_of": ["relapse"]}],
    }
    # Patient 4 has no age but relapsed, patient 5 no stage but is 90: nobody is undecided.
    assert included(rule)[0] == T(0, 1, 3, 4)


def test_all_of_is_undecided_only_when_no_condition_fails():
    rule = {
        "name": "adult, relapsed",
        "all_of": [{"column": "age", "at_least": 18}, {"column": "stage", "one_of": ["relapse"]}],
        "missing": "exclude",
    }
    mask, attrition = included(rule)
    assert mask == T(1)
    # Undecided: patient 4 (relapsed, no age) and 5 (90, no stage).
    assert attrition.loc[1, ["removed", "removed_missing", "left"]].tolist() == [4, 2, 1]


def test_the_attrition_table_adds_up():
    _, attrition = included(
        {"name": "adults", "column": "age", "at_least": 18, "missing": "keep"},
        {"name": "relapse", "column": "stage", "one_of": ["relapse"], "missing": "exclude"},
    )
    assert attrition.to_dict("list") == {
        "step": [0, 1, 2],
        "rule": ["All patients in the table", "adults", "relapse"],
        "criterion": ["", "age at least 18", "stage one of relapse"],
        # 17 is too young; then the one at diagnosis and the one without a stage leave.
        "removed": [0, 1, 2],
        "removed_missing": [0, 0, 1],
        "kept_missing": [0, 1, 0],
        "left": [5, 4, 2],
    }
    assert (attrition["left"].shift() - attrition["removed"]).iloc[1:].tolist() == [4, 2]


def test_without_rules_everybody_is_included():
    mask, attrition = included()
    assert all(mask)
    assert attrition["left"].tolist() == [5]


def test_a_missing_value_needs_a_stated_rule_only_where_it_is_met():
    adults = {"name": "adults", "column": "age", "at_least": 18}
    with pytest.raises(InputError, match=r"missing: exclude(.|\n)*row 4|row 4(.|\n)*exclude"):
        included(adults)
    # The patient without an age has left before.
    first = {"name": "arm", "column": "arm", "one_of": ["a"]}
    assert included(first, adults)[0] == T(2, 4)


def test_a_value_that_is_no_number_is_named_by_row():
    table = TABLE.assign(age=["17", "18", "sixty-one", "", "90"])
    rule = {"name": "adults", "column": "age", "at_least": 18, "missing": "keep"}
    with pytest.raises(InputError) as error:
        included(rule, table=table)
    assert "row 3" in str(error.value)
    assert error.value.problems[0].got == "sixty-one"


def test_a_column_that_is_not_there_gets_a_near_name():
    with pytest.raises(InputError, match="did you mean 'stage'"):
        included({"name": "x", "column": "stag", "one_of": ["a"]})


def test_a_rule_that_leaves_nobody_is_refused():
    with pytest.raises(InputError, match="leaves nobody"):
        included({"name": "x", "column": "arm", "one_of": ["A-"]})


@pytest.mark.parametrize(
    "rule",
    [
        {"column": "age"},
        {"at_least": 18},
        {"column": "age", "at_least": 18, "any_of": [{"column": "arm", "one_of": ["a"]}]},
        {"at_least": 18, "any_of": [{"column": "arm", "one_of": ["a"]}]},
        {"any_of": [{"column": "arm"}]},
        {"column": "age", "query": "age > 18"},
        {"column": "age", "at_least": 18, "missing": "drop"},
    ],
)
def test_a_rule_that_says_nothing_or_two_things_is_refused(rule):
    with pytest.raises(ValidationError):
        InclusionRule.model_validate({"name": "x", **rule})


def test_the_table_is_not_changed_and_the_mask_keeps_row_places():
    before = TABLE.copy()
    mask, *_ = apply_inclusion(TABLE, [InclusionRule(name="b", column="arm", one_of=("b",))])
    pd.testing.assert_frame_equal(TABLE, before)
    assert TABLE[mask].index.tolist() == [1, 3]
    assert mask.dtype == np.dtype(bool)
