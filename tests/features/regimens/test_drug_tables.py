import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from features.errors import InputError
from features.regimens.drug_tables import NEVER, LongRecords, WideRecords, read_long, read_wide

WANTED = ["venetoclax", "azacitidine", "cytarabine"]
PATIENTS = pd.DataFrame({"id": ["P1", None, "P3"]})
LONG = LongRecords(path="drugs.csv", patient_id="pid", drug="name", start="from")


def long(rows, source=LONG, patients=PATIENTS):
    drugs = pd.DataFrame(rows, columns=["pid", "name", "from"])
    return read_long(patients, drugs, source, "id", WANTED)


def test_records_of_other_patients_and_drugs_are_left_out():
    records = long(
        [
            ("P3", "Venclexta ", "2024-01-02"),
            ("P9", "venetoclax", "2024-01-01"),
            (None, "venetoclax", "2024-01-01"),
            ("P1", "allopurinol", "no date, and never read"),
            ("P1", "ARA-C", "2024-01-01"),
        ]
    )
    assert records.patient.tolist() == [2, 0]
    assert [WANTED[drug] for drug in records.drug] == ["venetoclax", "cytarabine"]
    # 2024-01-01 is day 19723 since 1970.
    assert records.start.tolist() == [19724, 19723]
    assert records.stop.tolist() == [NEVER, NEVER]
    assert np.isnan(records.dose).all()


def test_identifiers_meet_as_codes():
    patients = pd.DataFrame({"id": [1.0, np.nan, 3.0]})
    records = long([(" 3", "venetoclax", "2024-01-02")], patients=patients)
    assert records.patient.tolist() == [2]


def test_own_names_are_known_beside_the_usual():
    source = LONG.model_copy(update={"names": {"azacitidine": ("AZA-7",)}})
    records = long([("P1", "aza-7", "2024-01-01"), ("P1", "vidaza", "2024-01-01")], source)
    assert [WANTED[drug] for drug in records.drug] == ["azacitidine", "azacitidine"]


def test_missing_columns_are_told_at_once():
    with pytest.raises(InputError) as error:
        read_long(PATIENTS, pd.DataFrame({"pid": []}), LONG, "id", WANTED)
    assert [p.got for p in error.value.problems] == ["name", "from"]


def test_a_problem_names_the_row_of_the_drug_table():
    with pytest.raises(InputError) as error:
        long([("P1", "venetoclax", "2024-01-01"), ("P9", "x", ""), ("P1", "ara-c", "")])
    (problem,) = error.value.problems
    assert problem.where == "drug records, column from, 1 row(s): 3 (the first is row 1)"


WIDE = pd.DataFrame(
    {
        "ven": ["2024-01-01", "2024-02-01", None],
        "arac": [None, "2024-02-03", None],
        "dose": ["many", "20", None],
        "ven_given": ["1", "TRUE", "0"],
        "arac_given": [0.0, 1.0, 0.0],
    }
)


def test_wide_dates_become_records_and_doses_are_read_where_the_drug_was_given():
    source = WideRecords(
        columns={"venetoclax": "ven", "cytarabine": "arac"}, holds="start_date",
        doses={"cytarabine": "dose"}, dose_unit="mg/m2",
    )  # fmt: skip
    records = read_wide(WIDE, source, WANTED)
    assert records.patient.tolist() == [0, 1, 1]
    assert [WANTED[drug] for drug in records.drug] == ["venetoclax", "venetoclax", "cytarabine"]
    assert records.start[2] - records.start[1] == 2
    assert records.dose.tolist() == pytest.approx([np.nan, np.nan, 20], nan_ok=True)


def test_flags_say_that_a_drug_was_given_but_not_when():
    source = WideRecords(
        columns={"venetoclax": "ven_given", "cytarabine": "arac_given"}, holds="flag"
    )
    records = read_wide(WIDE, source, WANTED)
    assert records.patient.tolist() == [0, 1, 1]
    assert (records.start == NEVER).all()


@pytest.mark.parametrize("cell", [None, "", "2", "maybe"])
def test_a_flag_that_is_none_is_refused(cell):
    source = WideRecords(columns={"venetoclax": "ven"}, holds="flag")
    with pytest.raises(InputError, match="Whether a drug was given is not known"):
        read_wide(pd.DataFrame({"ven": ["1", cell]}), source, WANTED)


def test_a_dose_needs_its_drug():
    with pytest.raises(ValidationError, match="a dose of cytarabine, which has no column"):
        WideRecords(columns={"venetoclax": "v"}, holds="flag", doses={"cytarabine": "d"})


def test_a_logged_configuration_holds_no_folder():
    source = LONG.model_copy(update={"path": "some/where/drugs.csv"})
    assert source.model_dump(mode="json")["path"] == "drugs.csv"
    assert source.model_dump()["path"] == "some/where/drugs.csv"
