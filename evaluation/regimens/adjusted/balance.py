"""Standardised mean differences of the covariates between two arms, before and after weighting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

# The usual limit of a negligible difference (Austin, Stat Med 2009;28:3083).
NEGLIGIBLE = 0.1
UNWEIGHTED = "before weighting"


def standardised_difference(
    values: np.ndarray, treated: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """(Weighted) mean in the arm minus in the reference arm, over the unweighted pooled SD.

    The SD is the root of the mean of the arms' variances (n - 1) without weights, so that weighting
    changes the numerator alone. NaN where neither arm varies, or an arm has a single patient.
    """
    arm = np.asarray(treated, dtype=bool)
    weight = np.ones(len(arm)) if weights is None else weights
    if min(arm.sum(), (~arm).sum()) < 2 or not all(weight[a].sum() > 0 for a in (arm, ~arm)):
        return np.nan
    spread = np.sqrt((values[arm].var(ddof=1) + values[~arm].var(ddof=1)) / 2)
    difference = np.average(values[arm], weights=weight[arm]) - np.average(
        values[~arm], weights=weight[~arm]
    )
    return float(difference / spread) if spread > 0 else np.nan


def balance_table(
    matrix: np.ndarray,
    terms: tuple[str, ...],
    treated: np.ndarray,
    weights: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    """Standardised mean difference of each column before and under each kind of weight.

    Parameters
    ----------
    matrix : ndarray of shape (n, q)
        Numbers, flags, and categories as 0/1 columns, one a level.
    terms : tuple of str
    treated : ndarray of shape (n,), bool
    weights : mapping of kind -> ndarray of shape (n,)

    Returns
    -------
    DataFrame
        One row a column and weighting: term, weighting (UNWEIGHTED first), smd (arm minus reference
        arm, in SD), balanced (absolute value up to NEGLIGIBLE; False where not estimable).
    """
    rows = []
    for weighting, weight in {UNWEIGHTED: None, **weights}.items():
        for column, term in enumerate(terms):
            smd = standardised_difference(matrix[:, column], treated, weight)
            rows.append((term, weighting, smd, bool(abs(smd) <= NEGLIGIBLE)))
    return pd.DataFrame(rows, columns=["term", "weighting", "smd", "balanced"])


def mean_balance(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Mean difference of each term and weighting over several completed tables.

    Parameters
    ----------
    tables : sequence of DataFrame
        Each a `balance_table` of the same patients.

    Returns
    -------
    DataFrame
        As `balance_table`; `balanced` is judged on the mean. A term that only some tables have,
        or in which only some have a difference, is the mean of those. A single table is returned
        as it is.
    """
    if len(tables) == 1:
        return tables[0]
    together = pd.concat(tables, ignore_index=True)
    mean = together.groupby(["weighting", "term"], sort=False, as_index=False)["smd"].mean()
    mean["balanced"] = mean["smd"].abs() <= NEGLIGIBLE
    return mean[["term", "weighting", "smd", "balanced"]]


def balance_verdict(table: pd.DataFrame, weighting: str) -> str:
    """The largest absolute difference under one weighting, and whether it is negligible."""
    rows = table[(table["weighting"] == weighting) & table["smd"].notna()]
    if rows.empty:
        return "balance not estimable"
    worst = rows.loc[rows["smd"].abs().idxmax()]
    word = "balanced" if abs(worst["smd"]) <= NEGLIGIBLE else "not balanced"
    return f"{word}: largest SMD {abs(worst['smd']):.2f} ({worst['term']})"
