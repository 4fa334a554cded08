import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from features.cohort import CohortColumns, read_cohort
from features.dictionary import read_dictionary
from features.errors import InputError

DICTIONARY = read_dictionary()
COVARIATES = ["age_years", "log_wbc"]
TABLE = pd.DataFrame(
    {
        "pid": ["P1", "P2", "P3", "P4"],
        "site": ["north", None, "south", "north"],
        "arm": ["aza", "ldac", "aza", "ldac"],
        "age_years": ["61", "70.5", "", "55"],
        "wbc": ["10000", "1000", "100000", ""],
        "time": ["365.25", "0", "30", "60"],
        "dead": ["0", "1", "1", "0"],
        "best": ["CR", "CRi", "PD", None],
        "fn": ["1", "0", "", "1"],
        "diary": ["not", "read", "at", "all"],
    }
)
COLUMNS = {
    "patient_id": "pid",
    "center": "site",
    "regimen": {
        "column": "arm",
        "values": {"aza": "HMA", "ldac": "LDAC"},
        "reference_arm": "LDAC",
    },
    "covariates": {"wbc_1e9_per_l": {"column": "wbc", "unit": "per uL"}},
    "endpoints": {"os": {"label": "OS", "time": "time", "event": "dead", "unit": "days"}},
    "response": {"column": "best", "responders": ["CR", "CRi"]},
    "adverse_events": {"febrile neutropenia": "fn"},
}


def read(table=TABLE, covariates=COVARIATES, **changes):
    columns = CohortColumns.model_validate({**COLUMNS, **changes})
    return read_cohort(table, columns, covariates, DICTIONARY)


def refused(table=TABLE, covariates=COVARIATES, **changes):
    with pytest.raises(InputError) as error:
        read(table, covariates, **changes)
    return error.value.problems


def test_a_cohort_holds_only_what_is_named_and_no_identifier():
    cohort = read()
    assert len(cohort) == 4
    assert cohort.inputs.columns.tolist() == ["age_years", "wbc_1e9_per_l"]
    # 10000 a uL x 0.001 = 10 x 1e9/L.
    assert cohort.inputs["wbc_1e9_per_l"].tolist() == pytest.approx(
        [10, 1, 100, np.nan], nan_ok=True
    )
    assert cohort.regimen.tolist() == ["HMA", "LDAC", "HMA", "LDAC"]
    assert cohort.center.tolist() == ["north", "unknown", "south", "north"]
    # 365.25 days are 12 months.
    assert cohort.outcomes["OS"].time[:2] == pytest.approx([12, 0])
    assert cohort.outcomes["OS"].event.tolist() == [False, True, True, False]


def test_the_dataset_holds_derived_covariates_and_one_outcome():
    cohort = read()
    dataset = cohort.dataset(COVARIATES, "OS")
    assert dataset.covariates.columns.tolist() == COVARIATES
    # log10 of 10, 1 and 100.
    assert dataset.covariates["log_wbc"].tolist() == pytest.approx([1, 0, 2, np.nan], nan_ok=True)
    assert dataset.outcome is cohort.outcomes["OS"]
    assert dataset.regimen is cohort.regimen


def test_a_missing_response_is_not_evaluated_and_no_failure():
    assert read().responder == pytest.approx([1, 1, 0, np.nan], nan_ok=True)


def test_with_non_responders_listed_every_other_word_is_not_evaluated():
    table = TABLE.assign(best=["CR", "not evaluated", "PD", None])
    response = {"column": "best", "responders": ["CR"], "non_responders": ["PD"]}
    assert read(table, response=response).responder == pytest.approx(
        [1, np.nan, 0, np.nan], nan_ok=True
    )


def test_no_responder_is_a_question_of_coding():
    (problem,) = refused(response={"column": "best", "responders": ["complete"]})
    assert problem.what == "No patient responded"
    assert problem.where == "response, column best"
    assert (problem.got, problem.allowed) == ("values CR, CRi, PD", "responders: complete")
    assert "`response.responders`" in problem.remedy


def test_adverse_events_are_flags_with_missing_kept():
    events = read().adverse_events
    assert events["febrile neutropenia"].tolist() == pytest.approx([1, 0, np.nan, 1], nan_ok=True)


def test_an_adverse_event_that_is_no_flag_names_row_and_column():
    (problem,) = refused(TABLE.assign(fn=["1", "3", "0", "1"]))
    assert "row 2 " in problem.where
    assert "column fn (febrile neutropenia)" in problem.where
    assert (problem.got, problem.allowed) == ("3", "0 or 1")


