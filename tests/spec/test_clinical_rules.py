"""The clinical rules as small tables: patients named for their trap, and what each must give.

Cells are written as a hospital writes them, text or empty, and read as any table is.
"""

import math

import pandas as pd
import pytest

from features.covariates.columns import read_covariates
from features.covariates.derived import derive_covariates, needed_inputs
from features.covariates.dictionary import read_dictionary
from features.endpoints.forms import Endpoint, derive_outcome
from features.errors import InputError

MISSING = None


def derive(name, patients):
    """{patient: value of the covariate}, from {patient: row of text cells}."""
    dictionary = read_dictionary()
    table = pd.DataFrame.from_dict(patients, orient="index")
    inputs = read_covariates(table, needed_inputs([name], dictionary).values(), {})
    values = derive_covariates(inputs, [name], dictionary)[name]
    known = [None if isinstance(v, float) and math.isnan(v) else v for v in values]
    return dict(zip(patients, known, strict=True))


def outcome(patients, **endpoint):
    """{patient: (months, event)}, from {patient: (time cell, event cell)}."""
    table = pd.DataFrame(list(patients.values()), columns=["time", "event"])
    read = derive_outcome(table, Endpoint(label="OS", time="time", event="event", **endpoint))
    pairs = zip(read.time.tolist(), read.event.tolist(), strict=True)
    return dict(zip(patients, pairs, strict=True))


# ---------------------------------------------------------------------------- covariates


def test_refractory_or_early_relapse():
    def patient(rr_status, cr1_months):
        return {"rr_status": rr_status, "cr1_months": cr1_months}

    assert derive(
        "refractory_or_early_relapse",
        {
            "refractory, so never in a first remission": patient("refractory", ""),
            "refractory to salvage after a long first remission": patient("refractory", "30"),
            "relapse the day before 12 months": patient("relapsed", "11.97"),
            "relapse at 12 months exactly is late": patient("relapsed", "12"),
            "relapse after a remission of unknown length": patient("relapsed", ""),
            "nothing known": patient("", ""),
        },
    ) == {
        "refractory, so never in a first remission": 1,
        "refractory to salvage after a long first remission": 1,
        "relapse the day before 12 months": 1,
        "relapse at 12 months exactly is late": 0,
        "relapse after a remission of unknown length": MISSING,
        "nothing known": MISSING,
    }


def test_a_long_first_remission_of_unknown_status_is_not_called_late():
    # The patient may be refractory to a later salvage.
    patients = {"status unknown": {"rr_status": "", "cr1_months": "30"}}
    assert derive("refractory_or_early_relapse", patients) == {"status unknown": MISSING}


DISEASES = {
    "de novo": {"disease": "AML de novo"},
    "after MDS": {"disease": "AML secondary"},
    "after chemotherapy": {"disease": "AML therapy-related"},
    "ALL with the Philadelphia chromosome": {"disease": "B-ALL Ph+"},
    "early T-cell precursor, no AML for all its myeloid markers": {"disease": "ETP-ALL"},
    "mixed phenotype": {"disease": "MPAL"},
    "not recorded": {"disease": ""},
}


def test_disease_group():
    assert derive("disease_group", DISEASES) == {
        "de novo": "AML",
        "after MDS": "AML",
        "after chemotherapy": "AML",
        "ALL with the Philadelphia chromosome": "ALL",
        "early T-cell precursor, no AML for all its myeloid markers": "ALL",
        "mixed phenotype": "MPAL",
        "not recorded": MISSING,
    }


def test_secondary_aml():
    assert derive("secondary_aml", DISEASES) == {
        "de novo": 0,
        "after MDS": 1,
        "after chemotherapy": 1,
        # Known not to be secondary AML, so 0 and not missing.
        "ALL with the Philadelphia chromosome": 0,
        "early T-cell precursor, no AML for all its myeloid markers": 0,
        "mixed phenotype": 0,
        "not recorded": MISSING,
    }


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [("mut_ras", "mut_nras", "mut_kras"), ("mut_idh", "mut_idh1", "mut_idh2")],
)
def test_a_mutation_in_either_gene(name, first, second):
    assert derive(
        name,
        {
            "both tested, none found": {first: "0", second: "0"},
            "both mutated count once": {first: "1", second: "1"},
            "half tested and found": {first: "1", second: ""},
            "the other half tested and found": {first: "", second: "1"},
            "half tested and not found": {first: "0", second: ""},
            "never sequenced": {first: "", second: ""},
        },
    ) == {
        "both tested, none found": 0,
        "both mutated count once": 1,
        "half tested and found": 1,
        "the other half tested and found": 1,
        "half tested and not found": MISSING,
        "never sequenced": MISSING,
    }


