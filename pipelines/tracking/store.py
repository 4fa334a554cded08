"""The SQLite file of the MLflow store: made in one step, looked at before use, mended after a move.

MLflow itself migrates an empty database where it stands, so that a kill leaves half of one; makes
tables in a database that is not its own; and writes absolute addresses, which a move breaks.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from filelock import FileLock, Timeout

from features.errors import InputError, Problem, first_line
from pipelines.tracking.local_model import MARKER

LOCK = ".lock"
MAKING = ".making-"
# The folders beside the database: files of runs and models, who works on a run, what is unfinished.
ARTIFACTS, RUNNING, UNFINISHED = "artifacts", "running", "unfinished"
# SQLite's own files beside a database.
SIDECARS = ("-journal", "-wal", "-shm")
# A training that writes holds the database for milliseconds.
LOCKED_SECONDS = 10
# Every column in which MLflow keeps the address of a file.
ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
OWN_STORE = "check MLFLOW_TRACKING_URI, or unset it to use the project's own store"


def is_sqlite(uri: str) -> bool:
    """Whether a tracking URI names an SQLite database."""
    return uri.split(":", 1)[0].split("+", 1)[0] == "sqlite"


def file_of(uri: str) -> Path:
    """The file of an SQLite address, absolute, whatever folder MLflow later works in.

    Raises
    ------
    InputError
        When the address names no file.
    """
    import sqlalchemy

    try:
        name = sqlalchemy.engine.make_url(uri).database
    except sqlalchemy.exc.ArgumentError:
        name = None
    if not name or name == ":memory:" or name.startswith("file:"):
        raise InputError(
            Problem(
                what="The MLflow store has to be a file that stays",
                where="MLFLOW_TRACKING_URI",
                got=uri,
                allowed="sqlite:///mlruns/mlflow.db, with a fourth slash for an absolute path",
                remedy=OWN_STORE,
            )
        )
    return Path(name).resolve()


def address(path: Path) -> str:
    """The tracking URI of a file, whatever signs its name holds."""
    if not set("%?") & set(str(path)):
        return f"sqlite:///{path}"
    # With the driver named, MLflow makes no folder of the quoted name.
    return "sqlite+pysqlite:///" + str(path).replace("%", "%25").replace("?", "%3F")


def prepare(path: Path, *, writes: bool) -> None:
    """Make a store that is not there, and refuse or mend what MLflow would stumble over.

    Parameters
    ----------
    writes : bool
        Whether the command is going to write. One that only reads makes no store, and reads from
        one that is protected against writing.

    Raises
    ------
    InputError
        When the file cannot be used as a store.
    """
    if not _holds_anything(path):
        if not writes:
            raise InputError(
                Problem(
                    what="There is no MLflow store yet",
                    where=str(path),
                    remedy="train first (make demo, or python -m pipelines.train), or correct "
                    "MLFLOW_TRACKING_URI",
                )
            )
        make(path)
    _check(path, writes=writes)
    _mend_addresses(path)


def make(path: Path) -> None:
    """Make an empty, migrated store beside its place and rename it: there is a whole one or none.

    Of two processes at once one makes it and the other waits.
    """
    with _alone(path):
        import mlflow.store.db.utils as migrations
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        # Whoever left these was killed: only the holder of the lock makes any.
        for left in path.parent.glob(f"{MAKING}*"):
            shutil.rmtree(left, ignore_errors=True)
        if _holds_anything(path):
            return
        folder = Path(tempfile.mkdtemp(prefix=MAKING, dir=path.parent))
        try:
            made = folder / path.name
            engine = _fast_engine(made)
            migrations._initialize_tables(engine)
            engine.dispose()
            # It adds MLflow's default experiment.
            opened = SqlAlchemyStore(address(made), (path.parent / ARTIFACTS).as_uri())
            opened.engine.dispose()
            _write_marker(made, path.parent)
            _put_in_place(made, path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _fast_engine(path: Path) -> Any:
    """Nobody sees the file before it is whole, so nothing waits for the disk."""
    import sqlalchemy

    url = sqlalchemy.URL.create("sqlite", database=str(path))
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)

    @sqlalchemy.event.listens_for(engine, "connect")
    def _(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("pragma synchronous = off")
        connection.execute("pragma journal_mode = memory")

    return engine


def _put_in_place(made: Path, path: Path) -> None:
    with made.open("rb+") as file:
        os.fsync(file.fileno())
    for suffix in SIDECARS:
        # The journal of a database that is gone would be played into the new one.
        with suppress(FileNotFoundError):
            os.replace(f"{path}{suffix}", f"{path}{suffix}.orphan")
    os.replace(made, path)


def _holds_anything(path: Path) -> bool:
    """Whether there is more than the empty file that a mere look makes SQLite leave."""
    try:
        return path.stat().st_size > 0 or not path.is_file()
    except OSError:
        return False


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the store's lock; what fails meanwhile is told as one block."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.parent / LOCK), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # The migrations tell how they get on, to whoever runs them by hand.
            logging.disable(logging.ERROR)
            yield
    except InputError:
        raise
    except Exception as error:  # the file system, SQLite and each migration raise their own
        cause = _cause(error)
        raise _cannot(path, cause, _remedy(cause)) from error
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that makes no file, and whose errors are one block."""
    place = f"file:{quote(str(path))}?mode=rw"
    try:
        with closing(
            sqlite3.connect(place, uri=True, timeout=LOCKED_SECONDS, isolation_level=None)
        ) as connection:
            yield connection
    except sqlite3.Error as error:
        raise problem_of(error, path) from error


