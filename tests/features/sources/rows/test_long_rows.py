import pandas as pd
import pytest

from features.errors import InputError
from features.sources.rows.long_rows import LongRows, spread
from features.sources.rows.patient_rows import PatientRows

# As CDISC's ADTTE: CNSR 1 is censored. Patient p2 has no row of EFS; p3 none that is wanted.
ADTTE = pd.DataFrame(
    {
        "USUBJID": ["p1", "p1", "p2", "p1", "p3"],
        "PARAMCD": ["OS", "EFS", "OS", "TTR", "TTR"],
        "PARAM": ["Overall", "Event-free", "Overall", "Response", "Response"],
        "AVAL": ["100", "50", "80", "30", "20"],
        "CNSR": ["0", "0", "1", "0", "1"],
        "TRT01P": ["HMA", "HMA", "LDAC", "HMA", "LDAC"],
    }
)


def wide(table=ADTTE, **rule):
    stated = {"name": "PARAMCD", "values": ["OS", "EFS"], "take": ["AVAL", "CNSR"]} | rule
    return spread(
        PatientRows.of(table, table["USUBJID"], "cohort"), LongRows.model_validate(stated)
    )


def test_a_row_of_each_name_becomes_columns_of_the_patient():
    found = wide()
    assert list(found.table.columns) == [
        "USUBJID", "TRT01P", "OS_AVAL", "OS_CNSR", "EFS_AVAL", "EFS_CNSR"
    ]  # fmt: skip
    assert found.table.fillna("").to_numpy().tolist() == [
        ["p1", "HMA", "100", "0", "50", "0"],
        ["p2", "LDAC", "80", "1", "", ""],
        ["p3", "LDAC", "", "", "", ""],
    ]
    # Where each patient's first row stood.
    assert found.table.index.tolist() == [0, 2, 4]
    assert found.lacking == {"OS": 1, "EFS": 2}
    assert found.dropped == ["PARAM"]


def test_all_names_are_taken_when_none_is_stated():
    assert list(wide(values=[], take=["AVAL"]).table.columns)[3:] == [
        "OS_AVAL", "EFS_AVAL", "TTR_AVAL"
    ]  # fmt: skip


def test_identifiers_in_the_place_of_names_are_not_told():
    with pytest.raises(InputError) as refused:
        wide(name="USUBJID")
    assert "one of the 3 that column USUBJID holds" in str(refused.value)
    assert "p1" not in str(refused.value)


@pytest.mark.parametrize(
    ("table", "rule", "told"),
    [
        (ADTTE, {"values": ["OS", "PFS"]}, "No row has this name"),
        (ADTTE, {"name": "PARMCD"}, "no such column"),
        (ADTTE, {"take": ["AVALU"]}, "no such column"),
        (pd.concat([ADTTE, ADTTE.iloc[[0]]], ignore_index=True), {}, "several rows of one name"),
        (ADTTE.assign(OS_AVAL="1"), {}, "there already"),
        (
            pd.DataFrame({"USUBJID": "p", "PARAMCD": map(str, range(60)), "AVAL": "1"}),
            {"values": [], "take": ["AVAL"]},
            "Too many names",
        ),
    ],
)
def test_what_cannot_be_spread_is_refused(table, rule, told):
    with pytest.raises(InputError, match=told):
        wide(table, **rule)
