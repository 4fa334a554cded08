"""Table 1 against hand arithmetic, and that a hidden count cannot be worked out from it."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest

from evaluation.cohort.small_cells import HIDDEN
from evaluation.cohort.table_one import table_one
from features.covariates.dictionary import Covariate

DICTIONARY = {
    c.name: c
    for c in (
        Covariate(name="age", label="Age", kind="number", unit="years"),
        Covariate(name="tp53", label="TP53 mutated", kind="flag"),
        Covariate(name="disease", label="Disease", kind="category", vocabulary=("x", "y", "z")),
        Covariate(name="ecog", label="ECOG", kind="integer"),
        Covariate(name="lines", label="Prior lines", kind="integer"),
        Covariate(name="first_dose_date", label="First dose", kind="date"),
    )
}
REGIMEN = np.array(["LDAC"] * 4 + ["HMA"] * 4, dtype=object)
INPUTS = pd.DataFrame(
    {
        "age": [60.0, 70, 80, np.nan, 50, 60, 70, 80],
        "tp53": [1.0, 0, 0, np.nan, 1, 1, 1, 0],
        "disease": pd.Series(["x", "x", "y", "y", "x", "y", "y", "y"], dtype=object),
        "ecog": [0.0, 1, 2, 2, 0, 0, 1, 1],
    }
)


def cell(table, covariate, level, column):
    rows = table[table["covariate"].str.startswith(covariate) & (table["level"] == level)]
    assert len(rows) == 1
    return rows[column].iloc[0]


@pytest.fixture(scope="module")
def table():
    return table_one(INPUTS, REGIMEN, DICTIONARY)


def test_columns_and_first_row(table):
    assert list(table) == ["covariate", "level", "All patients", "HMA", "LDAC", "SMD"]
    assert table.iloc[0].tolist() == ["Patients, n", "", "8", "4", "4", ""]


def test_labels_say_unit_and_statistic(table):
    assert table["covariate"].unique().tolist() == [
        "Patients, n",
        "Age, years, median [Q1-Q3]",
        "TP53 mutated, n (%)",
        "Disease, n (%)",
        "ECOG, n (%)",
    ]


def test_numbers_are_quartiles_of_the_known_values(table):
    # LDAC 60, 70, 80. HMA 50, 60, 70, 80: quartiles at 57.5 and 72.5, rounded to even 58 and 72.
    assert cell(table, "Age", "", "LDAC") == "70 [65-75]"
    assert cell(table, "Age", "", "HMA") == "65 [58-72]"
    assert cell(table, "Age", "missing", "LDAC") == "1 (25%)"
    assert cell(table, "Age", "missing", "HMA") == "0 (0%)"
    assert cell(table, "Age", "missing", "All patients") == "1 (12%)"


def test_shares_are_of_the_known_values(table):
    assert cell(table, "TP53", "", "LDAC") == "1 (33%)"
    assert cell(table, "TP53", "", "HMA") == "3 (75%)"
    assert cell(table, "TP53", "missing", "LDAC") == "1 (25%)"
    assert cell(table, "ECOG", "2", "LDAC") == "2 (50%)"
    # A level of the vocabulary that nobody has is left out; nobody's disease is missing.
    assert table.loc[table["covariate"] == "Disease, n (%)", "level"].tolist() == ["x", "y"]


def test_smd_of_a_number(table):
    # Means 65 and 70; variances 500/3 (HMA) and 100 (LDAC): 5 / sqrt((166.67 + 100) / 2) = 0.433.
    assert cell(table, "Age", "", "SMD") == "0.43"


def test_smd_of_a_flag(table):
    # p = 3/4 and 1/3: variances 0.1875 and 0.2222; 0.41667 / sqrt(0.20486) = 0.9206.
    assert cell(table, "TP53", "", "SMD") == "0.92"


def test_smd_of_several_levels(table):
    # ECOG 1 and 2: HMA (1/2, 0), LDAC (1/4, 1/2); T = (-1/4, 1/2).
    # S HMA = [[1/4, 0], [0, 0]], S LDAC = [[3/16, -1/8], [-1/8, 1/4]];
    # their mean [[7/32, -1/16], [-1/16, 1/8]], determinant 7/256 - 1/256 = 6/256;
    # inverse = 256/6 [[1/8, 1/16], [1/16, 7/32]];
    # T' inverse T = 256/6 (1/128 - 2/128 + 7/128) = 256/6 * 6/128 = 2. Root: 1.414.
    assert cell(table, "ECOG", "0", "SMD") == "1.41"
    # One SMD a covariate.
    assert cell(table, "ECOG", "1", "SMD") == ""


def test_three_arms_give_the_largest_pairwise_smd():
    arms = np.array(["a", "a", "b", "b", "c", "c"], dtype=object)
    inputs = pd.DataFrame({"age": [50.0, 60, 60, 70, 70, 80]})
    table = table_one(inputs, arms, DICTIONARY)
    # Means 55, 65, 75 with variance 50 each: a against c, 20 / sqrt(50) = 2.83.
    assert cell(table, "Age", "", "Largest pairwise SMD") == "2.83"


@pytest.mark.parametrize("regimen", [None, np.array(["HMA"] * 8, dtype=object)])
def test_without_two_arms_there_is_one_column(regimen):
    table = table_one(INPUTS, regimen, DICTIONARY)
    assert list(table) == ["covariate", "level", "All patients"]
    assert cell(table, "TP53", "", "All patients") == "4 (57%)"


def test_an_integer_with_many_values_is_a_number():
    inputs = pd.DataFrame({"lines": [1.0, 2, 3, 4, 5, 6, 7, 9]})
    table = table_one(inputs, None, DICTIONARY)
    assert table["covariate"].tolist() == ["Patients, n", "Prior lines, median [Q1-Q3]"]


def test_empty_constant_and_dated_columns():
    inputs = pd.DataFrame(
        {
            "age": [np.nan] * 8,
            "tp53": [np.nan] * 8,
            "lines": [2.0] * 4 + [np.nan] * 4,
            "disease": pd.Series(["x"] * 4 + ["y"] * 4, dtype=object),
            "ecog": [1.0] * 8,
            "first_dose_date": pd.Series(["2021-01-01"] * 8, dtype=object),
        }
    )
    table = table_one(inputs, REGIMEN, DICTIONARY)
    assert cell(table, "Age", "missing", "HMA") == "4 (100%)"
    assert cell(table, "Age", "", "HMA") == ""
    assert cell(table, "TP53", "missing", "All patients") == "8 (100%)"
    # Prior lines are known in one arm, the disease is all x in one and all y in the other.
    assert cell(table, "Prior lines", "2", "SMD") == "not estimable"
    assert cell(table, "Prior lines", "2", "HMA") == "0"
    assert cell(table, "Disease", "x", "SMD") == "not estimable"
    assert cell(table, "ECOG", "1", "SMD") == "0.00"
    assert not table["covariate"].str.startswith("First dose").any()


def test_only_empty_columns():
    table = table_one(INPUTS[["age"]] * np.nan, REGIMEN, DICTIONARY)
    assert cell(table, "Age", "missing", "LDAC") == "4 (100%)"
    assert cell(table, "Age", "", "SMD") == ""


def test_arms_may_have_any_name():
    arms = np.where(REGIMEN == "HMA", "Missing", "Overall").astype(object)
    table = table_one(INPUTS, arms, DICTIONARY)
    assert list(table)[2:5] == ["All patients", "Missing", "Overall"]
    assert cell(table, "TP53", "", "Missing") == "3 (75%)"


def test_patients_and_columns_may_be_permuted(table):
    order = np.random.default_rng(1).permutation(8)
    again = table_one(INPUTS.iloc[order, ::-1], REGIMEN[order], DICTIONARY)
    key = ["covariate", "level"]
    pd.testing.assert_frame_equal(
        again.sort_values(key, ignore_index=True), table.sort_values(key, ignore_index=True)
    )


def repeated(levels, arms):
    """One covariate and the arms from counts: {level: counts by arm}; None is missing."""
    values, regimen = [], []
    for level, counts in levels.items():
        for arm, count in zip(arms, counts, strict=True):
            values += [level] * count
            regimen += [arm] * count
    return pd.Series(values, dtype=object), np.array(regimen, dtype=object)


def number(text):
    found = re.match(r"\d+", text)
    return int(found.group()) if found and text != HIDDEN else None


def test_a_hidden_count_cannot_be_computed_from_the_margins():
    counts = {"x": (3, 20), "y": (25, 22), "z": (12, 10)}
    values, regimen = repeated(counts, ["HMA", "LDAC"])
    table = table_one(pd.DataFrame({"disease": values}), regimen, DICTIONARY, suppress_below=5)
    rows = table[table["covariate"] == "Disease, n (%)"]
    shown = np.array([[number(t) for t in rows[c]] for c in ("HMA", "LDAC", "All patients")]).T
    sums = [number(table.iloc[0][c]) for c in ("HMA", "LDAC", "All patients")]
    assert sums == [40, 52, 92]
    assert shown[0, 0] is None
    # Every pair of arms' columns that agrees with all that is visible.
    possible = set()
    for hma, ldac in itertools.product(fill(shown[:, 0], 40), fill(shown[:, 1], 52)):
        total = np.add(hma, ldac)
        if all(t is None or t == s for t, s in zip(shown[:, 2], total, strict=True)):
            possible.add(hma[0])
    assert {1, 2, 3, 4} <= possible
    # The difference between the arms would tell a hidden share.
    assert rows["SMD"].iloc[0] == HIDDEN


def fill(column, total):
    """All ways to put counts >= 1 in the gaps of a column with a known sum."""
    gaps = [i for i, value in enumerate(column) if value is None]
    left = total - sum(value for value in column if value is not None)
    for values in itertools.product(range(1, left + 1), repeat=len(gaps)):
        if sum(values) == left:
            filled = list(column)
            for i, value in zip(gaps, values, strict=True):
                filled[i] = value
            yield filled


def test_a_percentage_does_not_tell_how_many_values_are_missing():
    values, regimen = repeated({1.0: (12, 15), 0.0: (20, 22), None: (2, 9)}, ["HMA", "LDAC"])
    inputs = pd.DataFrame({"tp53": values.astype(float)})
    open_table = table_one(inputs, regimen, DICTIONARY)
    assert cell(open_table, "TP53", "", "HMA") == "12 (38%)"  # of 32, so 2 of 34 are missing
    table = table_one(inputs, regimen, DICTIONARY, suppress_below=5)
    assert cell(table, "TP53", "missing", "HMA") == HIDDEN
    assert cell(table, "TP53", "missing", "LDAC") == HIDDEN
    assert "%" not in cell(table, "TP53", "", "HMA")
    # How many are missing in all is told: 11 = 2 + 9 leaves 1 to 10 open.
    assert cell(table, "TP53", "missing", "All patients") == "11 (14%)"


def test_quartiles_of_few_patients_are_hidden():
    inputs = pd.DataFrame({"age": [50.0, 60, 70] + [np.nan] * 7 + list(range(60, 80))})
    regimen = np.array(["HMA"] * 10 + ["LDAC"] * 20, dtype=object)
    table = table_one(inputs, regimen, DICTIONARY, suppress_below=5)
    assert cell(table, "Age", "", "HMA") == HIDDEN
    assert cell(table, "Age", "", "SMD") == HIDDEN
    assert cell(table, "Age", "missing", "HMA") == HIDDEN
    assert cell(table, "Age", "", "LDAC") != HIDDEN


def test_zeros_and_large_counts_stay():
    values, regimen = repeated({"x": (0, 7), "y": (9, 8)}, ["HMA", "LDAC"])
    inputs = pd.DataFrame({"disease": values})
    pd.testing.assert_frame_equal(
        table_one(inputs, regimen, DICTIONARY, suppress_below=5),
        table_one(inputs, regimen, DICTIONARY),
    )


def test_a_small_arm_is_not_shown():
    regimen = np.array(["HMA"] * 2 + ["LDAC"] * 6, dtype=object)
    table = table_one(INPUTS, regimen, DICTIONARY, suppress_below=5)
    assert list(table) == ["covariate", "level", "All patients"]


def test_a_small_cohort_is_refused():
    with pytest.raises(ValueError, match="8 patients, but counts below 11"):
        table_one(INPUTS, REGIMEN, DICTIONARY, suppress_below=11)
