"""Numbers and drawing of the love plot."""

import numpy as np
import pandas as pd
import pytest

from evaluation.displays.balance import LoveDisplay

FRAME = pd.DataFrame({
    "term": ["age", "sex", "k"] * 2,
    "weighting": ["before weighting"] * 3 + ["overlap"] * 3,
    "smd": [0.1, -0.6, np.nan, 0.0, 0.02, np.nan],
})  # fmt: skip


def test_the_largest_difference_stands_on_top_and_none_is_lost():
    ax = LoveDisplay(FRAME, 0.1).plot()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["sex", "age", "k"]
    before, after = (
        next(line for line in ax.lines if line.get_label() == name)
        for name in ("before weighting", "overlap")
    )
    assert sorted(before.get_xdata()) == [0.1, 0.6]
    assert sorted(after.get_xdata()) == [0.0, 0.02]
    # Absolute differences: the axis starts at 0 and holds the largest.
    assert ax.get_xlim()[0] == 0
    assert ax.get_xlim()[1] > 0.6
    assert any("Not estimable: k" in text.get_text() for text in ax.texts)


def test_two_pairs_are_refused():
    with pytest.raises(ValueError, match="one row a term"):
        LoveDisplay(pd.concat([FRAME, FRAME]), 0.1)
