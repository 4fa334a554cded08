"""From covariates to features, as plain values: what a fitted model keeps of its preprocessing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class FeatureColumns:
    """What a learner with native categories must know of its features, one entry each.

    Attributes
    ----------
    categorical : tuple of bool
        Whether the feature holds category codes.
    monotone : tuple of int
        1 where a higher value may only raise the risk, -1 where it may only lower it, 0 otherwise.
    """

    categorical: tuple[bool, ...]
    monotone: tuple[int, ...]


@dataclass(frozen=True)
class Category:
    """One category, and the features that each of its levels becomes.

    Attributes
    ----------
    name : str
    levels : tuple of str
    features : ndarray of shape (n_levels + 2, k)
        One row a level, then one for a level never seen and one for a missing value.
    """

    name: str
    levels: tuple[str, ...]
    features: np.ndarray

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or len(self.features) != len(self.levels) + 2:
            raise ValueError(f"category {self.name} needs one row of features a level, and two")

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Features of words, None or NaN where missing, shape (n, k)."""
        row = {level: place for place, level in enumerate(self.levels)}
        unseen, missing = len(self.levels), len(self.levels) + 1
        # NaN alone is not equal to itself.
        places = [
            missing if value is None or value != value else row.get(str(value), unseen)
            for value in values
        ]
        return self.features[np.array(places, dtype=int)]


@dataclass(frozen=True)
class Encoding:
    """Fitted preprocessing: numbers first, then the features of each category.

    Why it is no transformer of scikit-learn: a stored model is plain arrays, and one patient's risk
    is told without loading a library.

    Attributes
    ----------
    numbers : tuple of str
    fill : ndarray of shape (n_numbers,)
        Stands for a missing number; NaN where the learner takes missing numbers as they are.
    categories : tuple of Category
    center, scale : ndarray of shape (n_features,), or None
        Of standardised features.
    """

    numbers: tuple[str, ...]
    fill: np.ndarray
    categories: tuple[Category, ...] = ()
    center: np.ndarray | None = None
    scale: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.fill.shape != (len(self.numbers),):
            raise ValueError("fill must hold one value a number")
        for part in (self.center, self.scale):
            if part is not None and part.shape != (self.n_features,):
                raise ValueError("center and scale must hold one value a feature")
        if (self.center is None) != (self.scale is None):
            raise ValueError("center and scale are given together")
        if self.center is not None and self.scale is not None:
            standard = np.isfinite(self.center) & np.isfinite(self.scale) & (self.scale > 0)
            if not standard.all():
                raise ValueError("center and scale must be finite, a scale above 0")

    @property
    def owners(self) -> list[str]:
        """Name of the predictor that each feature was made from, in the order of the features."""
        owners = list(self.numbers)
        for category in self.categories:
            owners += [category.name] * category.features.shape[1]
        return owners

    @property
    def n_features(self) -> int:
        """How many features it makes."""
        return len(self.owners)

    def transform(self, predictors: Mapping[str, Any]) -> np.ndarray:
        """Features of patients, shape (n, n_features).

        Parameters
        ----------
        predictors : mapping of name -> values of shape (n,)
            A DataFrame, or plain columns; others than its own are not read.
        """
        parts = []
        for name, fill in zip(self.numbers, self.fill, strict=True):
            values = np.asarray(predictors[name], dtype=float)
            parts.append(np.where(np.isnan(values), fill, values)[:, None])
        parts += [
            one.encode(np.asarray(predictors[one.name], dtype=object)) for one in self.categories
        ]
        features = np.hstack(parts)
        if self.center is not None and self.scale is not None:
            features -= self.center
            features /= self.scale
        return features


def count_rows(predictors: Any) -> int:
    """Patients in a DataFrame or in plain columns."""
    if isinstance(predictors, Mapping):
        return len(next(iter(predictors.values()), ()))
    return len(predictors)
