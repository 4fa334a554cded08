import numpy as np
import pandas as pd
import pytest

from features.cohort import Cohort
from features.guard.findings import Finding
from features.guard.settings import Guard, Severity
from features.outcome import Outcome
from pipelines.cohort.beyond_training import as_judged, beyond_training


@pytest.fixture
def told(card, dictionary):
    """What is said of ten patients, of whom one column is changed; OS is about the first eight."""
    card = card.model_copy(
        update={
            "levels": {"disease": ("AML de novo", "T-ALL")},
            "rare": {"disease": ("T-ALL",)},
            "ranges": {"age_years": (40.0, 80.0)},
        }
    )

    def call(**changes):
        columns = {"disease": ["AML de novo"] * 10, "age_years": [60.0] * 10} | changes
        cohort = Cohort(
            inputs=pd.DataFrame(columns),
            dictionary=dictionary,
            regimen=None,
            center=None,
            outcomes={"OS": Outcome(np.ones(8), np.ones(8))},
            eligible={"OS": np.arange(10) < 8},
        )
        return beyond_training(card, cohort, "OS")

    return call


def test_patients_like_those_of_the_training_need_no_word(told):
    assert told() == []
    assert told(disease=[None] * 10, age_years=[np.nan] * 10) == []


def test_levels_that_the_model_never_saw_are_counted(told):
    # The last two are not of the endpoint.
    levels = ["AML de novo"] * 4 + ["AML secondary"] * 3 + ["B-ALL"] * 3
    (caution,) = told(disease=levels)
    assert caution.startswith(
        "disease: 4 of 8 patients hold a level that the model never saw (AML secondary 3, B-ALL 1)."
    )


def test_levels_that_the_model_could_not_tell_apart_are_counted(told):
    (caution,) = told(disease=["T-ALL"] * 8 + [None] * 2)
    assert caution.startswith("disease: 8 of 8 patients hold a level that was too rare")


def test_many_values_outside_the_training_are_counted(told):
    # One of seven known values is what chance gives; two are more than a fifth.
    assert told(age_years=[90.0] + [60.0] * 6 + [np.nan] * 3) == []
    (caution,) = told(age_years=[90.0, 20.0] + [60.0] * 5 + [np.nan] * 3)
    assert caution == (
        "age_years: 2 of 7 known values lie outside the central 95% of the model's training "
        "(40 to 80)."
    )


def finding(check):
    return Finding(check, Severity.FAIL, "something", 1, 10, "why", "take it out of `covariates`")


def test_what_is_wrong_for_learning_is_not_wrong_for_judging():
    checks = ["constant_covariate", "empty_covariate", "clock_start"]
    findings = as_judged(tuple(map(finding, checks)), Guard())
    assert [f.severity for f in findings] == [Severity.NOTE, Severity.WARN, Severity.FAIL]
    assert not any("take it out" in f.remedy for f in findings[:2])
    stated = Guard(severity={"constant_covariate": "fail"})
    (kept,) = as_judged((finding("constant_covariate"),), stated)
    assert kept.severity is Severity.FAIL
