"""A trial in three files: subjects, long endpoints as in ADTTE, and long laboratory values."""

import contextlib
import io
import re

import numpy as np
import pandas as pd
import pytest
import yaml

from features.errors import InputError
from features.guard.findings import raise_failures
from pipelines import check, compare, evaluate, predict, train
from pipelines.cohort.reading import check_cohort
from pipelines.config import read_config

DRAWS = True
N = 120
CONFIG = {
    "seed": 1,
    "cohort": {
        "path": "subjects.csv",
        "name": "trial",
        "randomised": True,
        "join": [
            {
                "path": "adtte.csv",
                "on": "USUBJID",
                "long": {"name": "PARAMCD", "values": ["OS", "PROG"], "take": ["AVAL", "CNSR"]},
            },
            {
                "path": "labs.txt",
                "separator": ";",
                "decimal": ",",
                "on": {"USUBJID": "patient"},
                "long": {"name": "test", "values": ["HB"], "take": ["value"]},
                "one_row": {"rule": "last", "date": "day", "on_or_before": 1},
                "columns": {"hb_g_per_l": "HB_value"},
            },
        ],
        "columns": {
            "patient_id": "USUBJID",
            "regimen": {
                "column": "TRT01P",
                "values": {"HMA": "HMA", "LDAC": "LDAC"},
                "reference_arm": "LDAC",
            },
            "covariates": {"age_years": "AGE"},
            "endpoints": {
                "os": {
                    "label": "OS",
                    "time": "OS_AVAL",
                    "event": "OS_CNSR",
                    "unit": "days",
                    "event_values": "0",
                    "censored_values": "1",
                },
                "progression": {
                    "label": "progression",
                    "time": "PROG_AVAL",
                    "event": "PROG_CNSR",
                    "unit": "days",
                    "event_values": "0",
                    "censored_values": "1",
                    "population": {"SAFFL": "Y"},
                    "death": {"endpoint": "os", "is": "competing"},
                },
            },
        },
    },
    "endpoint": "progression",
    "covariates": ["age_years", "hb_g_per_l"],
    "clinical": ["age_years", "hb_g_per_l", "regimen"],
    "learners": ["kaplan_meier", "cox_clinical"],
    "resampling": {"kind": "repeated_kfold", "folds": 2, "repeats": 1, "inner_folds": 2},
    "tuning": {"trials": 0},
    "evaluation": {
        "horizons": [6],
        "bootstrap": 50,
        "regimen_refits": 20,
        "instability": "off",
        "subgroups": [],
    },
    "comparison": {"replicates": 100, "imputations": 2, "subgroups": {}, "early_death_days": [30]},
    "tracking": {"experiment": "joined", "model_name": "joined", "trials": "steps"},
}


def write(folder, seed=1):
    """The files and the configuration of a trial, the first patient of 120 without safety data."""
    rng = np.random.default_rng(seed)
    ids = [f"S{i:03}" for i in range(N)]
    age = rng.integers(45, 85, N)
    rate = np.exp((age - 65) / 20)
    death = rng.exponential(500 / rate).astype(int) + 5
    prog = rng.exponential(400 / rate).astype(int) + 5
    lost = rng.integers(60, 900, N)
    os, seen = np.minimum(death, lost), np.minimum(np.minimum(death, lost), prog)
    subjects = pd.DataFrame(
        {
            "USUBJID": ids,
            "AGE": age,
            "TRT01P": np.where(rng.random(N) < 0.5, "HMA", "LDAC"),
            "SAFFL": ["N", *"Y" * (N - 1)],
        }
    )
    rows = [
        pd.DataFrame({"USUBJID": ids, "PARAMCD": name, "AVAL": time, "CNSR": censored.astype(int)})
        for name, time, censored in (
            ("OS", os, death > lost),
            ("PROG", seen, prog > np.minimum(death, lost)),
            ("OTHER", os, death > lost),
        )
    ]
    labs = pd.DataFrame(
        {
            "patient": ids * 2,
            "test": "HB",
            "day": np.repeat([-3, 30], N),
            "value": np.round(rng.normal(90, 12, 2 * N), 1),
        }
    ).iloc[5:]  # five patients have none before treatment
    subjects.to_csv(folder / "subjects.csv", index=False)
    pd.concat(rows).to_csv(folder / "adtte.csv", index=False)
    labs.to_csv(folder / "labs.txt", sep=";", decimal=",", index=False)
    # As a person writes it: a bare `on` is no truth value.
    text = yaml.safe_dump(CONFIG).replace("'on':", "on:")
    (folder / "trial.yaml").write_text(text, "utf-8")
    return folder / "trial.yaml"


