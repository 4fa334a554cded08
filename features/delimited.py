"""Comma- or tab-separated text into cells of text, refusing whatever could move a value."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from features.errors import InputError, Problem
from features.table_checks import (
    MISSING_WORDS,
    check_header,
    check_names,
    check_table,
    check_title,
    name_columns,
    unreadable,
)

HEAD_BYTES = 1 << 20
BLOCK_BYTES = 16 << 20
UTF8_REMEDY = "save it again as CSV with UTF-8 encoding, or as Parquet"
NOT_TEXT = {
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "give it its own ending, such as .xlsx"),
    b"\xd0\xcf\x11\xe0": ("an Excel 97-2003 or encrypted workbook", UTF8_REMEDY),
    b"\x1f\x8b": ("a gzip archive", "unpack it and give the file inside"),
    b"PAR1": ("a Parquet file", "give it the ending .parquet"),
    b"%PDF": ("a PDF", "export the table itself as CSV"),
}


def read_delimited(
    data: bytes,
    where: str,
    separator: str = ",",
    quotes: bool = True,
    unique_names: bool = True,
) -> pd.DataFrame:
    """Read delimited UTF-8 text with one header line. Every cell is text or missing.

    A row with too few cells is missing at its end; a row with too many is refused. Rows of
    separators alone at the end, as spreadsheets write them, are no rows.

    Parameters
    ----------
    data : bytes
        The file's content; a byte order mark is no part of it.
    where : str
        What an error calls the file.
    separator : str
        ',' or a tab.
    quotes : bool
        Whether '"' encloses cells; if not, it is a character like any other.
    unique_names : bool
        Whether the same name twice is refused.

    Returns
    -------
    DataFrame of shape (n, n_columns)
        Names as they stand in the header when `unique_names` is False, otherwise stripped.

    Raises
    ------
    InputError
        When it is not UTF-8 text, has another separator, a title, unnamed or doubled columns,
        ragged or broken rows, or no row.
    """
    data = _without_empty_end(check_text(data, where), separator)
    if not data.strip():
        raise unreadable(where, "the file is empty", "export the table again")
    head = list(islice(_head_rows(data, where, separator, quotes), 3))
    if separator == ",":
        _check_separator(data, where)
    names = head[0]
    check_header(names, f"{where}, first line")
    if unique_names:
        check_names(names, f"{where}, first line")
    check_title(head, f"{where}, first line")
    if quotes and b'"' in data:
        _check_rows(data, where, len(names), separator, quotes)
    table = name_columns(_parse(data, where, len(names), separator, quotes), names, where)
    return check_table(table, where) if unique_names else table


def check_text(data: bytes, where: str) -> bytes:
    """Raise unless the bytes are UTF-8 text without NUL; return them without byte order mark."""
    for start, (kind, remedy) in NOT_TEXT.items():
        if data.startswith(start):
            raise InputError(
                Problem(what="The table is not text", where=where, got=kind, remedy=remedy)
            )
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _not_utf8(where, "UTF-16 (its first two bytes say so)", UTF8_REMEDY)
    data = data.removeprefix(b"\xef\xbb\xbf")
    nul = data.find(b"\0")
    if nul >= 0:
        if data[:HEAD_BYTES].count(b"\0") * 3 > len(data[:HEAD_BYTES]):
            raise _not_utf8(where, "UTF-16 (every other byte is zero)", UTF8_REMEDY)
        raise InputError(
            Problem(
                what="The table holds a zero byte",
                where=f"{where}, line {_line(data, nul)}",
                got=f"byte {nul + 1} is zero, which no text contains",
                remedy="export the table again; the file is damaged or not text",
            )
        )
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(
            f"{where}, line {_line(data, error.start)}",
            f"byte {error.start + 1} cannot be decoded",
            f"it looks like {_likely_encoding(data)}; {UTF8_REMEDY}",
        ) from error
    start = data[:512].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<table", b"<?xml", b"<meta")):
        raise InputError(
            Problem(
                what="The table is a web page or XML, not a table of text",
                where=where,
                got=start[:20].decode("utf-8", "replace").splitlines()[0],
                remedy="open it in a spreadsheet and save it as CSV UTF-8; a download that needs "
                "a login often gives such a page",
            )
        )
    return data


def _not_utf8(where: str, got: str, remedy: str) -> InputError:
    return InputError(
        Problem(what="The table is not UTF-8 text", where=where, got=got, remedy=remedy)
    )


def _line(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


def _likely_encoding(data: bytes) -> str:
    western = "Windows-1252 or Latin-1 (Western Europe)"
    # GB2312 characters are pairs of bytes from A1 up; Western text has single accented letters,
    # and even two of them stand inside a word.
    try:
        data.decode("gb2312")
    except UnicodeDecodeError:
        return western
    inside_a_word = re.search(rb"[A-Za-z][\x80-\xff]+[A-Za-z]", data)
    return western if inside_a_word else "GB18030 or GBK (Chinese Windows)"


def _without_empty_end(data: bytes, separator: str) -> bytes:
    blank = separator.encode() + b" \t\r\n"
    end = len(data.rstrip(blank))
    breaks = [found for mark in (b"\n", b"\r") if (found := data.find(mark, end)) >= 0]
    return data[: min(breaks) + 1] if breaks else data


def _reader(data: bytes, separator: str, quotes: bool) -> Any:
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="ignore", newline="")
    return csv.reader(
        text,
        delimiter=separator,
        quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
        strict=True,
    )


def _head_rows(data: bytes, where: str, separator: str, quotes: bool) -> Iterator[list[str]]:
    try:
        for row in _reader(data[:HEAD_BYTES], separator, quotes):
            if len(row) > 1 or "".join(row).strip():
                yield row
    except csv.Error as error:
        raise unreadable(where, _reason(error)) from error


def _reason(error: Exception) -> str:
    if "unexpected end of data" in str(error):
        return "a quotation mark is opened and never closed"
    if "expected after" in str(error):
        return "text follows a closing quotation mark"
    return str(error)


def _check_separator(data: bytes, where: str) -> None:
    text = data[:HEAD_BYTES].decode("utf-8", "ignore")
    lines = [re.sub(r'"[^"]*"', "", line) for line in text.splitlines() if line.strip()][:2]
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        counts = [line.count(mark) for line in lines]
        commas = lines[0].count(",")
        # Decimal commas, or a comma in a name, do not make commas the separator.
        if (counts[0] and not commas) or (counts[0] > commas and counts[0] == counts[-1]):
            raise InputError(
                Problem(
                    what="The columns are not separated by commas",
                    where=f"{where}, first line",
                    got=name,
                    remedy="save the table again as comma-separated CSV with decimal points",
                )
            )


def _check_rows(data: bytes, where: str, n_names: int, separator: str, quotes: bool) -> None:
    """Raise where a row has too many cells or seems cut in two."""
    rows = _reader(data, separator, quotes)
    lengths: list[int] = []
    lines: list[int] = []
    try:
        for row in rows:
            if len(row) > 1 or "".join(row).strip():
                lengths.append(len(row))
                lines.append(rows.line_num)
    except csv.Error as error:
        raise unreadable(f"{where}, line {rows.line_num}", _reason(error)) from error
    cells = np.array(lengths[1:])
    long = np.flatnonzero(cells > n_names)
    if len(long) and len(set(cells)) == 1:
        # pandas would take the first column for row names and move every value one column on.
        raise InputError(
            Problem(
                what="The rows hold more cells than there are column names",
                where=where,
                got=f"{n_names} names, {cells[0]} cells",
                remedy="name every column in the first line, and remove a comma at the row ends; "
                "write numbers with decimal points",
            )
        )
    if len(long):
        raise unreadable(
            where,
            f"expected {n_names} cells in line {lines[1 + long[0]]}, saw {cells[long[0]]}",
            "put quotation marks around text that holds a comma, and write numbers with "
            "decimal points",
        )
    short = (cells[:-1] < n_names) & (cells[1:] < n_names)
    cut = np.flatnonzero(short & (cells[:-1] + cells[1:] == n_names + 1))
    if len(cut):
        first = 1 + cut[0]
        raise unreadable(
            where,
            f"lines {lines[first]} and {lines[first + 1]} look like one row cut in two: "
            f"{cells[cut[0]]} and {cells[cut[0] + 1]} of {n_names} cells",
            "put quotation marks around text that holds a line break, or write every row with "
            "all its commas",
        )


def _parse(data: bytes, where: str, n_names: int, separator: str, quotes: bool) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    columns = {f"f{i}": pa.large_string() for i in range(n_names)}
    try:
        cells = pa_csv.read_csv(
            pa.BufferReader(data),
            read_options=pa_csv.ReadOptions(autogenerate_column_names=True, block_size=BLOCK_BYTES),
            parse_options=pa_csv.ParseOptions(
                delimiter=separator,
                quote_char='"' if quotes else False,
                newlines_in_values=quotes and b'"' in data,
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=columns, strings_can_be_null=True, null_values=list(MISSING_WORDS)
            ),
        )
    except pa.ArrowInvalid:
        # Rows of unequal length, or blank ones: pyarrow takes neither.
        return _parse_unequal(data, where, n_names, separator, quotes)
    if cells.num_columns != n_names:
        return _parse_unequal(data, where, n_names, separator, quotes)
    text = pd.StringDtype(na_value=np.nan)
    return cells.slice(1).to_pandas(types_mapper=lambda kind: text)


def _parse_unequal(
    data: bytes, where: str, n_names: int, separator: str, quotes: bool
) -> pd.DataFrame:
    _check_rows(data, where, n_names, separator, quotes)
    try:
        return pd.read_csv(
            io.BytesIO(data),
            sep=separator,
            header=None,
            names=[f"f{i}" for i in range(n_names)],
            dtype=str,
            keep_default_na=False,
            na_values=list(MISSING_WORDS),
            quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
            encoding="utf-8",
        ).iloc[1:].reset_index(drop=True)  # fmt: skip
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise unreadable(where, error) from error
