"""Regimens from drug records as small tables: patients named for their trap, and their regimen.

Day 0 is the first dose of venetoclax. HMA is azacitidine or decitabine, LDAC cytarabine up to
40 mg/m2 a day; a companion counts when it starts on day -7 to 28.
"""

import pandas as pd
import pytest

from features.errors import InputError
from features.regimens.drug_regimens import DrugRecords, derive_regimens

ZERO = pd.Timestamp("2024-01-01")
DRUGS = {
    "path": "drugs.csv", "patient_id": "pid", "drug": "drug", "start": "start", "stop": "stop",
    "dose": "dose", "dose_unit": "mg/m2", "route": "route",
}  # fmt: skip
VEN = ("venetoclax", 0)
# Every arm needs a patient.
SOUND = {
    "HMA as it should be": [VEN, ("azacitidine", 0)],
    "LDAC as it should be": [VEN, ("cytarabine", 0, None, 20)],
}


def date(day):
    return None if day is None else str((ZERO + pd.Timedelta(days=day)).date())


def rules(**changes):
    return DrugRecords.model_validate({"drugs": DRUGS, "reference_arm": "LDAC", **changes})


def assigned(patients, **changes):
    """{patient: (regimen, reason)} or, after a switch, (regimen, reason, 'switched').

    A record is (drug, first day, last day, daily dose, route); what is left out is empty.
    """
    table = pd.DataFrame({"id": list(patients)}, dtype="string")
    rows = [
        [name, drug, date(start), date(stop), dose, route]
        for name, records in patients.items()
        for drug, start, stop, dose, route in ((*r, *[None] * (5 - len(r))) for r in records)
    ]
    columns = ["pid", "drug", "start", "stop", "dose", "route"]
    drugs = pd.DataFrame(rows, columns=columns).astype("string")
    found = derive_regimens(table, rules(**changes), drugs, "id")
    return {
        name: (regimen, reason, *(["switched"] if switched else []))
        for name, regimen, reason, switched in zip(
            patients, found.regimen, found.reason, found.switched, strict=True
        )
        if name not in SOUND
    }


HMA = ("HMA", "venetoclax with HMA")
LDAC = ("LDAC", "venetoclax with LDAC")
ALONE = (None, "venetoclax alone")


def test_the_window_around_the_first_dose():
    patients = {
        "azacitidine on the same day": [VEN, ("azacitidine", 0)],
        "decitabine on day -7": [VEN, ("decitabine", -7)],
        "decitabine on day -8": [VEN, ("decitabine", -8)],
        "azacitidine on day 28": [VEN, ("azacitidine", 28)],
        "azacitidine on day 29": [VEN, ("azacitidine", 29)],
        "azacitidine from day -90, still running": [VEN, ("azacitidine", -90, 60)],
        "azacitidine from day -90, stopped before": [VEN, ("azacitidine", -90, -1)],
        "a cycle before, and one in the window": [VEN, ("azacitidine", -30), ("azacitidine", 1)],
        "venetoclax again a year later": [VEN, ("venetoclax", 365), ("azacitidine", 366)],
        "both hypomethylating agents are one arm": [VEN, ("azacitidine", 0), ("decitabine", 10)],
    }
    assert assigned(SOUND | patients) == {
        "azacitidine on the same day": HMA,
        "decitabine on day -7": HMA,
        "decitabine on day -8": ALONE,
        "azacitidine on day 28": HMA,
        "azacitidine on day 29": ALONE,
        "azacitidine from day -90, still running": HMA,
        "azacitidine from day -90, stopped before": ALONE,
        "a cycle before, and one in the window": HMA,
        # The first dose counts, not the later course.
        "venetoclax again a year later": ALONE,
        "both hypomethylating agents are one arm": HMA,
    }


def test_only_low_doses_of_cytarabine_count():
    high = (None, "cytarabine above the low dose")
    unknown = (None, "cytarabine of unknown dose")
    assert assigned(
        SOUND
        | {
            "20 mg/m2": [VEN, ("cytarabine", 0, None, 20)],
            "40 mg/m2, the limit": [VEN, ("cytarabine", 0, None, 40)],
            "1000 mg/m2, as in FLAG": [VEN, ("cytarabine", 0, None, 1000)],
            "100 mg/m2 under the skin: the dose decides": [
                VEN, ("cytarabine", 0, None, 100, "SC"),
            ],
            "no dose, under the skin": [VEN, ("cytarabine", 0, None, None, "SC")],
            "no dose, into the vein": [VEN, ("cytarabine", 0, None, None, "IV")],
            "neither dose nor route": [VEN, ("cytarabine", 0)],
            "azacitidine beside high-dose cytarabine": [
                VEN, ("azacitidine", 0), ("cytarabine", 1, None, 1000),
            ],
            "high-dose cytarabine a year before": [
                VEN, ("azacitidine", 0), ("cytarabine", -365, None, 1000),
            ],
        }
    ) == {
        "20 mg/m2": LDAC,
        "40 mg/m2, the limit": LDAC,
        "1000 mg/m2, as in FLAG": high,
        "100 mg/m2 under the skin: the dose decides": high,
        "no dose, under the skin": LDAC,
        "no dose, into the vein": unknown,
        "neither dose nor route": unknown,
        "azacitidine beside high-dose cytarabine": high,
        "high-dose cytarabine a year before": HMA,
    }  # fmt: skip


