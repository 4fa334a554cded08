"""Columns of an adjustment: missing cells, levels, and what is left out."""

import numpy as np
import pandas as pd
import pytest

from evaluation.regimens.adjusted.design import adjustment_design, described_columns


def test_missing_cells_take_the_median_and_are_marked():
    design = adjustment_design(pd.DataFrame({"age": [50.0, np.nan, 60.0, 80.0]}))
    assert design.terms == ("age", "age=missing")
    # The median of 50, 60 and 80 is 60.
    np.testing.assert_array_equal(design.matrix, [[50, 0], [60, 1], [60, 0], [80, 0]])
    assert design.note == "missing values marked by an indicator: age"


def test_a_category_has_a_column_a_level_but_its_first_and_one_for_missing():
    covariates = pd.DataFrame({"kind": ["b", "a", None, "c", "a"]})
    design = adjustment_design(covariates)
    assert design.terms == ("kind=b", "kind=c", "kind=missing")
    np.testing.assert_array_equal(
        design.matrix, [[1, 0, 0], [0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 0]]
    )
    assert described_columns(covariates)[1] == ("kind=a", "kind=b", "kind=c", "kind=missing")


def test_of_two_levels_one_is_described():
    assert described_columns(pd.DataFrame({"sex": ["m", "f"]}))[1] == ("sex=m",)


def test_constant_and_collinear_columns_are_left_out_and_named():
    x = np.array([0.1, 0.7, -0.4, 2.0, 1.1])
    table = pd.DataFrame({"x": x, "k": 3.0, "twice": 2 * x + 1e6, "y": x**2})
    design = adjustment_design(table)
    assert design.terms == ("x", "y")
    assert design.note == "left out as constant or collinear: k, twice"
    assert design.covariates == ("x", "k", "twice", "y")


def test_what_becomes_constant_among_some_patients_is_left_out_there():
    design = adjustment_design(pd.DataFrame({"x": [1.0, 2.0, 3.0], "flag": [0, 0, 1]}))
    assert design.take(np.array([0, 1])).terms == ("x",)


def test_a_covariate_without_any_value_is_left_out():
    design = adjustment_design(pd.DataFrame({"x": [1.0, 2.0], "none": [np.nan, np.nan]}))
    assert design.terms == ("x",)


def test_a_date_is_refused():
    with pytest.raises(ValueError, match="start is a date"):
        adjustment_design(pd.DataFrame({"start": pd.to_datetime(["2020-01-01", "2021-01-01"])}))
