import contextlib
import sqlite3

import pandas as pd
import pytest
import yaml

from features.errors import InputError
from features.guard.findings import raise_failures
from pipelines.cohort.reading import check_cohort
from pipelines.config import read_config

# Months from diagnosis to death or censoring, and to the first dose.
FROM_DIAGNOSIS = [14.0, 30.0, 9.0, 22.0, 40.0, 18.0, 25.0, 12.0, 33.0, 16.0, 28.0, 21.0]
TO_FIRST_DOSE = [10.0, 12.5, 3.0, 20.0, 24.0, 11.0, 5.0, 8.0, 30.0, 2.0, 19.0, 7.0]


@pytest.fixture
def diagnosed(tmp_path):
    """A configuration over times from diagnosis, with the months to the first dose beside them."""

    def write(**changes):
        table = pd.DataFrame(
            {
                "age_years": [50, 61, 72, 55, 66, 47, 70, 58, 63, 68, 52, 74],
                "os": FROM_DIAGNOSIS,
                "dead": [1, 0] * 6,
                "to_dose": TO_FIRST_DOSE,
            }
        ).assign(**changes)
        table.to_csv(tmp_path / "table.csv", index=False)
        config = {
            "cohort": {
                "path": "table.csv",
                "columns": {
                    "endpoints": {
                        "os": {"label": "OS", "time": "os", "event": "dead", "unit": "months"}
                    }
                },
                "guard": {"entry": "to_dose", "starts_at": "diagnosis"},
            },
            "endpoint": "os",
            "covariates": ["age_years"],
        }
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        return read_config(tmp_path / "config.yaml")

    return write


def test_times_from_diagnosis_start_at_the_first_dose(diagnosed):
    checked = check_cohort(diagnosed())
    # 14 - 10 = 4 months from the first dose, 30 - 12.5 = 17.5, ...
    expected = [d - f for d, f in zip(FROM_DIAGNOSIS, TO_FIRST_DOSE, strict=True)]
    assert checked.cohort.outcomes["OS"].time.tolist() == pytest.approx(expected)
    (note,) = [f for f in checked.findings if "was taken off" in f.what]
    assert (note.check, note.severity.label) == ("clock_moved", "note")
    assert "to_dose" in note.what


def test_how_grave_moved_times_are_is_the_users(diagnosed):
    def told(severity):
        config = diagnosed()
        guard = config.cohort.guard.model_copy(update={"severity": {"clock_moved": severity}})
        cohort = config.cohort.model_copy(update={"guard": guard})
        findings = check_cohort(config.model_copy(update={"cohort": cohort})).findings
        return [f.severity.label for f in findings if f.check == "clock_moved"]

    assert told("warn") == ["warn"]
    assert told("ignore") == []


def test_a_first_dose_after_death_is_refused(diagnosed):
    checked = check_cohort(diagnosed(to_dose=[20.0, *TO_FIRST_DOSE[1:]]))
    with pytest.raises(InputError) as error:
        raise_failures(checked.findings)
    assert "row 1" in str(error.value)
    assert not any("was taken off" in f.what for f in checked.findings)


def test_a_time_that_is_no_number_is_named_as_it_stands(diagnosed):
    with pytest.raises(InputError, match="a year"):
        check_cohort(diagnosed(os=["a year", *FROM_DIAGNOSIS[1:]]))


def test_the_times_of_deaths_start_there_too(diagnosed):
    config = diagnosed(prog=[value - 1 for value in FROM_DIAGNOSIS], progressed=[0, 1] * 6)
    columns = config.cohort.columns
    stated = {
        "label": "progression", "time": "prog", "event": "progressed", "unit": "months",
        "death": {"time": "os", "event": "dead", "is": "competing"},
    }  # fmt: skip
    endpoints = columns.model_dump(mode="json")["endpoints"] | {"progression": stated}
    columns = type(columns).model_validate({"endpoints": endpoints})
    cohort = config.cohort.model_copy(update={"columns": columns})
    checked = check_cohort(config.model_copy(update={"cohort": cohort}))
    # Death at 14 - 10 = 4 months from the first dose; progression at 29 - 12.5 = 16.5.
    progression = checked.cohort.outcomes["progression"]
    assert progression.time[:2].tolist() == [4.0, 16.5]
    assert progression.competing.tolist() == [True, False] * 6


def test_a_file_is_joined_to_a_query(diagnosed, tmp_path):
    config = diagnosed()
    table = pd.read_csv(tmp_path / "table.csv").assign(pid=[f"P{i}" for i in range(12)])
    with contextlib.closing(sqlite3.connect(tmp_path / "hospital.db")) as database:
        table.drop(columns="to_dose").to_sql("patients", database, index=False)
        database.commit()
    table[["pid", "to_dose"]][::-1].to_csv(tmp_path / "doses.csv", index=False)
    content = yaml.safe_load((tmp_path / "config.yaml").read_text("utf-8"))
    del content["cohort"]["path"]
    content["cohort"]["source"] = {
        "kind": "sql", "url": f"sqlite:///{tmp_path / 'hospital.db'}",
        "query": "SELECT * FROM patients",
    }  # fmt: skip
    content["cohort"]["join"] = [{"path": "doses.csv", "on": "pid", "unmatched": "refuse"}]
    (tmp_path / "joined.yaml").write_text(yaml.safe_dump(content))
    joined = check_cohort(read_config(tmp_path / "joined.yaml")).cohort
    plain = check_cohort(config).cohort
    assert joined.outcomes["OS"].time.tolist() == plain.outcomes["OS"].time.tolist()
