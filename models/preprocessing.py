"""From covariates to features: encode, impute and scale, by what a learner tolerates."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from features.dataset import as_predictors

RARE_LEVEL = 5


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


class CategoryCodes(TransformerMixin, BaseEstimator):
    """Categories as codes 0, 1, ... for a learner that splits on them itself.

    Levels seen fewer than 5 times share one code, and a level never seen joins them; where no level
    is rare, it counts as missing. A missing category stays NaN.
    """

    def fit(self, X: pd.DataFrame, y: None = None) -> CategoryCodes:
        """Learn the levels of each column, most of them by name and the rare ones as one."""
        counts = [X[name].value_counts() for name in X]
        self.levels_ = [sorted(str(level) for level in c.index[c >= RARE_LEVEL]) for c in counts]
        self.rare_ = [bool((c < RARE_LEVEL).any()) for c in counts]
        return self

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Codes of shape (n, p), float."""
        coded = []
        for name, levels, rare in zip(X, self.levels_, self.rare_, strict=True):
            codes = {level: float(code) for code, level in enumerate(levels)}
            other = float(len(levels)) if rare else np.nan
            coded.append(
                [np.nan if pd.isna(value) else codes.get(str(value), other) for value in X[name]]
            )
        return np.array(coded, dtype=float).T.reshape(len(X), X.shape[1])


def make_preprocessing(
    predictors: pd.DataFrame,
    *,
    handles_missing: bool,
    scale: bool,
    handles_categories: bool = False,
) -> Pipeline | ColumnTransformer:
    """Make the preprocessing of one learner; it is fitted on training folds only.

    Parameters
    ----------
    predictors : DataFrame of shape (n, p)
        Float columns are numbers, object columns are categories.
    handles_missing : bool
        True leaves missing numbers to the learner; False puts the training median in their place.
    scale : bool
        True brings every feature to mean 0 and standard deviation 1.
    handles_categories : bool
        True gives each category one feature of codes, see `CategoryCodes`, missing ones as NaN.

    Returns
    -------
    transformer
        Otherwise missing categories become the most frequent one. Levels seen fewer than 5 times
        share one feature, and a level never seen joins them; where no level is rare, it counts
        as the first one, and `predict_patients` says so beside the answer.
    """
    categories = list(predictors.select_dtypes(object).columns)
    numbers = [name for name in predictors.columns if name not in categories]
    encode = make_pipeline(
        SimpleImputer(strategy="most_frequent", missing_values=None),
        OneHotEncoder(
            drop="if_binary",
            handle_unknown="infrequent_if_exist",
            min_frequency=RARE_LEVEL,
            sparse_output=False,
        ),
    )
    impute = (
        "passthrough"
        if handles_missing
        else SimpleImputer(strategy="median", keep_empty_features=True)
    )
    columns = ColumnTransformer(
        [
            ("numbers", impute, numbers),
            ("categories", CategoryCodes() if handles_categories else encode, categories),
        ]
    )
    return make_pipeline(columns, StandardScaler()) if scale else columns


def feature_columns(predictors: pd.DataFrame, monotone: Mapping[str, int]) -> FeatureColumns:
    """Describe the features of `make_preprocessing(..., handles_categories=True)`.

    Parameters
    ----------
    predictors : DataFrame of shape (n, p)
    monotone : mapping of covariate name -> 1 or -1
        As `Dataset.monotone`.
    """
    categories = list(predictors.select_dtypes(object).columns)
    numbers = [str(name) for name in predictors.columns if name not in categories]
    return FeatureColumns(
        categorical=(False,) * len(numbers) + (True,) * len(categories),
        monotone=(*(monotone.get(name, 0) for name in numbers), *(0 for _ in categories)),
    )


def to_features(fitted: Pipeline | ColumnTransformer, predictors: pd.DataFrame) -> np.ndarray:
    """Apply fitted preprocessing, shape (n, n_features)."""
    with warnings.catch_warnings():
        # A level never seen in training joins the rare ones, as meant.
        warnings.filterwarnings("ignore", message="Found unknown categories")
        # Pandas may have turned None into NaN in between; the encoder knows None alone.
        return np.asarray(fitted.transform(as_predictors(predictors, None)))


def feature_owners(fitted: Pipeline | ColumnTransformer) -> list[str]:
    """Name of the predictor that each feature was made from, in the order of the features."""
    columns = fitted[0] if isinstance(fitted, Pipeline) else fitted
    owners: list[str] = []
    for kind, transformer, names in columns.transformers_:
        if kind == "categories" and isinstance(transformer, Pipeline) and len(names):
            # The place of a column holds no underscore, so that the level starts after the first.
            places = [str(place) for place in range(len(names))]
            features = transformer[-1].get_feature_names_out(places)
            owners += [names[int(feature.split("_")[0])] for feature in features]
        else:
            owners += list(names)
    return owners
