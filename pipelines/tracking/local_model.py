"""Where a registered model's files lie on this machine, read from the store without MLflow.

MLflow takes seconds to import, which one patient need not wait for. What is not as plain as here,
a server, a moved or newer store, a name that leads nowhere, is left to MLflow, which says why.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

PROJECT = Path(__file__).resolve().parents[2]
DATABASE = "mlflow.db"
# The tag of MLflow's default experiment that says where the store stood when it was last used.
MARKER = "vensurv.folder"
# Schemas of the database that are read here; `connect` looks after any other.
SCHEMAS = ("dc11669786a5",)
WORKSPACE = "default"
READY, DELETED = 2, "Deleted_Internal"
WAIT_SECONDS = 2.0
REGISTERED = re.compile(r"models:/+(?P<name>[^/@:]+)(?:@(?P<alias>[^/@]+)|/(?P<number>\d+))")
OF_A_RUN = re.compile(r"runs:/+(?P<run>[^/]+)/(?P<name>[^/]+)")


@dataclass(frozen=True)
class LocalModel:
    """One model of a store on this machine.

    Attributes
    ----------
    uri : str
        Of the version, whatever alias it was asked for by.
    name, version : str
        In the registry; empty for a model of a run.
    run_id : str
    folder : Path
        With its card.
    tags : mapping
        What was noted when it was registered.
    """

    uri: str
    name: str
    version: str
    run_id: str
    folder: Path
    tags: Mapping[str, str] = field(default_factory=dict)


def store_folder() -> Path:
    """The project's `mlruns/`; beside the working folder when the project was installed alone."""
    return (PROJECT if (PROJECT / "pyproject.toml").is_file() else Path.cwd()) / "mlruns"


def find_local(uri: str) -> LocalModel | None:
    """The model of `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `runs:/RUN/NAME`.

    Returns
    -------
    LocalModel or None
        None where the store is not a plain file of this machine, or does not lead to files.
    """
    path = _database()
    if path is None:
        return None
    place = f"file:{quote(str(path))}?mode=ro"
    with (
        contextlib.suppress(sqlite3.Error, OSError, ValueError),
        contextlib.closing(sqlite3.connect(place, uri=True, timeout=WAIT_SECONDS)) as store,
    ):
        if not _is_plain(store, path):
            return None
        if found := REGISTERED.fullmatch(uri):
            return _registered(store, found["name"], found["alias"], found["number"])
        if found := OF_A_RUN.fullmatch(uri):
            return _of_a_run(store, uri, found["run"], found["name"])
    return None


def _database() -> Path | None:
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{store_folder() / DATABASE}"
    name = uri.removeprefix("sqlite:///")
    if name == uri or set("%?") & set(name) or name.startswith(("file:", ":")):
        return None
    with contextlib.suppress(OSError, ValueError):
        path = Path(name).resolve()
        return path if path.is_file() else None
    return None


def _is_plain(store: sqlite3.Connection, path: Path) -> bool:
    """Whether the schema is known, and the store stands where it was last used."""
    schemas = store.execute("select version_num from alembic_version").fetchall()
    stood = store.execute(
        "select value from experiment_tags where key = ? and experiment_id = 0", (MARKER,)
    ).fetchall()
    return schemas in [[(one,)] for one in SCHEMAS] and stood == [(str(path.parent),)]


def _registered(
    store: sqlite3.Connection, name: str, alias: str | None, number: str | None
) -> LocalModel | None:
    if alias is not None:
        aliased = store.execute(
            "select version from registered_model_aliases "
            "where workspace = ? and name = ? and alias = ?",
            (WORKSPACE, name, alias),
        ).fetchone()
        if aliased is None:
            return None
        number = str(aliased[0])
    version = int(str(number))
    row = store.execute(
        "select coalesce(nullif(storage_location, ''), source), run_id from model_versions "
        "where workspace = ? and name = ? and version = ? and current_stage <> ?",
        (WORKSPACE, name, version, DELETED),
    ).fetchone()
    folder = None if row is None else _folder_of(row[0])
    if folder is None:
        return None
    tags = store.execute(
        "select key, value from model_version_tags "
        "where workspace = ? and name = ? and version = ?",
        (WORKSPACE, name, version),
    ).fetchall()
    uri = f"models:/{name}/{version}"
    return LocalModel(uri, name, str(version), row[1] or "", folder, dict(tags))


def _of_a_run(store: sqlite3.Connection, uri: str, run: str, name: str) -> LocalModel | None:
    rows = store.execute(
        "select artifact_location from logged_models where source_run_id = ? and name = ? "
        "and status = ? and lifecycle_stage = 'active'",
        (run, name, READY),
    ).fetchall()
    folder = _folder_of(rows[0][0]) if len(rows) == 1 else None
    return None if folder is None else LocalModel(uri, "", "", run, folder)


def _folder_of(address: str | None) -> Path | None:
    """The folder with the card, of the address of a model's files."""
    parts = urlsplit(address or "")
    if parts.netloc or parts.scheme not in ("", "file") or not parts.path.startswith("/"):
        return None
    place = Path(unquote(parts.path) if parts.scheme else str(address))
    cards = sorted(place.rglob("card.json"))
    return cards[0].parent if len(cards) == 1 else None
