import numpy as np
import pandas as pd
import pytest

from features.dataset import as_predictors
from models.preprocessing import feature_owners, make_preprocessing, to_features

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
    fitted = make_preprocessing(
        PREDICTORS, handles_missing=codes, scale=scale, handles_categories=codes
    ).fit(PREDICTORS)
    owners = feature_owners(fitted)
    before = to_features(fitted, PREDICTORS)
    assert len(owners) == before.shape[1]
    for name in PREDICTORS:
        turned = PREDICTORS.assign(**{name: np.roll(PREDICTORS[name].to_numpy(), 1)})
        changed = (to_features(fitted, turned) != before).any(axis=0)
        assert [owner for owner, one in zip(owners, changed, strict=True) if one] == [
            owner for owner in owners if owner == name
        ]


def test_numbers_come_first_and_a_category_has_a_feature_a_level():
    fitted = make_preprocessing(
        PREDICTORS, handles_missing=False, scale=True, handles_categories=False
    ).fit(PREDICTORS)
    # Three levels, two as one feature, and two common levels beside the rare ones as one.
    assert feature_owners(fitted) == ["a", "b", *["a_b"] * 3, "a_b_1", *["0_a"] * 3]


def test_without_categories_every_number_owns_its_feature():
    numbers = PREDICTORS[["a", "b"]]
    fitted = make_preprocessing(
        numbers, handles_missing=True, scale=False, handles_categories=False
    ).fit(numbers)
    assert feature_owners(fitted) == ["a", "b"]
