"""Patients in JSON: one object, or a list of objects, with a value a column."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from features.covariates import MissingWords
from features.errors import InputError, Problem, refuse, wrong_names
from features.tables.decimal_commas import with_decimal_points
from features.tables.table_checks import (
    check_cells,
    check_names,
    check_size,
    check_table,
    unreadable,
)
from features.tables.table_format import TableFormat

if TYPE_CHECKING:
    import pandas as pd


def read_json(data: bytes, where: str, form: TableFormat, words: MissingWords) -> pd.DataFrame:
    """Read UTF-8 JSON. Every cell is text or missing.

    Raises
    ------
    InputError
        When it cannot be parsed, holds no patients, a name twice, or a list or object in a cell.
    """
    import pandas as pd

    try:
        rows = json.loads(data.decode("utf-8"), object_pairs_hook=lambda pairs: _once(pairs, where))
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
    names = dict.fromkeys(str(name) for row in rows for name in row)
    check_size(len(rows), len(names), where)
    nested = sorted({k for row in rows for k, v in row.items() if isinstance(v, dict | list)})
    what = "A value is not a single number or word"
    refuse(wrong_names(nested, what, where, "give one plain value for each column"))
    try:
        cells = pd.DataFrame(rows, dtype=object)
        table = cells.map(lambda v: None if _is_nothing(v) else str(v))
        str("".join(names)).encode("utf-8")
    except UnicodeEncodeError as error:
        raise unreadable(where, error) from error
    if form.decimal == ",":
        written = cells.map(lambda v: v if isinstance(v, str) else None)
        # Numbers of JSON itself have points and are what they are.
        table = table.mask(written.notna(), with_decimal_points(written, where, words))
    check_cells(table, where)
    return check_table(words.mask(table), where)


def _is_nothing(value: object) -> bool:
    # NaN is no JSON, but Python writes it.
    return value is None or value != value


def _once(pairs: list[tuple[str, object]], where: str) -> dict[str, object]:
    check_names([key for key, _ in pairs], where)  # Python would keep the last value and be silent.
    return dict(pairs)
