"""Trainings that are killed, and trainings at the same time, each in processes of their own."""

import json
import multiprocessing
import os
import sqlite3
import time
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest
import yaml

from features.covariates.dictionary import CONFIGS

PROJECT = CONFIGS.parent
TABLES = ("metrics.csv", "regimen_effects.csv")
SMALL = {
    "covariates": ["age_years", "ecog"],
    "learners": ["cox", "xgboost_cox", "stack"],
    "resampling": {"folds": 2, "repeats": 1, "inner_folds": 2},
    "tuning": {"trials": 3},
    "evaluation": {
        "horizons": [6], "bootstrap": 50, "regimen_refits": 20, "instability": 10, "subgroups": [],
    },
    "tracking": {"experiment": "resume", "model_name": "resume", "trials": "steps"},
}  # fmt: skip

# Each training is forked from a server that has imported what all need, which takes seconds.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["pipelines.training.run", "pipelines.summary", "mlflow.pyfunc", "xgboost", "sklearn.compose"]
)
# The command, with a dot for each picture: drawing them would take most of its time.
TRAIN = """
import atexit, io, os
from pathlib import Path
os.chdir(project)
os.environ.update(variables)
said = os.open(log, os.O_WRONLY | os.O_CREAT)
os.dup2(said, 1)
os.dup2(said, 2)
from matplotlib.figure import Figure
from pipelines.train import main
buffer = io.BytesIO()
Figure(figsize=(0.1, 0.1)).savefig(buffer, format="png")
Figure.savefig = lambda self, file, **_: file.write(buffer.getvalue())
try:
    main(arguments)
finally:
    atexit._run_exitfuncs()
"""


def start(folder, store, out, workers=1, **changes):
    config = yaml.safe_load((CONFIGS / "train.yaml").read_text()) | SMALL | changes
    path = folder / f"{out}.yaml"
    path.write_text(yaml.safe_dump(config))
    arguments = ["--config", str(path), "--out", str(folder / out), "--workers", str(workers)]
    given = {
        "project": PROJECT,
        "variables": os.environ | {"MLFLOW_TRACKING_URI": store},
        "log": folder / f"{out}.log",
        "arguments": arguments,
    }
    process = PROCESSES.Process(target=exec, args=(TRAIN, given), name=str(given["log"]))
    process.start()
    return process


def said_by(process):
    return Path(process.name).read_text("utf-8")


def end(process):
    process.join(timeout=300)
    assert process.exitcode == 0, said_by(process)
    return said_by(process)


def kill_after(process, folder, pattern, count):
    """Kill -9 as soon as so many files are there."""
    give_up = time.monotonic() + 200
    while len(list(folder.glob(pattern))) < count:
        assert process.is_alive(), said_by(process)
        assert time.monotonic() < give_up
        time.sleep(0.02)
    process.kill()
    process.join()
    Path(process.name).unlink()


def check_against(whole, part, learners):
    """The tables of a training of fewer learners hold the very lines of the whole one."""
    for table in TABLES:
        lines = (part / table).read_text().splitlines()
        assert lines == [line for line in (whole / table).read_text().splitlines() if line in lines]
        expected, found = pd.read_csv(whole / table), pd.read_csv(part / table)
        if "learner" in expected:
            expected = expected[expected["learner"].isin(learners)]
            assert set(found["learner"]) == set(learners)
            assert len(found) == len(expected)


def check_summaries(one, other):
    first, second = (json.loads((out / "summary.json").read_text()) for out in (one, other))
    for key in ("champion", "reason", "cautions", "metrics", "data_fingerprint"):
        assert first[key] == second[key]


def runs(database, query):
    with sqlite3.connect(database) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def stores(tmp_path_factory, store_folder):
    """Copies of a migrated store, so that its migration is not paid again."""

    def copy(name):
        folder = tmp_path_factory.mktemp(name)
        (folder / "mlflow.db").write_bytes((store_folder / "mlflow.db").read_bytes())
        return folder, f"sqlite:///{folder / 'mlflow.db'}"

    return copy


@pytest.fixture(scope="module")
def whole(tmp_path_factory, stores):
    """A training that nobody stopped."""
    folder, store = stores("whole")
    end(start(folder, store, "out"))
    return folder / "out"


