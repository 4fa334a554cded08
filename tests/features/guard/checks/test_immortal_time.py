"""Time that is said to run from the index date, and looks as if it ran from diagnosis."""

import numpy as np
import pandas as pd
import pytest

from features.cohort import CohortColumns
from features.covariates.dictionary import read_dictionary
from features.guard.run import guard_table
from features.guard.settings import Severity, read_guard

N = 80
DICTIONARY = read_dictionary()


@pytest.fixture(scope="module")
def patients():
    """Months from the index date, and a delay of 0 to 8 months before it."""
    rng = np.random.default_rng(4)
    death, end = rng.exponential(10, N), rng.uniform(1, 40, N)
    return pd.DataFrame(
        {
            "age_years": rng.integers(30, 85, N),
            "OS_MONTHS": np.minimum(death, end) + 0.01,
            "OS_STATUS": (death <= end).astype(int),
            "DELAY": rng.uniform(0, 8, N),
        }
    )


def found(table, origin="index", endpoint=(), key="os", **guard):
    os = {"label": "OS", "time": "OS_MONTHS", "event": "OS_STATUS", "unit": "months"}
    mapped = CohortColumns.model_validate({"endpoints": {key: os | dict(endpoint)}})
    table = table.astype("string")
    table.attrs["time_origin"] = origin
    seen = guard_table(table, mapped, ["age_years"], DICTIONARY, read_guard(guard))
    return [f for f in seen if f.check == "immortal_time"]


def from_diagnosis(table):
    return table.assign(OS_MONTHS=table["OS_MONTHS"] + table["DELAY"])


@pytest.mark.parametrize(
    "name",
    ["MONTHS_DIAGNOSIS_TO_SAMPLE", "DX_TO_VEN", "time_from_diagnosis", "dxToTreatmentMonths"],
)
def test_nobody_ends_before_the_delay(patients, name):
    (finding,) = found(from_diagnosis(patients).rename(columns={"DELAY": name}))
    assert finding.severity is Severity.WARN
    assert finding.names == ("OS",)
    assert f"shorter than column {name}" in finding.what
    # On the right clock some end sooner after the start than the start came after diagnosis.
    assert not found(patients.rename(columns={"DELAY": name}))


def test_the_unit_in_the_name_of_the_delay_is_read(patients):
    late = from_diagnosis(patients)
    late["days_dx_to_ven"] = late.pop("DELAY") * 365.25 / 12
    assert found(late)
    # A few days are no reason to doubt: hardly anybody ends in them anyway.
    assert not found(late.assign(days_dx_to_ven=late["days_dx_to_ven"] / 100))


@pytest.mark.parametrize(
    "name", ["AGE_AT_DIAGNOSIS_YEARS", "MONTHS_DX_TO_TRANSPLANT", "DX_TO_DEATH", "DELAY", "DX_YEAR"]
)
def test_other_columns_are_no_delay(patients, name):
    assert not found(from_diagnosis(patients).rename(columns={"DELAY": name}))


def test_nobody_dies_early(patients):
    late = patients.assign(OS_MONTHS=patients["OS_MONTHS"] + 3)
    (finding,) = found(late)
    assert "within 60 days nobody dies or is censored" in finding.what
    # One who is censored on day 30 shows that the clock runs from then.
    assert not found(late.assign(OS_MONTHS=late["OS_MONTHS"].where(late.index != 5, 1)))
    # Too few events to tell.
    assert not found(late[:25])
    # Three events a hundred patient-months: hardly one within 60 days of 80 patients is missed.
    assert not found(late.assign(OS_MONTHS=late["OS_MONTHS"] * 12))


def test_who_says_so_and_who_does_not(patients):
    late = patients.assign(OS_MONTHS=patients["OS_MONTHS"] + 3)
    assert found(late, origin=None, starts_at="index")
    assert not found(late, origin=None)
    # Without the statement the check of the clock's start speaks.
    assert not found(late, origin="diagnosis")
    assert not found(late, endpoint={"landmark_months": 2})
    assert not found(late, endpoint={"label": "PFS"}, key="pfs")


def test_it_can_be_known(patients):
    late = patients.assign(OS_MONTHS=patients["OS_MONTHS"] + 3)
    (finding,) = found(late, known={"immortal_time": "OS"})
    assert finding.severity is Severity.NOTE