def test_log_white_cells():
    derived = derive(
        "log_wbc",
        {
            "aplastic, count 0": {"wbc_1e9_per_l": "0"},
            "below what laboratories report": {"wbc_1e9_per_l": "0.05"},
            "one": {"wbc_1e9_per_l": "1"},
            "hyperleukocytosis": {"wbc_1e9_per_l": "100"},
            "not measured": {"wbc_1e9_per_l": ""},
        },
    )
    assert derived == {
        "aplastic, count 0": pytest.approx(-1),  # log10(0.1)
        "below what laboratories report": pytest.approx(-1),
        "one": pytest.approx(0),
        "hyperleukocytosis": pytest.approx(2),
        "not measured": MISSING,
    }


# ---------------------------------------------------------------------------- endpoints


def test_death_and_censoring_on_the_index_date_are_kept():
    assert outcome(
        {
            "died on the day of the first dose": ("0", "1"),
            "last seen on the day of the first dose": ("0", "0"),
            "died a year later": ("12", "1"),
        },
        unit="months",
    ) == {
        "died on the day of the first dose": (0, True),
        "last seen on the day of the first dose": (0, False),
        "died a year later": (12, True),
    }


def test_days_to_months():
    assert outcome(
        {
            "one Julian year": ("365.25", "1"),
            "four years, one of them a leap year": ("1461", "0"),
            "thirty days, not quite a month": ("30", "1"),
            "index date": ("0", "0"),
        },
        unit="days",
    ) == {
        "one Julian year": (pytest.approx(12), True),
        # 1461 / 365.25 = 4 years = 48 months.
        "four years, one of them a leap year": (pytest.approx(48), False),
        # 30 x 12 / 365.25 = 360 / 365.25.
        "thirty days, not quite a month": (pytest.approx(0.985626, abs=1e-6), True),
        "index date": (0, False),
    }


def test_years_to_months():
    assert outcome(
        {"two and a half years": ("2.5", "1"), "a quarter": ("0.25", "0")}, unit="years"
    ) == {"two and a half years": (30, True), "a quarter": (3, False)}


def test_status_in_words():
    # As cBioPortal exports it.
    assert outcome(
        {
            "died": ("8.3", "1:DECEASED"),
            "alive": ("20", "0:LIVING"),
            "died, typed in lower case": ("5", " 1:deceased "),
        },
        unit="months",
        event_values=["1:DECEASED"],
        censored_values=["0:LIVING"],
    ) == {
        "died": (8.3, True),
        "alive": (20, False),
        "died, typed in lower case": (5, True),
    }


def test_status_coded_one_and_two():
    # Survival packages code alive 1 and dead 2; a 1 must not count as a death.
    assert outcome(
        {"alive": ("20", "1"), "dead": ("8", "2")},
        unit="months",
        event_values=[2],
        censored_values=[1],
    ) == {"alive": (20, False), "dead": (8, True)}


def test_relapse_and_death_are_both_events_of_event_free_survival():
    assert outcome(
        {
            "never in remission": ("1.5", "failure"),
            "relapsed": ("6", "relapse"),
            "died in remission": ("4", "death"),
            "in remission": ("18", "none"),
        },
        unit="months",
        event_values=["failure", "relapse", "death"],
        censored_values=["none"],
    ) == {
        "never in remission": (1.5, True),
        "relapsed": (6, True),
        "died in remission": (4, True),
        "in remission": (18, False),
    }


@pytest.mark.parametrize(
    ("trap", "patient", "said", "got"),
    [
        ("death before the first dose", ("-3", "1"), "The time is negative", "-3"),
        ("lost without a date", (MISSING, "0"), "The time is missing or not a number", "empty"),
        ("time in words", ("3 months", "1"), "The time is missing or not a number", "3 months"),
        ("decimal comma", ("8,3", "1"), "The time is missing or not a number", "8,3"),
        (
            "vital status unknown",
            ("8.3", MISSING),
            "The event is missing or not a known code",
            "empty",
        ),
        (
            "a code that nobody stated",
            ("8.3", "2"),
            "The event is missing or not a known code",
            "2",
        ),
    ],
)
def test_an_outcome_is_never_guessed_and_no_patient_left_out(trap, patient, said, got):
    patients = {"as it should be": ("1", "1"), trap: patient}
    with pytest.raises(InputError) as error:
        outcome(patients, unit="months")
    (problem,) = error.value.problems
    assert problem.what == said
    assert "1 patient(s): row 2 " in problem.where
    assert problem.got == got
    assert "leave these patients out with a stated reason" in problem.remedy
