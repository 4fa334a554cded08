"""Nothing that points at a person: identifiers found, ages pooled.

The rules are those of HIPAA Safe Harbor (45 CFR 164.514(b)(2)): no names, contacts or numbers of
a person, no date finer than a year, ages above 89 pooled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from features.errors import InputError, Problem
from features.guard.settings import read_rules
from features.text import as_text, words

PATTERNS = {
    "e-mail addresses": r"[^\s@]+@[^\s@]+\.[^\s@]+",
    "dates": r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.](\d{2}|\d{4})"
    r"|\d{4}年\d{1,2}月(\d{1,2}日)?|\d{4}-\d{2}"
    r"|\d{1,2}[- ](?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[- ]\d{2,4}",
    "telephone numbers": r"\+\d[\d ()/-]{7,}\d|0\d{1,4}[ /-]\d[\d ]{4,}\d|\(\d{3}\) ?\d{3}-\d{4}"
    r"|\d{3}-\d{3}-\d{4}|1[3-9]\d{9}",
    "identity numbers": r"\d{17}[\dXx]|\d{3}-\d{2}-\d{4}|\d{8}[A-Z]",
    "network addresses": r"\d{1,3}(\.\d{1,3}){3}|https?://\S+",
}
# From so many known values on, values that are all different single out patients.
ENOUGH = 20
# A count or a measurement has fewer digits than a record number.
DIGITS = 7
# A column holds what one cell in so many looks like: one stray date in a comment is not enough.
SHARE = 0.05


@dataclass(frozen=True)
class Identifier:
    """A column that points at a person, and how it shows."""

    column: str
    why: str


def direct_identifiers(table: pd.DataFrame) -> list[Identifier]:
    """Find columns that point at a person, by their name or by the form of their values.

    Found by form: e-mail addresses, dates finer than a year, telephone and identity numbers,
    network addresses; text or long whole numbers that differ in every row; running numbers.

    Parameters
    ----------
    table : DataFrame of shape (n, any)

    Returns
    -------
    list of Identifier
        In the order of the columns, at most one a column. No value is told.
    """
    found = []
    for column in table.columns:
        why = _by_name(column) or _by_values(table[column])
        if why:
            found.append(Identifier(str(column), why))
    return found


def check_no_identifiers(covariates: pd.DataFrame) -> None:
    """Refuse covariates that point at a person.

    Raises
    ------
    InputError
        Naming every such column, and none of its values.
    """
    problems = [
        Problem(
            what="A direct identifier stands among the covariates",
            where=f"covariate {found.column}: {found.why}",
            allowed="what a hundred other patients could share",
            remedy="take it out of `covariates`; turn a date into an interval first",
        )
        for found in direct_identifiers(covariates)
    ]
    if problems:
        raise InputError(problems)


def pool_ages(age_years: pd.Series, above: int = 89) -> pd.Series:
    """Give everybody above an age the same one, `above` + 1, which then means 'or older'.

    Parameters
    ----------
    age_years : Series of shape (n,)
        In years. Fractions count: 89.5 is above 89.

    Returns
    -------
    Series of shape (n,)
        Missing stays missing; the input is not changed.
    """
    return age_years.mask(age_years > above, above + 1)


@cache
def _known_names() -> tuple[frozenset[str], frozenset[str], tuple[str, ...]]:
    known = read_rules().identifiers
    names = frozenset("".join(words(name)) for name in known.names)
    return names, frozenset(known.words), known.parts


def _by_name(column: object) -> str:
    names, single, parts = _known_names()
    told = words(column)
    joined = "".join(told)
    if joined in names or single & {*told, joined} or any(part in joined for part in parts):
        return "its name"
    return ""


def _by_values(values: pd.Series) -> str:
    known = values.dropna()
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return "dates finer than a year" if len(known) else ""
    if pd.api.types.is_bool_dtype(values.dtype) or known.empty:
        return ""
    if pd.api.types.is_numeric_dtype(values.dtype):
        return _by_numbers(known.to_numpy(dtype=float))
    text = as_text(known).dropna()
    for told, matches in _forms(text):
        if matches:
            return told
    if len(text) < ENOUGH or not text.is_unique:
        return ""
    number = pd.to_numeric(text, errors="coerce")
    if number.notna().all():
        return _by_numbers(number.to_numpy(dtype=float))
    return "text that differs in every row"


def _forms(text: pd.Series) -> Iterator[tuple[str, bool]]:
    distinct = text.value_counts()
    cells = distinct.index.to_series().astype("string")
    for told, pattern in PATTERNS.items():
        found = distinct.to_numpy()[cells.str.fullmatch(pattern).to_numpy(dtype=bool)].sum()
        yield (told if told != "dates" else "dates finer than a year"), found >= SHARE * len(text)


def _by_numbers(number: np.ndarray) -> str:
    whole = bool((number % 1 == 0).all())
    if not whole or len(number) < ENOUGH or len(np.unique(number)) < len(number):
        return ""
    if (np.abs(number) >= 10 ** (DIGITS - 1)).all():
        return "long whole numbers that differ in every row"
    return "running numbers" if (np.diff(number) > 0).all() else ""
