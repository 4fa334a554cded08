"""Reading a patient table from a file, without interpreting it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import pandas as pd

from features.errors import InputError, Problem

MISSING_WORDS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", ".")


def read_table(path: str | Path, stdin: IO[str] | None = None) -> pd.DataFrame:
    """Read one row a patient from CSV, Parquet or JSON.

    Every CSV and JSON cell comes back as text or missing, so that a wrong type can be reported
    with its row instead of turning a whole column into something else.

    Parameters
    ----------
    path : str or Path
        A file that ends in .csv, .parquet or .json, or '-' for CSV or JSON on standard input.
        JSON is one object, or a list of objects, with a value a column.
    stdin : text stream, optional
        Where '-' is read from.

    Raises
    ------
    InputError
        When the file is missing, empty, of an unknown kind, or cannot be parsed.
    """
    if str(path) == "-":
        text = (stdin.read() if stdin else "").strip()
        return _read_json(text, "-") if text[:1] in "[{" and text else _read_csv(text, "-")
    path = Path(path)
    if not path.is_file():
        raise InputError(
            Problem(
                what="No such table",
                where=str(path),
                remedy="give the path of a .csv, .parquet or .json file, relative to the folder "
                "you are in (in a configuration: to the configuration file)",
            )
        )
    if path.suffix == ".parquet":
        try:
            table = pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
        return _checked(table, str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            Problem(
                what="The table is not UTF-8 text",
                where=str(path),
                got=f"byte {error.start + 1} cannot be decoded",
                remedy="save it again as CSV with UTF-8 encoding, or as Parquet",
            )
        ) from error
    if path.suffix == ".json":
        return _read_json(text, str(path))
    if path.suffix == ".csv":
        return _read_csv(text, str(path))
    raise InputError(
        Problem(
            what="Unknown kind of table",
            where=str(path),
            got=path.suffix or "no suffix",
            allowed=".csv, .parquet, .json",
            remedy="save the table in one of these and give that file",
        )
    )


def _read_csv(text: str, where: str) -> pd.DataFrame:
    if text.strip():
        _check_header(text, where)
    try:
        table = pd.read_csv(
            io.StringIO(text), dtype=str, keep_default_na=False, na_values=list(MISSING_WORDS)
        )
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise _unreadable(where, error) from error
    if not isinstance(table.index, pd.RangeIndex):
        # pandas would take the first column for row names and move every value one column on.
        raise InputError(
            Problem(
                what="The rows hold more cells than there are column names",
                where=where,
                got=f"{len(table.columns)} names, {len(table.columns) + table.index.nlevels} cells",
                remedy="name every column in the first line, and remove a comma at the row ends",
            )
        )
    return _checked(table, where)


def _check_header(text: str, where: str) -> None:
    header = next(line for line in text.splitlines() if line.strip())
    if "," not in header and (";" in header or "\t" in header):
        raise InputError(
            Problem(
                what="The columns are not separated by commas",
                where=f"{where}, first line",
                got="semicolons" if ";" in header else "tabs",
                remedy="save the table again as comma-separated CSV with decimal points",
            )
        )
    _check_names(next(csv.reader([header])), f"{where}, first line")


def _check_names(names: Iterable[object], where: str) -> None:
    stripped = [str(name).strip() for name in names]
    twice = sorted({name for name in stripped if stripped.count(name) > 1 and name})
    if twice:
        raise InputError(
            Problem(
                what="Two columns have the same name",
                where=where,
                got=", ".join(twice),
                remedy="keep one of them, or rename one",
            )
        )


def _read_json(text: str, where: str) -> pd.DataFrame:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unreadable(where, error) from error
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
        raise _unreadable(where, error) from error
    return _checked(table.mask(table.isin(MISSING_WORDS)), where)


def _checked(table: pd.DataFrame, where: str) -> pd.DataFrame:
    if table.empty:
        raise InputError(
            Problem(what="The table holds no patient", where=where, remedy="give at least one row")
        )
    _check_names(table.columns, where)
    return table.rename(columns=lambda name: str(name).strip())


def _unreadable(where: str | Path, error: Exception) -> InputError:
    return InputError(
        Problem(
            what="The table cannot be read",
            where=str(where),
            got=str(error).splitlines()[0],
            remedy="open it in a text editor or spreadsheet and save it again",
        )
    )
