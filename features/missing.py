"""Missing values: what cannot exist kept apart from what is not known, counted and marked."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from features.dataset import REGIMEN
from features.dictionary import Covariate
from features.errors import InputError, Problem

MISSINGNESS_COLUMNS = ("covariate", "n", "unknown", "structural", "share_unknown")


def structural_mask(
    inputs: pd.DataFrame,
    dictionary: Mapping[str, Covariate],
    regimen: np.ndarray | None = None,
) -> pd.DataFrame:
    """Say which empty cells are empty because the value does not exist.

    Parameters
    ----------
    inputs : DataFrame of shape (n, p)
        Covariates; NaN or None where missing.
    dictionary : mapping of name -> Covariate
        Its `structural_when` holds the rules. A covariate that it does not know has none.
    regimen : ndarray of shape (n,), optional
        For the rules that depend on the regimen.

    Returns
    -------
    DataFrame of shape (n, p), bool
        True where empty and known not to exist. Where the column that would say so is absent or
        itself empty, the cell counts as not known: False.
    """
    masks = {}
    for name in inputs.columns:
        cannot = np.zeros(len(inputs), dtype=bool)
        for column, values in structural_rules(name, dictionary).items():
            deciding = _deciding_values(column, inputs, regimen)
            if deciding is not None:
                cannot |= np.isin(as_text(deciding), values)
        # A value that was recorded exists, whatever the rule says.
        masks[name] = cannot & inputs[name].isna().to_numpy()
    return pd.DataFrame(masks, index=inputs.index, columns=inputs.columns, dtype=bool)


def structural_rules(
    name: str, dictionary: Mapping[str, Covariate]
) -> Mapping[str, tuple[str, ...]]:
    """{deciding column: its values under which this covariate does not exist}."""
    return dictionary[name].structural_when if name in dictionary else {}


def as_text(values: ArrayLike) -> np.ndarray:
    """Values as the words of a rule, shape (n,): a flag's 1.0 is "1", a missing value ""."""

    def word(value: object) -> str:
        if value is None or value != value:
            return ""
        return f"{value:g}" if isinstance(value, float) else str(value)

    return np.array([word(value) for value in np.asarray(values, dtype=object)], dtype=object)


def _deciding_values(
    column: str, inputs: pd.DataFrame, regimen: np.ndarray | None
) -> ArrayLike | None:
    if column in inputs:
        return inputs[column].to_numpy(dtype=object, na_value=None)
    return regimen if column == REGIMEN else None


def missingness_table(
    inputs: pd.DataFrame,
    dictionary: Mapping[str, Covariate],
    regimen: np.ndarray | None = None,
) -> pd.DataFrame:
    """Count each covariate's missing values, structural ones apart.

    Parameters
    ----------
    inputs, dictionary, regimen
        As for `structural_mask`.

    Returns
    -------
    DataFrame of shape (p, 5)
        One row a covariate, in the table's order: covariate; n patients; unknown, not recorded;
        structural, cannot exist; share_unknown, the unknown among those in whom it can exist, from
        0 to 1, NaN where it can exist in nobody.
    """
    structural = structural_mask(inputs, dictionary, regimen)
    rows = []
    for name in inputs.columns:
        n_structural = int(structural[name].sum())
        n_unknown = int(inputs[name].isna().sum()) - n_structural
        can_exist = len(inputs) - n_structural
        share = n_unknown / can_exist if can_exist else np.nan
        rows.append((name, len(inputs), n_unknown, n_structural, share))
    return pd.DataFrame(rows, columns=list(MISSINGNESS_COLUMNS))


def add_indicators(
    covariates: pd.DataFrame, min_share: float, structural: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Add a flag `NAME_missing` for each covariate that is often not known.

    For prediction only, and where values are missing at prediction for the reasons they were in
    training; in regimen-effect inference an indicator biases the effect (Groenwold et al., CMAJ
    2012;184:1265) and multiple imputation takes its place. Which covariates get a flag depends on
    the table given, so this is decided on the training patients, once.

    Parameters
    ----------
    covariates : DataFrame of shape (n, p)
    min_share : float
        From 0 to 1, above 0: the share of unknown values from which a covariate gets its flag.
    structural : DataFrame of shape (n, p), optional
        As `structural_mask` returns it. These cells are known not to exist: their flag is 0 and
        they do not count towards the share.

    Returns
    -------
    DataFrame of shape (n, p + number of flags)
        The flags are float, 1 where not known.

    Raises
    ------
    InputError
        When `min_share` is not a share, or a flag's name is taken.
    """
    if not 0 < min_share <= 1:
        raise InputError(
            Problem(
                what="Not a share of patients",
                where="min_share",
                got=f"{min_share:g}",
                allowed="a number above 0, up to 1",
                remedy="0.05 marks every covariate unknown in 5% of the patients or more",
            )
        )
    unknown = covariates.isna()
    exists = np.full(unknown.shape, True)
    if structural is not None:
        unknown = unknown & ~structural[covariates.columns]
        exists = ~structural[covariates.columns].to_numpy()
    share = unknown.to_numpy().sum(axis=0) / np.maximum(exists.sum(axis=0), 1)
    names = [name for name, s in zip(covariates.columns, share, strict=True) if s >= min_share]
    flags = unknown[names].astype(float).add_suffix("_missing")
    taken = [name for name in flags if name in covariates]
    if taken:
        raise InputError(
            Problem(
                what="The name of a missing-value flag is taken",
                where="covariates",
                got=", ".join(taken),
                allowed="names that no flag needs",
                remedy="rename the column, or leave out one of the two",
            )
        )
    return covariates.join(flags)
