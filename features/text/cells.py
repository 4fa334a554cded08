"""Cells as text or numbers, and names as words, for the guard, inclusion rules and privacy."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pandas as pd

from features.guard.settings import Happened

# Codes that mean no, in lower case.
NO = ("0", "0.0", "false", "no", "n")


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
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.to_numpy(dtype=float, na_value=np.nan)
    number = pd.to_numeric(as_text(values), errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(number), number, np.nan)


def happened(table: pd.DataFrame, what: Happened) -> np.ndarray:
    """True for the patients in whom it happened; a missing cell means that it did not."""
    text = as_text(table[what.column]).str.lower()
    if what.values:
        yes = text.isin([value.strip().lower() for value in what.values])
    else:
        yes = text.notna() & ~text.isin(NO)
    return yes.to_numpy(dtype=bool)
