"""MLflow as a reviewer sees it: where the store is, and what a training writes there."""

from __future__ import annotations

import getpass
import json
import logging
import os
import subprocess
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd

# A hospital's tool reports nothing to anybody; this must be set before the import.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# Nothing here may unpickle.
os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")

import mlflow
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from features.errors import InputError, Problem
from features.sources import shown_address
from pipelines.output.processes import is_over, own_mark
from pipelines.tracking import store
from pipelines.tracking.local_model import DATABASE, PROJECT, store_folder
from pipelines.tracking.views import UI_PORT, page

SERVER_SECONDS = 10
# Parameters, metrics and tags that MLflow takes in one call.
BATCH = 100
# Which process works on a run.
PROCESS = "vensurv.process"
DATABASES = ("postgresql", "mysql", "mssql")


def own_store_uri() -> str:
    """Tracking URI of the project's own store."""
    return store.address(store_folder() / DATABASE)


def connect(*, writes: bool = True) -> str:
    """Point MLflow at MLFLOW_TRACKING_URI, or else at the project's own store.

    A store on this machine is made where there is none, its addresses are mended after a move, and
    runs whose process was killed are ended.

    Parameters
    ----------
    writes : bool
        Whether the command is going to write; one that only reads makes no store.

    Returns
    -------
    str
        The tracking URI.

    Raises
    ------
    InputError
        When a server is named and does not answer, or the store cannot be used.
    """
    for name in ("mlflow", "alembic"):
        # What goes wrong is told once, in one block, and not in the library's traceback too.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    uri = os.environ.get("MLFLOW_TRACKING_URI") or own_store_uri()
    if store.is_sqlite(uri):
        path = store.file_of(uri)
        store.prepare(path, writes=writes)
        uri = store.address(path)
    elif uri.startswith("http"):
        _check_answers(uri)
    else:
        _check_database(uri)
    if writes:
        store.check_folders(local_folder(uri))
    mlflow.set_tracking_uri(uri)
    with _told(), quiet():
        MlflowClient().search_experiments(max_results=1)
        if writes:
            end_killed_runs()
    return uri


@contextmanager
def _told() -> Iterator[None]:
    """Whatever a store raises becomes one block."""
    try:
        yield
    except InputError:
        raise
    except (mlflow.MlflowException, SQLAlchemyError, OSError) as error:
        raise problem_of(error) from error


def problem_of(error: BaseException) -> InputError:
    """What the store that MLflow points to raised, as one block."""
    uri = mlflow.get_tracking_uri()
    path = store.file_of(uri) if store.is_sqlite(uri) else None
    return store.problem_of(error, path, shown_address(uri))


def _check_database(uri: str) -> None:
    """Ask a database once, because MLflow itself would try for minutes without a word."""
    try:
        url = make_url(uri)
        if url.get_backend_name() not in DATABASES:
            return
        create_engine(url, poolclass=NullPool).connect().close()
    except ArgumentError:
        return  # Not the address of a database; MLflow knows what it is.
    except Exception as error:  # each driver raises its own
        raise store.problem_of(error, None, shown_address(uri)) from None


def _check_answers(uri: str) -> None:
    """Ask a server once, because MLflow itself would try for minutes without a word."""
    try:
        urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=SERVER_SECONDS).close()
    except urllib.error.HTTPError:
        return  # It answers; a server behind a login may know no /health.
    except (OSError, ValueError) as error:
        raise InputError(
            Problem(
                what="The MLflow server does not answer",
                where="MLFLOW_TRACKING_URI",
                got=str(getattr(error, "reason", error)),
                remedy="start it or correct the address; unset the variable to use the project's "
                "own store",
            )
        ) from error


def connected_store() -> Path | str:
    """The store that MLflow points to: its file, or the address as it may be told."""
    uri = mlflow.get_tracking_uri()
    return store.file_of(uri) if store.is_sqlite(uri) else shown_address(uri)


def artifact_location(uri: str) -> str | None:
    """Where a new experiment keeps its files: beside an SQLite store, else as the server decides.

    With any other database the project's own folder holds them. MLflow itself would put them into
    the working folder of the day.
    """
    return None if uri.startswith("http") else (local_folder(uri) / store.ARTIFACTS).as_uri()


def local_folder(uri: str) -> Path:
    """The folder on this machine that goes with a store: of the SQLite file, else `mlruns/`."""
    if store.is_sqlite(uri):
        return store.file_of(uri).parent
    return store_folder()


