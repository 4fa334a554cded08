"""Covariates of a later time than baseline: by their names, and by what they know."""

import numpy as np
import pandas as pd
import pytest

from features.cohort import Cohort, CohortColumns
from features.covariates.dictionary import Covariate, read_dictionary
from features.guard.run import guard_cohort, guard_table
from features.guard.settings import Severity, read_guard
from features.outcome import Outcome

N = 200
LATER = {"early_deaths", "guarantee_time", "responders_only", "later_name"}


def follow(seed=1, effect=0.0):
    rng = np.random.default_rng(seed)
    death, end = 14 * rng.exponential(size=N) / np.exp(effect), rng.uniform(6, 40, N)
    return Outcome(np.minimum(death, end), death <= end), rng


def found(values, outcome, responder=None, **guard):
    levels = tuple(sorted({v for v in values if isinstance(v, str)}))
    kind = {"kind": "category", "vocabulary": levels} if levels else {"kind": "number"}
    dictionary = {"x": Covariate(name="x", label="x", **kind)}
    inputs = pd.DataFrame({"x": pd.Series(values)})
    cohort = Cohort(inputs, dictionary, None, None, {"OS": outcome}, responder=responder)
    seen = guard_cohort(cohort, {"OS": "os"}, ["x"], read_guard(guard))
    return [f for f in seen if f.check in LATER]


def test_a_level_that_nobody_lives_to_leave():
    outcome, rng = follow()
    early = outcome.event & (outcome.time < 1.5)
    values = np.where(early, "ED", rng.choice(["CR", "NR"], N))
    (finding,) = [f for f in found(values, outcome) if f.check == "early_deaths"]
    assert finding.severity is Severity.FAIL
    assert "x ED" in finding.what
    assert finding.count == early.sum()


def test_a_value_that_is_missing_where_the_patient_died_early():
    outcome, rng = follow()
    early = outcome.event & (outcome.time < 1.5)
    values = pd.Series(rng.choice(["CR", "NR"], N), dtype=object).mask(early)
    assert "x missing" in next(f for f in found(values, outcome) if f.check == "early_deaths").what


def test_who_lived_to_be_transplanted():
    outcome, rng = follow()
    values = ((outcome.time > 6) & (rng.random(N) < 0.7)).astype(float)
    checks = {f.check for f in found(values, outcome)}
    assert "guarantee_time" in checks
    # One line says that it is right.
    known = found(values, outcome, known={"post_baseline": ["x"]})
    assert {f.severity for f in known} == {Severity.NOTE}


def test_cycles_given():
    outcome, rng = follow()
    values = np.minimum(np.floor(outcome.time) + 1, rng.integers(2, 9, N)).astype(float)
    assert "guarantee_time" in {f.check for f in found(values, outcome)}


def test_what_is_measured_in_responders_alone():
    outcome, rng = follow()
    responder = rng.integers(0, 2, N).astype(float)
    values = np.where(responder == 1, rng.normal(size=N), np.nan)
    assert "responders_only" in {f.check for f in found(values, outcome, responder)}
    assert found(rng.normal(size=N), outcome, responder) == []


@pytest.mark.parametrize("kind", ["number", "flag", "category", "missing"])
def test_a_strong_baseline_effect_is_honest(kind):
    wrong = 0
    for seed in range(15):
        rng = np.random.default_rng(100 + seed)
        number, flag = rng.normal(size=N), (rng.random(N) < 0.2).astype(float)
        level = rng.integers(0, 4, N)
        effect = {
            "number": np.log(2) * number,
            "flag": np.log(3) * flag,
            "category": np.array([-0.5, 0, 0.4, 0.9])[level],
            "missing": np.log(2) * flag,
        }[kind]
        values = {
            "number": number,
            "flag": flag,
            "category": np.array(list("abcd"), dtype=object)[level],
            "missing": np.where(flag == 1, np.nan, number),
        }[kind]
        outcome, _ = follow(seed, effect)
        wrong += bool(found(values, outcome))
    assert wrong <= 1


def named(name, column=None, **entry):
    dictionary = {**read_dictionary()}
    dictionary[name] = Covariate(**{"name": name, "label": name, "kind": "flag", **entry})
    columns = CohortColumns.model_validate(
        {"covariates": {name: column or name},
         "endpoints": {"os": {"label": "OS", "time": "t", "event": "d", "unit": "months"}}}
    )  # fmt: skip
    table = pd.DataFrame({column or name: ["0", "1"], "t": ["1", "2"], "d": ["1", "0"]})
    seen = guard_table(table, columns, [name], dictionary)
    return [f.check for f in seen if f.check == "later_name"]


@pytest.mark.parametrize(
    "name",
    ["salvage_response", "transplanted", "best_blasts", "cyclesGiven", "mrd_status", "relapse",
     "max_toxicity", "hospital_days", "last_hb", "after_ven", "outcome_2", "relapse_date"],
)  # fmt: skip
def test_names_of_what_happens_later(name):
    assert named(name) == ["later_name"]
    assert named("score", column=name) == ["later_name"]
    assert named("score", label=f"Score: {name}") == ["later_name"]


@pytest.mark.parametrize(
    "name",
    ["prior_transplant", "response_to_prior_therapy", "relapse_number", "mrd_at_baseline",
     "frailty", "cr1_duration", "previous_cycles", "complex_karyotype"],
)  # fmt: skip
def test_names_of_baseline(name):
    assert named(name) == []


def test_the_projects_own_dictionary_is_of_baseline():
    columns = CohortColumns.model_validate(
        {"endpoints": {"os": {"label": "OS", "time": "t", "event": "d", "unit": "months"}}}
    )
    own = {k: c for k, c in read_dictionary().items() if c.timing == "baseline"}
    table = pd.DataFrame({**{key: ["1", "2"] for key in own}, "t": ["1", "2"], "d": ["1", "0"]})
    seen = guard_table(table, columns, list(own), own)
    assert [f for f in seen if f.check in ("later_name", "outcome_name")] == []
