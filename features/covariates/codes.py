"""Codes of a table: what a cell says, and which codes of a configuration it meets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from features.covariates.columns import check_columns
from features.errors import Problem, name_some
from features.errors.wrong_cells import wrong_cells
from features.specs import Code, Codes, code_text, code_texts

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Code",
    "Codes",
    "code_text",
    "code_texts",
    "meets",
    "read_codes",
    "unknown_code",
]


def read_codes(values: pd.Series) -> pd.Series:
    """The cells of a column as codes: text without outer blanks, missing where empty.

    Whole numbers that pandas holds as floats, because a cell is missing, are written without the
    point: 1, not 1.0.

    Examples
    --------
    >>> import pandas as pd
    >>> read_codes(pd.Series([1.0, None, 2.0])).tolist()
    ['1', <NA>, '2']
    """
    import pandas as pd

    if pd.api.types.is_float_dtype(values.dtype):
        number = values.to_numpy(dtype=float, na_value=np.nan)
        known = number[~np.isnan(number)]
        # Beyond 2**53 a float no longer tells neighbouring whole numbers apart.
        if (np.abs(known) < 2**53).all() and (known % 1 == 0).all():
            values = values.astype("Int64")
    text = values.astype("string").str.strip()
    return text.mask(text == "")


def meets(table: pd.DataFrame, condition: Mapping[str, tuple[str, ...]], where: str) -> np.ndarray:
    """Which patients meet a condition.

    Parameters
    ----------
    condition : mapping of column -> codes
        Every column must hold one of its codes; upper and lower case count as the same. A missing
        cell meets nothing.

    Returns
    -------
    ndarray of shape (n,), bool
    """
    import pandas as pd

    check_columns(table, {f"{where}, condition {column}": column for column in condition})
    met = np.ones(len(table), dtype=bool)
    for column, codes in condition.items():
        known = {code.lower() for code in codes}
        number, texts = pd.factorize(read_codes(table[column]))
        met &= np.append([str(text).lower() in known for text in texts], False)[number]
    return met


def unknown_code(
    table: pd.DataFrame,
    column: str,
    wrong: np.ndarray,
    where: str,
    allowed: Mapping[str, tuple[str, ...]],
) -> list[Problem]:
    """Codes that nobody stated; `allowed` maps each key of the configuration to its codes."""
    return wrong_cells(
        table[column],
        wrong,
        where,
        "The code is not a known one",
        "correct the table, or add the code under one of these keys",
        "; ".join(f"{key}: {name_some(codes)}" for key, codes in allowed.items()),
    )
