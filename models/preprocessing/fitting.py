"""From covariates to features: encode, impute and scale, by what a learner tolerates."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from models.preprocessing.encoding import Category, Encoding, FeatureColumns

RARE_LEVEL = 5
# No word of a table can be this one.
NEVER_SEEN = "\x00never seen"


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


def fit_encoding(
    predictors: pd.DataFrame,
    *,
    handles_missing: bool,
    scale: bool,
    handles_categories: bool = False,
) -> Encoding:
    """Fit the preprocessing of one learner and keep its values; parameters as above."""
    fitted = make_preprocessing(
        predictors,
        handles_missing=handles_missing,
        scale=scale,
        handles_categories=handles_categories,
    ).fit(predictors)
    columns = fitted[0] if isinstance(fitted, Pipeline) else fitted
    parts = {kind: (part, list(names)) for kind, part, names in columns.transformers_}
    impute, numbers = parts.get("numbers", (None, []))
    fill = getattr(impute, "statistics_", np.full(len(numbers), np.nan))
    encoder, names = parts.get("categories", (None, []))
    standard = fitted[-1] if isinstance(fitted, Pipeline) else None
    return Encoding(
        numbers=tuple(numbers),
        fill=np.asarray(fill, dtype=float),
        categories=tuple(_categories(encoder, names)) if names else (),
        center=None if standard is None else np.asarray(standard.mean_, dtype=float),
        scale=None if standard is None else np.asarray(standard.scale_, dtype=float),
    )


def _categories(encoder: Pipeline | CategoryCodes, names: list[str]) -> list[Category]:
    """What the encoder makes of each level of each column, one never seen, and a missing one."""
    if isinstance(encoder, CategoryCodes):
        known = encoder.levels_
        owner = np.arange(len(names))
    else:
        known = [list(map(str, levels)) for levels in encoder[-1].categories_]
        # The place of a column holds no underscore, so that the level starts after the first.
        features = encoder[-1].get_feature_names_out([str(place) for place in range(len(names))])
        owner = np.array([int(feature.split("_")[0]) for feature in features])
    found = []
    for place, (name, levels) in enumerate(zip(names, known, strict=True)):
        probe = pd.DataFrame(
            {other: pd.Series([own[0] if own else None] * (len(levels) + 2), dtype=object)
             for other, own in zip(names, known, strict=True)}
        )  # fmt: skip
        probe[name] = pd.Series([*levels, NEVER_SEEN, None], dtype=object)
        with warnings.catch_warnings():
            # A level never seen in training joins the rare ones, as meant.
            warnings.filterwarnings("ignore", message="Found unknown categories")
            features = np.asarray(encoder.transform(probe), dtype=float)
        found.append(Category(name, tuple(levels), features[:, owner == place]))
    return found
