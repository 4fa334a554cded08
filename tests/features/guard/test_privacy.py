import numpy as np
import pandas as pd
import pytest

from features.covariates.dictionary import read_dictionary
from features.errors import InputError
from features.guard.privacy import (
    check_no_identifiers,
    direct_identifiers,
    pool_ages,
)

N = 40


def found(**columns):
    return [f.column for f in direct_identifiers(pd.DataFrame(columns))]


@pytest.mark.parametrize(
    "name",
    ["Patient_Name", "patientName", "MRN", "mrn_hospital", "record_id", "e-mail", "Phone no.",
     "dateOfBirth", "DOB", "home address", "ZIP", "SSN", "Geburtsdatum", "Nachname", "PLZ",
     "Telefonnummer Handy", "Apellidos", "Fecha de nacimiento", "Dirección", "DNI", "prénom",
     "患者姓名", "身份证号", "住院号", "联系电话", "家庭地址", "出生日期"],
)  # fmt: skip
def test_a_name_that_points_at_a_person(name):
    assert found(**{name: [1.0, 2.0]}) == [name]


def test_no_covariate_of_the_dictionary_is_taken_for_an_identifier():
    assert found(**{name: [0.5, 0.7] for name in read_dictionary()}) == []


@pytest.mark.parametrize(
    "name", ["drug_name", "center_name", "regimen", "idh1", "mut_idh2", "platelets", "email_free"]
)
def test_a_name_that_does_not(name):
    # An e-mail column would be one; a word that only contains `name` or `id` is none.
    assert found(**{name: [0.5, 0.7]}) == (["email_free"] if name == "email_free" else [])


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("a.person@clinic.example", "e-mail"),
        ("2021-03-04", "dates"),
        ("2021-03-04 10:22:00", "dates"),
        ("04.03.2021", "dates"),
        ("3/4/21", "dates"),
        ("2021年3月4日", "dates"),
        ("2021-03", "dates"),
        ("4-Mar-2021", "dates"),
        ("+49 30 1234567", "telephone"),
        ("(555) 123-4567", "telephone"),
        ("13812345678", "telephone"),
        ("11010519491231002X", "identity"),
        ("078-05-1120", "identity"),
        ("12345678Z", "identity"),
        ("192.168.0.1", "network"),
    ],
)
def test_a_value_that_points_at_a_person(value, why):
    told = direct_identifiers(pd.DataFrame({"v": [value, None, "unknown"]}))
    assert why in told[0].why
    assert value not in told[0].why


@pytest.mark.parametrize("value", ["2021", "AML de novo", "10-20", "1.5", "t(3;3)", "1/2", "7+3"])
def test_a_value_that_does_not(value):
    assert found(v=[value, value, None]) == []


def test_values_that_single_out_every_patient():
    rng = np.random.default_rng(1)
    assert found(v=[f"x{i}" for i in rng.permutation(N)]) == ["v"]
    assert found(v=rng.permutation(N) + 12_345_678) == ["v"]
    assert found(v=[str(i) for i in rng.permutation(N) + 12_345_678]) == ["v"]
    assert found(v=np.arange(2000, 2000 + N)) == ["v"]
    assert found(v=pd.date_range("2020-01-01", periods=N)) == ["v"]


def test_measurements_that_differ_in_every_patient_are_no_identifier():
    rng = np.random.default_rng(1)
    assert found(a=rng.normal(size=N), b=rng.permutation(N), c=rng.choice(list("ab"), N)) == []


def test_the_check_names_every_column_and_no_value():
    table = pd.DataFrame({"age": [50.5, 60.5], "mrn": ["SECRET-1", "SECRET-2"],
                          "seen": ["2021-03-04", "2021-03-05"]})  # fmt: skip
    with pytest.raises(InputError) as error:
        check_no_identifiers(table)
    told = str(error.value)
    assert "mrn" in told
    assert "seen" in told
    assert "covariate age" not in told
    assert "SECRET" not in told
    assert "2021" not in told
    check_no_identifiers(table[["age"]])


def test_ages_above_89_are_pooled_and_the_input_is_not_changed():
    ages = pd.Series([64, 89, 89.5, 90, 103, np.nan])
    assert pool_ages(ages).tolist()[:5] == [64, 89, 90, 90, 90]
    assert np.isnan(pool_ages(ages).iloc[5])
    assert ages.iloc[4] == 103
    assert pool_ages(pd.Series([79, 81]), above=79).tolist() == [79, 80]
