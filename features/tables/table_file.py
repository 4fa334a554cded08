"""A file of any form, or standard input, into cells of text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

from features.covariates import MissingWords
from features.errors import InputError, Problem
from features.paths import check_file
from features.tables.decimal_commas import with_decimal_points
from features.tables.delimited import only_separator, read_delimited
from features.tables.encodings import as_utf8
from features.tables.json_table import read_json
from features.tables.table_checks import MAX_FILE, MAX_JSON, read_bytes, too_large, unreadable
from features.tables.table_format import TableFormat

if TYPE_CHECKING:
    import pandas as pd

KINDS = ".csv, .tsv, .txt, .parquet, .json, .xlsx, .xlsm"
EXCEL = (".xlsx", ".xlsm")
READABLE = "a .csv, .tsv, .txt, .parquet or .json file, or of an .xlsx workbook"
PLAIN = TableFormat()


def read_table(
    path: str | Path,
    stdin: IO[str] | None = None,
    form: TableFormat = PLAIN,
    codes: Mapping[str, frozenset[str]] | None = None,
) -> pd.DataFrame:
    """Read one row a patient from separated text, Parquet, JSON or Excel.

    Every cell of text, JSON and Excel comes back as text or missing, so that a wrong type can be
    reported with its row instead of turning a whole column into something else.

    Parameters
    ----------
    path : str or Path
        A file that ends in .csv, .tsv, .txt, .parquet, .json, .xlsx or .xlsm, or '-' for separated
        text or JSON on standard input. JSON is one object, or a list of objects, with a value a
        column.
    stdin : text stream, optional
        Where '-' is read from.
    form : TableFormat
        How the file is written.
    codes : mapping of column -> words, optional
        What is a code there although it reads like a missing value, such as None: see
        `features.covariates.missing_words`.

    Raises
    ------
    InputError
        When the file is missing, empty, of an unknown kind, too large, or cannot be parsed.
    """
    words = MissingWords(form.missing, codes or {})
    words.check()
    if str(path) == "-":
        data = read_stdin(stdin)
        kind = ".json" if data.lstrip()[:1] in (b"[", b"{") else ".csv"
        where = "-"
    else:
        path, where = Path(path), str(path)
        check_file(path, "table", READABLE)
        kind = path.suffix.lower()
        if kind not in KINDS.split(", "):
            raise _unknown_kind(path)
        check_keys(form, kind, where)
        if kind == ".parquet":
            from features.tables.parquet import read_parquet

            return read_parquet(path, form, words)
        if kind in EXCEL:
            from features.tables.excel import read_excel

            return read_excel(path, form, words)
        data = read_bytes(path, READABLE, MAX_JSON if kind == ".json" else MAX_FILE)
    check_keys(form, kind, where)
    text = as_utf8(data, where, form.encoding)
    if kind == ".json":
        return read_json(text, where, form, words)
    separator = form.separator or {".tsv": "\t", ".txt": ""}.get(kind, "")
    if kind == ".txt" and not separator:
        separator = only_separator(text, where)
    table = read_delimited(text, where, separator, words=words)
    return with_decimal_points(table, where, words) if form.decimal == "," else table


def read_stdin(stdin: IO[str] | None) -> bytes:
    """All bytes of standard input; none where it is closed.

    Raises
    ------
    InputError
        When it cannot be read, or is larger than a table's file may be.
    """
    if stdin is None:
        return b""
    # The bytes themselves where there are any: the terminal's encoding says nothing of a table's.
    raw = getattr(stdin, "buffer", None)
    try:
        data: bytes = (
            raw.read(MAX_FILE + 1) if raw is not None else stdin.read(MAX_FILE + 1).encode("utf-8")
        )
    except (OSError, UnicodeError) as error:
        raise unreadable("-", error) from error
    if len(data) > MAX_FILE:
        raise too_large("standard input", len(data), MAX_FILE)
    return data


def check_keys(form: TableFormat, kind: str, where: str) -> None:
    """Raise for a key that says nothing about such a file."""
    text = kind not in (*EXCEL, ".parquet", ".json")
    useless = {
        "separator": not text,
        "encoding": not text and kind != ".json",
        "sheet": kind not in EXCEL,
    }
    wrong = {key: value for key, value in form.stated.items() if useless.get(key)}
    if wrong:
        only = {"separator": "text", "encoding": "text and JSON", "sheet": "an Excel workbook"}
        raise InputError(
            Problem(
                what=f"A {kind} file has no {key}",
                where=where,
                got=f"{key}: {value}",
                allowed=f"only with {only[key]}",
                remedy=f"take `{key}` out",
            )
            for key, value in wrong.items()
        )


def _unknown_kind(path: Path) -> InputError:
    old = path.suffix.lower() in (".xls", ".ods")
    return InputError(
        Problem(
            what="Unknown kind of table",
            where=str(path),
            got=path.suffix or "no suffix",
            allowed=KINDS,
            remedy="open it and save it as .xlsx"
            if old
            else "save the table in one of these and give that file",
        )
    )
