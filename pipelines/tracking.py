"""MLflow as a reviewer sees it: where the store is, and what a training writes there."""

from __future__ import annotations

import logging
import os
import subprocess
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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

from features.errors import InputError, Problem
from pipelines.command import UI_PORT

SERVER_SECONDS = 10
PROJECT = Path(__file__).resolve().parents[1]


def store_folder() -> Path:
    """The project's `mlruns/`; beside the working folder when the project was installed alone."""
    return (PROJECT if (PROJECT / "pyproject.toml").is_file() else Path.cwd()) / "mlruns"


def own_store_uri() -> str:
    """Tracking URI of the project's own store."""
    return f"sqlite:///{store_folder() / 'mlflow.db'}"


def connect() -> str:
    """Point MLflow at MLFLOW_TRACKING_URI, or else at the project's own store.

    Returns
    -------
    str
        The tracking URI.

    Raises
    ------
    InputError
        When a server is named and does not answer.
    """
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        store_folder().mkdir(exist_ok=True)
        uri = own_store_uri()
    if uri.startswith("http"):
        _check_answers(uri)
    mlflow.set_tracking_uri(uri)
    return uri


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


def artifact_location(uri: str) -> str | None:
    """Where a new experiment keeps its files: beside an SQLite store, else as the server decides.

    MLflow itself would put the files of an SQLite store into the working folder of the day.
    """
    if not uri.startswith("sqlite:///"):
        return None
    return (Path(uri.removeprefix("sqlite:///")).resolve().parent / "artifacts").as_uri()


def open_experiment(name: str) -> str:
    """Find or make an experiment that the UI opens on its model-training page.

    Raises
    ------
    InputError
        When the store cannot be reached.
    """
    try:
        with quiet():
            found = mlflow.get_experiment_by_name(name)
            if found is not None and found.lifecycle_stage == "deleted":
                mlflow.MlflowClient().restore_experiment(found.experiment_id)
            if found is not None:
                return str(found.experiment_id)
            return str(
                mlflow.create_experiment(
                    name,
                    artifact_location=artifact_location(mlflow.get_tracking_uri()),
                    tags={"mlflow.experimentKind": "custom_model_development"},
                )
            )
    except Exception as error:  # each store raises its own
        raise InputError(
            Problem(
                what="The MLflow store cannot be used",
                where=mlflow.get_tracking_uri(),
                got=str(error).splitlines()[0],
                remedy="check MLFLOW_TRACKING_URI, or unset it to use the project's own store",
            )
        ) from error


def experiment_page(experiment_id: str, port: int = UI_PORT) -> str:
    """Address of an experiment's model-training page in the UI.

    The page is named in the address because the UI otherwise opens on its GenAI pages: it goes by
    what the browser showed last, whatever the experiment's tag says.
    """
    return (
        f"http://127.0.0.1:{port}/#/experiments/{experiment_id}/runs?workflowType=machine_learning"
    )


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
    with quiet():
        found = mlflow.search_experiments(
            filter_string="tags.`mlflow.experimentKind` = 'custom_model_development'"
        )
    if not found:
        raise InputError(
            Problem(
                what="The store holds no training yet",
                where=mlflow.get_tracking_uri(),
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
    with quiet():
        with mlflow.start_run(
            experiment_id=experiment_id,
            run_name=name,
            nested=parent_run_id is not None,
            parent_run_id=parent_run_id,
            tags=dict(tags),
        ) as run:
            run_id = str(run.info.run_id)
        mlflow.MlflowClient().update_run(run_id, status="RUNNING")
    return run_id


def log_run(
    run_id: str,
    *,
    params: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    tags: Mapping[str, str] | None = None,
    artifacts: Path | None = None,
) -> None:
    """Write to a run, one call a kind: value by value is five times slower."""
    with quiet(), mlflow.start_run(run_id=run_id):
        if params:
            mlflow.log_params({k: str(v)[:500] for k, v in params.items()})
        if metrics:
            mlflow.log_metrics({k: v for k, v in metrics.items() if pd.notna(v)})
        if tags:
            mlflow.set_tags(dict(tags))
        if artifacts is not None:
            mlflow.log_artifacts(str(artifacts))
    mlflow.MlflowClient().update_run(run_id, status="RUNNING")


def finish_run(run_id: str, *, failed: bool = False) -> None:
    """End a run as finished, or as failed."""
    mlflow.MlflowClient().set_terminated(run_id, "FAILED" if failed else "FINISHED")


def flat_metrics(table: pd.DataFrame) -> dict[str, float]:
    """Estimates and limits of one learner's metric table under MLflow names.

    'ibs', 'ibs_ci_low', 'ibs_ci_high'; a metric at a horizon carries it: 'brier_12m'.
    """
    flat = {}
    for row in table.itertuples():
        at_horizon = row.metric not in ("harrell_c", "uno_c", "ibs")
        name = f"{row.metric}_{row.horizon:g}m" if at_horizon else row.metric
        flat[name] = row.estimate
        flat[f"{name}_ci_low"] = row.ci_low
        flat[f"{name}_ci_high"] = row.ci_high
    return flat


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
