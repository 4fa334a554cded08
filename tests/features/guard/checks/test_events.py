"""Events the wrong way round, deaths that an endpoint does not know, and what a user knows."""

import numpy as np
import pandas as pd
import pytest

from features.cohort import CohortColumns, read_cohort
from features.covariates.dictionary import read_dictionary
from features.errors import InputError
from features.guard.findings import raise_failures
from features.guard.run import guard_cohort, guard_table
from features.guard.settings import Severity, read_guard

N = 120
DICTIONARY = read_dictionary()


@pytest.fixture(scope="module")
def patients():
    rng = np.random.default_rng(2)
    death, end = rng.exponential(12, N), rng.uniform(8, 40, N)
    relapse = rng.exponential(20, N)
    last = np.minimum(death, end)
    return pd.DataFrame(
        {
            "age_years": rng.integers(30, 85, N),
            "months": last.round(2) + 0.01,
            "dead": (death <= end).astype(int),
            "relapse_months": np.minimum(relapse, last).round(2) + 0.01,
            "relapse": (relapse < last).astype(int),
        }
    )


def columns(event="dead", more=None, **codes):
    os = {"label": "OS", "time": "months", "event": event, "unit": "months", **codes}
    return CohortColumns.model_validate({"endpoints": {"os": os, **(more or {})}})


def of_table(table, mapped, **guard):
    found = guard_table(
        table.astype("string"), mapped, ["age_years"], DICTIONARY, read_guard(guard)
    )
    return [f for f in found if f.check in ("reversed_event", "death_unused")]


def of_cohort(table, mapped, **guard):
    cohort = read_cohort(table.astype("string"), mapped, ["age_years"], DICTIONARY)
    keys = {endpoint.label: key for key, endpoint in mapped.endpoints.items()}
    return guard_cohort(cohort, keys, ["age_years"], read_guard(guard))


@pytest.mark.parametrize(
    "name",
    ["cnsr", "CNSR", "censored", "os_censor", "osCens", "alive", "is_living", "surv_status",
     "survstatus", "vital_status", "VitalStatus", "survival"],
)  # fmt: skip
def test_a_column_named_like_life_or_censoring_is_no_event(patients, name):
    table = patients.rename(columns={"dead": name})
    (finding,) = of_table(table, columns(name))
    assert finding.severity is Severity.FAIL
    assert f"column {name}" in finding.what
    assert "event_values: [0], censored_values: [1]" in finding.remedy
    stated = columns(name, event_values=["0"], censored_values=["1"])
    assert of_table(table, stated) == []


@pytest.mark.parametrize(
    "name", ["dead", "os_event", "status", "OS_STATUS", "not_censored", "survival_event", "d1"]
)
def test_other_names_are_believed(patients, name):
    assert of_table(patients.rename(columns={"dead": name}), columns(name)) == []


def test_labels_say_more_than_the_name(patients):
    table = patients.rename(columns={"dead": "vital_status"}).astype("string")
    table.attrs["choices"] = {"vital_status": {"0": "Alive", "1": "Dead"}}
    assert of_table(table, columns("vital_status")) == []
    table.attrs["choices"] = {"vital_status": {"0": "Dead", "1": "Alive"}}
    (finding,) = of_table(table, columns("vital_status"))
    assert "says alive" in finding.what


def test_codes_that_are_exchanged_by_their_own_words(patients):
    table = patients.assign(dead=patients["dead"].map({1: "Dead", 0: "Alive"}))
    right = columns(event_values=["Dead"], censored_values=["Alive"])
    assert of_table(table, right) == []
    wrong = columns(event_values=["Alive"], censored_values=["Dead"])
    assert len(of_table(table, wrong)) == 1


def test_a_date_of_death_knows_who_died(patients):
    died = patients["dead"] == 1
    dated = patients.drop(columns="dead").assign(death_date=np.where(died, "2021-05-01", None))
    (finding,) = of_table(dated.assign(status=1 - patients["dead"]), columns("status"))
    assert "column death_date, 100% of those who are read as censored died" in finding.what
    assert of_table(dated.assign(status=patients["dead"]), columns("status")) == []


def test_nobody_dies_before_many_are_censored(patients):
    table = patients.assign(dead=1 - patients["dead"])
    found = {f.check: f for f in of_cohort(table, columns())}
    assert found["reversed_times"].severity is Severity.WARN
    assert "reversed_times" not in {f.check for f in of_cohort(patients, columns())}


RELAPSE = {"label": "relapse", "time": "relapse_months", "event": "relapse", "unit": "months"}


def test_deaths_that_an_endpoint_censors(patients):
    at_death = (patients["dead"] == 1) & (patients["relapse"] == 0)
    (finding,) = of_cohort(patients, columns(more={"cir": RELAPSE}))
    assert finding.check == "competing_death"
    assert finding.count == at_death.sum()
    assert finding.total == (patients["relapse"] == 0).sum()
    assert "`cir: {..., death: {endpoint: os, is: competing}}`" in finding.remedy


def test_deaths_that_compete_or_count_are_known(patients):
    at_death = (patients["dead"] == 1) & (patients["relapse"] == 0)
    coded = patients.assign(relapse=patients["relapse"].mask(at_death, 2))
    competing = {**RELAPSE, "competing_values": ["2"]}
    assert of_cohort(coded, columns(more={"cir": competing})) == []
    either = patients.assign(relapse=patients["relapse"].mask(at_death, 1))
    assert of_cohort(either, columns(more={"rfs": RELAPSE})) == []


def test_a_death_long_after_the_end_of_follow_up_is_none(patients):
    # A tenth were last seen for relapse at half of the time to death.
    at_death = (patients["dead"] == 1) & (patients["relapse"] == 0)
    earlier = at_death & (np.arange(N) % 10 == 0)
    table = patients.assign(
        relapse=patients["relapse"].mask(at_death & ~earlier, 1),
        relapse_months=patients["relapse_months"].where(~earlier, patients["months"] * 0.5),
    )
    assert of_cohort(table, columns(more={"rfs": RELAPSE})) == []


def test_deaths_that_no_endpoint_reads(patients):
    alone = CohortColumns.model_validate({"endpoints": {"cir": RELAPSE}})
    (finding,) = of_table(patients, alone)
    assert finding.check == "death_unused"
    assert "column dead" in finding.what
    assert of_table(patients.drop(columns="dead"), alone) == []


def test_what_is_known_and_right_is_a_note(patients):
    table = patients.rename(columns={"dead": "alive"})
    (finding,) = of_table(table, columns("alive"), known={"reversed_event": "OS"})
    assert finding.severity is Severity.NOTE
    raise_failures([finding])
    # Of another endpoint, it says nothing of this one.
    (finding,) = of_table(table, columns("alive"), known={"reversed_event": ["EFS"]})
    assert finding.severity is Severity.FAIL
    with pytest.raises(InputError, match=r"known: \{reversed_event: \[OS\]\}"):
        raise_failures([finding])


def test_known_names_a_check():
    with pytest.raises(InputError, match="did you mean 'reversed_event'"):
        read_guard({"known": {"reversd_event": ["OS"]}})