def open_experiment(name: str) -> str:
    """Find or make an experiment that the UI opens on its model-training page.

    Raises
    ------
    InputError
        When the store cannot be reached.
    """
    with _told(), quiet():
        # Two trainings may meet a cold store at once: one migrates it, the other waits.
        lock = local_folder(mlflow.get_tracking_uri()) / store.LOCK
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(str(lock)):
            found = mlflow.get_experiment_by_name(name)
            if found is not None and found.lifecycle_stage == "deleted":
                MlflowClient().restore_experiment(found.experiment_id)
            if found is not None:
                return str(found.experiment_id)
            return str(
                mlflow.create_experiment(
                    name,
                    artifact_location=artifact_location(mlflow.get_tracking_uri()),
                    tags={"mlflow.experimentKind": "custom_model_development"},
                )
            )


def experiment_page(experiment_id: str, port: int = UI_PORT) -> str:
    """Address of an experiment's learners in the UI."""
    return f"http://127.0.0.1:{port}/{page(experiment_id)}"


def run_page(experiment_id: str, run_id: str, port: int = UI_PORT) -> str:
    """Address of one run in the UI."""
    return f"http://127.0.0.1:{port}/#/experiments/{experiment_id}/runs/{run_id}"


def save_views(experiment_id: str, views: Mapping[str, str]) -> None:
    """Keep the views of `pipelines.tracking.views` with an experiment."""
    with _told(), quiet():
        for name, view in views.items():
            MlflowClient().set_experiment_tag(experiment_id, name, view)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the library's warnings from the reader of a terminal; errors still come through."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def experiments() -> dict[str, str]:
    """Name -> identifier of the experiments that hold trainings.

    Raises
    ------
    InputError
        When there is none yet.
    """
    with _told(), quiet():
        found = mlflow.search_experiments(
            filter_string="tags.`mlflow.experimentKind` = 'custom_model_development'"
        )
    if not found:
        raise InputError(
            Problem(
                what="The store holds no training yet",
                where=shown_address(mlflow.get_tracking_uri()),
                remedy="train first: make demo, or python -m pipelines.train",
            )
        )
    return {e.name: str(e.experiment_id) for e in found}


def start_run(
    experiment_id: str, name: str, tags: Mapping[str, str], parent_run_id: str | None = None
) -> str:
    """Create a run; with a parent it is nested under it.

    Returns
    -------
    str
        The run's identifier. It stays running until `finish_run`.
    """
    own = {
        "mlflow.user": _user(),
        "mlflow.runName": name,
        "mlflow.source.name": "pipelines.train",
        "mlflow.source.type": "LOCAL",
        PROCESS: _own_mark(),
        **({"mlflow.parentRunId": parent_run_id} if parent_run_id else {}),
    }
    with _told(), quiet():
        run = MlflowClient().create_run(experiment_id, run_name=name, tags={**own, **tags})
    return str(run.info.run_id)


def log_run(
    run_id: str,
    *,
    params: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    steps: Mapping[str, Sequence[float]] | None = None,
    tags: Mapping[str, str] | None = None,
    artifacts: Path | None = None,
) -> None:
    """Write to a run in as few calls as there may be: value by value is five times slower.

    Parameters
    ----------
    metrics : mapping of name -> value
        What is NaN is left out.
    steps : mapping of name -> values
        Metrics with a value a step, counted from 0; what is NaN is left out.
    """
    client = MlflowClient()
    # The start of the run: what is written again after a kill is then the same and stands once.
    with _told(), quiet():
        now = client.get_run(run_id).info.start_time
    each = [Metric(k, float(v), now, 0) for k, v in (metrics or {}).items() if pd.notna(v)]
    for name, values in (steps or {}).items():
        each += [Metric(name, float(v), now, step) for step, v in enumerate(values) if pd.notna(v)]
    told = [Param(k, str(v)[:500]) for k, v in (params or {}).items()]
    marks = [RunTag(k, str(v)) for k, v in (tags or {}).items()]
    with _told(), quiet():
        for start in range(0, max(len(each), len(told), 1), BATCH):
            client.log_batch(
                run_id,
                metrics=each[start : start + BATCH],
                params=told[start : start + BATCH],
                tags=marks if start == 0 else [],
            )
        if artifacts is not None:
            client.log_artifacts(run_id, str(artifacts))


def log_trials(
    experiment_id: str, parent_run_id: str, trials: pd.DataFrame, tags: Mapping[str, str]
) -> None:
    """Write the trials of a search as runs below a learner's run, for the compare view."""
    scores = [name for name in ("score", "ibs", "harrell_c") if name in trials]
    known = {"trial", "state", *scores}
    for row in trials.to_dict(orient="records"):
        run_id = start_run(
            experiment_id, f"trial {row['trial']}", {**tags, "state": row["state"]}, parent_run_id
        )
        log_run(
            run_id,
            params={k: v for k, v in row.items() if k not in known and pd.notna(v)},
            # Means of inner folds, not the out-of-fold metrics that learners have by these names.
            metrics={f"trial_{name}": row[name] for name in scores},
        )
        finish_run(run_id, failed=row["state"] == "failed")


