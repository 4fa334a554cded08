"""The store's file: made whole or not at all, refused in one block, mended after a move."""

import re
import shutil
import sqlite3
import threading
from contextlib import closing, contextmanager

import mlflow
import pytest
import yaml
from filelock import FileLock

from features.errors import InputError
from models.store.loading import load
from models.store.registry import register
from pipelines import compare, evaluate, predict, train, ui
from pipelines.tracking import runs as tracking
from pipelines.tracking import store

TRAINING = {
    "cohort": {
        "path": "patients.csv",
        "columns": {
            "patient_id": "id",
            "regimen": {"column": "arm", "values": {"HMA": "HMA", "LDAC": "LDAC"},
                        "reference_arm": "LDAC"},
            "endpoints": {"os": {"label": "OS", "time": "months", "event": "dead",
                                 "unit": "months"}},
        },
    },
    "endpoint": "os",
    "covariates": ["age_years"],
    "learners": ["cox"],
    "resampling": {"folds": 3, "repeats": 1, "inner_folds": 2},
    "tuning": {"trials": 0},
    "evaluation": {"horizons": [6], "bootstrap": 50},
}  # fmt: skip


@pytest.fixture
def own(store_folder, tmp_path):
    """A copy of the migrated store, alone in a folder."""
    folder = tmp_path / "mlruns"
    folder.mkdir()
    shutil.copyfile(store_folder / "mlflow.db", folder / "mlflow.db")
    return folder / "mlflow.db"


def change(path, *statements):
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def refused(path, *, writes=True):
    with pytest.raises(InputError) as told:
        store.prepare(path, writes=writes)
    (problem,) = told.value.problems
    assert problem.where == str(path)
    return f"{problem.got}; {problem.remedy}"


# -- made in one step ------------------------------------------------------------------------


def test_a_kill_while_the_store_is_made_leaves_none(tmp_path, monkeypatch, store_folder):
    path = tmp_path / "mlflow.db"
    # As after a kill -9: nothing is tidied up.
    left = tmp_path / f"{store.MAKING}killed"
    left.mkdir()
    (left / "mlflow.db").write_bytes(b"half of a database")

    def stop(made, path):
        assert made.stat().st_size > 0
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "_put_in_place", stop)
        with pytest.raises(KeyboardInterrupt):
            store.make(path)
    assert [p.name for p in tmp_path.iterdir()] == [store.LOCK]


def test_whoever_waited_for_the_maker_finds_the_store_made(own):
    before = own.read_bytes()
    with FileLock(own.parent / store.LOCK):
        second = threading.Thread(target=store.make, args=(own,))
        second.start()
    second.join()
    assert own.read_bytes() == before
    assert not list(own.parent.glob(f"{store.MAKING}*"))


def test_the_journal_of_a_database_that_is_gone_is_not_played_into_the_new_one(own, tmp_path):
    path = tmp_path / "new" / "mlflow.db"
    path.parent.mkdir()
    (path.parent / "mlflow.db-journal").write_bytes(b"of another database")
    store._put_in_place(own, path)
    assert not (path.parent / "mlflow.db-journal").exists()
    assert (path.parent / "mlflow.db-journal.orphan").read_bytes() == b"of another database"


def test_a_command_that_only_reads_makes_no_store(tmp_path):
    with pytest.raises(InputError, match="no MLflow store yet"):
        store.prepare(tmp_path / "mlruns" / "mlflow.db", writes=False)
    assert not list(tmp_path.iterdir())


# -- what cannot be used ---------------------------------------------------------------------


def text_file(path):
    path.write_text("patient,months\n1,2\n" * 100)


def other_database(path):
    path.unlink()
    change(path, "create table patients (id integer)")


def half_made(path):
    # As MLflow leaves it when it is killed after its first tables.
    change(
        path,
        "update alembic_version set version_num = '7ac759974ad8'",
        "drop table webhooks",
        "delete from runs",
    )


def hardly_begun(path):
    path.unlink()
    change(path, "create table experiments (experiment_id integer)")


def newer(path):
    change(path, "update alembic_version set version_num = 'ffffffffffff'")


def truncated(path):
    path.write_bytes(path.read_bytes()[:5000])


def a_folder(path):
    path.unlink()
    path.mkdir()


BROKEN = {
    text_file: "file is not a database",
    other_database: "an SQLite database of something else, with patients",
    half_made: "never finished.*delete this file",
    hardly_begun: "never finished.*delete this file",
    newer: r"a newer MLflow \(schema ffffffffffff\)",
    truncated: "malformed.*backup",
    a_folder: "a folder, not a file",
}


@pytest.mark.parametrize("breaking", BROKEN, ids=lambda breaking: breaking.__name__)
@pytest.mark.parametrize("writes", [True, False])
def test_what_is_no_store_is_refused_and_left_as_it_is(own, breaking, writes):
    breaking(own)
    before = own.read_bytes() if own.is_file() else None
    told = refused(own, writes=writes)
    assert re.search(BROKEN[breaking], told), told
    assert (own.read_bytes() if own.is_file() else None) == before


