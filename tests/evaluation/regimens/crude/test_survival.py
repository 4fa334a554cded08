"""Medians and event probabilities by arm."""

import numpy as np
import pytest

from evaluation.regimens.crude.survival import median_rows, survival_rows
from evaluation.results import regimen_table
from features.outcome import Outcome

# S of A: 2/3 from month 1, 1/3 from 4; of B: 2/3 from 2, 1/3 from 3.
BY_ARM = {"A": Outcome([1, 4, 6], [1, 1, 0]), "B": Outcome([2, 3, 5], [1, 1, 0])}


def test_event_probabilities_and_their_difference_by_hand():
    table = regimen_table(survival_rows(BY_ARM, [3]))
    a, b, difference = table.to_dict("records")
    assert a["estimate"] == pytest.approx(1 / 3)
    assert b["estimate"] == pytest.approx(2 / 3)
    # Greenwood: S sqrt(1/(3*2)) and S sqrt(1/(3*2) + 1/(2*1))
    errors = (2 / 3 * np.sqrt(1 / 6), 1 / 3 * np.sqrt(1 / 6 + 1 / 2))
    assert difference["estimate"] == pytest.approx(-1 / 3)
    half = 1.959963984540054 * np.hypot(*errors)
    assert difference["ci_high"] == pytest.approx(-1 / 3 + half)


def test_medians_by_hand():
    table = regimen_table(median_rows(BY_ARM)).set_index("arm")
    assert table.loc["A", "estimate"] == 4
    assert table.loc["B", "estimate"] == 3


def test_what_lies_beyond_follow_up_is_missing():
    table = regimen_table(survival_rows(BY_ARM, [5.5]))
    assert table["estimate"].isna().tolist() == [False, True, True]
    assert table.loc[1, "note"] == "follow-up of B ends at 5.0 months"
