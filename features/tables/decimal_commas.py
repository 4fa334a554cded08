"""Numbers with a decimal comma, as most of Europe writes them, into numbers with a point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.covariates import MissingWords
from features.errors import InputError, Problem
from features.errors.wrong_cells import name_values

if TYPE_CHECKING:
    import pandas as pd

NUMBER = r"[-+]?(?:\d+(?:,\d*)?|,\d+)(?:[eE][-+]?\d+)?"
WITH_COMMA = r"[-+]?(?:\d+,\d*|,\d+)(?:[eE][-+]?\d+)?"
WITH_POINT = r"[-+]?(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?"
# 1.234,5 or 1 234,5 or 1'234,5; a blank may be a narrow one.
WITH_THOUSANDS = r"[-+]?\d{1,3}(?:[.' \u00a0\u202f’]\d{3})+(?:,\d+)?"


def with_decimal_points(table: pd.DataFrame, where: str, words: MissingWords) -> pd.DataFrame:
    """Write the decimal commas of a table's numbers as points.

    A column holds numbers when more than half of its filled cells are numbers; other columns are
    text, and are left alone like dates and the codes of the configuration.

    Parameters
    ----------
    table : DataFrame of shape (n, any)
        Cells are text or missing.

    Raises
    ------
    InputError
        For a column of numbers with decimal points or thousands marks: 1.234 may be either.
    """
    import pandas as pd

    converted, unclear = {}, {}
    for at in range(table.shape[1]):
        name, column = str(table.columns[at]).strip(), table.iloc[:, at]
        cells, changed, odd = _convert(column, words.codes.get(name, frozenset()))
        if odd:
            unclear[name] = odd
        if changed:
            converted[at] = cells
    if unclear:
        raise InputError(
            [
                Problem(
                    what="A number has a point or a thousands mark beside decimal commas",
                    where=f"{where}, column {name}",
                    got=name_values(cells),
                    allowed="numbers such as 1234,5 where `decimal` is a comma",
                    remedy='write them without thousands marks; or take `decimal: ","` out if the '
                    "table has decimal points",
                )
                for name, cells in unclear.items()
            ]
        )
    if not converted:
        return table
    parts = {at: converted.get(at, table.iloc[:, at]) for at in range(table.shape[1])}
    return pd.DataFrame(parts, index=table.index).set_axis(table.columns, axis=1)


def _convert(column: pd.Series, codes: frozenset[str]) -> tuple[pd.Series, bool, list[str]]:
    """The column, whether it changed, and what cannot be read in it."""
    import pandas as pd

    places, distinct = pd.factorize(column)
    text = pd.Series(distinct, dtype="string").str.strip()
    own = text.isin(list(codes))
    commas = text.str.fullmatch(WITH_COMMA) & ~own
    unclear = text.str.fullmatch(f"{WITH_POINT}|{WITH_THOUSANDS}") & ~own
    numbers = text.str.fullmatch(NUMBER) | unclear
    known = places[places >= 0]
    if 2 * np.count_nonzero(numbers.to_numpy(dtype=bool)[known]) <= len(known):
        return column, False, []
    if unclear.any():
        return column, False, list(text[unclear])
    if not commas.any():
        return column, False, []
    text = text.where(~commas, text.str.replace(",", ".", regex=False))
    cells = np.array([*text.to_numpy(dtype=object, na_value=None), None], dtype=object)[places]
    return pd.Series(cells, index=column.index).astype(column.dtype), True, []
