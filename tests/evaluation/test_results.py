"""The columns of the tables."""

import pytest

from evaluation.results import ADJUSTED_COLUMNS, REGIMEN_COLUMNS, adjusted_table, regimen_table


def test_an_adjusted_row_stands_under_a_classical_one():
    row = {"family": "adjusted", "estimate": 1, "effective_n": 50, "verdict": "balanced"}
    table = adjusted_table([row])
    assert tuple(table.columns) == ADJUSTED_COLUMNS
    assert table["effective_n"].dtype == float
    assert table["note"].tolist() == [""]
    assert set(REGIMEN_COLUMNS) < set(ADJUSTED_COLUMNS)


def test_an_unknown_column_is_refused():
    with pytest.raises(KeyError, match="verdict"):
        regimen_table([{"verdict": "balanced"}])
