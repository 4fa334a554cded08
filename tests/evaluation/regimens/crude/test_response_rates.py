"""Rates, ratios and tests of two and three arms against R and at their edges."""

import numpy as np
import pytest

from evaluation.regimens.crude.response_rates import (
    Counts,
    count_by_arm,
    rate_rows,
    ratio_and_test_rows,
)
from evaluation.results import regimen_table

# The published responses: 22 of 42 against 9 of 28.
PUBLISHED = {"HMA": Counts(22, 42, 0), "LDAC": Counts(9, 28, 0)}


def table_of(rows):
    return regimen_table(rows).set_index("estimator")


def test_ratios_and_tests_match_r():
    # R 4.2.2: chisq.test(correct = FALSE), fisher.test; glm odds ratio with Wald limits, Katz's
    # limits of the risk ratio. Boschloo's p as published with the study's facts, two decimals.
    table = table_of(ratio_and_test_rows("response", "response", PUBLISHED))
    limits = ["estimate", "ci_low", "ci_high"]
    odds = table.loc["response odds ratio", limits].astype(float)
    # 22 * 19 / (20 * 9), log variance 1/22 + 1/20 + 1/9 + 1/19
    spread = 1.959963984540054 * np.sqrt(1 / 22 + 1 / 20 + 1 / 9 + 1 / 19)
    np.testing.assert_allclose(odds, 418 / 180 * np.exp(np.array([0, -spread, spread])), rtol=1e-9)
    risk = table.loc["response rate ratio", limits].astype(float)
    spread = 1.959963984540054 * np.sqrt(1 / 22 - 1 / 42 + 1 / 9 - 1 / 28)
    ratio = (22 / 42) / (9 / 28)
    np.testing.assert_allclose(risk, ratio * np.exp(np.array([0, -spread, spread])), rtol=1e-9)
    assert table.loc["response chi-square test", "p_value"] == pytest.approx(0.09492492162)
    assert table.loc["response Fisher test", "p_value"] == pytest.approx(0.1405004317)
    assert table.loc["response Boschloo test", "p_value"] == pytest.approx(0.100, abs=0.0005)
    assert table.loc["response rate ratio", "note"] == "above 1: more frequent than in LDAC"


def test_missing_values_are_in_no_denominator():
    regimen = np.array(["A", "A", "B", "B", "B"], dtype=object)
    counts = count_by_arm("response", [1, None, 0, 1, np.nan], regimen, ["A", "B"])
    assert counts == {"A": Counts(1, 1, 1), "B": Counts(1, 2, 1)}
    rates = table_of(rate_rows("response", "response", counts, ("newcombe",)))
    assert "2 with a missing value left out" in rates.loc["response rate difference", "note"]
    tests = table_of(ratio_and_test_rows("response", "response", counts))
    assert tests["note"].str.contains("2 with a missing value left out").all()
    assert tests["n"].eq(3).all()


def test_an_empty_cell_has_a_ratio_without_limits():
    table = table_of(
        ratio_and_test_rows("x", "response", {"A": Counts(4, 12, 0), "B": Counts(0, 10, 0)})
    )
    assert np.isnan(table.loc["response odds ratio", "estimate"])
    assert "no such patient in B" in table.loc["response odds ratio", "note"]
    back = table_of(
        ratio_and_test_rows("x", "response", {"B": Counts(0, 10, 0), "A": Counts(4, 12, 0)})
    )
    assert back.loc["response rate ratio", "estimate"] == 0
    assert "a cell of the table is empty" in back.loc["response rate ratio", "note"]


@pytest.mark.parametrize("events", [0, 1])
def test_everybody_or_nobody(events):
    counts = {"A": Counts(5 * events, 5, 0), "B": Counts(4 * events, 4, 0)}
    table = table_of(ratio_and_test_rows("x", "response", counts))
    assert "everyone or no one had it" in table.loc["response chi-square test", "note"]
    assert table.loc["response Fisher test", "p_value"] == 1


def test_an_arm_whose_responses_are_all_unknown():
    counts = {"A": Counts(1, 2, 0), "B": Counts(0, 0, 3)}
    for rows in (
        rate_rows("x", "response", counts, ("newcombe",)),
        ratio_and_test_rows("x", "response", counts),
    ):
        pair = regimen_table(rows)
        pair = pair[pair["reference_arm"].notna()]
        assert pair["estimate"].isna().all()
        assert pair["note"].str.contains("no known value").all()


def test_three_arms_have_a_global_test():
    counts = {"A": Counts(5, 10, 0), "C": Counts(2, 10, 1), "B": Counts(3, 10, 0)}
    table = regimen_table(ratio_and_test_rows("x", "response", counts))
    last = table.iloc[-1]
    assert last["arm"] == "A / C"
    # Expected 10/3 and 20/3 in each arm: (25 + 16 + 1)/9 * (3/10 + 3/20).
    assert last["estimate"] == pytest.approx(42 / 9 * (0.3 + 0.15) - 0)
    assert last["note"].startswith("global test of 3 arms")
    assert (table["estimator"] == "response rate ratio").sum() == 2


def test_values_other_than_yes_and_no_are_an_error():
    with pytest.raises(ValueError, match="sepsis must hold True/False"):
        count_by_arm("sepsis", [3, 4], np.array(["A", "B"], dtype=object), ["A", "B"])
