"""A query on any database that SQLAlchemy reaches, without a password in a file or a message."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from features.covariates import MissingWords
from features.errors import InputError, Problem, refuse, wrong_names
from features.paths import check_file
from features.sources.kind import Codes
from features.tables import (
    MAX_CELLS,
    check_cells,
    check_size,
    check_table,
    check_text,
    read_bytes,
)
from features.text import text_cell

if TYPE_CHECKING:
    from sqlalchemy import URL

VARIABLE = re.compile(r"\$\{(\w+)\}")
SECRET_OPTIONS = ("password", "passwd", "pwd", "token", "sslpassword", "odbc_connect")
# String, quoted name, dollar-quoted string, and both kinds of comment: none of it is a command.
NO_COMMAND = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/", re.DOTALL
)
WRITES = re.compile(
    r"\b(insert|update|delete|merge|drop|alter|create|truncate|grant|revoke|into|call|exec|execute"
    r"|copy|attach|pragma|vacuum)\b",
    re.IGNORECASE,
)


class SqlSource(BaseModel):
    """A query that gives one row a patient.

    Attributes
    ----------
    url : str
        SQLAlchemy's, such as `postgresql+psycopg://${PGUSER}:${PGPASSWORD}@host/database` or
        `sqlite:///cohort.db` (relative to the configuration). `${NAME}` is taken from the
        environment when the query runs; a password stands only there.
    query, query_file : str
        One SELECT (or WITH ... SELECT), here or in a file. Exactly one of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: Literal["sql"] = "sql"
    url: str
    query: str | None = None
    query_file: str | None = None

    @property
    def name(self) -> str:
        """The database's name."""
        return database_name(self.url) or self.kind

    def read(
        self, folder: Path, codes: Codes = None, used: Collection[str] | None = None
    ) -> pd.DataFrame:
        """The rows of the query: see `read_sql`."""
        return read_sql(self, folder, codes)


def database_name(url: str) -> str:
    """The last part of a URL; empty where it comes from the environment, which is not repeated."""
    database = Path(url.split("?")[0].rpartition("/")[2]).stem
    return database if re.fullmatch(r"[\w-]+", database) else ""


def read_sql(source: SqlSource, folder: Path, codes: Codes = None) -> pd.DataFrame:
    """Run a query and read its rows as text.

    The transaction is read-only where the database knows such a thing (PostgreSQL, SQLite), and
    is rolled back everywhere.

    Parameters
    ----------
    source : SqlSource
    folder : Path
        Where relative paths, SQLite's too, start.
    codes : mapping of column -> words, optional
        As for every source.

    Returns
    -------
    DataFrame of shape (n_rows, n_columns)
        Dates in ISO form, numbers as the database gives them, true and false as TRUE and FALSE.

    Raises
    ------
    InputError
        When a variable is not set, a password stands in the URL, the statement is not one SELECT,
        the database refuses, or it gives no row. No message holds a secret.
    """
    query = _query(source, folder)
    _check_query(query)
    url = _resolved(source.url, folder)
    shown = shown_address(url)
    names, rows = _guarded(url, shown, lambda: _fetch(url, query))
    check_size(len(rows), len(names), f"the query on {shown}")
    table = pd.DataFrame(rows, columns=pd.RangeIndex(len(names)), dtype=object)
    binary = [names[i] for i in table if table[i].map(lambda v: isinstance(v, bytes)).any()]
    remedy = "leave it out of the query, or cast it to text there"
    refuse(wrong_names(binary, "A column holds bytes, not text", shown, remedy))
    text = table.map(text_cell).astype(pd.StringDtype(na_value=np.nan)).set_axis(names, axis=1)
    check_cells(text, f"the query on {shown}")
    return check_table(MissingWords(codes=codes or {}).mask(text), f"the query on {shown}")


def _query(source: SqlSource, folder: Path) -> str:
    if (source.query is None) == (source.query_file is None):
        raise InputError(
            Problem(
                what="An SQL source needs one query",
                got="neither query nor query_file" if source.query is None else "both",
                allowed="query: the statement; or query_file: a file that holds it",
                remedy="give one of them",
            )
        )
    if source.query is not None:
        return source.query
    path = folder / str(source.query_file)
    return check_text(read_bytes(path, "the file with the query"), str(path)).decode("utf-8")


def _check_query(query: str) -> None:
    bare = _bare(query)
    writes = WRITES.search(bare)
    if re.match(r"\s*\(*\s*(select|with)\b", bare, re.IGNORECASE) and not (writes or ";" in bare):
        return
    first = (bare.split() or ["nothing"])[0][:30]
    several = "several statements" if ";" in bare else ""
    raise InputError(
        Problem(
            what="The query is not one SELECT",
            where="query",
            got=several or (writes.group().upper() if writes else first),
            allowed="one statement that begins with SELECT or WITH and writes nothing",
            remedy="give the SELECT alone; a column called like a command goes in double quotes",
        )
    )


