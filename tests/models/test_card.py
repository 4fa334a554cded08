import json

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from models.card import PACKAGES, ModelCard, category_levels, covariate_ranges, software_versions


def test_a_card_survives_json(card):
    assert ModelCard.model_validate(json.loads(card.model_dump_json())) == card


def test_an_unknown_field_is_refused(card):
    with pytest.raises(ValidationError, match="patients_table"):
        ModelCard.model_validate({**card.model_dump(), "patients_table": []})


def test_a_card_cannot_be_changed(card):
    with pytest.raises(ValidationError, match="frozen"):
        card.learner = "forest"


def test_versions_of_everything_that_decides_a_result():
    versions = software_versions()
    assert set(versions) == set(PACKAGES)
    assert all(versions.values())


def test_ranges_are_the_central_95_percent_to_two_digits():
    # 0..200: the quantiles are 5 and 195, two significant digits of 195 are 200 (or 190).
    ranges = covariate_ranges(pd.DataFrame({"wbc": np.arange(201.0)}))
    assert ranges == {"wbc": (5.0, float(f"{195:.2g}"))}


def test_no_extreme_patient_is_named_by_a_range():
    values = np.append(np.full(99, 50.0), 987.0)
    assert covariate_ranges(pd.DataFrame({"x": values}))["x"] == (50.0, 50.0)


def test_levels_and_those_that_few_had():
    table = pd.DataFrame({"disease": ["a"] * 5 + ["b"] * 4 + [None], "sex": ["F"] * 10})
    assert category_levels(table) == {"disease": ("a", "b"), "sex": ("F",)}
    assert category_levels(table, fewer_than=5) == {"disease": ("b",)}


def test_a_number_that_was_0_or_1_in_everybody_has_a_range():
    # A performance status of 3 is then outside of it.
    ecog = pd.DataFrame({"ecog": [0.0] * 10 + [1.0] * 10 + [np.nan]})
    assert covariate_ranges(ecog) == {"ecog": (0.0, 1.0)}


def test_categories_and_empty_columns_have_no_range():
    table = pd.DataFrame(
        {
            "category": np.array(["a", "b", None], dtype=object),
            "empty": [np.nan] * 3,
        }
    )
    assert covariate_ranges(table) == {}


def test_missing_values_do_not_move_a_range():
    known = np.arange(201.0)
    with_gaps = pd.DataFrame({"wbc": np.append(known, [np.nan] * 50)})
    assert covariate_ranges(with_gaps) == covariate_ranges(pd.DataFrame({"wbc": known}))