# -- what may be wrong ----------------------------------------------------------------------


def _check(path: Path, *, writes: bool) -> None:
    if not path.is_file():
        raise _cannot(path, "a folder, not a file", OWN_STORE)
    with _opened(path) as connection:
        tables = {name for (name,) in connection.execute("select name from sqlite_master")}
        if not {"alembic_version", "experiments", "runs"} <= tables:
            known = ", ".join(sorted(tables)[:5]) or "no table"
            if tables & {"alembic_version", "experiments"}:
                raise _half_made(path)
            raise _cannot(path, f"an SQLite database of something else, with {known}", OWN_STORE)
        found = [version for (version,) in connection.execute("select * from alembic_version")]
        trained = connection.execute("select exists (select 1 from runs)").fetchone()[0]
        if writes:
            _ask_to_write(connection)
    _check_version(path, found, trained=bool(trained))


def _ask_to_write(connection: sqlite3.Connection) -> None:
    """Ask for the right to write, and wait for another process that has it.

    With a change to take back: of a protected file SQLite gives that right without a word.
    """
    connection.execute("begin immediate")
    connection.execute("update alembic_version set version_num = version_num")
    connection.execute("rollback")


def check_folders(folder: Path) -> None:
    """See that a store's folders can be written to, before any long work.

    Parameters
    ----------
    folder : Path
        The folder that holds them; made.

    Raises
    ------
    InputError
        When one of them is protected.
    """
    place = folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place in (folder, *(folder / name for name in (ARTIFACTS, RUNNING, UNFINISHED))):
            if place.exists():
                tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        allowed = "a folder that you may write to"
        raise _cannot(place, first_line(error), _remedy(error), allowed) from error


