"""A long table in parts, so that memory does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from features.covariates import MissingWords
from features.paths import check_file
from features.tables.decimal_commas import with_decimal_points
from features.tables.delimited import read_delimited
from features.tables.parquet import parquet_parts
from features.tables.table_checks import unreadable
from features.tables.table_file import READABLE, check_keys, read_table
from features.tables.table_format import UTF_8, TableFormat

if TYPE_CHECKING:
    import pandas as pd

# Of one part: Parquet by rows, text by bytes.
ROWS = 50_000
BYTES = 4 << 20
TEXT = (".csv", ".tsv")


def read_parts(
    path: Path, form: TableFormat, codes: Mapping[str, frozenset[str]]
) -> Iterator[tuple[pd.DataFrame, float]]:
    """Read a file as `read_table` does, in parts: Parquet, and CSV or TSV in UTF-8.

    Other files are one part.

    Yields
    ------
    table : DataFrame
        The next rows.
    share : float
        How much of the file has been read, up to 1.

    Raises
    ------
    InputError
        As `read_table`. Lines of text are counted from the part's first.
    """
    words = MissingWords(form.missing, codes)
    words.check()
    kind = path.suffix.lower()
    if kind == ".parquet":
        check_file(path, "table", READABLE)
        check_keys(form, kind, str(path))
        done = 0
        for table, rows in parquet_parts(path, form, words, ROWS):
            done += len(table)
            yield table, done / rows
    elif kind in TEXT and form.encoding == UTF_8:
        check_file(path, "table", READABLE)
        check_keys(form, kind, str(path))
        yield from _text_parts(path, form, words)
    else:
        yield read_table(path, None, form, codes), 1.0


def _text_parts(
    path: Path, form: TableFormat, words: MissingWords
) -> Iterator[tuple[pd.DataFrame, float]]:
    separator = form.separator or {".tsv": "\t"}.get(path.suffix.lower(), "")
    done, first = 0, 1
    try:
        size = path.stat().st_size
        for header, rows in _pieces(path, (separator or ",").encode()):
            done += len(rows)
            where = str(path) if first == 1 else f"{path}, counted from its line {first}"
            table = read_delimited(header + rows, where, separator, words=words)
            if form.decimal == ",":
                table = with_decimal_points(table, where, words)
            yield table, min((len(header) + done) / max(size, 1), 1.0)
            first += rows.count(b"\n")
    except OSError as error:
        raise unreadable(str(path), error, "check who may read it") from error


def _pieces(path: Path, separator: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The header, and whole rows below it, as many as fit a part."""
    header, held, given = b"", b"", False
    with path.open("rb") as file:
        while block := file.read(BYTES):
            held += block
            if not header:
                end = _end_of_row(held, 0)
                header, held = held[:end], held[end:]
            cut = _last_row_end(held, separator)
            if header and cut:
                yield header, held[:cut]
                held, given = held[cut:], True
    if not given or held.strip(separator + b" \t\r\n"):
        yield header, held


def _end_of_row(text: bytes, start: int) -> int:
    """Where the first row ends, its break included; 0 where it does not."""
    end = text.find(b"\n", start) + 1
    while end and text.count(b'"', start, end) % 2:
        end = text.find(b"\n", end) + 1
    return end


def _last_row_end(text: bytes, separator: bytes) -> int:
    """Where the last whole row with anything in it ends; 0 where there is none.

    A break inside of quotation marks ends no row. Rows of separators alone are left to the next
    part: only at the end of the file are they no rows.
    """
    end = text.rfind(b"\n") + 1
    quotes = text.count(b'"', 0, end)
    while end and quotes % 2:
        before = text.rfind(b"\n", 0, end - 1) + 1
        quotes -= text.count(b'"', before, end)
        end = before
    filled = len(text[:end].rstrip(separator + b" \t\r\n"))
    return text.find(b"\n", filled) + 1 if filled else 0
