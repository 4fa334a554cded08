"""One sheet of an Excel workbook into cells of text, as a person sees them."""

from __future__ import annotations

import re
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from features.covariates import NO_CODES, MissingWords
from features.errors import InputError, Problem, did_you_mean, name_some, refuse, wrong_names
from features.errors.wrong_cells import name_values
from features.tables.decimal_commas import with_decimal_points
from features.tables.table_checks import (
    check_cells,
    check_header,
    check_names,
    check_size,
    check_table,
    check_title,
    name_columns,
    too_large,
    unreadable,
)
from features.tables.table_format import TableFormat
from features.text import text_cell

if TYPE_CHECKING:
    import pandas as pd

# A table may be mostly empty, but not so empty that its area would fill the memory.
SPARSE, SMALL = 100, 1_000_000
# About two million cells, for which openpyxl takes a minute and a gigabyte.
MAX_UNPACKED = 64 << 20
PLAIN = TableFormat()


def read_excel(
    path: Path, form: TableFormat = PLAIN, words: MissingWords = NO_CODES
) -> pd.DataFrame:
    """Read one sheet whose first filled row holds the column names. Every cell is text or missing.

    A date is an ISO date; a whole number has no '.0'; a percentage keeps its sign, '25%', so that
    it is not taken for 0.25 or 25; a number shown with leading zeros keeps them. Empty rows and
    columns at the end are dropped; hidden rows and columns are read like the others.

    Parameters
    ----------
    path : Path
        An .xlsx or .xlsm file.
    form : TableFormat
        Its sheet is needed when more than one holds cells; its decimal mark is that of text.
    words : MissingWords

    Raises
    ------
    InputError
        For an unreadable workbook, an unclear sheet, merged cells, a formula without a stored
        value, an error value such as #N/A, a title line, and unnamed or doubled columns.
    """
    import pandas as pd

    _check_unpacked(path)
    formulas = _choose(_open(path, data_only=False), form.sheet, path)
    page = _open(path, data_only=True)[formulas.title]
    where = f"{path}, sheet {page.title}"
    _check_merged(page, where)
    _check_formulas(formulas, page, where)
    rows = _filled_area(page, where)
    _check_errors(rows, where)
    cells = [[_shown(cell) for cell in row] for row in rows]
    first = next(i for i, row in enumerate(cells) if any(cell and cell.strip() for cell in row))
    cells = cells[first:]  # the rows above the names are empty
    check_title([[cell or "" for cell in row] for row in cells[:3]], f"{where}, first line")
    names = [cell or "" for cell in cells[0]]
    check_header(names, f"{where}, first line")
    check_names(names, f"{where}, first line")
    check_size(len(cells), len(names), where)
    table = pd.DataFrame(cells[1:], columns=range(len(names)), dtype=object)
    if form.decimal == ",":
        # Numbers of Excel itself are what they are, however the screen shows them.
        text = [[isinstance(cell.value, str) for cell in row] for row in rows[first + 1 :]]
        written = table.where(np.array(text, dtype=bool)).set_axis(names, axis=1)
        points = with_decimal_points(written, where, words).set_axis(table.columns, axis=1)
        table = table.mask(points.notna(), points)
    table = table.mask(table == "").astype(pd.StringDtype(na_value=float("nan")))
    check_cells(table, where)
    return check_table(words.mask(name_columns(table, names, where)), where)


def _check_unpacked(path: Path) -> None:
    """Raise for a workbook whose packed content would fill the memory."""
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(part.file_size for part in packed.infolist())
    except (zipfile.BadZipFile, OSError):
        return  # told when it is opened
    if size > MAX_UNPACKED:
        raise too_large(f"{path}, unpacked", size, MAX_UNPACKED)


def _open(path: Path, data_only: bool) -> Any:
    import openpyxl

    try:
        with warnings.catch_warnings():
            # openpyxl warns of styles and validations that it leaves out; cells are unaffected.
            warnings.simplefilter("ignore")
            return openpyxl.load_workbook(path, data_only=data_only)
    except zipfile.BadZipFile as error:
        raise unreadable(
            path,
            "it is not an .xlsx workbook, or it is protected by a password",
            "open it in Excel and save it as .xlsx without a password, or as CSV UTF-8",
        ) from error
    except Exception as error:  # openpyxl fails on damaged XML with whatever its parser raised.
        raise unreadable(path, error) from error


