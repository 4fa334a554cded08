"""What every reader asks of a table: names that stand once, at least one patient."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from features.errors import InputError, Problem, name_some, refuse, wrong_names
from features.paths import check_file

if TYPE_CHECKING:
    import pandas as pd

# A gene panel has thousands of columns; a pivoted record of every visit has more, and is no table
# of one row a patient.
MAX_COLUMNS = 20_000
# A million patients of a hundred columns: about 4 GB while they are read.
MAX_CELLS = 100_000_000
# More than such a table takes as text.
MAX_FILE = 1 << 30
# Python's objects take ten times the bytes of JSON.
MAX_JSON = 100 << 20
# A cell of text is a remark, not a document; the limit of Python's own reader of CSV.
MAX_CELL = 131_072

# What a first column without a name is called: the row names that R and pandas write.
ROW_NAMES = "Unnamed: 0"


def check_names(names: Iterable[object], where: str) -> None:
    """Raise when two columns have the same name, blanks around it aside."""
    stripped = [str(name).strip() for name in names]
    twice = sorted(name for name, count in Counter(stripped).items() if count > 1 and name)
    what = "Two columns have the same name"
    refuse(wrong_names(twice, what, where, "keep one of them, or rename one"))


def check_header(names: Sequence[object], where: str) -> None:
    """Raise when most of the names are numbers or dates: a first line of values, without header."""
    filled = [name for name in (str(n).strip() for n in names) if name]
    if 2 * sum(bool(re.fullmatch(r"[-+]?\d[\d.,:/-]*", name)) for name in filled) > len(filled) > 3:
        raise InputError(
            Problem(
                what="The first line holds values, not column names",
                where=where,
                allowed="one line of names, then one line a patient",
                remedy="write the names of the columns above the first patient",
            )
        )


def check_title(rows: Sequence[Sequence[str]], where: str) -> None:
    """Raise when the first row is a title above the column names.

    It is one when its first cell alone is filled above two or more words, or when it has fewer
    cells than a second row of words that stands above a row with numbers.
    """
    if len(rows) < 2 or not rows[0]:
        return
    cells = [[cell.strip() for cell in row] for row in rows]
    filled, names = [cell for cell in cells[0] if cell], [cell for cell in cells[1] if cell]
    words = len(names) >= 2 and not any(re.fullmatch(r"[-+\d.,:/% ]+", name) for name in names)
    alone = filled == cells[0][:1]
    above_numbers = len(rows) > 2 and any(re.match(r"[-+]?\d", cell) for cell in cells[2])
    if words and (alone or (len(filled) < len(names) and above_numbers)):
        raise InputError(
            Problem(
                what="The first line is a title, not the column names",
                where=where,
                got=name_some(filled, 3),
                remedy="delete the lines above the column names",
            )
        )


def name_columns(table: pd.DataFrame, names: Sequence[str], where: str) -> pd.DataFrame:
    """Name the columns; drop those with neither name nor value.

    A first column without a name holds row names, as R and pandas write them, and is called
    'Unnamed: 0'. Values without a name elsewhere are what a merged header leaves behind.

    Raises
    ------
    InputError
        When a later column has values and no name.
    """
    blank = [not str(name).strip() for name in names]
    empty = [blank[i] and bool(table.iloc[:, i].isna().all()) for i in range(len(names))]
    nameless = [i + 1 for i in range(1, len(names)) if blank[i] and not empty[i]]
    if nameless:
        raise InputError(
            Problem(
                what="Columns with values have no name",
                where=where,
                got=f"column {name_some(nameless)} (the first is 1)",
                remedy="write one name above every column; a merged header cell, or a header in "
                "two lines, names only the first of its columns",
            )
        )
    table = table.set_axis(
        [f"Unnamed: {i}" if blank[i] else str(names[i]) for i in range(len(names))], axis=1
    )
    return table.loc[:, [not e for e in empty]]


def check_size(n_rows: int, n_columns: int, where: str) -> None:
    """Raise for a table that no computer of a clinic holds, before it is tried."""
    if n_columns > MAX_COLUMNS or n_rows * n_columns > MAX_CELLS:
        raise InputError(
            Problem(
                what="The table is too large",
                where=where,
                got=f"{n_rows:,} rows of {n_columns:,} columns",
                allowed=f"up to {MAX_COLUMNS:,} columns, and {MAX_CELLS:,} cells in all",
                remedy="keep the columns that the configuration names",
            )
        )


def check_cells(table: pd.DataFrame, where: str) -> None:
    """Raise where a cell of text is longer than any remark."""
    import pandas as pd

    for at in range(table.shape[1]):
        column = table.iloc[:, at]
        if not isinstance(column.dtype, pd.StringDtype):
            continue
        long = column.str.len().fillna(0).to_numpy() > MAX_CELL
        if long.any():
            raise InputError(
                Problem(
                    what="A cell holds more text than a table should",
                    where=f"{where}, row {int(long.argmax()) + 1} (the first patient is row 1), "
                    f"column {str(table.columns[at])[:60]}",
                    got=f"{int(column.str.len().max()):,} characters",
                    allowed=f"up to {MAX_CELL:,}",
                    remedy="shorten it; a quotation mark that is never closed swallows the rows "
                    "after it",
                )
            )


def check_table(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """Strip the column names; raise when one stands twice or there is no patient."""
    if table.empty:
        raise InputError(
            Problem(what="The table holds no patient", where=where, remedy="give at least one row")
        )
    check_names(table.columns, where)
    return table.rename(columns=lambda name: str(name).strip())


def unreadable(where: str | Path, reason: object, remedy: str = "") -> InputError:
    """Say that a file cannot be read, with the first line of the reason."""
    return InputError(
        Problem(
            what="The table cannot be read",
            where=str(where),
            got=(str(reason).splitlines() or [""])[0],
            remedy=remedy or "open it in a text editor or spreadsheet and save it again",
        )
    )


def read_bytes(path: Path, kind: str, most: int = MAX_FILE) -> bytes:
    """Read a file; raise InputError when it is not there, too large, or may not be read."""
    check_file(path, "table", kind)
    try:
        size = path.stat().st_size
        if size > most:
            raise too_large(str(path), size, most)
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error, "check who may read it") from error


def too_large(where: str, size: int, most: int) -> InputError:
    """Say that a file is larger than what is read."""
    return InputError(
        Problem(
            what="The file is too large",
            where=where,
            got=f"{size / (1 << 20):,.0f} MiB",
            allowed=f"up to {most / (1 << 20):,.0f} MiB",
            remedy="keep the columns that the configuration names, or save it as Parquet",
        )
    )
