import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from features.errors import InputError
from features.sources.rows.joined_tables import JoinedTable, join_table
from features.sources.rows.patient_table import join_tables, one_row_a_patient

PATIENTS = pd.DataFrame({"mrn": ["007", "008", "009"], "age": ["60", "61", "62"]}, index=[4, 2, 7])
LABS = pd.DataFrame(
    {"mrn": ["009", "007", "999"], "hb": ["90", "100", "80"], "wbc": ["3", "4", "5"]}
)


def joined(first=PATIENTS, other=LABS, **stated):
    spec = JoinedTable.model_validate({"path": "labs.csv", "on": "mrn"} | stated)
    return join_table(first, other, spec)


def refused(*args, **stated):
    with pytest.raises(InputError) as error:
        joined(*args, **stated)
    return error.value


def test_each_patient_gets_the_cells_of_the_same_identifier():
    first = PATIENTS.copy()
    first.attrs["start_offset_column"] = "x"
    table, findings = joined(first)
    assert table.index.tolist() == [4, 2, 7]
    assert table["hb"].tolist()[::2] == ["100", "90"]
    assert table.loc[2, ["hb", "wbc"]].isna().all()
    assert table.attrs == first.attrs
    (finding,) = findings
    assert (finding.check, finding.count, finding.total) == ("joined_table", 1, 3)
    assert "1 patient(s) there are not in the patients' table" in finding.what
    assert "999" not in str(finding)


def test_a_complete_match_has_nothing_to_tell():
    table, findings = joined(PATIENTS, LABS.assign(mrn=["009", "007", "008"]))
    assert table["hb"].tolist() == ["100", "80", "90"]
    assert findings == []


def test_columns_are_chosen_and_renamed():
    table, _ = joined(columns={"hb_g_per_l": "hb"})
    assert list(table.columns) == ["mrn", "age", "hb_g_per_l"]
    table, _ = joined(columns=["wbc"])
    assert list(table.columns) == ["mrn", "age", "wbc"]


def test_row_names_are_left_behind():
    numbered = {"Unnamed: 0": ["1", "2", "3"]}
    table, _ = joined(PATIENTS.assign(**numbered), LABS.assign(**numbered))
    assert list(table.columns) == ["mrn", "age", "Unnamed: 0", "hb", "wbc"]


def test_identifiers_may_have_other_names_and_several_parts():
    first = PATIENTS.assign(site=["a", "b", "a"])
    other = LABS.rename(columns={"mrn": "ID"}).assign(ID=["009", "007", "007"], S=["a", "a", "b"])
    table, _ = joined(first, other, on={"mrn": "ID", "site": "S"})
    assert table["hb"].tolist()[::2] == ["100", "90"]
    assert pd.isna(table["hb"].iloc[1])


def test_a_typed_identifier_is_the_same_as_its_text():
    other = LABS.assign(mrn=np.array([9.0, 7.0, np.nan]))[:2]
    first = PATIENTS.assign(mrn=["7", "8", "9"])
    assert joined(first, other)[0]["hb"].tolist()[::2] == ["100", "90"]


@pytest.mark.parametrize(
    ("mine", "theirs", "kinds"),
    [
        (["007", "008", "009"], ["7", "8", "9"], "leading zeros"),
        (["a1", "b2", "c3"], ["A1", "B2", "c3"], "upper and lower case"),
        (["A-1", "B-2", "C-3"], ["A1", "B 2", "C-3"], "blanks and punctuation"),
        (["1", "2", "3"], ["1.0", "2.0", "4"], "a decimal point"),
        (["VEN-007", "x", "y"], ["ven7", "z", "y"],
         "blanks and punctuation, leading zeros, upper and lower case"),
    ],
)  # fmt: skip
def test_two_ways_of_writing_an_identifier_are_told_not_guessed(mine, theirs, kinds):
    error = refused(PATIENTS.assign(mrn=mine), LABS.assign(mrn=theirs))
    (problem,) = error.problems
    assert problem.what == "The two tables write identifiers in different ways"
    assert problem.got.endswith("without regard to " + kinds)
    assert not any(key in str(error) for key in (*mine, *theirs) if len(key) > 2)


@pytest.mark.parametrize(
    ("first", "other", "stated", "told"),
    [
        (PATIENTS, LABS, {"on": "MRN"}, "no such column"),
        (PATIENTS, LABS, {"on": {"mrn": "id"}}, "no such column"),
        (PATIENTS, LABS, {"columns": ["plt"]}, "no such column"),
        (PATIENTS, LABS, {"columns": ["plt", "hb"]}, "no such column"),
        (PATIENTS, LABS, {"on": ["site", "mrn"]}, "no such column"),
        (PATIENTS, LABS.assign(mrn=["009", None, "007"]), {}, "An identifier is missing"),
        (PATIENTS.assign(mrn=["007", "", "009"]), LABS, {}, "An identifier is missing"),
        (PATIENTS, LABS.assign(mrn=["009", "009", "007"]), {}, "more than one row"),
        (PATIENTS.assign(mrn=["007", "007", "009"]), LABS, {}, "more than one row"),
        (PATIENTS, LABS.assign(mrn=["x", "y", "z"]), {}, "No patient is in the joined table"),
        (PATIENTS, LABS.assign(age="1"), {}, "Both tables have a column of this name"),
        (PATIENTS, LABS, {"unmatched": "refuse"}, "Patients are not in the joined table"),
    ],
)
def test_a_join_that_is_not_plain_is_refused(first, other, stated, told):
    error = refused(first, other, **stated)
    assert told in error.problems[0].what
    assert "labs.csv" in error.problems[0].where
    assert "007" not in str(error)


