import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from features.cohort import CohortColumns, read_cohort
from features.endpoints.forms import derive_endpoint, derive_outcome, read_endpoint
from features.errors import InputError
from features.used_codes import used_codes

# Progression on day 30 and death on 90; death on 60 unseen by progression; the same day for both;
# alive without either; last assessment on day 50, death on 80.
ROWS = pd.DataFrame(
    {
        "prog_days": ["30", "60", "40", "100", "50"],
        "progression": ["1", "0", "1", "0", "0"],
        "os_days": ["90", "60", "40", "120", "80"],
        "death": ["1", "1", "1", "0", "1"],
    }
)
OS = {"label": "OS", "time": "os_days", "event": "death", "unit": "days"}
PROGRESSION = {"label": "progression", "time": "prog_days", "event": "progression", "unit": "days"}


def outcomes(table=ROWS, os=OS, **death):
    columns = {"endpoints": {"progression": PROGRESSION | {"death": death}, "os": os}}
    return read_cohort(table, CohortColumns.model_validate(columns), [], {}).outcomes


def days(outcome):
    return np.round(outcome.time * 365.25 / 12, 6).tolist()


def test_a_death_without_progression_competes():
    found = outcomes(endpoint="os", **{"is": "competing"})
    assert list(found) == ["progression", "OS"]
    progression = found["progression"]
    # Progression ends follow-up before death and on the day of death; whoever died later than the
    # last assessment is known to have died, and whoever lives was last assessed on day 100.
    assert days(progression) == [30, 60, 40, 100, 80]
    assert progression.event.tolist() == [True, False, True, False, False]
    assert progression.competing.tolist() == [False, True, False, False, True]
    assert progression.reason.tolist()[1:4] == ["death = 1", "progression = 1", "progression = 0"]
    assert progression.source.tolist() == ["progression", "death", "progression", "progression",
                                           "death"]  # fmt: skip


def test_a_death_without_progression_is_an_event_of_progression_free_survival():
    found = outcomes(endpoint="os", **{"is": "event"})["progression"]
    assert days(found) == [30, 60, 40, 100, 80]
    assert found.event.tolist() == [True, True, True, False, True]
    assert found.competing is None


def test_columns_of_its_own_say_the_same():
    stated = {"time": "os_months", "event": "died", "unit": "months", "event_values": ["dead"],
              "censored_values": "alive", "is": "competing"}  # fmt: skip
    table = ROWS.assign(
        os_months=[repr(int(d) * 12 / 365.25) for d in ROWS["os_days"]],
        died=["dead" if d == "1" else "alive" for d in ROWS["death"]],
    )
    own = derive_outcome(table, read_endpoint(PROGRESSION | {"death": stated}))
    other = outcomes(endpoint="os", **{"is": "competing"})["progression"]
    assert own.time.tolist() == other.time.tolist()
    assert own.competing.tolist() == other.competing.tolist()


@pytest.mark.parametrize(
    ("row", "changed", "told"),
    [
        (0, {"os_days": "20"}, "The event comes after the patient's death"),
        (0, {"os_days": "20", "death": "0"}, "The event comes after the last contact"),
        (1, {"os_days": "50"}, "The follow-up goes on after the patient's death"),
        (3, {"os_days": "50"}, "The follow-up goes on after the last contact"),
    ],
)
def test_what_contradicts_the_death_is_refused_with_its_row(row, changed, told):
    table = ROWS.copy()
    for column, value in changed.items():
        table.loc[row, column] = value
    with pytest.raises(InputError) as refused:
        outcomes(table, endpoint="os", **{"is": "competing"})
    (problem,) = refused.value.problems
    assert problem.what == told
    assert f"row {row + 1} " in problem.where


def test_what_is_wrong_with_the_death_is_told_once():
    with pytest.raises(InputError) as refused:
        outcomes(ROWS.assign(death=["1", "x", "1", "0", "1"]), endpoint="os", **{"is": "event"})
    assert [problem.where.split(",")[0] for problem in refused.value.problems] == ["endpoint OS"]


def test_a_death_that_is_not_known_of_the_patients_is_refused():
    only_some = OS | {"population": {"progression": ["1"]}}
    with pytest.raises(InputError, match="Whether these patients died is not known"):
        outcomes(os=only_some, endpoint="os", **{"is": "event"})


@pytest.mark.parametrize(
    ("death", "told"),
    [
        ({"endpoint": "os"}, "Field required"),
        ({"endpoint": "os", "is": "censored"}, "'competing' or 'event'"),
        ({"endpoint": "oss", "is": "event"}, "did you mean 'os'"),
        ({"endpoint": "progression", "is": "event"}, "no other endpoint"),
        ({"is": "event"}, "give `endpoint`"),
        ({"endpoint": "os", "time": "t", "event": "e", "is": "event"}, "give `endpoint`"),
        ({"time": "t", "is": "event"}, "belong together"),
        ({"endpoint": "os", "is": "event", "wen": "x"}, "Extra inputs"),
    ],
)
def test_a_mistaken_description_is_refused(death, told):
    with pytest.raises(ValidationError, match=told):
        outcomes(**death)


def test_the_description_survives_being_written_down():
    columns = CohortColumns.model_validate(
        {"endpoints": {"p": PROGRESSION | {"death": {"endpoint": "os", "is": "event"}}, "os": OS}}
    )
    assert CohortColumns.model_validate(columns.model_dump(mode="json")) == columns


def test_a_ready_endpoint_is_about_its_population():
    stated = OS | {"population": {"response": ["CR", "CRi"]}}
    table = ROWS.assign(response=["CR", "PD", "cri", None, "PD"])
    table.loc[1, "os_days"] = "not a number"  # the cells of others are not read
    derived = derive_endpoint(table, read_endpoint(stated))
    assert derived.eligible.tolist() == [True, False, True, False, False]
    assert days(derived.outcome) == [90, 40]
    with pytest.raises(InputError, match="Nobody belongs"):
        derive_endpoint(table, read_endpoint(OS | {"population": {"response": "MLFS"}}))
    with pytest.raises(InputError, match="no such column"):
        derive_endpoint(table, read_endpoint(OS | {"population": {"remission": "CR"}}))


def test_population_and_death_go_together():
    table = ROWS.assign(response=["CR", "PD", "CR", "CR", "CR"])
    columns = {
        "progression": PROGRESSION
        | {"population": {"response": "CR"}, "death": {"endpoint": "os", "is": "competing"}},
        "os": OS,
    }
    cohort = read_cohort(table, CohortColumns.model_validate({"endpoints": columns}), [], {})
    assert cohort.of_endpoint("progression").tolist() == [True, False, True, True, True]
    assert days(cohort.outcomes["progression"]) == [30, 40, 100, 80]
    assert cohort.outcomes["progression"].competing.tolist() == [False, False, False, True]


def test_codes_of_death_and_population_are_no_missing_words():
    stated = PROGRESSION | {
        "population": {"response": ["NA", "CR"]},
        "death": {"time": "os_days", "event": "died", "event_values": "dead",
                  "censored_values": "None", "is": "event"},
    }  # fmt: skip
    codes = used_codes(CohortColumns.model_validate({"endpoints": {"p": stated}}), {})
    assert codes["response"] == {"NA", "CR"}
    assert codes["died"] == {"dead", "None"}
