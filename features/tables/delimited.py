"""Text with separated columns into cells of text, refusing whatever could move a value."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from features.covariates import NO_CODES, MissingWords
from features.errors import InputError, Problem
from features.tables.encodings import HEAD_BYTES, check_text
from features.tables.table_checks import (
    MAX_CELL,
    check_cells,
    check_header,
    check_names,
    check_size,
    check_table,
    check_title,
    name_columns,
    unreadable,
)

if TYPE_CHECKING:
    import pandas as pd

BLOCK_BYTES = 16 << 20
# pyarrow reads blocks; a table's row has to fit one.
MAX_HEADER = HEAD_BYTES
# Marks that separate columns somewhere, and what people call them.
MARKS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def read_delimited(
    data: bytes,
    where: str,
    separator: str = "",
    quotes: bool = True,
    unique_names: bool = True,
    words: MissingWords = NO_CODES,
) -> pd.DataFrame:
    """Read delimited UTF-8 text with one header line. Every cell is text or missing.

    A row with too few cells is missing at its end; a row with too many is refused. Rows of
    separators alone at the end, as spreadsheets write them, are no rows.

    Parameters
    ----------
    data : bytes
        The file's content in UTF-8; a byte order mark is no part of it.
    where : str
        What an error calls the file.
    separator : str
        One mark; a comma when empty, that is not stated.
    quotes : bool
        Whether '"' encloses cells; if not, it is a character like any other.
    unique_names : bool
        Whether the same name twice is refused.
    words : MissingWords
        What makes a cell missing, and in which columns it is a code.

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
    stated, separator = bool(separator), separator or ","
    data = _without_empty_end(check_text(data, where), separator)
    if not data.strip():
        raise unreadable(where, "the file is empty", "export the table again")
    _check_header_ends(data, where)
    if quotes:  # without, it is cBioPortal's form, whose own check says more
        _check_separator(data, where, separator, stated)
    head = list(islice(_head_rows(data, where, separator, quotes), 3))
    if not head:  # nothing but blanks, whatever Unicode takes for one
        raise unreadable(where, "the file is empty", "export the table again")
    names = head[0]
    check_size(data.count(b"\n"), len(names), where)
    check_header(names, f"{where}, first line")
    if unique_names:
        check_names(names, f"{where}, first line")
    check_title(head, f"{where}, first line")
    if quotes and b'"' in data:
        _check_rows(data, where, len(names), separator, quotes)
    cells = _parse(data, where, len(names), separator, quotes, words.anywhere)
    table = name_columns(cells, names, where)
    check_cells(table, where)
    # What is a code in one column is looked for in the others now that they have names.
    table = words.mask(table) if words.not_everywhere else table
    return check_table(table, where) if unique_names else table


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
        raise unreadable(where, _reason(error), _mend(error)) from error


def _reason(error: Exception) -> str:
    if "unexpected end of data" in str(error):
        return "a quotation mark is opened and never closed"
    if "field larger" in str(error):
        return (
            f"a cell holds more than {MAX_CELL:,} characters, or a quotation mark is opened and "
            "never closed"
        )
    if "expected after" in str(error):
        return "text follows a closing quotation mark"
    return str(error)


def _mend(error: Exception) -> str:
    if "expected after" not in str(error):
        return ""
    return (
        'write a quotation mark inside text twice, "" (in R: qmethod = "double"), or open it in a '
        "spreadsheet and save it again"
    )


def _check_header_ends(data: bytes, where: str) -> None:
    if len(data) > MAX_HEADER and not re.search(rb"[\r\n]", data[:MAX_HEADER]):
        raise unreadable(
            where,
            f"the first line is longer than {MAX_HEADER >> 20} MiB",
            "give a text file with one line of column names, then one line a patient",
        )


