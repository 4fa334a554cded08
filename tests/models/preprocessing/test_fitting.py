import warnings

import numpy as np
import pandas as pd
import pytest

from features.dataset import as_predictors
from models.preprocessing.fitting import fit_encoding, make_preprocessing

# Names that hold each other, underscores and numbers, and a level that is rare.
PREDICTORS = as_predictors(
    pd.DataFrame(
        {
            "a": np.arange(24.0),
            "a_b": np.array(["x", "y", "b_1"] * 8, dtype=object),
            "a_b_1": np.array(["x", "y"] * 12, dtype=object),
            "b": np.arange(24.0) % 5,
            "0_a": np.array(["x"] * 12 + ["y"] * 9 + ["z"] * 2 + ["w"], dtype=object),
        }
    ),
    None,
)


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("codes", [False, True])
def test_a_feature_changes_with_its_owner_alone(scale, codes):
    fitted = fit_encoding(PREDICTORS, handles_missing=codes, scale=scale, handles_categories=codes)
    owners = fitted.owners
    before = fitted.transform(PREDICTORS)
    assert len(owners) == before.shape[1]
    for name in PREDICTORS:
        turned = PREDICTORS.assign(**{name: np.roll(PREDICTORS[name].to_numpy(), 1)})
        changed = (fitted.transform(turned) != before).any(axis=0)
        assert [owner for owner, one in zip(owners, changed, strict=True) if one] == [
            owner for owner in owners if owner == name
        ]


def test_numbers_come_first_and_a_category_has_a_feature_a_level():
    fitted = fit_encoding(PREDICTORS, handles_missing=False, scale=True, handles_categories=False)
    # Three levels, two as one feature, and two common levels beside the rare ones as one.
    assert fitted.owners == ["a", "b", *["a_b"] * 3, "a_b_1", *["0_a"] * 3]


def test_without_categories_every_number_owns_its_feature():
    numbers = PREDICTORS[["a", "b"]]
    fitted = fit_encoding(numbers, handles_missing=True, scale=False, handles_categories=False)
    assert fitted.owners == ["a", "b"]


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("codes", [False, True])
@pytest.mark.parametrize("handles_missing", [False, True])
def test_plain_values_encode_as_scikit_learn_does(scale, codes, handles_missing):
    tolerance = {
        "handles_missing": handles_missing, "scale": scale, "handles_categories": codes
    }  # fmt: skip
    rng = np.random.default_rng(1)
    training = PREDICTORS.copy()
    training.loc[rng.random(24) < 0.2, "a"] = np.nan
    training["a_b"] = training["a_b"].where(rng.random(24) < 0.8, None)
    new = PREDICTORS.sample(200, replace=True, random_state=1).reset_index(drop=True)
    new.loc[rng.random(200) < 0.3, "b"] = np.nan
    new["a_b"] = new["a_b"].where(rng.random(200) < 0.7, None)
    new.loc[:20, "0_a"] = "never seen"
    theirs = make_preprocessing(training, **tolerance).fit(training)
    ours = fit_encoding(training, **tolerance)
    for table in (training, new):
        table = as_predictors(table, None)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Found unknown categories")
            expected = np.asarray(theirs.transform(table))
        np.testing.assert_array_equal(ours.transform(table), expected)
        plain = {name: table[name].to_numpy() for name in table}
        np.testing.assert_array_equal(ours.transform(plain), expected)