@contextmanager
def locked(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin exclusive")
        yield
        other.execute("rollback")


def test_a_store_that_another_program_holds_is_told(own, monkeypatch):
    monkeypatch.setattr(store, "LOCKED_SECONDS", 0.1)
    with locked(own):
        assert "database is locked; another program holds" in refused(own)
    store.prepare(own, writes=True)


def test_an_older_store_with_runs_is_brought_up_to_date_in_a_copy(own, monkeypatch):
    from mlflow.store.db import utils

    change(
        own,
        "update alembic_version set version_num = '7ac759974ad8'",
        "insert into runs (run_uuid, experiment_id, status) values ('r', 0, 'FINISHED')",
    )
    monkeypatch.setattr(
        utils, "_upgrade_db", lambda engine: change(
            engine.url.database, "update alembic_version set version_num = "
            f"'{utils._get_latest_schema_revision()}'"))  # fmt: skip
    store.prepare(own, writes=True)
    with closing(sqlite3.connect(f"{own}.7ac759974ad8")) as kept:
        assert kept.execute("select version_num from alembic_version").fetchone() == (
            "7ac759974ad8",
        )
    store.prepare(own, writes=False)


def test_an_upgrade_that_fails_leaves_the_store(own):
    # Its tables are the newest already, which no migration expects.
    change(
        own,
        "update alembic_version set version_num = '7ac759974ad8'",
        "insert into runs (run_uuid, experiment_id, status) values ('r', 0, 'FINISHED')",
    )
    before = own.read_bytes()
    assert "mlflow db upgrade" in refused(own)
    assert own.read_bytes() == before
    assert not list(own.parent.glob(f"{store.MAKING}*"))


# -- what is protected -----------------------------------------------------------------------


def test_a_protected_store_is_read_and_not_written(own, protected):
    store.prepare(own, writes=True)
    before = own.read_bytes()
    with protected(own.parent):
        store.prepare(own, writes=False)
        assert "readonly database; make file and folder writable" in refused(own)
    with protected(own.parent):
        # SQLite needs the folder too, for its journal.
        own.chmod(0o600)
        assert "readonly database; make file and folder writable" in refused(own)
    assert own.read_bytes() == before


@pytest.mark.parametrize("name", ["", store.ARTIFACTS, store.RUNNING, store.UNFINISHED])
def test_a_protected_folder_of_the_store_is_told_before_any_work(name, own, protected, monkeypatch):
    folder = own.parent / name
    folder.mkdir(exist_ok=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{own}")
    store.check_folders(own.parent)
    with protected(folder):
        if not name:
            with pytest.raises(InputError) as told:
                store.check_folders(folder)
        else:
            with pytest.raises(InputError) as told:
                tracking.connect()
    (problem,) = told.value.problems
    assert (problem.where, problem.got) == (str(folder), "Permission denied")
    assert "make the folder writable" in problem.remedy


def test_a_moved_store_that_is_protected_says_so(own, protected):
    store.prepare(own, writes=True)
    moved = own.parent.rename(own.parent.with_name("moved")) / own.name
    with protected(moved.parent):
        told = refused(moved, writes=False)
    assert f"moved or copied here from {own.parent}, and that is protected" in told
    store.prepare(moved, writes=False)
    with protected(moved.parent):
        store.prepare(moved, writes=False)


@pytest.mark.parametrize("main", [train.main, compare.main, evaluate.main])
def test_a_command_that_writes_asks_for_it_first(
    main, own, table, tmp_path, monkeypatch, capsys, protected, models, card
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{own}")
    monkeypatch.chdir(tmp_path)
    run_id = logged_run(tmp_path)
    with tracking.quiet():
        register(models["cox"], card, run_id=run_id, model_name="vensurv", folder=tmp_path / "m")
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(TRAINING))
    for work in ("pipelines.training.run_training", "pipelines.comparison.compare",
                 "pipelines.validation.validate_externally"):  # fmt: skip
        monkeypatch.setattr(work, lambda *_, **__: pytest.fail("the long work was begun"))
    monkeypatch.setattr(
        "pipelines.cohort.read_for_model",
        lambda *_, **__: "patients whom the model fits",
    )
    with protected(own.parent), pytest.raises(SystemExit) as end:
        main(["--config", "c.yaml"])
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert "attempt to write a readonly database" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:a.db?mode=ro"])
def test_a_store_is_a_file(uri):
    with pytest.raises(InputError, match="has to be a file"):
        store.file_of(uri)


@pytest.mark.parametrize("main", [train.main, compare.main, evaluate.main, predict.main, ui.main])
def test_every_command_tells_of_a_broken_store_in_one_block(
    main, own, table, tmp_path, monkeypatch, capsys
):
    text_file(own)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{own}")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(TRAINING))
    arguments = {
        train.main: ["--config", "c.yaml"],
        compare.main: ["--config", "c.yaml"],
        evaluate.main: ["--config", "c.yaml"],
        predict.main: ["patients.csv"],
        ui.main: [],
    }[main]
    with pytest.raises(SystemExit) as end:
        main(arguments)
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert "The MLflow store cannot be used" in said
    assert str(own) in said.replace("\n", "")
    assert "Traceback" not in said


@pytest.fixture
def table(tmp_path, regimen, outcome, known_inputs):
    known_inputs[["age_years"]].assign(
        id=[f"P{number}" for number in range(len(regimen))],
        arm=regimen,
        months=outcome.time,
        dead=outcome.event.astype(int),
    ).to_csv(tmp_path / "patients.csv", index=False)


def test_what_the_disk_said_is_told_and_not_what_the_libraries_make_of_it(own):
    try:
        try:
            raise sqlite3.OperationalError("database or disk is full")
        except sqlite3.OperationalError as error:
            raise RuntimeError("raised as a result of Query-invoked autoflush") from error
    except RuntimeError as error:
        (problem,) = store.problem_of(error, own).problems
    assert problem.got == "database or disk is full"
    assert "free some space" in problem.remedy


def test_a_store_that_is_removed_in_the_middle_is_told(own, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{own}")
    run_id = logged_run(tmp_path)
    own.unlink()
    with pytest.raises(InputError, match="was removed while the command worked"):
        tracking.log_run(run_id, metrics={"ibs": 0.1})
    # Nor does that hide why a training failed.
    tracking.fail_runs([run_id])


# -- names and moves -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain", "a b", "a#b", "50%25", "ü", "a?b", "a&b=c"])
def test_the_name_of_a_folder_may_hold_any_sign(name, own, tmp_path, monkeypatch):
    folder = tmp_path / name
    own.parent.rename(folder)
    monkeypatch.setattr(tracking, "store_folder", lambda: folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run_id = logged_run(tmp_path)
    assert next((folder / "artifacts" / run_id).rglob("note.txt")).read_text() == "kept"
    assert read_back(run_id) == "kept"
    # Nothing was made of the quoted name.
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == [name]


def logged_run(tmp_path, text="kept"):
    tracking.connect()
    run_id = tracking.start_run(tracking.open_experiment("moves"), "run", {})
    folder = tmp_path.parent / f"{tmp_path.name}-files"
    folder.mkdir(exist_ok=True)
    (folder / "note.txt").write_text(text)
    tracking.log_run(run_id, artifacts=folder)
    tracking.finish_run(run_id)
    return run_id


def read_back(run_id):
    return mlflow.artifacts.load_text(f"runs:/{run_id}/note.txt")


def test_a_relative_address_names_the_same_file_from_any_folder(own, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlruns/mlflow.db")
    assert tracking.connect() == f"sqlite:///{own}"


def test_a_copy_reads_its_own_files_and_the_original_stays(
    own, tmp_path, monkeypatch, models, card
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{own}")
    run_id = logged_run(tmp_path)
    with tracking.quiet():
        register(models["cox"], card, run_id=run_id, model_name="moved", folder=tmp_path / "model")
    # As a version before left it.
    change(own, f"delete from experiment_tags where key = '{store.MARKER}'")
    copy = tmp_path / "a b#ü" / "copy"
    shutil.copytree(own.parent, copy)
    next((own.parent / "artifacts" / run_id).rglob("note.txt")).write_text("the original's")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{copy / 'mlflow.db'}")
    tracking.connect()
    assert read_back(run_id) == "kept"
    with tracking.quiet():
        stored = load("models:/moved@champion")
    assert stored.card.learner == "cox"
    assert addresses_below(copy / "mlflow.db", own.parent) == []

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{own}")
    tracking.connect()
    assert read_back(run_id) == "the original's"
    # Moved once more, now that it has the mark.
    third = copy.rename(tmp_path / "third")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{third / 'mlflow.db'}")
    tracking.connect()
    assert read_back(run_id) == "kept"
    assert addresses_below(third / "mlflow.db", copy) == []


def addresses_below(path, folder):
    with closing(sqlite3.connect(path)) as connection:
        found = [
            value
            for table, column in store.ADDRESSES
            for (value,) in connection.execute(f"select {column} from {table}")
        ]
    assert any(v and v.startswith(path.parent.as_uri()) for v in found)
    return [v for v in found if v and v.startswith((f"{folder}/", f"{folder.as_uri()}/"))]


def test_a_store_in_use_under_another_name_is_not_mended(own):
    store.prepare(own, writes=True)
    change(own, f"insert or replace into experiment_tags values ('{store.MARKER}', '/data', 0)")
    (own.parent / store.RUNNING).mkdir()
    with FileLock(own.parent / store.RUNNING / "1.lock"):
        assert "uses at this moment as /data/mlflow.db" in refused(own)
    store.prepare(own, writes=True)