def test_a_cohort_may_have_endpoints_alone():
    bare = {key: None for key in ("patient_id", "center", "regimen", "response")}
    cohort = read(**bare, adverse_events={})
    assert cohort.regimen is cohort.center is cohort.responder is cohort.adverse_events is None
    assert cohort.provenance == ""


def test_the_same_patient_twice_would_stand_in_two_folds():
    (problem,) = refused(TABLE.assign(pid=["P1", "P2", "P1", "P1"]))
    assert problem.what == "The same patient stands in more than one row"
    assert problem.where == ("column pid, 2 repeated row(s): row 3, 4 (the first patient is row 1)")
    assert problem.allowed == "one row a patient"
    assert "first venetoclax dose" in problem.remedy


def test_patients_without_identifier_are_not_the_same():
    assert len(read(TABLE.assign(pid=[None, None, "P3", "P4"]))) == 4


def test_a_mapped_name_must_stand_in_the_dictionary():
    columns = CohortColumns.model_validate(
        {**COLUMNS, "covariates": {**COLUMNS["covariates"], "hemoglobin": "hgb"}}
    )
    with pytest.raises(InputError) as error:
        read_cohort(TABLE, columns, COVARIATES, DICTIONARY)
    (problem,) = error.value.problems
    assert problem.what == "A mapped covariate is not in the dictionary"
    assert problem.where == "cohort.columns.covariates"
    assert problem.got == "hemoglobin"
    assert "`dictionary:`" in problem.remedy


def test_problems_of_every_part_are_told_at_once():
    table = TABLE.assign(pid="P1", age_years="old", time="-1", arm="FLAG", best="PD", fn="maybe")
    whats = {p.what for p in refused(table)}
    assert whats == {
        "The same patient stands in more than one row",
        "A value is not a number",
        "The time is negative",
        "Unknown regimen",
        "No patient responded",
    }
    # 'old' in age and 'maybe' among the adverse events.
    assert [p.got for p in refused(table) if p.what == "A value is not a number"] == [
        "old",
        "maybe",
    ]


def test_missing_columns_of_every_part_are_told_at_once():
    problems = refused(TABLE[["diary"]])
    assert {p.got for p in problems} == {
        "pid", "site", "age_years", "wbc", "time", "dead", "arm", "best", "fn",
    }  # fmt: skip
    assert {p.what for p in problems} == {"The table has no such column"}


def test_two_endpoints_cannot_share_a_label():
    endpoint = COLUMNS["endpoints"]["os"]
    with pytest.raises(ValidationError, match="two endpoints have the same label: OS"):
        CohortColumns.model_validate({"endpoints": {"os": endpoint, "efs": endpoint}})


def test_an_index_of_the_table_plays_no_part():
    shifted = TABLE.set_axis([9, 9, 3, 1])
    assert read(shifted).fingerprint == read().fingerprint


@pytest.mark.parametrize(
    ("provenance", "expected"),
    [(["simulated"] * 4, "simulated"), ([None, "simulated", None, None], "simulated"),
     ([None] * 4, "")],
)  # fmt: skip
def test_provenance_is_a_word_or_empty(provenance, expected):
    assert read(TABLE.assign(provenance=provenance)).provenance == expected


def test_the_fingerprint_is_the_same_for_the_same_data():
    assert read(TABLE.copy()).fingerprint == read().fingerprint
    assert len(read().fingerprint) == 64
    # What is not read does not count.
    assert read(TABLE.assign(diary="x")).fingerprint == read().fingerprint


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("age_years", ["61", "70.5", "", "56"]),
        ("time", ["365.25", "0", "30", "61"]),
        ("dead", ["1", "1", "1", "0"]),
        ("arm", ["aza", "ldac", "aza", "aza"]),
        ("site", ["north", "north", "south", "north"]),
        ("best", ["CR", "CRi", "CR", None]),
        ("fn", ["1", "0", "0", "1"]),
    ],
)
def test_the_fingerprint_changes_with_any_value_read(column, cells):
    assert read(TABLE.assign(**{column: cells})).fingerprint != read().fingerprint


def test_the_fingerprint_knows_the_order_of_the_rows():
    assert read(TABLE.iloc[::-1]).fingerprint != read().fingerprint
