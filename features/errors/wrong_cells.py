"""Wrong cells of a table as every message tells them: column, rows, and each distinct value."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from features.errors.problem import Problem, name_some
from features.text import text_cell

if TYPE_CHECKING:
    import pandas as pd

# More values, or rows, are counted and not named.
SHOWN = 5


def name_cells(cells: pd.Series) -> str:
    """The distinct values among wrong cells: the first few, and how many more there are."""
    return name_values(map(_as_written, cells.drop_duplicates().to_numpy(dtype=object)))


def name_values(values: Iterable[str]) -> str:
    """Distinct texts in the order given: the first few, and how many more there are."""
    return name_some(dict.fromkeys(values), SHOWN)


def rows_of(table: pd.DataFrame | pd.Series, wrong: np.ndarray) -> str:
    """'2 patient(s): row 3, 5 (the first patient is row 1)', by the table's index 0..n-1."""
    return patients_at(_rows(table, wrong))


def patients_at(rows: np.ndarray) -> str:
    """As `rows_of`, of the rows' numbers from 1."""
    return f"{len(rows)} patient(s): row {name_some(rows, SHOWN)} (the first patient is row 1)"


def place_of(problem: Problem) -> str:
    """Where a problem is, without its patients."""
    return problem.where.replace(_told_rows(problem), "").removesuffix(", ")


def further_down(problem: Problem, rows: int) -> Problem:
    """A problem of a part of a table, its patients counted in the whole, `rows` above the part."""
    if not problem.rows:
        return problem
    there = tuple(row + rows for row in problem.rows)
    told = patients_at(np.array(there) + 1)
    return replace(problem, where=problem.where.replace(_told_rows(problem), told), rows=there)


def _told_rows(problem: Problem) -> str:
    return patients_at(np.array(problem.rows, dtype=int) + 1)


def table_rows(table: pd.DataFrame | pd.Series, wrong: np.ndarray) -> str:
    """'2 row(s): 3, 5 (the first is row 1)', of a table with several rows a patient."""
    rows = _rows(table, wrong)
    return f"{len(rows)} row(s): {name_some(rows, SHOWN)} (the first is row 1)"


def wrong_cells(
    cells: pd.Series,
    wrong: np.ndarray | pd.Series,
    where: str,
    what: str,
    remedy: str,
    allowed: str = "",
    rows: Callable[[pd.Series, np.ndarray], str] = rows_of,
) -> list[Problem]:
    """Tell of the wrong cells of one column.

    Parameters
    ----------
    cells : Series of shape (n,)
        Named as its column is, its index the rows of the user's table from 0. What is shown.
    wrong : array of shape (n,), bool
    where : str
        What reads the column; empty where the column says it.
    what, remedy, allowed : str
        As for `Problem`.
    rows : function
        `rows_of` of patients, or `table_rows`.

    Returns
    -------
    list of Problem
        One, or none where no cell is wrong.
    """
    wrong = np.asarray(wrong, dtype=bool)
    if not wrong.any():
        return []
    place = (where, f"column {cells.name}", rows(cells, wrong))
    return [
        Problem(
            what=what,
            where=", ".join(part for part in place if part),
            got=name_cells(cells[wrong]),
            allowed=allowed,
            remedy=remedy,
            rows=tuple((_rows(cells, wrong) - 1).tolist()) if rows is rows_of else (),
        )
    ]


def words_at(words: Iterable[str], table: pd.DataFrame, wrong: np.ndarray, name: str) -> pd.Series:
    """Words in the place of wrong cells, where a cell alone does not say what is wrong with it."""
    import pandas as pd

    said = pd.Series("", index=table.index, name=name, dtype=object)
    said[wrong] = list(words)
    return said


def _rows(table: pd.DataFrame | pd.Series, wrong: np.ndarray) -> np.ndarray:
    rows: np.ndarray = table.index.to_numpy()[np.asarray(wrong, dtype=bool)] + 1
    return rows


def _as_written(cell: object) -> str:
    import pandas as pd

    if pd.isna(cell):
        return "empty"
    # A number that was computed has digits that no table holds.
    return (f"{cell:.12g}" if isinstance(cell, float) else text_cell(cell) or "").strip() or "empty"
