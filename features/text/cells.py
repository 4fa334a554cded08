"""Cells as text or numbers, and names as words, for the guard, inclusion rules and privacy."""

from __future__ import annotations

import datetime
import re
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def words(name: object) -> list[str]:
    """Words of a column name: 'isRelapse', 'IS_RELAPSE' and 'is relapse' are all is, relapse."""
    plain = unicodedata.normalize("NFKD", str(name))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", plain)
    return [word.lower() for word in re.split(r"[\W_]+", apart) if word]


def as_text(values: pd.Series) -> pd.Series:
    """Stripped text; empty cells are missing."""
    text = values.astype("string").str.strip()
    return text.mask(text == "")


def as_number(values: pd.Series) -> np.ndarray:
    """Floats; NaN where missing or not a number."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.to_numpy(dtype=float, na_value=np.nan)
    number = pd.to_numeric(as_text(values), errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(number), number, np.nan)


def text_cell(value: object) -> str | None:
    """Write a typed value the way a person would, without changing it.

    A date, or a date and time at midnight, is an ISO date; a whole number has no '.0'; true and
    false are TRUE and FALSE, as Excel shows them.
    """
    import pandas as pd

    if value is None or value is pd.NaT:
        return None
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time() and value.tzinfo is None
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, float):
        if value != value:
            return None
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else None
    return str(value)