def run(main, *arguments):
    """Run a command; returns exit status, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with streams[0], streams[1], pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code or 0, " ".join(out.getvalue().split()), err.getvalue()


@pytest.fixture(scope="module")
def trial(connect_to_store, tmp_path_factory):
    """The trial's folder, with a model trained on it."""
    folder = tmp_path_factory.mktemp("trial")
    config = write(folder)
    with pytest.MonkeyPatch.context() as patch:
        connect_to_store(patch)
        status, said, told = run(
            train.main, "--config", config, "--out", folder / "trained", "--workers", "1"
        )
    assert status == 0, told
    return folder, said


def test_training_reads_the_three_files_and_takes_nobody_for_confounded(trial):
    folder, said = trial
    assert "119 patients" in said
    assert "drawn at random" in said
    assert "not randomised" not in said
    assert "causal" not in said
    metrics = pd.read_csv(folder / "trained" / "metrics.csv")
    assert "competing_c" in set(metrics["metric"])
    page = (folder / "trained" / "report.html").read_text("utf-8")
    assert "Patients were randomised" in page
    assert "were not randomised" not in page


def test_check_says_what_the_files_lacked(trial, tmp_path):
    folder, _ = trial
    status, said, told = run(check.main, "--config", folder / "trial.yaml", "--out", tmp_path)
    assert status in (0, 1), told
    assert "join labs.txt: patients are not in it and have its columns missing" in said
    assert "who: 5 of " in said
    assert "join adtte.csv" not in said  # nobody is missing there
    findings = pd.read_csv(tmp_path / "findings.csv").set_index("check")
    kept = findings.loc["one_row", "what"]
    assert "of 235 rows 115 are kept (last by day, day on or before 1" in kept
    assert kept.endswith("; 120 later; of 5 no row is left")


def test_compare_takes_death_for_the_competing_event_and_draws_no_e_value(
    trial, tmp_path, connect_to_store, monkeypatch
):
    connect_to_store(monkeypatch)
    folder, _ = trial
    status, said, told = run(
        compare.main, "--config", folder / "trial.yaml", "--out", tmp_path / "c"
    )
    assert status == 0, told
    rows = pd.read_csv(tmp_path / "c" / "comparison.csv")
    assert "death without progression" in set(rows["endpoint"])
    assert not rows["estimator"].str.startswith("E-value").any()
    assert not rows["assumption"].str.contains("confounding").any()
    page = re.sub(r"\s+", " ", (tmp_path / "c" / "report.html").read_text("utf-8"))
    for text in (said, page):
        assert "drawn at random" in text
        assert "not randomised" not in text
        assert "chosen by clinicians" not in text
        assert "assigned at random" not in text
        assert "confounder" not in text


