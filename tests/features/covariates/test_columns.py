import io
import json
import math
import string

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from features.covariates.columns import ColumnSource, check_columns, read_covariates
from features.covariates.dictionary import read_dictionary
from features.errors import InputError, collect
from features.tables.table_file import read_table

DICTIONARY = read_dictionary()


def read(name, cells, **source):
    table = pd.DataFrame({source.get("column", name): cells})
    sources = {name: ColumnSource(**source)} if source else {}
    return read_covariates(table, [DICTIONARY[name]], sources)[name].tolist()


def refused(name, cells, **source):
    with pytest.raises(InputError) as error:
        read(name, cells, **source)
    return error.value.problems


def test_a_bare_name_is_a_column():
    assert ColumnSource.model_validate("hgb") == ColumnSource(column="hgb")


def test_codes_from_yaml_are_text():
    source = ColumnSource.model_validate({"column": "sex", "values": {0: "F", 1: "M"}})
    assert source.values == {"0": "F", "1": "M"}


def test_an_unknown_field_of_a_source_is_refused():
    with pytest.raises(ValidationError, match="Extra inputs"):
        ColumnSource(column="hgb", units="g/dL")


def test_a_missing_column_names_purpose_nearest_and_all():
    with pytest.raises(InputError) as error:
        check_columns(
            pd.DataFrame(columns=["pid", "os_month"]),
            {"patient_id": "pid", "endpoint OS, time": "os_months", "center": "zzz"},
        )
    near, far = error.value.problems
    assert near.what == "The table has no such column"
    assert (near.where, near.got, near.allowed) == (
        "endpoint OS, time",
        "os_months",
        "pid, os_month",
    )
    assert near.remedy.startswith("did you mean 'os_month'? correct the name")
    assert (far.where, far.got) == ("center", "zzz")
    assert "did you mean" not in far.remedy


def test_a_covariate_without_a_source_has_the_column_of_its_name():
    assert read("age_years", ["61", " 70.5 ", ""]) == pytest.approx(
        [61.0, 70.5, np.nan], nan_ok=True
    )


def test_an_unlisted_column_is_not_read():
    table = pd.DataFrame({"age_years": ["60"], "diary": ["free text"]})
    assert list(read_covariates(table, [DICTIONARY["age_years"]], {})) == ["age_years"]


@pytest.mark.parametrize(
    ("cell", "flag"),
    [("0", 0.0), ("1", 1.0), ("1.0", 1.0), ("TRUE", 1.0), ("False", 0.0), (True, 1.0), (0, 0.0)],
)
def test_flags_are_zero_and_one_or_true_and_false(cell, flag):
    assert read("mut_tp53", [cell]) == [flag]


def test_a_missing_flag_is_no_false():
    assert read("mut_tp53", [None, "false", ""]) == pytest.approx(
        [np.nan, 0.0, np.nan], nan_ok=True
    )


@pytest.mark.parametrize("cell", ["yes", "Y", "-", "positive"])
def test_another_word_for_a_flag_shows_how_to_map_it(cell):
    (problem,) = refused("mut_tp53", ["1", cell, "0"])
    assert problem.what == "A value is not a number"
    assert problem.where == "column mut_tp53, 1 patient(s): row 2 (the first patient is row 1)"
    assert (problem.got, problem.allowed) == (cell, "0 or 1")
    assert "`values:`" in problem.remedy


def test_mapped_codes_become_the_dictionarys_values():
    words = {"male": "M", "female": "F", "?": None}
    assert read("sex", ["male", "female", "?", None], column="gender", values=words) == [
        "M",
        "F",
        None,
        None,
    ]
    assert read("mut_tp53", ["pos", "neg"], column="tp53", values={"pos": True, "neg": 0}) == [
        1.0,
        0.0,
    ]


def test_an_unmapped_code_names_row_columns_value_and_remedy():
    (problem,) = refused("sex", ["male", "man"], column="gender", values={"male": "M"})
    assert problem.what == "A code is not in the mapping"
    assert problem.where == (
        "covariate sex, column gender, 1 patient(s): row 2 (the first patient is row 1)"
    )
    assert (problem.got, problem.allowed) == ("man", "male")
    assert "add it under `values:`" in problem.remedy


