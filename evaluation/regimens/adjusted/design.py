"""Covariates as the numeric columns of an adjustment model, and what could not be used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

# A column whose part outside the earlier ones is smaller than this share of it adds nothing (R's
# glm and coxph use the same).
COLLINEAR = 1e-7
MISSING_LEVEL = "missing"


@dataclass(frozen=True)
class AdjustmentDesign:
    """What a propensity or outcome model adjusts for.

    Attributes
    ----------
    matrix : ndarray of shape (n, q)
        Numbers as given, categories as 0/1 columns against their first level. No intercept.
    terms : tuple of str
        Name of each column.
    covariates : tuple of str
        The covariates given, as the adjustment set of a table names them.
    note : str
        What was filled in or left out, in words; empty when nothing was.
    """

    matrix: np.ndarray
    terms: tuple[str, ...]
    covariates: tuple[str, ...]
    note: str = ""

    def take(self, rows: np.ndarray) -> AdjustmentDesign:
        """Return the selected patients' rows; columns that are constant there are left out."""
        return _independent(self.matrix[rows], self.terms, self.covariates, self.note)


def adjustment_design(covariates: pd.DataFrame) -> AdjustmentDesign:
    """Encode covariates for adjustment; missing cells by the missing-indicator rule.

    A number's missing cells take its median and a column NAME=missing marks them; a category's
    missing cells are a level of their own. For inference on a regimen this is the second choice:
    it is unbiased only where the regimen was chosen by what was recorded. `multiply_impute` first,
    and nothing but the cells that cannot exist is left for this rule.

    Parameters
    ----------
    covariates : DataFrame of shape (n, p)
        Before encoding.

    Returns
    -------
    AdjustmentDesign
        Constant columns, and columns that are a linear combination of earlier ones, are left out
        and named in `note`.

    Raises
    ------
    ValueError
        For a date.

    References
    ----------
    Groenwold et al., CMAJ 2012;184:1265, 10.1503/cmaj.110977.
    """
    matrix, terms = _columns(covariates, first_level=False)
    filled = [str(name) for name in covariates if covariates[name].isna().any()]
    note = f"missing values marked by an indicator: {', '.join(filled)}" if filled else ""
    return _independent(matrix, terms, tuple(map(str, covariates.columns)), note)


def described_columns(covariates: pd.DataFrame) -> tuple[np.ndarray, tuple[str, ...]]:
    """Columns for a table of balance: as in a design, with every level of a category of three.

    Returns
    -------
    tuple of ndarray of shape (n, k) and tuple of k str
    """
    return _columns(covariates, first_level=True)


def _columns(covariates: pd.DataFrame, first_level: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    pairs = [pair for name in covariates for pair in _encoded(covariates[name], first_level)]
    matrix = np.column_stack([c for _, c in pairs]) if pairs else np.empty((len(covariates), 0))
    return matrix, tuple(term for term, _ in pairs)


def _encoded(values: pd.Series, first_level: bool) -> Iterator[tuple[str, np.ndarray]]:
    name = str(values.name)
    if pd.api.types.is_datetime64_any_dtype(values):
        raise ValueError(f"covariate {name} is a date; turn it into an interval, or leave it out")
    missing = values.isna().to_numpy()
    if pd.api.types.is_numeric_dtype(values):
        numbers = values.to_numpy(dtype=float, na_value=np.nan)
        known = numbers[~missing]
        yield name, np.where(missing, np.median(known) if len(known) else 0.0, numbers)
        if missing.any():
            yield f"{name}={MISSING_LEVEL}", missing.astype(float)
        return
    words = values.astype(object).where(~missing, None)
    levels = sorted({str(word) for word in words[~missing]})
    # Of two levels the second says all there is to say.
    for level in levels[0 if first_level and len(levels) > 2 else 1 :]:
        yield f"{name}={level}", np.array([word == level for word in words.map(str)], dtype=float)
    if missing.any():
        yield f"{name}={MISSING_LEVEL}", missing.astype(float)


def _independent(
    matrix: np.ndarray, terms: tuple[str, ...], covariates: tuple[str, ...], note: str
) -> AdjustmentDesign:
    """Leave out what is constant or a combination of earlier columns."""
    basis = np.empty((len(matrix), 0))
    kept, left_out = [], []
    for column, term in enumerate(terms):
        centred = matrix[:, column] - (matrix[:, column].mean() if len(matrix) else 0.0)
        size = float(np.linalg.norm(centred))
        # Twice, since one pass leaves rounding errors of the size of what is sought.
        rest = centred - basis @ (basis.T @ centred)
        rest = rest - basis @ (basis.T @ rest)
        spread = max(float(np.abs(matrix[:, column]).max(initial=0.0)), 1.0)
        if size <= 1e-12 * spread * np.sqrt(len(matrix)) or (
            np.linalg.norm(rest) <= COLLINEAR * size
        ):
            left_out.append(term)
            continue
        kept.append(column)
        basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
    if left_out:
        said = f"left out as constant or collinear: {', '.join(left_out)}"
        note = "; ".join(part for part in (note, said) if part)
    return AdjustmentDesign(matrix[:, kept], tuple(terms[c] for c in kept), covariates, note)
