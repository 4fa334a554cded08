import numpy as np
import pandas as pd
import pytest

from features.dictionary import read_dictionary
from features.errors import InputError
from features.missing import add_indicators, missingness_table, structural_mask

DICTIONARY = read_dictionary()

PATIENTS = pd.DataFrame.from_dict(
    {
        "relapsed, length known": ("relapsed", 14.0, "azacitidine", 70.0),
        "relapsed, length not recorded": ("relapsed", np.nan, "decitabine", 61.0),
        "refractory, no first remission": ("refractory", np.nan, None, np.nan),
        "refractory to salvage, first remission known": ("refractory", 30.0, None, 66.0),
        "status not recorded": (None, np.nan, None, 58.0),
    },
    orient="index",
    columns=["rr_status", "cr1_months", "hma_agent", "age_years"],
)
# The last patient had an HMA whose name was not recorded.
REGIMEN = np.array(["HMA", "HMA", "LDAC", "LDAC", "HMA"], dtype=object)


def test_structural_is_what_cannot_exist():
    mask = structural_mask(PATIENTS, DICTIONARY, REGIMEN)
    assert mask["cr1_months"].tolist() == [False, False, True, False, False]
    assert mask["hma_agent"].tolist() == [False, False, True, True, False]
    assert not mask[["rr_status", "age_years"]].any(axis=None)


def test_what_cannot_be_told_counts_as_not_known():
    mask = structural_mask(PATIENTS.drop(columns="rr_status"), DICTIONARY)
    assert not mask.any(axis=None)


def test_a_rule_may_name_a_flag_or_several_values():
    dictionary = read_dictionary(
        [{"name": "vaf_tp53", "structural_when": {"mut_tp53": "0"}},
         {"name": "hma_agent", "structural_when": {"regimen": ["LDAC", "VEN"]}}]
    )  # fmt: skip
    table = pd.DataFrame({
        "mut_tp53": [0.0, 1.0, np.nan], "vaf_tp53": np.nan, "hma_agent": [None] * 3,
    })  # fmt: skip
    mask = structural_mask(table, dictionary, np.array(["VEN", "HMA", "LDAC"], dtype=object))
    assert mask["vaf_tp53"].tolist() == [True, False, False]
    assert mask["hma_agent"].tolist() == [True, False, True]


def test_missingness_table():
    table = missingness_table(PATIENTS, DICTIONARY, REGIMEN)
    expected = pd.DataFrame(
        [
            ("rr_status", 5, 1, 0, 1 / 5),
            # Three empty, one of them refractory: 2 of the 4 in whom it can exist.
            ("cr1_months", 5, 2, 1, 2 / 4),
            # Three empty, two of them LDAC: 1 of 3.
            ("hma_agent", 5, 1, 2, 1 / 3),
            ("age_years", 5, 1, 0, 1 / 5),
        ],
        columns=["covariate", "n", "unknown", "structural", "share_unknown"],
    )
    pd.testing.assert_frame_equal(table, expected)


def test_a_covariate_that_can_exist_in_nobody_has_no_share():
    refractory = PATIENTS.loc[["refractory, no first remission"]]
    table = missingness_table(refractory, DICTIONARY, REGIMEN[2:3]).set_index("covariate")
    assert np.isnan(table.loc["cr1_months", "share_unknown"])


def test_a_rule_in_the_dictionary_names_a_column_and_a_possible_value():
    for covariate in DICTIONARY.values():
        assert bool(covariate.structural_when) == bool(covariate.structural_missing)
        for column, values in covariate.structural_when.items():
            assert column == "regimen" or set(values) <= set(DICTIONARY[column].vocabulary)


def test_indicators_mark_what_is_often_not_known():
    table = add_indicators(PATIENTS, 0.4, structural_mask(PATIENTS, DICTIONARY, REGIMEN))
    assert table.columns.tolist() == [*PATIENTS, "cr1_months_missing"]
    assert table["cr1_months_missing"].tolist() == [0, 1, 0, 0, 1]


def test_without_knowing_what_is_structural_every_gap_counts():
    table = add_indicators(PATIENTS, 0.5)
    assert table.columns.tolist() == [*PATIENTS, "cr1_months_missing", "hma_agent_missing"]
    assert table["hma_agent_missing"].tolist() == [0, 0, 1, 1, 1]


def test_a_complete_table_gets_no_indicator():
    complete = PATIENTS.loc[["relapsed, length known"]]
    pd.testing.assert_frame_equal(add_indicators(complete, 0.01), complete)


@pytest.mark.parametrize("share", [0, -0.1, 1.5, float("nan")])
def test_a_share_is_between_0_and_1(share):
    with pytest.raises(InputError, match="min_share"):
        add_indicators(PATIENTS, share)


def test_a_flag_takes_no_ones_name():
    with pytest.raises(InputError, match="age_years_missing"):
        add_indicators(PATIENTS.assign(age_years_missing=1.0), 0.2)
