"""A small, plain table of text or JSON into cells without pandas; anything unusual is left alone.

A cold process answers for one patient in the time that the import of pandas alone would take. What
is read here is read to the same cells by `read_table`, which also says what is wrong with the rest.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from features.covariates import MissingWords

SEPARATORS = {".csv": ",", ".tsv": "\t"}
JSON = ".json"
LARGEST = 1 << 16
NAME = re.compile(r"\s*[A-Za-z]\w*\s*", re.ASCII)
# Marks that enclose, separate or end in some other form, and characters that no person types.
UNUSUAL = re.compile(r'["\r\v\f;|\x00-\x08\x0e-\x1f\x7f\x85\u2028\u2029\ufeff]')

Cells = dict[str, list[str | None]]


def plain_kind(path: str | Path) -> str:
    """The kind of a file that may be read here; empty for another one."""
    place = Path(path)
    kind = place.suffix.lower()
    if kind != JSON and kind not in SEPARATORS:
        return ""
    try:
        return kind if place.is_file() and place.stat().st_size <= LARGEST else ""
    except (OSError, ValueError):
        return ""


def read_plain(data: bytes, kind: str, words: MissingWords) -> Cells | None:
    """Read small UTF-8 text.

    Parameters
    ----------
    data : bytes
    kind : str
        .csv, .tsv or .json.

    Returns
    -------
    dict of column -> n cells, or None
        Text as written, None where missing. None altogether where anything is unusual.
    """
    if len(data) > LARGEST:
        return None
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError:
        return None
    rows = _json_rows(text) if kind == JSON else _text_rows(text, SEPARATORS[kind])
    if not rows:
        return None
    columns: Cells = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        missing = words.in_column(name)
        cells = [row.get(name) for row in rows]
        columns[name] = [None if cell is None or cell in missing else cell for cell in cells]
    return columns


def _text_rows(text: str, separator: str) -> list[dict[str, str | None]] | None:
    text = text.replace("\r\n", "\n")
    other = "\t" if separator == "," else ","
    if UNUSUAL.search(text) or other in text:
        return None
    names, *lines = [line.split(separator) for line in text.removesuffix("\n").split("\n")]
    even = len(names) > 1 and all(len(cells) == len(names) for cells in lines)
    if not even or not all(map(NAME.fullmatch, names)) or not all(map(_filled, lines)):
        return None
    names = [name.strip() for name in names]
    if len(set(names)) < len(names):
        return None
    return [dict(zip(names, cells, strict=True)) for cells in lines]


def _filled(cells: list[str]) -> bool:
    return any(cell.strip() for cell in cells)


def _json_rows(text: str) -> list[dict[str, str | None]] | None:
    try:
        rows = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    rows = [rows] if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row for row in rows):
        return None
    plain = all(
        NAME.fullmatch(name) and name == name.strip() and not isinstance(value, dict | list)
        for row in rows
        for name, value in row.items()
    )
    return (
        [{name: _as_text(value) for name, value in row.items()} for row in rows] if plain else None
    )


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _as_text(value: object) -> str | None:
    # NaN is no JSON, but Python reads and writes it.
    return None if value is None or value != value else str(value)
