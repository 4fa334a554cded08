import numpy as np
import pandas as pd
import pytest

from features.cohort import Cohort
from features.covariates.dictionary import read_dictionary
from features.errors import InputError
from features.outcome import Outcome
from pipelines.cohort.subgroup_labels import subgroup_labels
from pipelines.config import SUBGROUPS


@pytest.fixture
def cohort():
    inputs = pd.DataFrame(
        {
            "age_years": [50.0, 65.0, 80.0, np.nan],
            "sex": np.array(["F", "M", None, "M"], dtype=object),
            "mut_tp53": [0.0, 1.0, np.nan, 1.0],
            "hb_g_per_l": [90.0, 100.0, 80.0, 95.0],
        }
    )
    known = read_dictionary()
    regimen = np.array(["HMA", "LDAC", "HMA", "LDAC"], dtype=object)
    outcome = Outcome([1.0, 2.0, 3.0, 4.0], [1, 0, 1, 1])
    return Cohort(
        inputs, {n: known[n] for n in inputs}, regimen, np.array(["A"] * 4, dtype=object),
        {"OS": outcome, "EFS": outcome.take([0, 1])},
        eligible={"EFS": np.array([True, True, False, False])},
    )  # fmt: skip


def test_default_groups_are_those_that_are_there(cohort):
    groups = subgroup_labels(cohort, "OS", SUBGROUPS)
    # One center alone, and no disease.
    assert list(groups) == ["sex", "age", "regimen"]
    assert groups["age"].tolist() == ["<60", "60-74", ">=75", None]
    assert pd.Series(groups["sex"]).fillna("unknown").tolist() == ["F", "M", "unknown", "M"]


def test_a_flag_is_in_words_and_an_endpoint_has_its_own_patients(cohort):
    assert subgroup_labels(cohort, "OS", ("mut_tp53",))["mut_tp53"].tolist() == [
        "no", "yes", None, "yes",
    ]  # fmt: skip
    assert subgroup_labels(cohort, "EFS", ("regimen",))["regimen"].tolist() == ["HMA", "LDAC"]


@pytest.mark.parametrize("name", ["hb_g_per_l", "colour"])
def test_a_number_or_an_unknown_name_is_refused(cohort, name):
    with pytest.raises(InputError) as refused:
        subgroup_labels(cohort, "OS", ("sex", name))
    (problem,) = refused.value.problems
    assert problem.where == "evaluation.subgroups"
    assert problem.got == name
    assert "mut_tp53" in problem.allowed
