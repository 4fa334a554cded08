"""What a learner sees of a cohort: covariates, regimen, center and one outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from features.outcome import Outcome

if TYPE_CHECKING:
    import pandas as pd

REGIMEN = "regimen"


@dataclass(frozen=True)
class Dataset:
    """n patients, ready for modelling. Holds no identifier and no date.

    Attributes
    ----------
    covariates : DataFrame of shape (n, p)
        Baseline covariates before encoding; NaN or None where missing.
    regimen : ndarray of shape (n,) or None
        Treatment category; None when the cohort has none.
    center : ndarray of shape (n,) or None
    outcome : Outcome
    monotone : mapping of covariate name -> 1 or -1
        What the dictionary declares of the risk: 1 where a higher value may only raise it, -1 where
        it may only lower it.
    patient : ndarray of shape (n,), int, or None
        Which patient a row is, once rows were taken: in a bootstrap sample several rows are one.
    """

    covariates: pd.DataFrame
    regimen: np.ndarray | None
    center: np.ndarray | None
    outcome: Outcome
    monotone: Mapping[str, int] = field(default_factory=dict)
    patient: np.ndarray | None = None

    def __post_init__(self) -> None:
        lengths = {len(self.covariates), len(self.outcome)}
        optional = (self.regimen, self.center, self.patient)
        lengths |= {len(part) for part in optional if part is not None}
        if len(lengths) != 1:
            raise ValueError(f"the parts of a dataset differ in length: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.outcome)

    @property
    def predictors(self) -> pd.DataFrame:
        """Covariates with the regimen as one more category, shape (n, p) or (n, p + 1)."""
        return as_predictors(self.covariates, self.regimen)

    def take(self, rows: ArrayLike) -> Dataset:
        """Return the selected patients (integer positions or a mask), in that order."""
        rows = np.asarray(rows)
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        return Dataset(
            self.covariates.iloc[rows].reset_index(drop=True),
            None if self.regimen is None else self.regimen[rows],
            None if self.center is None else self.center[rows],
            self.outcome.take(rows),
            self.monotone,
            (np.arange(len(self)) if self.patient is None else self.patient)[rows],
        )

    def select(self, names: Sequence[str]) -> Dataset:
        """Keep the named predictors alone; the regimen is one of them where 'regimen' is named.

        Raises
        ------
        KeyError
            When a name is no predictor.
        """
        missing = [name for name in names if name not in self.predictors.columns]
        if missing:
            raise KeyError(f"not among the predictors: {', '.join(missing)}")
        kept = self.covariates[[name for name in names if name != REGIMEN]]
        regimen = self.regimen if REGIMEN in names else None
        return replace(self, covariates=kept, regimen=regimen)


def as_predictors(covariates: pd.DataFrame, regimen: np.ndarray | None) -> pd.DataFrame:
    """Join covariates and regimen in the form every model takes.

    Returns
    -------
    DataFrame of shape (n, p) or (n, p + 1)
        Numbers as float with NaN, everything else as object with None, the regimen last.
    """
    import pandas as pd

    joined = covariates if regimen is None else covariates.assign(**{REGIMEN: regimen})
    numeric = [pd.api.types.is_numeric_dtype(dtype) for dtype in joined.dtypes]
    return pd.DataFrame(
        {
            name: joined[name].astype(float)
            if is_number
            else pd.Series(
                joined[name].to_numpy(dtype=object, na_value=None), joined.index, dtype=object
            )
            for name, is_number in zip(joined.columns, numeric, strict=True)
        },
        index=joined.index,
    )