BOTH = {
    "azacitidine first": [VEN, ("azacitidine", 0), ("cytarabine", 14, None, 20)],
    "cytarabine first": [VEN, ("azacitidine", 10), ("cytarabine", 3, None, 20)],
    "on the same day": [VEN, ("azacitidine", 5), ("cytarabine", 5, None, 20)],
    "cytarabine only after the window": [VEN, ("azacitidine", 0), ("cytarabine", 29, None, 20)],
}


def test_both_in_the_window_are_left_out_unless_stated():
    several = (None, "two arms' drugs within the window")
    assert assigned(SOUND | BOTH) == {
        "azacitidine first": several,
        "cytarabine first": several,
        "on the same day": several,
        "cytarabine only after the window": (*HMA, "switched"),
    }


def test_of_both_the_one_started_first():
    assert assigned(SOUND | BOTH, both="first") == {
        "azacitidine first": ("HMA", "two arms' drugs, HMA first"),
        "cytarabine first": ("LDAC", "two arms' drugs, LDAC first"),
        "on the same day": (None, "two arms' drugs started on the same day"),
        "cytarabine only after the window": (*HMA, "switched"),
    }


def test_both_as_an_arm_of_their_own():
    found = assigned(SOUND | BOTH, both="HMA + LDAC")
    assert found["on the same day"] == ("HMA + LDAC", "two arms' drugs within the window")
    assert rules(both="HMA + LDAC").arms == ("LDAC", "HMA", "HMA + LDAC")


SWITCHES = {
    "LDAC from day 40": [VEN, ("azacitidine", 0), ("cytarabine", 40, None, 20)],
    "HMA from day 40": [VEN, ("cytarabine", 0, None, 20), ("decitabine", 40)],
    "from azacitidine to decitabine is no switch": [
        VEN, ("azacitidine", 0), ("decitabine", 40),
    ],
    "high-dose cytarabine from day 40 is none of the arms": [
        VEN, ("azacitidine", 0), ("cytarabine", 40, None, 1000),
    ],
    "venetoclax alone, HMA from day 40": [VEN, ("azacitidine", 40)],
}  # fmt: skip


def test_a_switch_stays_in_the_first_regimen():
    assert assigned(SOUND | SWITCHES) == {
        "LDAC from day 40": (*HMA, "switched"),
        "HMA from day 40": (*LDAC, "switched"),
        "from azacitidine to decitabine is no switch": HMA,
        "high-dose cytarabine from day 40 is none of the arms": HMA,
        # Not eligible, so no switch to count.
        "venetoclax alone, HMA from day 40": ALONE,
    }


def test_venetoclax_alone_may_be_an_arm():
    found = assigned(SOUND | SWITCHES, alone="VEN alone")
    expected = ("VEN alone", "venetoclax alone", "switched")
    assert found["venetoclax alone, HMA from day 40"] == expected
    assert rules(alone="VEN alone", reference_arm="VEN alone").arms == ("VEN alone", "HMA", "LDAC")


def test_without_venetoclax_nobody_is_eligible():
    nobody = (None, "no venetoclax")
    assert assigned(
        SOUND
        | {
            "azacitidine alone": [("azacitidine", 0)],
            "no record at all": [],
            "brand names": [("Venclexta", 0), ("Vidaza", 0)],
            "OMOP concepts": [("35604205", 0), ("19024728", 0)],
            "another drug beside": [VEN, ("azacitidine", 0), ("allopurinol", 0)],
        }
    ) == {
        "azacitidine alone": nobody,
        "no record at all": nobody,
        "brand names": HMA,
        "OMOP concepts": HMA,
        "another drug beside": HMA,
    }


def test_more_than_two_regimens():
    companions = {
        "AZA": ["azacitidine"], "DEC": ["decitabine"], "LDAC": ["cytarabine"],
        "GILT": ["gilteritinib"],
    }  # fmt: skip
    names = {"gilteritinib": ["gilteritinib", "Xospata"]}
    patients = {
        "AZA": [VEN, ("azacitidine", 0)],
        "DEC": [VEN, ("decitabine", 0)],
        "LDAC": [VEN, ("cytarabine", 0, None, 20)],
        "GILT": [VEN, ("Xospata", 0)],
    }
    found = assigned(
        patients, companions=companions, reference_arm="DEC", drugs=DRUGS | {"names": names}
    )
    assert {name: regimen for name, (regimen, _) in found.items()} == {n: n for n in patients}


@pytest.mark.parametrize(
    ("trap", "records", "said", "got"),
    [
        ("a misspelt drug", [VEN, ("azacitadine", 0)],
         "The name of a drug resembles a known one, but is not stated", "azacitadine"),
        ("a name with a strength", [("Venetoclax 100 mg", 0)],
         "The name of a drug resembles a known one, but is not stated", "Venetoclax 100 mg"),
        ("a record without a start", [VEN, ("azacitidine", None)],
         "A drug record has no start", "empty"),
        ("stopped before it started", [VEN, ("azacitidine", 9, 3)],
         "A drug stops before it starts", "2024-01-04"),
        ("a dose in words", [VEN, ("cytarabine", 0, None, "20 mg")],
         "A dose is not a number above 0", "20 mg"),
    ],
)  # fmt: skip
def test_a_regimen_is_never_guessed(trap, records, said, got):
    with pytest.raises(InputError) as error:
        assigned(SOUND | {trap: records})
    (problem,) = error.value.problems
    assert (problem.what, problem.got) == (said, got)
    assert problem.remedy
