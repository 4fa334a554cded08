"""Rows of a table that may be several of one patient, and whose each of them is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from features.covariates import read_codes
from features.errors import refuse
from features.errors.wrong_cells import wrong_cells


class PatientRows(NamedTuple):
    """Rows of patients.

    Attributes
    ----------
    table : DataFrame of shape (n, any), index 0..n-1
    group : ndarray of shape (n,), int
        The patient of each row, from 0 in the order of their first rows.
    where : str
        What the table is, for messages.
    """

    table: pd.DataFrame
    group: np.ndarray
    where: str

    @classmethod
    def of(cls, table: pd.DataFrame, key: pd.Series, where: str) -> PatientRows:
        """Rows of the patients whom an identifier tells apart."""
        return cls(table, pd.factorize(key)[0], where)


def keys_of(
    table: pd.DataFrame,
    columns: Sequence[str],
    where: str,
    rows: Callable[[pd.Series, np.ndarray], str],
) -> pd.Series:
    """The identifier of each row as text, of one column or of several together.

    Raises
    ------
    InputError
        Where one is missing.
    """
    parts = {column: read_codes(table[column]) for column in columns}
    refuse(
        problem
        for column, part in parts.items()
        for problem in wrong_cells(
            part,
            part.isna(),
            where,
            "An identifier is missing, so that the row is nobody's",
            "fill it in, or take these rows out of the file",
            rows=rows,
        )
    )
    whole, *others = (part.astype(object) for part in parts.values())
    for other in others:
        whole = whole + "\x1f" + other
    return whole