def _first_lines(data: bytes, count: int = 2) -> list[str]:
    """The first filled lines, without what stands in quotes."""
    text = data[:HEAD_BYTES].decode("utf-8", "ignore")
    # Not splitlines: it also ends lines at marks that are cells' own, such as a form feed.
    filled = (line for line in re.split(r"[\r\n]+", text) if line.strip(" \t"))
    lines = (re.sub(r'"[^"]*"', "", line) for line in filled)
    return list(islice(lines, count))


def _check_separator(data: bytes, where: str, separator: str, stated: bool) -> None:
    lines = _first_lines(data)
    own = lines[0].count(separator)
    for mark, name in MARKS.items():
        if mark == separator or (mark == "|" and not stated):
            continue
        counts = [line.count(mark) for line in lines]
        # Decimal commas, or a comma in a name, do not make commas the separator.
        if (counts[0] and not own) or (counts[0] > own and counts[0] == counts[-1]):
            raise InputError(
                Problem(
                    what=f"The columns are not separated by {MARKS.get(separator, separator)}",
                    where=f"{where}, first line",
                    got=name,
                    remedy=f"state {_keys(data, mark)}, or save the table again as "
                    "comma-separated CSV with decimal points",
                )
            )


def _keys(data: bytes, mark: str) -> str:
    """The keys that a table with this separator needs, as they are written."""
    shown = "tab" if mark == "\t" else mark
    text = data[:HEAD_BYTES].decode("utf-8", "ignore")
    cell = rf'(?m)(?:^|{re.escape(mark)})"?[-+]?\d+,\d+"?(?:$|\r|{re.escape(mark)})'
    decimal = mark != "," and bool(re.search(cell, text))
    keys = f'`separator: "{shown}"`' + (' and `decimal: ","`' if decimal else "")
    flags = f'--separator "{shown}"' + (' --decimal ","' if decimal else "")
    return f"{keys} beside the file's `path:` (on the command line {flags})"


def only_separator(data: bytes, where: str) -> str:
    """The one mark that can separate the columns of a text file.

    Raises
    ------
    InputError
        When none or several can: nothing is guessed.
    """
    lines = _first_lines(check_text(data, where), 20)
    possible = [
        mark
        for mark in MARKS
        if lines and lines[0].count(mark) and len({line.count(mark) for line in lines}) == 1
    ]
    if len(possible) == 1:
        return possible[0]
    raise InputError(
        Problem(
            what="The separator of the columns is not plain",
            where=f"{where}, first lines",
            got=" and ".join(MARKS[mark] for mark in possible) + " would do"
            if possible
            else f"none of {', '.join(MARKS.values())} stands equally often in every line",
            allowed='`separator: ";"`, or any other mark, or `separator: tab`',
            remedy="state it beside the file's `path:` (on the command line --separator)",
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
        raise unreadable(f"{where}, line {rows.line_num}", _reason(error), _mend(error)) from error
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


def _parse(
    data: bytes, where: str, n_names: int, separator: str, quotes: bool, missing: Sequence[str]
) -> pd.DataFrame:
    import pandas as pd
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
                column_types=columns, strings_can_be_null=True, null_values=list(missing)
            ),
        )
    except pa.ArrowInvalid:
        # Rows of unequal length, or blank ones: pyarrow takes neither.
        return _parse_unequal(data, where, n_names, separator, quotes, missing)
    if cells.num_columns != n_names:
        return _parse_unequal(data, where, n_names, separator, quotes, missing)
    text = pd.StringDtype(na_value=np.nan)
    return cells.slice(1).to_pandas(types_mapper=lambda kind: text)


def _parse_unequal(
    data: bytes, where: str, n_names: int, separator: str, quotes: bool, missing: Sequence[str]
) -> pd.DataFrame:
    import pandas as pd

    _check_rows(data, where, n_names, separator, quotes)
    try:
        return pd.read_csv(
            io.BytesIO(data),
            sep=separator,
            header=None,
            names=[f"f{i}" for i in range(n_names)],
            dtype=str,
            keep_default_na=False,
            na_values=list(missing),
            quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
            encoding="utf-8",
        ).iloc[1:].reset_index(drop=True)  # fmt: skip
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise unreadable(where, error) from error
