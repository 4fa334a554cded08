"""Where a patient table comes from, and reading it without interpreting it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Annotated, Literal

import pandas as pd
from pydantic import Field

from features.covariates.missing_words import MISSING_WORDS, MissingWords
from features.errors import InputError, Problem
from features.paths import check_file
from features.sources.cbioportal import CbioportalSource, read_cbioportal
from features.sources.omop import OmopSource, read_omop
from features.sources.redcap import RedcapSource, read_redcap
from features.sources.sql import SqlSource, read_sql
from features.tables.decimal_commas import with_decimal_points
from features.tables.delimited import only_separator, read_delimited
from features.tables.encodings import as_utf8
from features.tables.json_table import read_json
from features.tables.table_checks import MAX_FILE, MAX_JSON, read_bytes, too_large, unreadable
from features.tables.table_format import TableFormat

__all__ = [
    "MISSING_WORDS",
    "FileSource",
    "Source",
    "TableFormat",
    "read_source",
    "read_table",
    "source_name",
]

KINDS = ".csv, .tsv, .txt, .parquet, .json, .xlsx, .xlsm"
EXCEL = (".xlsx", ".xlsm")
READABLE = "a .csv, .tsv, .txt, .parquet or .json file, or of an .xlsx workbook"
PLAIN = TableFormat()


class FileSource(TableFormat):
    """A file with one row a patient.

    Attributes
    ----------
    path : str
        CSV, other separated text, Parquet, JSON or Excel.
    separator, decimal, encoding, sheet, missing
        As for every `TableFormat`.
    """

    kind: Literal["file"] = "file"
    path: str


Source = Annotated[
    FileSource | RedcapSource | CbioportalSource | SqlSource | OmopSource,
    Field(discriminator="kind"),
]


def source_name(source: Source) -> str:
    """What a cohort is called when nobody named it: its file, study folder or database."""
    match source:
        case FileSource():
            return Path(source.path).stem
        case RedcapSource():
            return Path(source.export).stem
        case CbioportalSource():
            # The files of every study have the same names; its folder tells it.
            patients = Path(source.patients)
            return patients.parent.name or patients.stem
        case SqlSource() | OmopSource():
            # A URL's last part names the database; one from the environment is not repeated.
            database = Path(source.url.split("?")[0].rpartition("/")[2]).stem
            return database if re.fullmatch(r"[\w-]+", database) else source.kind


def read_source(
    source: Source,
    folder: Path,
    codes: Mapping[str, frozenset[str]] | None = None,
    used: Collection[str] | None = None,
) -> pd.DataFrame:
    """Read the table of a source.

    Parameters
    ----------
    source : FileSource, RedcapSource, CbioportalSource, SqlSource or OmopSource
    folder : Path
        Where relative paths start: the folder of the configuration.
    codes : mapping of column -> words, optional
        What is a code there although it reads like a missing value, such as None: see
        `features.covariates.missing_words`.
    used : collection of str, optional
        Columns that are used: REDCap asks for rules of these alone.

    Returns
    -------
    DataFrame of shape (n, any)
        One row a patient for REDCap, cBioPortal and OMOP; for a file or query, the rows as they
        are. Cells are text or missing, except in Parquet, which keeps its types.

    Raises
    ------
    InputError
        When a file is missing or cannot be read, or a rule of its reader is broken.
    """
    match source:
        case FileSource():
            return read_table(folder / source.path, form=source, codes=codes)
        case RedcapSource():
            return read_redcap(source, folder, codes, used)
        case CbioportalSource():
            return read_cbioportal(source, folder, codes)
        case SqlSource():
            return read_sql(source, folder, codes)
        case OmopSource():
            return read_omop(source, folder, codes)


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
        As for `read_source`.

    Raises
    ------
    InputError
        When the file is missing, empty, of an unknown kind, too large, or cannot be parsed.
    """
    words = MissingWords(form.missing, codes or {})
    words.check()
    if str(path) == "-":
        data = _read_stdin(stdin)
        kind = ".json" if data.lstrip()[:1] in (b"[", b"{") else ".csv"
        where = "-"
    else:
        path, where = Path(path), str(path)
        check_file(path, "table", READABLE)
        kind = path.suffix.lower()
        if kind not in KINDS.split(", "):
            raise _unknown_kind(path)
        _check_keys(form, kind, where)
        if kind == ".parquet":
            from features.tables.parquet import read_parquet

            return read_parquet(path, form, words)
        if kind in EXCEL:
            from features.tables.excel import read_excel

            return read_excel(path, form, words)
        data = read_bytes(path, READABLE, MAX_JSON if kind == ".json" else MAX_FILE)
    _check_keys(form, kind, where)
    text = as_utf8(data, where, form.encoding)
    if kind == ".json":
        return read_json(text, where, form, words)
    separator = form.separator or {".tsv": "\t", ".txt": ""}.get(kind, "")
    if kind == ".txt" and not separator:
        separator = only_separator(text, where)
    table = read_delimited(text, where, separator, words=words)
    return with_decimal_points(table, where, words) if form.decimal == "," else table


def _read_stdin(stdin: IO[str] | None) -> bytes:
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


def _check_keys(form: TableFormat, kind: str, where: str) -> None:
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
