import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from features.cohort import CohortColumns, read_cohort
from features.covariates.dictionary import read_dictionary
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
    assert (problem.got, problem.allowed) == ("CR, CRi, PD", "responders: complete")
    assert "`response.responders`" in problem.remedy


def test_adverse_events_are_flags_with_missing_kept():
    events = read().adverse_events
    assert events["febrile neutropenia"].tolist() == pytest.approx([1, 0, np.nan, 1], nan_ok=True)


def test_an_adverse_event_that_is_no_flag_names_row_and_column():
    (problem,) = refused(TABLE.assign(fn=["1", "3", "0", "1"]))
    assert "row 2 " in problem.where
    assert "covariate febrile neutropenia, column fn" in problem.where
    assert (problem.got, problem.allowed) == ("3", "0 or 1")


def test_a_cohort_may_have_endpoints_alone():
    bare = {key: None for key in ("patient_id", "center", "regimen", "response")}
    cohort = read(**bare, adverse_events={})
    assert cohort.regimen is cohort.center is cohort.responder is cohort.adverse_events is None
    assert cohort.provenance == ""


def test_the_same_patient_twice_would_stand_in_two_folds():
    (problem,) = refused(TABLE.assign(pid=["P1", "P2", "P1", "P1"]))
    assert problem.what == "The same patient stands in more than one row"
    assert problem.where == ("column pid, 2 row(s): 3, 4 (the first is row 1)")
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


RESPONDERS = {
    "label": "RFS",
    "origin": "cr_date",
    "population": {"best": ["CR", "CRi"]},
    "events": [{"date": "died"}],
    "censors": [{"date": "seen"}],
}
DATED = TABLE.assign(
    cr_date=["2024-01-01", "2024-02-01", None, None],
    died=["2024-03-01", None, "2024-02-01", None],
    seen=[None, "2024-03-02", None, None],
)


def read_with_rfs(table=DATED):
    return read(table, endpoints={**COLUMNS["endpoints"], "rfs": RESPONDERS})


def test_an_endpoint_of_some_patients_keeps_who_they_are():
    cohort = read_with_rfs()
    assert cohort.of_endpoint("RFS").tolist() == [True, True, False, False]
    assert cohort.of_endpoint("OS").all()
    assert len(cohort.outcomes["RFS"]) == 2
    assert len(cohort.outcomes["OS"]) == len(cohort) == 4


def test_its_dataset_holds_those_patients_alone():
    dataset = read_with_rfs().dataset(COVARIATES, "RFS")
    assert dataset.covariates["age_years"].tolist() == [61, 70.5]
    assert dataset.covariates.index.tolist() == [0, 1]
    assert dataset.regimen.tolist() == ["HMA", "LDAC"]
    assert dataset.center.tolist() == ["north", "unknown"]
    assert dataset.outcome.event.tolist() == [True, False]


def test_the_fingerprint_knows_the_population_of_an_endpoint():
    first = read_with_rfs().fingerprint
    assert first != read(DATED).fingerprint
    assert first == read_with_rfs(DATED.copy()).fingerprint
    later = DATED.assign(seen=[None, "2024-03-03", None, None])
    assert first != read_with_rfs(later).fingerprint


def test_competing_events_are_part_of_the_fingerprint():
    def with_codes(**codes):
        return read(
            TABLE.assign(dead=["0", "1", "1", "2"]),
            endpoints={"os": {**COLUMNS["endpoints"]["os"], **codes}},
        ).fingerprint

    assert with_codes(competing_values=[2]) != with_codes(censored_values=[0, 2])


DRUGS = {
    "columns": {"venetoclax": "ven", "azacitidine": "aza", "cytarabine": "arac"},
    "holds": "start_date",
}
FROM_DRUGS = {"drugs": DRUGS, "low_dose": {}, "reference_arm": "LDAC"}
WITH_DRUGS = TABLE.assign(
    ven=["2024-01-01", None, "2024-01-01", "2024-01-05"],
    aza=["2024-01-01", "2024-01-01", None, None],
    arac=[None, None, "2024-01-01", "2024-01-05"],
    died=["2024-01-31", None, None, None],
    seen=[None, None, "2024-02-01", "2024-02-05"],
)