def _bare(query: str) -> str:
    """The statement without strings, quoted names, comments and the closing semicolon."""
    return NO_COMMAND.sub(" ", query).strip().rstrip(";").rstrip()


def resolve_url(template: str, where: str = "url") -> URL:
    """A database URL with its variables filled in part by part, so that no value needs escaping.

    Parameters
    ----------
    where : str
        The key that holds it, for messages.

    Raises
    ------
    InputError
        When it cannot be read, names a variable that is not set, or holds a password.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    whole = VARIABLE.fullmatch(template.strip())
    try:
        url = make_url(_filled(where, template.strip()) if whole else template.strip())
    except (ArgumentError, ValueError):
        # The URL may hold a secret: neither it nor the driver's words are repeated.
        raise InputError(
            Problem(
                what="The database URL cannot be read",
                where=where,
                allowed="dialect+driver://user:${PASSWORD}@host:port/database, or "
                "sqlite:///file.db",
                remedy="see SQLAlchemy's 'Database URLs'",
            )
        ) from None
    if not whole:
        _check_no_secret(url, where)
        url = url.set(
            username=_filled(where, url.username) if url.username else None,
            password=_filled(where, str(url.password)) if url.password else None,
            host=_filled(where, url.host) if url.host else None,
            database=_filled(where, url.database) if url.database else None,
            query={
                key: _filled(where, v)
                if isinstance(v, str)
                else tuple(_filled(where, each) for each in v)
                for key, v in url.query.items()
            },
        )
    return url


def shown_address(address: str | URL) -> str:
    """The address of a database or server as it may be told: without password and options.

    >>> shown_address("postgresql://reader:secret@host/store?sslpassword=secret")
    'postgresql://reader:***@host/store'
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(address)
    except ArgumentError:
        return str(address)  # None of a database; MLflow knows what it is.
    return url.render_as_string(hide_password=True).split("?")[0]


def _resolved(template: str, folder: Path) -> URL:
    url = resolve_url(template)
    return _read_only_file(url, folder) if url.get_backend_name() == "sqlite" else url


def _filled(where: str, text: str) -> str:
    absent = [name for name in VARIABLE.findall(text) if name not in os.environ]
    remedy = "set it in the shell that runs the command; it is written to no file"
    refuse(wrong_names(absent, "An environment variable is not set", where, remedy))
    return VARIABLE.sub(lambda found: os.environ[found.group(1)], text)


def _check_no_secret(url: URL, where: str) -> None:
    options = [key for key, v in url.query.items() if key.lower() in SECRET_OPTIONS and (
        not VARIABLE.fullmatch(str(v)))]  # fmt: skip
    if options or (url.password and not VARIABLE.fullmatch(str(url.password))):
        raise InputError(
            Problem(
                what="A password stands in the configuration",
                where=where,
                got="it is not repeated here",
                allowed="${NAME}, an environment variable, in its place",
                remedy="write ${PGPASSWORD} there, set PGPASSWORD in the shell, and change the "
                "password if the file was shared",
            )
        )


def _read_only_file(url: URL, folder: Path) -> URL:
    path = folder / (url.database or "")
    # SQLite would make an empty database of that name.
    check_file(path, "table", "an SQLite database")
    return url.set(database=f"file:{quote(str(path.resolve()))}", query={
        **url.query, "mode": "ro", "uri": "true"})  # fmt: skip


def _fetch(url: URL, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection = connection.execution_options(postgresql_readonly=True)
            # As it stands: a colon or a percent sign in the query names no parameter.
            result = connection.execution_options(no_parameters=True).exec_driver_sql(query)
            names = list(result.keys())
            most = MAX_CELLS // max(len(names), 1)
            rows = [tuple(row) for row in islice(result, most + 1)]
            connection.rollback()
            return names, rows
    finally:
        engine.dispose()


def _guarded(
    url: URL, shown: str, run: Callable[[], tuple[list[str], list[tuple[Any, ...]]]]
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run, and turn what the driver raises into an error without the URL's secret."""
    from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

    try:
        return run()
    except (ModuleNotFoundError, NoSuchModuleError):
        problem = Problem(
            what="No driver for this database",
            where=shown,
            got=url.drivername,
            remedy="install the driver (PostgreSQL: psycopg), or correct the URL's beginning",
        )
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
        problem = Problem(
            what="The database refused the connection or the query",
            where=shown,
            got=_without_secrets(reason.splitlines()[0], url),
            remedy="check the URL, the user's rights, and the query in the database's own client",
        )
    # Without the cause: a driver's error may quote the connection string.
    raise InputError(problem) from None


def _without_secrets(text: str, url: URL) -> str:
    secrets = [str(url.password or "")]
    secrets += [str(v) for key, v in url.query.items() if key.lower() in SECRET_OPTIONS]
    for secret in filter(None, secrets):
        for form in (secret, quote(secret, safe="")):
            text = text.replace(form, "***")
    return text