def test_a_killed_training_goes_on_and_ends_with_the_same_result(whole, stores):
    folder, store = stores("killed")
    # In a search after some finished folds, whose workers outlive it for a while, and in the
    # writing of the end.
    kill_after(
        start(folder, store, "out", workers=2),
        folder,
        "unfinished/*/optuna/xgboost_cox_0_1.journal",
        1,
    )
    kill_after(start(folder, store, "out"), folder, "artifacts/models/*/artifacts/MLmodel", 1)
    printed = end(start(folder, store, "out"))

    assert "Going on with this training where it was stopped" in printed
    for table in TABLES:
        assert (folder / "out" / table).read_bytes() == (whole / table).read_bytes()
    check_summaries(whole, folder / "out")
    # One training, as if it had never stopped: one run, one a learner, one version.
    assert runs(
        folder / "mlflow.db", "select count(*) from model_versions where name = 'resume'"
    ) == [(1,)]
    alive = (
        "from runs join experiments e using (experiment_id) "
        "where runs.lifecycle_stage = 'active' and e.name = 'resume'"
    )
    assert runs(folder / "mlflow.db", f"select status, count(*) {alive} group by status") == [
        ("FINISHED", 1 + len(SMALL["learners"]))
    ]
    assert not list((folder / "unfinished").iterdir())


def test_two_trainings_at_once_into_one_store(whole, tmp_path):
    # A cold store: one of them migrates it.
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    both = [start(tmp_path, store, name, learners=["cox"]) for name in ("one", "two")]
    printed = [" ".join(end(process).split()) for process in both]
    for name in ("one", "two"):
        check_against(whole, tmp_path / name, ["cox"])
    for table in TABLES:
        assert (tmp_path / "one" / table).read_bytes() == (tmp_path / "two" / table).read_bytes()
    check_summaries(tmp_path / "one", tmp_path / "two")
    status = runs(tmp_path / "mlflow.db", "select status, count(*) from runs group by status")
    assert status == [("FINISHED", 2 * (1 + 1))]
    versions = runs(tmp_path / "mlflow.db", "select version from model_versions order by version")
    assert versions == [(1,), (2,)]
    # The second is a candidate: it takes the champion's place from nobody.
    (first,) = [said for said in printed if "version 1, the first of its name: champion" in said]
    (second,) = [said for said in printed if "registered as version 2, candidate;" in said]
    assert first != second
    aliases = runs(tmp_path / "mlflow.db", "select alias, version from registered_model_aliases")
    assert ("champion", 1) in aliases


def test_postgresql_keeps_runs_and_trials(postgres, whole, tmp_path, monkeypatch):
    import psycopg

    parts = {k: quote(str(v), safe="") for k, v in postgres.items()}
    server = f"{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}"
    # Two databases, since MLflow and Optuna both keep their version in the same table.
    with psycopg.connect(f"postgresql://{server}/{parts['database']}", autocommit=True) as admin:
        for name in ("runs", "trials"):
            admin.execute(f"create database {name}")
    monkeypatch.setenv("TRIALS_PASSWORD", str(postgres["password"]))
    place = f"{parts['user']}:${{TRIALS_PASSWORD}}@{parts['host']}:{parts['port']}/trials"
    tuning = SMALL["tuning"] | {"storage": f"postgresql+psycopg://{place}"}
    learners = ["cox", "xgboost_cox"]
    uri = f"postgresql+psycopg://{server}/runs"
    printed = end(start(tmp_path, uri, "out", tuning=tuning, learners=learners))
    assert str(postgres["password"]) not in printed

    # The same search, wherever its trials are kept.
    check_against(whole, tmp_path / "out", learners)
    with psycopg.connect(f"postgresql://{server}/runs") as connection:
        status = connection.execute("select status, count(*) from runs group by status").fetchall()
        stored = connection.execute("select count(*) from params where value like '%PASSWORD%'")
        assert stored.fetchone() == (0,)
    assert status == [("FINISHED", 1 + len(learners))]
    with psycopg.connect(f"postgresql://{server}/trials") as connection:
        count = connection.execute("select count(*) from trials where state = 'COMPLETE'")
        # Two tuned learners, two folds and the final search each, at most three trials.
        assert 2 * 3 <= count.fetchone()[0] <= 2 * 3 * 3
    assert Path(tmp_path / "out" / "report.html").is_file()
