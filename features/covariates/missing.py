"""Missing values: what cannot exist kept apart from what is not known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from features.covariates.dictionary import Covariate
from features.dataset import REGIMEN

if TYPE_CHECKING:
    import pandas as pd


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
    import pandas as pd

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
