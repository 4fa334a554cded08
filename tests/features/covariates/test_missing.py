import numpy as np
import pandas as pd

from features.covariates.dictionary import read_dictionary
from features.covariates.missing import structural_mask

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


def test_a_rule_in_the_dictionary_names_a_column_and_a_possible_value():
    for covariate in DICTIONARY.values():
        assert bool(covariate.structural_when) == bool(covariate.structural_missing)
        for column, values in covariate.structural_when.items():
            assert column == "regimen" or set(values) <= set(DICTIONARY[column].vocabulary)