def test_a_mapping_to_an_unknown_value_is_refused():
    (problem,) = refused("sex", ["1"], column="sex", values={1: "male"})
    assert problem.what == "Not a possible value"
    assert (problem.got, problem.allowed) == ("male", "one of F, M")


@pytest.mark.parametrize("cell", ["3,5", "<0.1", "1e400", "inf", "nan", "True", "0x10", "1_000"])
def test_what_is_no_plain_number_is_refused(cell):
    (problem,) = refused("wbc_1e9_per_l", ["2.5", None, cell])
    assert problem.what == "A value is not a number"
    assert "row 3 " in problem.where
    assert problem.got == cell
    assert problem.allowed == "a number from 0 to 1000 1e9/L"
    assert "plain number with a decimal point" in problem.remedy


@pytest.mark.parametrize(
    ("name", "cell", "allowed"),
    [
        ("ecog", "5", "a whole number from 0 to 4"),
        ("ecog", "1.5", "a whole number from 0 to 4"),
        ("mut_tp53", "2", "0 or 1"),
        ("age_years", "17.9", "a number from 18 to 110 years"),
        ("bm_blasts_percent", "100.5", "a number from 0 to 100 %"),
        ("sex", "f", "one of F, M"),
    ],
)
def test_an_impossible_value_names_row_value_and_limits(name, cell, allowed):
    (problem,) = refused(name, [None, cell])
    assert problem.what == "Not a possible value"
    assert problem.where == f"column {name}, 1 patient(s): row 2 (the first patient is row 1)"
    assert (problem.got, problem.allowed) == (cell, allowed)
    # A true value is never to be blanked: limits can be widened.
    numeric = "number" in allowed
    assert (f"`dictionary: [{{name: {name}, limits: " in problem.remedy) == numeric
    assert "empty" not in problem.remedy


def test_many_wrong_rows_are_counted():
    (problem,) = refused("ecog", ["9"] * 8)
    # 8 rows, 5 of them named.
    assert "8 patient(s): row 1, 2, 3, 4, 5, ... (3 more) (" in problem.where


def test_a_value_in_another_unit_is_recognised():
    (problem,) = refused("hb_g_per_l", ["9.8", "11.2"])
    assert problem.remedy.startswith("this looks like g/dL: multiply by 10 to get g/L; or ")


def test_no_unit_is_suggested_when_it_does_not_fit_every_row():
    # 9.8 g/dL is possible, 500 g/dL is not.
    (problem,) = refused("hb_g_per_l", ["9.8", "500"])
    assert "looks like" not in problem.remedy


def test_a_stated_unit_is_converted_without_binary_dust():
    # 1400 x 0.001 = 1.4000000000000001 in binary arithmetic, 1.4 in a laboratory's.
    assert read("wbc_1e9_per_l", ["1400"], column="wbc", unit="per uL") == [1.4]
    assert read("hb_g_per_l", ["9.8"], column="hgb", unit="g/dL") == [98.0]


def test_the_dictionarys_own_unit_may_be_stated():
    assert read("hb_g_per_l", ["98"], column="hgb", unit="g/L") == [98.0]


def test_an_unknown_unit_names_the_known_ones():
    problem = refused("hb_g_per_l", ["98"], column="hgb", unit="mmol/L")[0]
    assert problem.what == "Unknown unit"
    assert problem.where == "covariate hb_g_per_l, column hgb"
    assert (problem.got, problem.allowed) == ("mmol/L", "g/L, g/dL")


def test_every_columns_problems_are_told_at_once():
    table = pd.DataFrame({"age_years": ["old"], "ecog": ["7"], "sex": ["x"]})
    wanted = [DICTIONARY[name] for name in table]
    with pytest.raises(InputError) as error:
        read_covariates(table, wanted, {})
    assert sorted(p.got for p in error.value.problems) == ["7", "old", "x"]


def test_rows_are_counted_by_place_whatever_the_index():
    table = pd.DataFrame({"ecog": ["1", "9"]}, index=[40, 50])
    with pytest.raises(InputError, match="row 2 "):
        read_covariates(table, [DICTIONARY["ecog"]], {})
    read_back = read_covariates(table.iloc[:1], [DICTIONARY["ecog"]], {})
    assert read_back.index.tolist() == [0]


