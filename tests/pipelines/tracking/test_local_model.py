"""Models of a store on this machine are found without MLflow, and found to be the same."""

import shutil
import sqlite3
import subprocess
import sys

import mlflow
import pytest

from models.store import register, resolve
from pipelines.tracking import runs, store
from pipelines.tracking.local_model import SCHEMAS, find_local


@pytest.fixture(scope="module")
def made(connect_to_store, models, card, tmp_path_factory):
    """One model of a run in a store: the store's database, and the run."""
    with pytest.MonkeyPatch.context() as patch:
        path = connect_to_store(patch) / "mlflow.db"
        run = runs.start_run(runs.open_experiment("ours"), "cox", {})
        with runs.quiet():
            folder = tmp_path_factory.mktemp("model") / "model"
            register(models["cox"], card, run_id=run, model_name="ours", folder=folder)
        runs.finish_run(run)
        yield path, run


@pytest.fixture
def registered(made, tmp_path, monkeypatch):
    """A database of its own for each test, and the run."""
    path = tmp_path.resolve() / "mlflow.db"
    shutil.copyfile(made[0], path)
    store._write_marker(path, path.parent)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.address(path))
    return path, made[1]


def test_an_alias_a_version_and_a_run_lead_where_mlflow_says(registered):
    path, run = registered
    mlflow.set_tracking_uri(store.address(path))
    for uri in ("models:/ours@champion", "models:/ours/1", f"runs:/{run}/model"):
        found, expected = find_local(uri), resolve(uri)
        assert (found.uri, found.name, found.version, found.run_id, dict(found.tags)) == (
            expected.uri, expected.name, expected.version, expected.run_id, dict(expected.tags),
        )  # fmt: skip
        assert (found.folder / "card.json").is_file()


@pytest.mark.parametrize(
    "uri",
    ["models:/ours@nobody", "models:/ours/2", "models:/other/1", "models:/ours/latest",
     "models:/ours@latest", "runs:/0/model", "runs:/0", "models:/m-1", "models:/ours'--/1"],
)  # fmt: skip
def test_what_leads_nowhere_is_left_to_mlflow(registered, uri):
    assert find_local(uri) is None


@pytest.mark.parametrize(
    "change",
    [
        "update alembic_version set version_num = 'newer'",
        "update experiment_tags set value = '/elsewhere'",
        "delete from experiment_tags",
        "update model_versions set current_stage = 'Deleted_Internal'",
        "update model_versions set source = 's3://bucket/model', storage_location = null",
        "update model_versions set source = '/nowhere', storage_location = null",
        "drop table model_versions",
    ],
)
def test_a_store_that_is_not_plain_is_left_to_mlflow(registered, change):
    path, _ = registered
    with sqlite3.connect(path) as changed:
        changed.execute(change)
    changed.close()
    assert find_local("models:/ours/1") is None


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:9", "sqlite:///no.db", "sqlite://", "postgresql://x"]
)
def test_another_store_is_left_to_mlflow(registered, monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert find_local("models:/ours/1") is None


def test_the_schema_is_that_of_this_mlflow(registered):
    path, _ = registered
    with sqlite3.connect(path) as opened:
        (schema,) = opened.execute("select version_num from alembic_version").fetchone()
    opened.close()
    assert schema in SCHEMAS


def test_it_is_found_without_mlflow(registered):
    look = (
        "import sys; from pipelines.tracking.local_model import find_local; "
        "assert find_local('models:/ours@champion').version == '1'; "
        "print(sorted({'mlflow', 'pandas', 'sqlalchemy', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