def _check_version(path: Path, found: list[str], *, trained: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from alembic.script import ScriptDirectory
        from mlflow.store.db import utils as migrations

    script = ScriptDirectory.from_config(migrations._get_alembic_config(""))
    (newest,) = script.get_heads()
    if found == [newest]:
        return
    known = {revision.revision for revision in script.walk_revisions()}
    if not set(found) <= known:
        raise _cannot(
            path,
            f"a database of a newer MLflow (schema {', '.join(found)})",
            "use the vensurv that wrote it, or name another file",
        )
    if not trained:
        raise _half_made(path)
    _upgrade(path, found)


def _upgrade(path: Path, found: list[str]) -> None:
    """Bring a store of an older MLflow up to date in a copy, and keep the old one beside it."""
    with _alone(path):
        import mlflow.store.db.utils as migrations

        folder = Path(tempfile.mkdtemp(prefix=MAKING, dir=path.parent))
        try:
            copy = folder / path.name
            with _opened(path) as old, closing(sqlite3.connect(copy)) as new:
                old.backup(new)
            engine = _fast_engine(copy)
            migrations._upgrade_db(engine)
            engine.dispose()
            shutil.copy2(path, f"{path}.{'-'.join(found) or 'before'}")
            _put_in_place(copy, path)
        except InputError:
            raise
        except Exception as error:  # each migration raises its own
            raise _cannot(
                path,
                f"a database of another MLflow (schema {', '.join(found)}): {first_line(error)}",
                f"take a backup, then: mlflow db upgrade {address(path)}",
            ) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _half_made(path: Path) -> InputError:
    return _cannot(
        path,
        "a database that was never finished, because the process that made it was stopped",
        "delete this file, in which there is no run, and start again",
    )


def _cannot(
    path: Path | str,
    got: object,
    remedy: str,
    allowed: str = "an SQLite file that MLflow made and that you may write to",
) -> InputError:
    return InputError(
        Problem(
            what="The MLflow store cannot be used",
            where=str(path),
            got=first_line(got),
            allowed=allowed,
            remedy=remedy,
        )
    )


# What SQLite says -> what a person can do about it.
SQLITE_FAULTS = {
    "database is locked": "another program holds the database: end it, or wait, then start the "
    "same command again: it goes on",
    "file is not a database": OWN_STORE,
    "malformed": "the file is damaged: put back a backup of it, or name another file",
    "readonly": "make file and folder writable, or name another file in MLFLOW_TRACKING_URI",
    "unable to open": "make file and folder readable and writable, or name another file",
    "disk is full": "free some space, then start the same command again: it goes on",
    "disk i/o error": "free some space or look at the disk, then start the same command again",
    "no such table": "something emptied the database; the same command makes it anew if you "
    "delete the file",
}


def problem_of(error: BaseException, path: Path | None, where: str = "") -> InputError:
    """Whatever went wrong with a store as one block that says what to do.

    Parameters
    ----------
    path : Path, optional
        The store's file, where it is one.
    where : str
        Its address, where it is none.
    """
    error = _cause(error)
    told = first_line(error)
    if path is not None and not _holds_anything(path):
        return _cannot(
            path,
            "the file was removed while the command worked",
            "put it back, or start the same command again: what was computed is kept",
        )
    return _cannot(path or where, told, _remedy(error))


def _cause(error: BaseException) -> BaseException:
    """What the file system or SQLite said, below what the libraries make of it."""
    deeper: BaseException | None = error
    while deeper is not None:
        if isinstance(deeper, sqlite3.Error | OSError):
            return deeper
        deeper = deeper.__cause__ or deeper.__context__
    return error


def _remedy(error: BaseException) -> str:
    if isinstance(error, OSError):
        return "free some space or make the folder writable, then start the same command again"
    text = str(error).lower()
    return next((what for words, what in SQLITE_FAULTS.items() if words in text), OWN_STORE)


# -- a store that was moved -----------------------------------------------------------------


def _mend_addresses(path: Path) -> None:
    """Let every address of a file point to where the store stands now.

    A copy reads its own files from then on, even if the original is still there.
    """
    here = path.parent
    with _opened(path) as connection:
        moved_from = _moved_from(connection, here)
        if not moved_from:
            return
        try:
            _ask_to_write(connection)
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise
            raise _cannot(
                path,
                f"a store that was moved or copied here from {moved_from[0]}, and that is "
                f"protected: {error}",
                "let somebody who may write use it here once (python -m pipelines.ui), or give it "
                "the name that it had: after a move its addresses are mended at the first use",
            ) from error
    with _alone(path), _opened(path) as connection:
        connection.execute("begin immediate")
        moved_from = _moved_from(connection, here)
        if moved_from:
            _refuse_while_used(path, moved_from[0])
        for old in moved_from:
            for before, now in (
                (f"{old.as_uri()}/", f"{here.as_uri()}/"),
                (f"{old}/", f"{here}/"),
            ):
                for table, column in ADDRESSES:
                    connection.execute(
                        f"update {table} set {column} = ? || substr({column}, ?) "
                        f"where substr({column}, 1, ?) = ?",
                        (now, len(before) + 1, len(before), before),
                    )
        _set_marker(connection, here)
        connection.execute("commit")


def _moved_from(connection: sqlite3.Connection, here: Path) -> list[Path]:
    """Folders in which the store stood before; none where it stands still."""
    marked = connection.execute(
        "select value from experiment_tags where key = ? and experiment_id = 0", (MARKER,)
    ).fetchone()
    if marked is not None:
        return [Path(marked[0])] if marked[0] != str(here) else []
    # A store without the mark: our experiments keep their files beside the database.
    located = connection.execute(
        "select distinct artifact_location from experiments join experiment_tags "
        "using (experiment_id) where key = 'mlflow.experimentKind' and artifact_location like "
        "'file:///%/artifacts'"
    )
    folders = {_path_of(location).parent for (location,) in located}
    return sorted(folders - {here})


def _path_of(uri: str) -> Path:
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    return Path(url2pathname(urlsplit(uri).path))


def _set_marker(connection: sqlite3.Connection, here: Path) -> None:
    connection.execute(
        "insert or replace into experiment_tags (key, value, experiment_id) values (?, ?, 0)",
        (MARKER, str(here)),
    )


def _write_marker(path: Path, here: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        _set_marker(connection, here)


def _refuse_while_used(path: Path, old: Path) -> None:
    """One store seen under two names at once, as in a container and outside."""
    for lock in (path.parent / RUNNING).glob("*.lock"):
        try:
            FileLock(lock).acquire(timeout=0).lock.release()
        except Timeout:
            raise _cannot(
                path,
                f"a store that another process uses at this moment as {old / path.name}",
                "wait until it has ended, or use the store under the same name",
            ) from None
        except OSError:
            continue
