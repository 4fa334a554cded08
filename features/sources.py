"""Where a patient table comes from, and reading it without interpreting it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import IO, Annotated, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from features.cbioportal import CbioportalSource, read_cbioportal
from features.delimited import check_text, read_delimited
from features.errors import InputError, Problem
from features.omop import OmopSource, read_omop
from features.redcap import RedcapSource, read_redcap
from features.sql import SqlSource, read_sql
from features.table_checks import (
    MISSING_WORDS,
    check_names,
    check_table,
    mask_missing,
    no_such_file,
    unreadable,
)

__all__ = ["MISSING_WORDS", "FileSource", "Source", "read_source", "read_table", "source_name"]

KINDS = ".csv, .parquet, .json, .xlsx, .xlsm"
READABLE = "a .csv, .parquet or .json file, or of an .xlsx workbook"


class FileSource(BaseModel):
    """A file with one row a patient.

    Attributes
    ----------
    path : str
        CSV, Parquet, JSON or Excel.
    sheet : str, optional
        Of an Excel workbook; needed when several sheets hold cells.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["file"] = "file"
    path: str
    sheet: str | None = None


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


def read_source(source: Source, folder: Path) -> pd.DataFrame:
    """Read the table of a source.

    Parameters
    ----------
    source : FileSource, RedcapSource, CbioportalSource, SqlSource or OmopSource
    folder : Path
        Where relative paths start: the folder of the configuration.

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
            return read_table(folder / source.path, sheet=source.sheet)
        case RedcapSource():
            return read_redcap(source, folder)
        case CbioportalSource():
            return read_cbioportal(source, folder)
        case SqlSource():
            return read_sql(source, folder)
        case OmopSource():
            return read_omop(source, folder)


def read_table(
    path: str | Path, stdin: IO[str] | None = None, sheet: str | None = None
) -> pd.DataFrame:
    """Read one row a patient from CSV, Parquet, JSON or Excel.

    Every CSV, JSON and Excel cell comes back as text or missing, so that a wrong type can be
    reported with its row instead of turning a whole column into something else.

    Parameters
    ----------
    path : str or Path
        A file that ends in .csv, .parquet, .json, .xlsx or .xlsm, or '-' for CSV or JSON on
        standard input. JSON is one object, or a list of objects, with a value a column.
    stdin : text stream, optional
        Where '-' is read from.
    sheet : str, optional
        Of an Excel workbook.

    Raises
    ------
    InputError
        When the file is missing, empty, of an unknown kind, or cannot be parsed.
    """
    if str(path) == "-":
        text = _stdin_text(stdin).strip()
        return _read_json(text, "-") if text[:1] in "[{" and text else _read_csv_text(text, "-")
    path = Path(path)
    if not path.is_file():
        raise no_such_file(path, READABLE)
    kind = path.suffix.lower()
    if kind not in KINDS.split(", "):
        raise _unknown_kind(path)
    if sheet and kind not in (".xlsx", ".xlsm"):
        raise InputError(
            Problem(
                what="Only an Excel workbook has sheets",
                where=str(path),
                got=f"sheet: {sheet}",
                remedy="take `sheet:` out",
            )
        )
    try:
        if kind == ".parquet":
            return check_table(pd.read_parquet(path), str(path))
        if kind in (".xlsx", ".xlsm"):
            from features.excel import read_excel

            return read_excel(path, sheet)
        data = path.read_bytes()
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if kind == ".json":
        return _read_json(check_text(data, str(path)).decode("utf-8"), str(path))
    return read_delimited(data, str(path))


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


def _stdin_text(stdin: IO[str] | None) -> str:
    """What a stream holds, refused like a file where its bytes are no UTF-8; none if closed."""
    if stdin is None:
        return ""
    raw = getattr(stdin, "buffer", None)
    return stdin.read() if raw is None else check_text(raw.read(), "-").decode("utf-8")


def _read_csv_text(text: str, where: str) -> pd.DataFrame:
    try:
        return read_delimited(text.encode("utf-8"), where)
    except UnicodeEncodeError as error:
        raise unreadable(where, error) from error


def _once(pairs: list[tuple[str, object]], where: str) -> dict[str, object]:
    check_names([key for key, _ in pairs], where)  # Python would keep the last value and be silent.
    return dict(pairs)


def _read_json(text: str, where: str) -> pd.DataFrame:
    try:
        rows = json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, where))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise unreadable(where, error) from error
    rows = [rows] if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(
            Problem(
                what="The JSON does not hold patients",
                where=where,
                allowed='one object, or a list of objects: [{"age_years": 61, ...}, ...]',
            )
        )
    nested = sorted({k for row in rows for k, v in row.items() if isinstance(v, dict | list)})
    if nested:
        raise InputError(
            Problem(
                what="A value is not a single number or word",
                where=where,
                got=", ".join(nested),
                remedy="give one plain value for each column",
            )
        )
    try:
        table = pd.DataFrame(rows).map(lambda v: None if v is None else str(v))
    except UnicodeEncodeError as error:
        raise unreadable(where, error) from error
    return check_table(mask_missing(table), where)