def test_patients_without_a_regimen_are_left_out_and_counted():
    os = {"label": "OS", "origin": "index_date", "events": [{"date": "died"}],
          "censors": [{"date": "seen"}]}  # fmt: skip
    cohort = read(WITH_DRUGS, regimen=FROM_DRUGS, endpoints={"os": os})
    assert cohort.regimen.tolist() == ["HMA", "LDAC", "LDAC"]
    assert cohort.inputs["age_years"].tolist() == pytest.approx([61, np.nan, 55], nan_ok=True)
    assert cohort.center.tolist() == ["north", "south", "north"]
    assert cohort.responder == pytest.approx([1, 0, np.nan], nan_ok=True)
    assert cohort.adverse_events["febrile neutropenia"].tolist() == pytest.approx(
        [1, np.nan, 1], nan_ok=True
    )
    # From the first dose of venetoclax: 30, 31 and 31 days.
    assert cohort.outcomes["OS"].time * 365.25 / 12 == pytest.approx([30, 31, 31])
    left_out = cohort.regimen_counts.query("regimen == ''")
    assert left_out[["reason", "patients"]].to_numpy().tolist() == [["no venetoclax", 1]]


def test_the_outcome_of_a_patient_left_out_is_not_read_but_rows_are_those_of_the_table():
    # P2 has no venetoclax, so its time is nobody's; P4 has.
    assert len(read(WITH_DRUGS.assign(time=["9", "lost", "9", "9"]), regimen=FROM_DRUGS)) == 3
    (problem,) = refused(WITH_DRUGS.assign(time=["9", "lost", "9", "?"]), regimen=FROM_DRUGS)
    assert "row 4 (the first patient is row 1)" in problem.where


def test_a_long_drug_table_comes_beside_the_patients():
    drugs = pd.DataFrame(
        {"id": ["P1", "P1", "P3", "P3", "P4", "P4"],
         "drug": ["venetoclax", "azacitidine"] + ["venetoclax", "cytarabine"] * 2,
         "from": ["2024-01-01"] * 6}
    )  # fmt: skip
    long = {"path": "drugs.csv", "patient_id": "id", "drug": "drug", "start": "from"}
    columns = CohortColumns.model_validate({**COLUMNS, "regimen": {**FROM_DRUGS, "drugs": long}})
    cohort = read_cohort(TABLE, columns, COVARIATES, DICTIONARY, drugs)
    assert cohort.regimen.tolist() == ["HMA", "LDAC", "LDAC"]


def test_codes_of_the_response_may_be_numbers_but_not_truth_values():
    response = {"column": "best", "responders": [1, 2], "non_responders": 3}
    cohort = read(TABLE.assign(best=[1, 2, 3, None]), response=response)
    assert cohort.responder == pytest.approx([1, 1, 0, np.nan], nan_ok=True)
    with pytest.raises(ValidationError, match="in quotes as the table writes it"):
        read(response={"column": "best", "responders": [True]})


@pytest.mark.parametrize("regimen", [COLUMNS["regimen"], FROM_DRUGS, None])
def test_the_columns_as_logged_are_the_same_columns(regimen):
    stated = {**COLUMNS, "regimen": regimen, "endpoints": {"rfs": RESPONDERS}}
    columns = CohortColumns.model_validate(stated)
    assert CohortColumns.model_validate(columns.model_dump(mode="json")) == columns


@pytest.mark.parametrize(
    ("regimen", "told"),
    [
        ({"drug": DRUGS, "reference_arm": "LDAC"}, "did you mean 'drugs'"),
        ({"column": "arm", "drugs": DRUGS, "reference_arm": "LDAC"}, "unknown key column"),
        ({"column": "arm", "reference_arm": "LDAC"}, "Field required"),
    ],
)
def test_a_regimen_is_a_column_or_drug_records(regimen, told):
    with pytest.raises(ValidationError, match=told):
        read(regimen=regimen)