def test_another_trial_is_evaluated_and_a_patient_predicted(
    trial, tmp_path, connect_to_store, monkeypatch
):
    connect_to_store(monkeypatch)
    model = "models:/joined@champion"
    other = write(tmp_path, seed=2)
    status, said, told = run(
        evaluate.main, "--model", model, "--config", other, "--out", tmp_path / "validation"
    )
    assert status == 0, told
    assert "119 patients" in said
    assert "not randomised" not in said
    patient = tmp_path / "patient.json"
    patient.write_text('[{"age_years": 61, "hb_g_per_l": 92, "regimen": "HMA"}]', "utf-8")
    asked = ("--model", model, "--format", "csv", "--horizons")
    answers = [run(predict.main, patient, *asked, h) for h in ("6", "5.9999999999", "6.0000004")]
    assert [status for status, _, _ in answers] == [0, 0, 0], answers[0]
    # A horizon that differs by round-off is the same horizon.
    assert len({said for _, said, _ in answers}) == 1


def test_a_file_written_otherwise_is_refused_in_one_block(trial, tmp_path):
    config = write(tmp_path)
    rows = pd.read_csv(tmp_path / "adtte.csv")
    rows.assign(USUBJID=rows["USUBJID"].str.lower()).to_csv(tmp_path / "adtte.csv", index=False)
    status, _, told = run(check.main, "--config", config, "--out", tmp_path / "out")
    assert status == 2
    assert "write identifiers in different ways" in told
    assert "upper and lower case" in told
    assert "S001" not in told


def test_a_death_long_after_the_last_assessment_is_a_finding(tmp_path):
    config = read_config(write(tmp_path))
    rows = pd.read_csv(tmp_path / "adtte.csv")
    # Patient 2 was last assessed on day 1 without progression; OS tells of a death on day 200.
    of_patient = rows["USUBJID"] == "S001"
    rows.loc[of_patient & (rows["PARAMCD"] == "PROG"), ["AVAL", "CNSR"]] = [1, 1]
    rows.loc[of_patient & (rows["PARAMCD"] == "OS"), ["AVAL", "CNSR"]] = [200, 0]
    rows.to_csv(tmp_path / "adtte.csv", index=False)
    late = [f for f in check_cohort(config).findings if f.check == "late_death"]
    assert [(finding.count, finding.total) for finding in late] == [(1, 119)]


def with_severity(tmp_path, **severity):
    config = read_config(write(tmp_path))
    rows = pd.read_csv(tmp_path / "adtte.csv")
    of_patient = rows["USUBJID"] == "S001"
    rows.loc[of_patient & (rows["PARAMCD"] == "PROG"), ["AVAL", "CNSR"]] = [1, 1]
    rows.loc[of_patient & (rows["PARAMCD"] == "OS"), ["AVAL", "CNSR"]] = [200, 0]
    rows.to_csv(tmp_path / "adtte.csv", index=False)
    guard = config.cohort.guard.model_copy(update={"severity": severity})
    cohort = config.cohort.model_copy(update={"guard": guard})
    return check_cohort(config.model_copy(update={"cohort": cohort})).findings


@pytest.mark.parametrize("name", ["joined_table", "one_row", "late_death"])
def test_the_severity_of_what_is_found_in_several_files_is_the_users(tmp_path, name):
    before = [f.severity.label for f in with_severity(tmp_path) if f.check == name]
    assert before == ["note"]
    failed = [f for f in with_severity(tmp_path, **{name: "fail"}) if f.check == name]
    assert [f.severity.label for f in failed] == ["fail"]
    with pytest.raises(InputError, match=name):
        raise_failures(failed)
    assert name not in {f.check for f in with_severity(tmp_path, **{name: "ignore"})}


def test_what_a_further_file_lacks_is_told_beside_what_is_then_missing(tmp_path):
    config = read_config(write(tmp_path))
    rows = pd.read_csv(tmp_path / "adtte.csv")
    rows[rows["USUBJID"] != "S004"].to_csv(tmp_path / "adtte.csv", index=False)
    with pytest.raises(InputError) as refused:
        check_cohort(config)
    first, *others = refused.value.problems
    assert first.what.startswith("join adtte.csv: patients are not in it")
    assert first.where.startswith("1 of ")
    assert any(problem.what == "The time is missing or not a number" for problem in others)
