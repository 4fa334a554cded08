"""Plain columns: a table as arrays by name, for what is to run without pandas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

# Name -> values of shape (n,): numbers as float with NaN, words as object with None.
Columns = Mapping[str, np.ndarray]


def is_known(column: np.ndarray) -> np.ndarray:
    """Where a column has a value, shape (n,), bool.

    >>> is_known(np.array([1.0, np.nan])), is_known(np.array(["AML", None], dtype=object))
    (array([ True, False]), array([ True, False]))
    """
    if column.dtype != object:
        return ~np.isnan(column)
    # NaN alone is not equal to itself.
    return np.array([value is not None and value == value for value in column], dtype=bool)


def plain_columns(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """The columns of a table of pandas: numbers and truth values as float, all else as object."""
    from pandas.api.types import is_numeric_dtype

    return {
        str(name): column.to_numpy(dtype=float, na_value=np.nan)
        if is_numeric_dtype(column.dtype)
        else column.to_numpy(dtype=object, na_value=None)
        for name, column in table.items()
    }