def _choose(book: Any, sheet: str | None, path: Path) -> Any:
    filled = [page for page in book.worksheets if _filled(page)]
    names = [page.title for page in filled]
    if sheet is None and len(filled) == 1:
        return filled[0]
    if sheet in names:
        return filled[names.index(sheet)]
    if not filled:
        raise unreadable(path, "no sheet holds a cell")
    raise InputError(
        Problem(
            what="No such sheet" if sheet else "Several sheets hold cells",
            where=str(path),
            got=sheet or name_some(names),
            allowed=name_some(names) if sheet else "",
            remedy=(did_you_mean(sheet, names) if sheet else "")
            + "name one under `sheet:` beside the file's `path:` (on the command line --sheet), or "
            "keep only one in the file",
        )
    )


def _filled(page: Any) -> list[Any]:
    # The stored cells: iter_rows would make one for every place up to the last formatted row.
    return [
        cell
        for cell in page._cells.values()
        if str("" if cell.value is None else cell.value).strip()
    ]


def _filled_area(page: Any, where: str) -> list[list[Any]]:
    """Rows up to the last filled row and column."""
    filled = _filled(page)
    if not filled:
        raise unreadable(where, "the sheet is empty")
    last_row, last_column = max(c.row for c in filled), max(c.column for c in filled)
    if last_row * last_column > SPARSE * len(filled) + SMALL:
        far = max(filled, key=lambda cell: cell.row + cell.column)
        raise InputError(
            Problem(
                what="A cell stands far outside the table",
                where=where,
                got=f"{far.coordinate}, with {len(filled)} filled cells in all",
                remedy="empty it, or copy the table to a new sheet",
            )
        )
    return [list(row) for row in page.iter_rows(max_row=last_row, max_col=last_column)]


def _check_merged(page: Any, where: str) -> None:
    merged = sorted(str(area) for area in page.merged_cells.ranges)
    refuse(
        wrong_names(
            merged,
            "Cells are merged",
            where,
            "unmerge them and write the name or value into every cell: a merged area holds it only "
            "once",
        )
    )


def _check_errors(rows: list[list[Any]], where: str) -> None:
    wrong = [cell for row in rows for cell in row if cell.data_type == "e"]
    if wrong:
        raise InputError(
            Problem(
                what="A cell holds an Excel error",
                where=f"{where}, {len(wrong)} cell(s): "
                + name_values(cell.coordinate for cell in wrong),
                got=name_values(str(cell.value) for cell in wrong),
                remedy="correct the formula; where a look-up finds nothing "
                "let it give an empty text",
            )
        )


def _check_formulas(formulas: Any, page: Any, where: str) -> None:
    """Raise where a formula has no stored value, as programs other than Excel write it.

    A formula whose stored value is empty text is of type 'str' and shows nothing: it is missing.
    """
    lost = [
        cell.coordinate
        for cell in _filled(formulas)
        if cell.data_type == "f"
        and page[cell.coordinate].value is None
        and page[cell.coordinate].data_type != "str"
    ]
    remedy = "open the workbook in Excel and save it, or replace formulas by values"
    refuse(wrong_names(lost, "A formula has no stored value", where, remedy))


def _shown(cell: Any) -> str | None:
    value, form = cell.value, str(cell.number_format or "")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return text_cell(value)
    if form.split(";")[0].endswith("%"):
        return f"{value * 100:.13g}%"
    if re.fullmatch("0{2,}", form) and float(value).is_integer() and value >= 0:
        return str(int(value)).zfill(len(form))
    # Excel itself keeps 15 digits; the file may hold 0.30000000000000004 for a cell that shows 0.3.
    return text_cell(float(f"{value:.15g}")) if isinstance(value, float) else str(value)
