import numpy as np
import pandas as pd
import pytest

from features.columns import is_known
from features.covariates.derived import (
    DERIVATIONS,
    derive_covariates,
    describe_covariates,
    needed_inputs,
)
from features.covariates.dictionary import Covariate, read_dictionary
from features.errors import InputError

DICTIONARY = read_dictionary()


def refused(*names, dictionary=DICTIONARY):
    with pytest.raises(InputError) as error:
        needed_inputs(names, dictionary)
    return error.value.problems


@pytest.mark.parametrize(("name", "derivation"), DERIVATIONS.items())
def test_every_derivation_reads_baseline_columns_of_the_dictionary(name, derivation):
    assert derivation.covariate.name == name
    assert all(DICTIONARY[column].timing == "baseline" for column in derivation.inputs)


@pytest.mark.parametrize("derivation", DERIVATIONS.values(), ids=lambda d: d.covariate.name)
def test_every_derivation_is_missing_where_nothing_is_known(derivation):
    columns = {
        column: np.array([np.nan, np.nan])
        if DICTIONARY[column].is_numeric
        else np.array([None, None], dtype=object)
        for column in derivation.inputs
    }
    assert is_known(derivation.derive(columns)).tolist() == [False, False]


def test_inputs_are_named_once_whatever_needs_them():
    names = ["disease_group", "secondary_aml", "age_years", "log_wbc", "wbc_1e9_per_l"]
    inputs = needed_inputs(names, DICTIONARY)
    assert list(inputs) == ["disease", "age_years", "wbc_1e9_per_l"]
    assert inputs["disease"] is DICTIONARY["disease"]


def test_an_unknown_covariate_names_the_nearest_and_what_can_be_derived():
    (problem,) = refused("age_years", "secondry_aml")
    assert problem.what == "Unknown covariate"
    assert problem.where == "covariates"
    assert problem.got == "secondry_aml"
    assert "log_wbc" in problem.allowed
    assert problem.remedy.startswith("did you mean 'secondary_aml'? ")
    assert "`dictionary:`" in problem.remedy


@pytest.mark.parametrize(
    ("name", "timing"), [("hsct_after", "post_baseline"), ("response", "outcome")]
)
def test_what_lies_in_the_future_is_refused(name, timing):
    (problem,) = refused(name)
    assert problem.what == "Not a baseline covariate"
    assert problem.got == f"{name} ({timing})"
    assert problem.allowed == "what is known at the first dose"


def test_a_derived_covariate_cannot_hide_a_later_input():
    later = read_dictionary([{"name": "wbc_1e9_per_l", "timing": "post_baseline"}])
    (problem,) = refused("log_wbc", dictionary=later)
    assert problem.got == "log_wbc (post_baseline)"


def test_every_wrong_name_is_told_at_once():
    assert [p.got for p in refused("cycles", "xyz")] == ["cycles (post_baseline)", "xyz"]


def test_a_users_own_covariate_goes_before_a_derivation():
    own = Covariate(name="mut_ras", label="RAS panel", kind="flag")
    dictionary = {**DICTIONARY, "mut_ras": own}
    assert needed_inputs(["mut_ras"], dictionary) == {"mut_ras": own}
    assert describe_covariates(["mut_ras"], dictionary) == {"mut_ras": own}
    table = pd.DataFrame({"mut_ras": [1.0], "mut_nras": [0.0], "mut_kras": [0.0]})
    assert derive_covariates(table, ["mut_ras"], dictionary)["mut_ras"].tolist() == [1.0]


def test_descriptions_come_from_the_dictionary_or_the_derivation():
    described = describe_covariates(["mut_ras", "age_years"], DICTIONARY)
    assert list(described) == ["mut_ras", "age_years"]
    assert described["mut_ras"].label == "N/KRAS mutated"
    assert described["age_years"] is DICTIONARY["age_years"]


def test_covariates_come_in_the_order_asked_with_the_tables_rows():
    table = pd.DataFrame({"age_years": [60.0, 70.0], "wbc_1e9_per_l": [10.0, 100.0]}, index=[5, 3])
    derived = derive_covariates(table, ["log_wbc", "age_years"], DICTIONARY)
    assert derived.columns.tolist() == ["log_wbc", "age_years"]
    assert derived.index.tolist() == [5, 3]
    # log10(10) = 1, log10(100) = 2.
    assert derived["log_wbc"].tolist() == pytest.approx([1.0, 2.0])


def test_permuting_patients_permutes_their_covariates():
    rng = np.random.default_rng(3)
    table = pd.DataFrame(
        {
            "wbc_1e9_per_l": rng.uniform(0, 100, 20),
            "disease": rng.choice(np.array(DICTIONARY["disease"].vocabulary, dtype=object), 20),
            "rr_status": rng.choice(np.array(["relapsed", "refractory"], dtype=object), 20),
            "cr1_months": rng.uniform(0, 24, 20),
            **{f"mut_{g}": rng.choice([0.0, 1.0], 20) for g in ("nras", "kras", "idh1", "idh2")},
        }
    )
    order = rng.permutation(20)
    derived = derive_covariates(table, list(DERIVATIONS), DICTIONARY)
    permuted = derive_covariates(table.iloc[order], list(DERIVATIONS), DICTIONARY)
    pd.testing.assert_frame_equal(permuted, derived.iloc[order])
