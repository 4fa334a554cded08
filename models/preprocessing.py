"""From covariates to features: encode, impute and scale, by what a learner tolerates."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from features.dataset import as_predictors

RARE_LEVEL = 5


def make_preprocessing(
    predictors: pd.DataFrame, *, handles_missing: bool, scale: bool
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

    Returns
    -------
    transformer
        Missing categories become the most frequent one. Levels seen fewer than 5 times share one
        feature, and a level never seen joins them; where no level is rare, it counts as the first
        one, and `predict_patients` says so beside the answer.
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
    columns = ColumnTransformer([("numbers", impute, numbers), ("categories", encode, categories)])
    return make_pipeline(columns, StandardScaler()) if scale else columns


def to_features(fitted: Pipeline | ColumnTransformer, predictors: pd.DataFrame) -> np.ndarray:
    """Apply fitted preprocessing, shape (n, n_features)."""
    with warnings.catch_warnings():
        # A level never seen in training joins the rare ones, as meant.
        warnings.filterwarnings("ignore", message="Found unknown categories")
        # Pandas may have turned None into NaN in between; the encoder knows None alone.
        return np.asarray(fitted.transform(as_predictors(predictors, None)))
