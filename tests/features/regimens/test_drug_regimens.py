import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from features.errors import InputError
from features.regimens.drug_regimens import DrugRecords, derive_regimens

LONG = {"path": "drugs.csv", "patient_id": "pid", "drug": "drug", "start": "start",
        "dose": "dose", "dose_unit": "mg/m2"}  # fmt: skip
WIDE = {"columns": {"venetoclax": "ven", "azacitidine": "aza", "cytarabine": "arac"},
        "holds": "start_date"}  # fmt: skip
FLAGS = WIDE | {"holds": "flag"}


def rules(drugs=WIDE, **changes):
    stated = {"drugs": drugs, "reference_arm": "LDAC", "low_dose": {}, **changes}
    return DrugRecords.model_validate(stated)


TABLE = pd.DataFrame(
    {
        "ven": ["2024-01-01", "2024-01-01", "2024-01-01", None],
        "aza": ["2024-01-03", None, "2024-01-05", "2024-01-01"],
        "arac": [None, "2024-01-01", "2024-03-01", None],
    }
)


def test_wide_start_dates():
    found = derive_regimens(TABLE, rules())
    assert found.regimen.tolist() == ["HMA", "LDAC", "HMA", None]
    assert found.switched.tolist() == [False, False, True, False]
    assert found.index_date.astype(str).tolist() == ["2024-01-01"] * 3 + ["NaT"]
    assert found.eligible.tolist() == [True, True, True, False]


def test_patients_are_counted_by_regimen_reason_and_switch():
    assert derive_regimens(TABLE, rules()).counts.to_numpy().tolist() == [
        ["", "no venetoclax", False, 1],
        ["HMA", "venetoclax with HMA", False, 1],
        ["HMA", "venetoclax with HMA", True, 1],
        ["LDAC", "venetoclax with LDAC", False, 1],
    ]


def test_flags_have_no_window_no_switch_and_no_index_date():
    flags = TABLE.notna().astype(int)
    found = derive_regimens(flags, rules(FLAGS))
    assert found.regimen.tolist() == ["HMA", "LDAC", None, None]
    assert found.reason[2] == "two arms' drugs within the window"
    assert not found.switched.any()
    assert found.index_date is None


def test_an_arm_without_a_patient_shows_what_was_found():
    with pytest.raises(InputError) as error:
        derive_regimens(TABLE[:1], rules())
    (problem,) = error.value.problems
    assert problem.what == "An arm has no patient"
    assert (problem.got, problem.allowed) == ("LDAC", "venetoclax with HMA: 1")


@pytest.mark.parametrize(
    ("drugs", "patient_id", "got"), [(None, "id", "no drug table"), (TABLE, None, "no patient_id")]
)
def test_a_long_table_is_joined_by_the_patient_id(drugs, patient_id, got):
    with pytest.raises(InputError) as error:
        derive_regimens(TABLE, rules(LONG), drugs, patient_id)
    assert error.value.problems[0].got == got


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ({"reference_arm": "7+3"}, r"'7\+3' is not among the regimens"),
        ({"companions": {"HMA": ["azacitidine"]}, "reference_arm": "HMA",
          "drugs": {"columns": {"venetoclax": "v", "azacitidine": "a"}, "holds": "flag"}},
         "two arms or more"),
        ({"companions": {"A": ["azacitidine"], "LDAC": ["azacitidine"]}}, "named twice: azacit"),
        ({"companions": {"A": ["venetoclax"], "LDAC": ["cytarabine"]}}, "drugs of its own"),
        ({"companions": {"A": [], "LDAC": ["cytarabine"]}}, "drugs of its own"),
        ({"companions": {"first": ["azacitidine"], "LDAC": ["cytarabine"]}}, "be called first"),
        ({"companions": {"A": [True], "LDAC": ["cytarabine"]}}, "in quotes"),
        ({"both": "HMA"}, "neither joins one of `companions`"),
        ({"alone": "first"}, "neither joins one of `companions`"),
        ({"drugs": FLAGS, "both": "first"}, "needs dates"),
        ({"window_days": [7, 28]}, "window_days runs from 0"),
        ({"window_days": [-7]}, "window_days"),
        ({"companion": {}}, "did you mean 'companions'"),
        ({"drugs": {**WIDE, "hold": "flag"}}, "did you mean 'holds'"),
        ({"drugs": {**LONG, "pth": "x"}}, "did you mean 'path'"),
        ({"drugs": {"columns": {"venetoclax": "v", "azacitadine": "a", "cytarabine": "c"},
                    "holds": "flag"}}, "did you mean 'azacitidine'"),
        ({"drugs": {"columns": {"venetoclax": "v", "cytarabine": "c"}, "holds": "flag"}},
         "no column for HMA"),
        ({"drugs": LONG, "companions": {"HMA": ["azacitidin"], "LDAC": ["cytarabine"]}},
         "did you mean 'azacitidine'"),
        ({"low_dose": {"cytarabine": 40}}, "nothing says whether cytarabine was low-dose"),
        ({"drugs": {**LONG, "dose": ""}, "low_dose": {"cytarabine": 40}}, "nothing says whether"),
        ({"drugs": {**LONG, "dose_unit": ""}}, "state `drugs.dose_unit`"),
        ({"low_dose": {"cytarabine": 0}}, "greater than 0"),
    ],
)  # fmt: skip
def test_rules_that_cannot_be_meant_are_refused(stated, told):
    with pytest.raises(ValidationError, match=told):
        rules(**stated)


def test_doses_in_mg_need_a_limit_in_mg():
    stated = {"drugs": {**LONG, "dose_unit": "mg"}, "reference_arm": "LDAC"}
    with pytest.raises(ValidationError, match="the default limit of low-dose cytarabine is in"):
        DrugRecords.model_validate(stated)
    assert DrugRecords.model_validate(stated | {"low_dose": {"cytarabine": 80}}).low_dose


@pytest.mark.parametrize("drugs", [WIDE, FLAGS, LONG])
def test_the_rules_as_logged_are_the_same_rules(drugs):
    source = rules(drugs, alone="VEN alone")
    assert DrugRecords.model_validate(source.model_dump(mode="json")) == source


DAY = st.none() | st.integers(-40, 60)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(st.booleans(), DAY, DAY), max_size=8), st.sampled_from(["first", "exclude"])
)
def test_the_columns_together_say_what_each_patient_says_alone(rows, both):
    zero = np.datetime64("2024-01-01")
    rows = [*rows, (True, 0, None), (True, None, 0)]

    def by_hand(ven, aza, arac):
        days = {"HMA": aza, "LDAC": arac}
        inside = {arm: d for arm, d in days.items() if d is not None and -7 <= d <= 28}
        if not ven or not inside:
            return None
        if len(inside) == 1:
            return next(iter(inside))
        return None if both == "exclude" or aza == arac else min(inside, key=inside.get)

    def cells(days):
        return pd.Series([None if d is None else str(zero + d) for d in days], dtype="string")

    ven, aza, arac = zip(*rows, strict=True)
    table = pd.DataFrame(
        {"ven": cells([0 if v else None for v in ven]), "aza": cells(aza), "arac": cells(arac)}
    )
    found = derive_regimens(table, rules(both=both))
    assert found.regimen.tolist() == [by_hand(*row) for row in rows]
    assert found.counts["patients"].sum() == len(rows)