def test_rows_of_others_are_never_read():
    # The doubled, undated rows are of nobody in the cohort.
    other = pd.concat([LABS, LABS.iloc[[2]]]).assign(day=["1", "2", None, None])
    rule = {"rule": "last", "date": "day"}
    table, findings = joined(other=other, one_row=rule, columns=["hb"])
    assert table["hb"].tolist()[::2] == ["100", "90"]
    assert [finding.check for finding in findings] == ["one_row", "joined_table"]
    # Patients are counted, not rows: of the two who are there, nobody lost a row.
    assert (findings[0].count, findings[0].total) == (0, 2)


def test_the_last_row_before_the_patient_s_own_start_is_joined():
    first = PATIENTS.assign(start=["2024-03-01", "2024-03-01", "2024-01-01"])
    labs = pd.DataFrame(
        {
            "mrn": ["007", "007", "008", "009"],
            "day": ["2024-02-01", "2024-04-01", "2024-03-01", "2024-01-02"],
            "hb": ["90", "120", "95", "80"],
        }
    )
    rule = {"rule": "last", "date": "day", "on_or_before": "start"}
    table, findings = joined(first, labs, one_row=rule, columns=["hb"])
    assert table["hb"].tolist()[:2] == ["90", "95"]
    assert pd.isna(table["hb"].iloc[2])
    assert "of 4 rows 2 are kept" in findings[0].what
    assert "2 later; of these patients no row is left" in findings[0].what
    assert findings[0].who == "1 of 3 patient(s), 33%"
    # A patient who is lost is more than rows that are: a check of its own, with its severity.
    assert (findings[0].check, findings[0].severity.label) == ("no_row_left", "warn")


def test_long_labs_are_the_last_of_each_before_the_start():
    first = PATIENTS.assign(start="10")
    labs = pd.DataFrame(
        {
            "mrn": ["007", "007", "007", "008", "009"],
            "test": ["HB", "HB", "WBC", "HB", "PLT"],
            "day": ["1", "9", "3", "11", None],
            "value": ["90", "100", "4", "70", "1"],
        }
    )
    table, _ = joined(
        first,
        labs,
        long={"name": "test", "values": ["HB", "WBC"], "take": ["value"]},
        one_row={"rule": "last", "date": "day", "on_or_before": "start"},
        columns={"hb": "HB_value", "wbc": "WBC_value"},
    )
    assert table.loc[4, ["hb", "wbc"]].tolist() == ["100", "4"]
    assert table.loc[[2, 7], ["hb", "wbc"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ({"on": []}, "names the column of the patient"),
        ({"on": 3}, "a column, a list of columns"),
        ({"unmatched": "drop"}, "'keep' or 'refuse'"),
        ({"seperator": ";"}, "Extra inputs"),
        ({"one_row": {"rule": "last", "date": "d", "patient": "mrn"}}, "takes its patients from"),
    ],
)
def test_a_mistaken_join_is_refused(stated, told):
    with pytest.raises(ValidationError, match=told):
        JoinedTable.model_validate({"path": "labs.csv", "on": "mrn"} | stated)


def test_other_identifiers_are_not_taken_for_ways_of_writing():
    first = PATIENTS.assign(mrn=["1-15", "2", "3"])
    table, _ = joined(first, LABS.assign(mrn=["11-5", "2", "3"]))
    assert table["hb"].isna().tolist() == [True, False, False]


def test_files_are_joined_as_they_are_written(tmp_path):
    (tmp_path / "labs.txt").write_text("mrn;karyotype;hb\n007;None;9,5\n008;NA;?\n", "utf-8")
    spec = JoinedTable.model_validate(
        {"path": "labs.txt", "on": "mrn", "separator": ";", "decimal": ",", "missing": ["?"],
         "columns": {"cyto": "karyotype", "hb": "hb"}}
    )  # fmt: skip
    codes = {"cyto": frozenset({"None"})}
    table, _ = join_tables(PATIENTS, [spec], tmp_path, codes)
    assert table.loc[4, ["cyto", "hb"]].tolist() == ["None", "9.5"]
    assert table.loc[2, ["cyto", "hb"]].isna().all()


def test_codes_of_long_rows_are_no_missing_words():
    spec = JoinedTable.model_validate(
        {"path": "a.csv", "on": "id",
         "long": {"name": "P", "values": ["NA", "OS"], "take": ["CNSR"]}}
    )  # fmt: skip
    codes = spec.own_codes({"OS_CNSR": frozenset({"None"}), "age": frozenset()})
    assert codes["P"] == {"NA", "OS"}
    assert codes["CNSR"] == {"None"}


def test_the_first_table_itself_is_made_one_row_a_patient():
    table = pd.DataFrame({"mrn": ["a", "a", "b"], "day": ["1", "2", "1"], "ecog": ["0", "1", "2"]})
    rule = JoinedTable.model_validate(
        {"path": "x", "on": "mrn", "one_row": {"rule": "last", "date": "day"}}
    ).one_row
    found, (finding,) = one_row_a_patient(table, "mrn", None, rule)
    assert found["ecog"].tolist() == ["1", "2"]
    assert found.index.tolist() == [1, 2]
    assert (finding.count, finding.total) == (1, 2)  # of a, one row is left out
    with pytest.raises(InputError, match="Which column says whose a row is"):
        one_row_a_patient(table, "", None, rule)
    with pytest.raises(InputError, match="An identifier is missing"):
        one_row_a_patient(table.assign(mrn=["a", None, "b"]), "mrn", None, rule)