def log_dataset(
    run_id: str, name: str, fingerprint: str, columns: pd.DataFrame, context: str = "training"
) -> None:
    """Tell a run its dataset: name, fingerprint, size and columns; no row of it.

    Parameters
    ----------
    columns : DataFrame of shape (n, p)
        Only its column names, types and length are told.
    context : str
        What it is for: training or evaluation.
    """
    schema = {
        "mlflow_colspec": [
            {
                "name": str(column),
                "type": "double" if columns[column].dtype != object else "string",
                "required": False,
            }
            for column in columns
        ]
    }
    dataset = Dataset(
        name=name,
        digest=fingerprint[:16],
        source_type="code",
        source=json.dumps({"tags": {"patients": "their table stays where it is"}}),
        schema=json.dumps(schema),
        profile=json.dumps({"num_rows": len(columns), "num_elements": columns.size}),
    )
    tag = InputTag("mlflow.data.context", context)
    with _told(), quiet():
        MlflowClient().log_inputs(run_id, [DatasetInput(dataset, [tag])])


def finish_run(run_id: str, *, failed: bool = False) -> None:
    """End a run as finished, or as failed."""
    with _told():
        MlflowClient().set_terminated(run_id, "FAILED" if failed else "FINISHED")


def fail_runs(run_ids: Sequence[str]) -> None:
    """Mark runs as failed after an error, which a store that is gone does not replace by its own.

    What cannot be marked now is marked by the next command.
    """
    with suppress(InputError):
        for run_id in run_ids:
            finish_run(run_id, failed=True)


@contextmanager
def finishing(run_id: str) -> Iterator[None]:
    """Finish a run at the end of what is done for it, or mark it as failed, whatever stops it."""
    try:
        yield
        finish_run(run_id)
    except BaseException:
        fail_runs([run_id])
        raise


def end_killed_runs() -> None:
    """Mark runs as killed whose process on this machine has ended without marking them."""
    client = MlflowClient()
    everywhere = [e.experiment_id for e in client.search_experiments(view_type=ViewType.ALL)]
    # Far more than are ever left; the next command would find the others.
    for run in client.search_runs(everywhere, "attributes.status = 'RUNNING'", max_results=5000):
        if is_over(run.data.tags.get(PROCESS, "")):
            client.set_terminated(run.info.run_id, "KILLED")


def _own_mark() -> str:
    return own_mark(local_folder(mlflow.get_tracking_uri()) / store.RUNNING)


def find_unfinished(experiment_id: str, name: str, *, alone: bool = True) -> str | None:
    """The run that an unfinished command of this name left, if it did not finish after all.

    Parameters
    ----------
    alone : bool
        Whether no other process can be at it, as a training knows by its folder; otherwise a run
        that is running is left alone.
    """
    others = "" if alone else " and attributes.status != 'RUNNING'"
    with _told(), quiet():
        found = MlflowClient().search_runs(
            [experiment_id], f"tags.unfinished = '{name}'{others}", max_results=1
        )
    return str(found[0].info.run_id) if found else None


def children(experiment_id: str, run_id: str) -> dict[str, str]:
    """Learner -> run of those below a training's run that are finished; the others are deleted."""
    client, finished = MlflowClient(), {}
    with _told(), quiet():
        for run in client.search_runs([experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'"):
            if run.info.status == "FINISHED":
                finished[run.data.tags["learner"]] = str(run.info.run_id)
                continue
            for trial in client.search_runs(
                [experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
            ):
                client.delete_run(trial.info.run_id)
            client.delete_run(run.info.run_id)
    return finished


def reopen_run(run_id: str) -> None:
    """Mark a run as running again, by this process."""
    with _told():
        MlflowClient().set_tag(run_id, PROCESS, _own_mark())
        MlflowClient().update_run(run_id, status="RUNNING")


def forget_unfinished(run_id: str) -> None:
    """Take away the mark of what is unfinished."""
    with _told():
        MlflowClient().delete_tag(run_id, "unfinished")


def flat_metrics(table: pd.DataFrame) -> dict[str, float]:
    """Estimates and limits of one learner's metric table under MLflow names.

    'ibs', 'ibs_ci_low', 'ibs_ci_high'; a metric at a horizon carries it: 'brier_12m'.
    """
    # Not for commands that only look at the store: its kernels take a while to import.
    from evaluation.metrics import stored_name

    flat = {}
    for row in table.itertuples():
        name = stored_name(row.metric, row.horizon)
        flat[name] = row.estimate
        flat[f"{name}_ci_low"] = row.ci_low
        flat[f"{name}_ci_high"] = row.ci_high
    return flat


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # No name for this user on the machine.
        return "unknown"


def git_commit() -> str:
    """Commit of the project, with '+changes' when the tree differs; 'unknown' without git."""
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + ("+changes" if _git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
