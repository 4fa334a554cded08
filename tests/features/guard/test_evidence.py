import numpy as np
import pandas as pd
import pytest

from features.cohort import Cohort
from features.covariates.dictionary import Covariate, read_dictionary
from features.guard.evidence import Followed, inputs_of
from features.guard.run import guard_cohort
from features.outcome import Outcome
from features.text.cells import as_number, words


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("isRelapse", ["is", "relapse"]),
        ("IS_RELAPSE", ["is", "relapse"]),
        ("Teléfono móvil", ["telefono", "movil"]),
        ("病历号", ["病历号"]),
    ],
)
def test_words_of_a_name(name, expected):
    assert words(name) == expected


def test_text_is_read_as_numbers_and_the_rest_is_missing():
    assert as_number(pd.Series([" 1.5", "", None, "x", "inf"])) == pytest.approx(
        [1.5, np.nan, np.nan, np.nan, np.nan], nan_ok=True
    )


def test_a_derived_covariate_is_traced_to_its_inputs_and_a_users_own_is_not():
    dictionary = read_dictionary()
    assert inputs_of("log_wbc", dictionary) == ("wbc_1e9_per_l",)
    own = {**dictionary, "log_wbc": Covariate(name="log_wbc", label="own", kind="number")}
    assert inputs_of("log_wbc", own) == ("log_wbc",)


def test_a_competing_event_is_neither_an_event_nor_the_end_of_follow_up():
    outcome = Outcome(
        np.array([1.0, 2, 3]), np.array([True, False, False]),
        competing=np.array([False, True, False]),
    )  # fmt: skip
    followed = Followed.of(outcome, np.array([True, False, True, True]))
    assert followed.who.tolist() == [True, False, True, True]
    assert followed.event.tolist() == [True, False, False, False]
    assert followed.censored.tolist() == [False, False, False, True]


def test_an_endpoint_is_looked_at_in_whom_it_is_about():
    # Responders only, every second patient; the covariate orders their times and nobody else's.
    n = 80
    rng = np.random.default_rng(1)
    about = np.arange(n) % 2 == 0
    time = rng.exponential(10, n // 2).round(2) + 0.01
    time[3] = 0
    score = rng.normal(size=n)
    score[about] = time
    covariate = Covariate(name="score", label="score", kind="number")
    cohort = Cohort(
        inputs=pd.DataFrame({"score": score}),
        dictionary={"score": covariate},
        regimen=None,
        center=None,
        outcomes={"RFS": Outcome(time, rng.random(n // 2) < 0.8)},
        eligible={"RFS": about},
    )
    found = {f.check: f for f in guard_cohort(cohort, {"RFS": "rfs"}, ["score"])}
    # The fourth responder is patient 7.
    assert found["zero_time"].rows == (7,)
    assert found["leakage_time"].count == n


def test_in_a_small_cohort_distinct_numbers_are_not_taken_for_a_recoding():
    # Twelve patients: each value of both columns stands once, in the same order of appearance.
    rng = np.random.default_rng(2)
    names = ["first", "second"]
    cohort = Cohort(
        inputs=pd.DataFrame(rng.normal(size=(12, 2)), columns=names),
        dictionary={n: Covariate(name=n, label=n, kind="number") for n in names},
        regimen=None,
        center=None,
        outcomes={"OS": Outcome(rng.exponential(9, 12) + 0.1, np.arange(12) % 2 == 0)},
    )
    assert guard_cohort(cohort, {"OS": "os"}, names) == []
