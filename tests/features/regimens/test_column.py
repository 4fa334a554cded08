import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from features.errors import InputError, collect
from features.regimens.column import RegimenColumn, derive_regimen

SOURCE = RegimenColumn(
    column="arm",
    values={"ven+aza": "HMA", "ven+dec": "HMA", "ven+ldac": "LDAC"},
    reference_arm="LDAC",
)


def regimens(*cells):
    return derive_regimen(pd.DataFrame({"arm": list(cells)}), SOURCE)


def test_the_reference_arm_comes_first_and_each_arm_once():
    assert SOURCE.arms == ("LDAC", "HMA")


def test_two_codes_may_mean_one_regimen():
    assert regimens("ven+aza", "ven+dec", "ven+ldac").tolist() == ["HMA", "HMA", "LDAC"]


def test_the_regimens_own_name_and_outer_blanks_are_taken():
    assert regimens("HMA", " ven+ldac ").tolist() == ["HMA", "LDAC"]


def test_a_listed_code_goes_before_a_regimen_of_the_same_name():
    swapped = RegimenColumn(column="arm", values={"A": "B", "B": "A"}, reference_arm="A")
    assert derive_regimen(pd.DataFrame({"arm": ["A", "B"]}), swapped).tolist() == ["B", "A"]


def test_numeric_codes_are_read_as_text():
    coded = RegimenColumn(column="arm", values={"1": "HMA", "2": "LDAC"}, reference_arm="LDAC")
    table = pd.DataFrame({"arm": [2, 1]})
    assert derive_regimen(table, coded).tolist() == ["LDAC", "HMA"]


def test_an_unknown_regimen_names_rows_value_codes_and_remedy():
    with pytest.raises(InputError) as error:
        regimens("ven+aza", "FLAG-IDA", "ven+ldac", None)
    (problem,) = error.value.problems
    assert problem.what == "Unknown regimen"
    assert problem.where == (
        "regimen, column arm, 2 patient(s): row 2, 4 (the first patient is row 1)"
    )
    assert problem.got == "FLAG-IDA, empty"
    assert problem.allowed == "LDAC, HMA, ven+aza, ven+dec, ven+ldac"
    assert "none is assumed for a patient whose regimen is unknown" in problem.remedy


@pytest.mark.parametrize("cell", [None, float("nan"), pd.NA])
def test_a_missing_regimen_is_refused_as_empty(cell):
    with pytest.raises(InputError) as error:
        regimens("HMA", cell)
    assert error.value.problems[0].got == "empty"
    assert "row 2 " in error.value.problems[0].where


def test_codes_differ_in_case():
    # 'hma' is not guessed to be HMA: every code must be listed.
    with pytest.raises(InputError) as error:
        regimens("hma")
    assert error.value.problems[0].got == "hma"


def test_a_missing_column_names_the_nearest():
    with pytest.raises(InputError) as error:
        derive_regimen(pd.DataFrame({"arms": ["HMA"]}), SOURCE)
    assert error.value.problems[0].got == "arm"
    assert "did you mean 'arms'?" in error.value.problems[0].remedy


def test_the_reference_arm_must_be_a_regimen():
    with pytest.raises(ValidationError, match=r"'7\+3' is not among the regimens \['HMA'\]"):
        RegimenColumn(column="arm", values={"aza": "HMA"}, reference_arm="7+3")


@settings(derandomize=True, deadline=None)
@given(st.lists(st.none() | st.text() | st.sampled_from(list(SOURCE.values)), min_size=1))
def test_any_cell_gives_an_arm_or_an_input_error(cells):
    problems = []
    read = collect(problems, lambda: regimens(*cells))
    known = {*SOURCE.values, *SOURCE.arms}
    assert bool(problems) == any(cell is None or cell.strip() not in known for cell in cells)
    if read is not None:
        assert set(read) <= set(SOURCE.arms)
        assert len(read) == len(cells)


def test_numbers_of_a_yaml_file_are_codes():
    coded = RegimenColumn(column="arm", values={1: "HMA", 2: 7}, reference_arm=7)
    assert coded.arms == ("7", "HMA")
    # pandas makes floats of whole numbers where a cell of another column type was missing.
    assert derive_regimen(pd.DataFrame({"arm": [1.0, 2.0]}), coded).tolist() == ["HMA", "7"]


@pytest.mark.parametrize(
    "stated",
    [
        {"values": {True: "HMA", False: "LDAC"}, "reference_arm": "LDAC"},
        {"values": {"a": True, "b": "LDAC"}, "reference_arm": "LDAC"},
        {"values": {"a": "HMA", "b": "LDAC"}, "reference_arm": False},
    ],
)
def test_truth_values_are_no_codes(stated):
    with pytest.raises(ValidationError, match="in quotes as the table writes it"):
        RegimenColumn(column="arm", **stated)


def test_three_arms_keep_their_order_behind_the_reference():
    three = RegimenColumn(column="a", values={1: "A", 2: "B", 3: "C", 4: "A"}, reference_arm="B")
    assert three.arms == ("B", "A", "C")
