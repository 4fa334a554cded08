"""What a stored model says of itself: everything a user needs before believing it."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from features.covariates import ColumnSource, Covariate
from features.regimens import RegimenColumn

if TYPE_CHECKING:
    import pandas as pd

# Of the performance, by key: how well patients are told apart, how far off the probabilities are.
TOLD = (
    "uno_c", "ipa", "calibration_oe", "calibration_slope", "competing_c", "competing_ipa",
    "competing_oe",
)  # fmt: skip

PACKAGES = (
    "vensurv",
    "numpy",
    "pandas",
    "scikit-learn",
    "scikit-survival",
    "xgboost",
    "optuna",
    "mlflow",
)


class ModelCard(BaseModel):
    """Description of a stored model. It holds no patient row.

    Attributes
    ----------
    endpoint : str
        What is predicted: the event of this endpoint.
    follow_up, horizons
        Months; nothing is predicted beyond `follow_up`, `horizons` are the evaluated ones.
    first_event : float, optional
        Months to the earliest event of the training; before it every model predicts 0.
    covariates : tuple of str
        What the model sees, in order; `inputs` are the dictionary columns they are built from,
        `sources` how the training table named and coded them.
    ranges : mapping of input -> (low, high)
        Central 95% of the training values, two significant digits.
    levels : mapping of categorical input -> values that some training patient had
    rare : mapping of categorical input -> those of them that too few had to count for themselves
    arms : tuple of str
        Regimens known to the model, the reference arm first; empty without regimens.
    training : mapping
        Patients, events, patients per regimen, data fingerprint, provenance, seed.
    performance : mapping of metric -> 'estimate (interval)'
        Of a training out-of-fold, of the learner with its tuning; not of this one fit.
    measured : str
        Where and how `performance` was measured.
    recalibration : mapping
        Of a recalibrated model: kind, of which model, cohort, patients, events, fingerprint,
        parameters and statement. Empty otherwise.
    cautions : tuple of str
        What the data cannot support.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    learner: str
    learner_label: str
    params: dict[str, Any]
    endpoint: str
    time_unit: str = "months"
    follow_up: float
    first_event: float | None = None
    horizons: tuple[float, ...]
    covariates: tuple[str, ...]
    inputs: tuple[Covariate, ...]
    sources: dict[str, ColumnSource] = {}
    ranges: dict[str, tuple[float, float]] = {}
    levels: dict[str, tuple[str, ...]] = {}
    rare: dict[str, tuple[str, ...]] = {}
    arms: tuple[str, ...] = ()
    regimen: RegimenColumn | None = None
    training: dict[str, Any]
    performance: dict[str, str] = {}
    measured: str = "out-of-fold"
    recalibration: dict[str, Any] = {}
    cautions: tuple[str, ...] = ()
    versions: dict[str, str]

    @property
    def told_performance(self) -> dict[str, str]:
        """The part of the performance that stands beside each prediction."""
        return {n: v for n, v in self.performance.items() if n.split(" ")[0] in TOLD}


def software_versions() -> dict[str, str]:
    """Versions of the packages that decide a result."""
    versions = {}
    for package in PACKAGES:
        name = package
        if package == "xgboost":
            import xgboost

            versions[name] = xgboost.__version__
            continue
        versions[name] = version(name)
    return versions


def covariate_ranges(inputs: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Central 95% of each numeric column, to two significant digits so that no value stands out."""

    def two_digits(value: float) -> float:
        return float(f"{value:.2g}")

    ranges = {}
    for name in inputs.select_dtypes("number"):
        values = inputs[name].dropna().to_numpy()
        if len(values):
            low, high = np.quantile(values, [0.025, 0.975])
            ranges[str(name)] = (two_digits(low), two_digits(high))
    return ranges


def category_levels(
    inputs: pd.DataFrame, fewer_than: int | None = None
) -> dict[str, tuple[str, ...]]:
    """The values that occur in each categorical column, or those that occur few times.

    A column without such a value is left out.
    """
    levels = {}
    for name in inputs.select_dtypes(exclude="number"):
        counts = inputs[name].dropna().astype(str).value_counts()
        named = counts.index if fewer_than is None else counts.index[counts < fewer_than]
        if len(named) or fewer_than is None:
            levels[str(name)] = tuple(sorted(named))
    return levels