def test_columns_without_any_value_keep_their_type():
    table = pd.DataFrame({"sex": [None, None], "ecog": [None, ""]})
    frame = read_covariates(table, [DICTIONARY["sex"], DICTIONARY["ecog"]], {})
    assert frame["sex"].tolist() == [None, None]
    assert frame["ecog"].dtype == float
    assert frame["ecog"].isna().all()


def valid_values(covariate):
    if covariate.kind == "flag":
        return st.sampled_from([0.0, 1.0])
    if covariate.kind == "category":
        return st.sampled_from(covariate.vocabulary)
    low, high = covariate.limits
    if covariate.kind == "integer":
        return st.integers(int(low), int(high)).map(float)
    return st.floats(low, high)


ANY_COVARIATE = st.sampled_from([c for c in DICTIONARY.values() if c.timing == "baseline"])


@st.composite
def patient_tables(draw):
    covariates = draw(st.lists(ANY_COVARIATE, min_size=1, max_size=5, unique_by=lambda c: c.name))
    row = st.fixed_dictionaries({c.name: st.none() | valid_values(c) for c in covariates})
    rows = draw(st.lists(row, min_size=1, max_size=6))
    return covariates, pd.DataFrame(rows, columns=[c.name for c in covariates], dtype=object)


@settings(derandomize=True, deadline=None)
@given(patient_tables(), st.sampled_from(["csv", "json"]))
def test_valid_tables_come_back_from_a_file_as_they_were(drawn, kind):
    covariates, table = drawn
    # A spreadsheet leaves rows of commas alone at the end; such a row is no patient.
    assume(kind == "json" or table.iloc[-1].notna().any())
    as_json = json.dumps(table.to_dict("records"))
    text = table.to_csv(index=False) if kind == "csv" else as_json
    frame = read_covariates(read_table("-", io.StringIO(text)), covariates, {})
    for name in table:
        read_back = [None if isinstance(v, float) and math.isnan(v) else v for v in frame[name]]
        assert read_back == table[name].tolist()


@pytest.mark.parametrize(
    ("name", "unit"), [(c.name, unit) for c in DICTIONARY.values() for unit in c.units]
)
@settings(derandomize=True, deadline=None, max_examples=20)
@given(data=st.data())
def test_a_value_is_the_same_in_either_unit(name, unit, data):
    covariate = DICTIONARY[name]
    value = data.draw(valid_values(covariate))
    (converted,) = read(name, [repr(value / covariate.units[unit])], column="lab", unit=unit)
    # Rounded to 9 decimals after the conversion.
    assert converted == pytest.approx(value, rel=1e-12, abs=1e-9)


NEARLY = st.text(alphabet=string.digits + "+-.,eE %<>_xnaif", max_size=8)
CELLS = st.lists(st.none() | NEARLY | st.text(max_size=8), min_size=1, max_size=4)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(ANY_COVARIATE, CELLS)
def test_any_text_is_a_possible_value_or_an_input_error(covariate, cells):
    problems = []
    values = collect(problems, lambda: read(covariate.name, cells))
    for problem in problems:
        assert f"column {covariate.name}" in problem.where
        assert problem.allowed == covariate.allowed
    assert (values is None) == bool(problems)
    if values is not None:
        assert len(values) == len(cells)
        for value, cell in zip(values, cells, strict=True):
            if value is None or value != value:
                assert cell is None or not cell.strip()
            elif covariate.kind == "category":
                assert value in covariate.vocabulary
            else:
                low, high = covariate.limits or (0, 1)
                assert low <= value <= high


@settings(derandomize=True, deadline=None)
@given(
    st.sampled_from(["sex", "mut_tp53", "ecog", "hb_g_per_l"]),
    st.dictionaries(
        st.text(max_size=3).filter(str.strip), st.none() | st.text(max_size=3) | st.integers(0, 9)
    ),
    CELLS,
)
def test_any_mapping_gives_possible_values_or_an_input_error(name, mapping, cells):
    problems = []
    values = collect(problems, lambda: read(name, cells, column="x", values=mapping))
    assert all(f"covariate {name}, column x" in problem.where for problem in problems)
    assert len(values or cells) == len(cells)
    assert (values is None) == bool(problems)
