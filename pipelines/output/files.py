"""Files that the commands write: whole or not at all, and tables that a spreadsheet takes as text.

A cell or a column's name that begins with = + - @ would be computed by a spreadsheet, which may
start programs or send the table away. Such text gets a leading apostrophe (OWASP, CSV injection);
numbers stay numbers.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from features.columns import Columns

if TYPE_CHECKING:
    import pandas as pd

# As typed, and in the full width of East Asian keyboards, which spreadsheets take for the same;
# blanks before it are cut off by some.
_COMPUTED = re.compile(r"[\t\r\n]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def safe_cell(value: object) -> object:
    """Text as a spreadsheet takes it for text; anything else, and text that is a number, as it is.

    >>> safe_cell("=1+1"), safe_cell("-0.5"), safe_cell(-0.5)
    ("'=1+1", '-0.5', -0.5)
    """
    if isinstance(value, str) and _COMPUTED.match(value) and not _NUMBER.fullmatch(value):
        return "'" + value
    return value


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV without its index, every cell and name as `safe_cell` has it."""
    from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype

    safe = table.copy()
    for place, (_, column) in enumerate(table.items()):
        if not (is_numeric_dtype(column) or is_datetime64_any_dtype(column)):
            safe.isetitem(place, column.astype(object).map(safe_cell))
    safe.columns = [safe_cell(str(name)) for name in table.columns]
    return str(safe.to_csv(index=False, lineterminator="\n"))


def csv_of(columns: Columns, *, header: bool = True) -> str:
    """Plain columns as CSV, by the rules of `csv_text`; a missing cell is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow([safe_cell(name) for name in columns])
    writer.writerows(zip(*map(_csv_cells, columns.values()), strict=True))
    return text.getvalue()


def _csv_cells(column: np.ndarray) -> list[object]:
    """Python's own numbers, since their text is the shortest that reads back as the same."""
    return ["" if cell is None or cell != cell else safe_cell(cell) for cell in column.tolist()]


def plain_records(columns: Columns) -> list[dict[str, object]]:
    """Rows of plain columns for JSON, in which what is missing is null."""
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [
        {n: None if v is None or v != v else v for n, v in zip(columns, row, strict=True)}
        for row in rows
    ]


def records(table: pd.DataFrame) -> list[dict[str, object]]:
    """Rows for JSON, in which a missing number is null."""
    return table.astype(object).where(table.notna(), None).to_dict(orient="records")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV without its index, by `csv_text`."""
    write_text(path, csv_text(table))


def replace_file(made: Path, path: Path) -> None:
    """Let a finished file take its place, and see that the disk holds it before it does."""
    with made.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(made, path)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all.

    Raises
    ------
    OSError
        When it cannot be written, as on a full disk; a file that stood there before is as it was.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all; errors are those of `write_text`."""
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)  # A pipe or a device, such as /dev/stdout.
            return
        _replace(path.resolve(), data)
    except OSError as error:
        # Python names the file that it cannot open, but not the one that it cannot fill.
        error.filename = error.filename or str(path)
        raise


def _replace(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name[:100]}.{os.getpid()}.part")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
