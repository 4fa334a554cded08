"""The columns of the tables."""

import numpy as np
import pandas as pd
import pytest

from evaluation.estimators import OVERLAP
from evaluation.results import (
    ADJUSTED_COLUMNS,
    INTERVAL,
    RANGE,
    REGIMEN_COLUMNS,
    Adjusted,
    Estimate,
    adjusted_table,
    excludes,
    format_estimate,
    regimen_table,
    under_true_header,
    with_refit_range,
)

FAMILIES = pd.Series(["classical", "model-based"])


def test_an_adjusted_row_stands_under_a_classical_one():
    beside = Adjusted("age", effective_n=50, verdict="balanced")
    table = adjusted_table([Estimate(OVERLAP, "hazard ratio", value=1, adjusted=beside)])
    assert table["family"].tolist() == ["adjusted"]
    assert tuple(table.columns) == ADJUSTED_COLUMNS
    assert table["effective_n"].dtype == float
    assert table["note"].tolist() == [""]
    assert set(REGIMEN_COLUMNS) < set(ADJUSTED_COLUMNS)


def test_an_unknown_column_is_refused():
    with pytest.raises(KeyError, match="verdict"):
        regimen_table([Estimate(OVERLAP, "hazard ratio", adjusted=Adjusted("age"))])


def test_no_zero_has_a_minus():
    assert format_estimate(-0.001, -0.3, -0.004) == "0.00 (-0.30 to 0.00)"
    assert format_estimate(-0.0, -0.001, 0.2) == "0.00 (0.00-0.20)"


def test_a_range_over_refits_stands_under_its_own_header():
    found = under_true_header(FAMILIES, ["0.60 (0.40-0.90)", "0.70 (0.60-0.80)"])
    assert found == {INTERVAL: ["0.60 (0.40-0.90)", ""], RANGE: ["", "0.70 [0.60-0.80]"]}
    assert list(under_true_header(FAMILIES[:1], ["x"])) == [INTERVAL]
    assert list(under_true_header(FAMILIES[1:], ["x"])) == [RANGE]


def test_in_a_file_too():
    table = pd.DataFrame({"family": FAMILIES, "ci_low": [0.4, 0.6], "ci_high": [0.9, 0.8]})
    found = with_refit_range(table)
    assert list(found) == ["family", "ci_low", "ci_high", "refit_low", "refit_high"]
    expected = [[0.4, 0.9, np.nan, np.nan], [np.nan, np.nan, 0.6, 0.8]]
    np.testing.assert_array_equal(found.iloc[:, 1:].to_numpy(dtype=float), expected)
    # The columns of a file do not depend on its rows.
    assert list(with_refit_range(table[:1])) == list(found)


def test_a_limit_that_prints_as_the_value_touches_it():
    assert excludes([1.004, 1.006, np.nan], [2, 2, np.nan], 1).tolist() == [False, True, False]
    assert excludes([0.2, 0.2], [0.996, 0.994], 1).tolist() == [False, True]
