"""Subgroup hazard ratios and interaction tests against R, and what is suppressed."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.regimens.crude.hazard_ratio import cox_hazard_ratio
from evaluation.regimens.subgroups import SUBGROUP_COLUMNS, interaction_test, subgroup_effects
from features.outcome import Outcome

SHARED = Path(__file__).parents[3].parent / "shared"
N = 120
RNG = np.random.default_rng(12)
REGIMEN = RNG.choice(["HMA", "LDAC"], N).astype(object)
SEX = RNG.choice(["F", "M"], N)
# HMA helps men alone.
HAZARD = np.where((REGIMEN == "HMA") & (SEX == "M"), 0.2, 1.0)
LATENT = RNG.exponential(10 / HAZARD)
OUTCOME = Outcome(np.minimum(LATENT, 30), LATENT < 30)
SUBGROUPS = pd.DataFrame(
    {
        "Sex": SEX,
        "Age": pd.Categorical(
            np.where(np.arange(N) % 3 == 0, "70 and over", "below 70"),
            categories=["below 70", "70 and over"],
        ),
        "Rare": np.where(np.arange(N) < 6, "yes", "no"),
    }
)


@pytest.fixture(scope="module")
def table():
    return subgroup_effects(OUTCOME, REGIMEN, "LDAC", SUBGROUPS)


def test_interaction_matches_r():
    # anova(coxph(... ~ trt + aml_group), coxph(... ~ trt * aml_group))
    data, references = SHARED / "data", SHARED / "references" / "cox.json"
    if not references.exists():
        pytest.skip("the R references are not beside this checkout")
    refs = json.loads(references.read_text())["refs"]
    r = next(x["result"] for x in refs if x["id"] == "cox_mdacc_interaction")
    mdacc = pd.read_csv(data / "mdacc_venhma_ldac.csv")
    outcome = Outcome(mdacc["os_months"], mdacc["os_event"])
    test = interaction_test(outcome, mdacc["regimen"], "LDAC_BASED", mdacc["aml_group"])
    np.testing.assert_allclose(test, (r["lrt_chisq"], r["lrt_p"]), rtol=1e-6)
    # exp of the coefficients trt, and trt plus product
    found = subgroup_effects(outcome, mdacc["regimen"], "LDAC_BASED", mdacc[["aml_group"]])
    assert found["level"].tolist() == ["", "primary", "secondary", ""]


def test_every_level_has_the_ratio_of_its_patients(table):
    assert tuple(table.columns) == SUBGROUP_COLUMNS
    men = table[table["level"] == "M"].iloc[0]
    arms = [OUTCOME.take((SEX == "M") & (arm == REGIMEN)) for arm in ("HMA", "LDAC")]
    expected = cox_hazard_ratio(*arms)
    found = men[["estimate", "ci_low", "ci_high", "p_value"]].astype(float)
    np.testing.assert_allclose(found, expected[:4])
    assert men["n"] == (SEX == "M").sum()
    assert men["estimator"] == "Cox hazard ratio, Sex: M"
    assert table.iloc[0]["subgroup"] == "all patients"


def test_an_effect_in_one_sex_alone_shows_as_interaction(table):
    tests = table[table["estimator"] == "interaction test"].set_index("subgroup")
    assert tests.loc["Sex", "p_value"] < 0.001
    assert tests.loc["Age", "p_value"] > 0.01


def test_levels_keep_a_categorical_order(table):
    assert table.loc[table["subgroup"] == "Age", "level"].tolist() == [
        "below 70", "70 and over", ""
    ]  # fmt: skip


def test_a_small_level_is_suppressed_with_its_counts_and_the_reason(table):
    rare = table[table["level"] == "yes"].iloc[0]
    assert np.isnan(rare["estimate"])
    assert pd.isna(rare["n"])
    assert rare["note"] == "suppressed: fewer than 10 patients in an arm, or than 5 events"
    test = table[(table["subgroup"] == "Rare") & (table["estimator"] == "interaction test")].iloc[0]
    assert np.isnan(test["p_value"])
    assert "fewer than two levels" in test["note"]
    assert "over no" in test["note"]


def test_a_level_whose_arm_has_no_event():
    event = OUTCOME.event & ~((SEX == "F") & (REGIMEN == "HMA"))
    found = subgroup_effects(Outcome(OUTCOME.time, event), REGIMEN, "LDAC", SUBGROUPS[["Sex"]])
    women = found[found["level"] == "F"].iloc[0]
    assert np.isnan(women["estimate"])
    assert "no event while the other is at risk" in women["note"]
    assert "a level has an arm without events" in found.iloc[-1]["note"]


def test_patients_without_a_value_are_in_no_level_and_counted():
    some = SUBGROUPS["Sex"].astype(object).where(np.arange(N) >= 5, None)
    found = subgroup_effects(OUTCOME, REGIMEN, "LDAC", pd.DataFrame({"Sex": some}))
    assert found.iloc[-1]["n"] == N - 5
    assert "5 without a value left out" in found.iloc[-1]["note"]


def test_true_and_false_read_as_yes_and_no():
    flags = pd.DataFrame({"Prior HMA": (np.arange(N) % 2 == 0)})
    found = subgroup_effects(OUTCOME, REGIMEN, "LDAC", flags)
    assert found["level"].tolist() == ["", "no", "yes", ""]


def test_three_arms():
    regimen = np.array(["A", "B", "C"] * 40, dtype=object)
    found = subgroup_effects(OUTCOME, regimen, "B", SUBGROUPS[["Sex"]])
    ratios = found[found["estimator"].str.startswith("Cox")]
    assert ratios["arm"].tolist() == ["A", "C"] * 3
    # Two products: reported with both arms named.
    assert found.iloc[-1]["arm"] == "A / C"


def test_order_of_patients_changes_nothing(table):
    order = np.random.default_rng(3).permutation(N)
    again = subgroup_effects(
        OUTCOME.take(order), REGIMEN[order], "LDAC", SUBGROUPS.iloc[order].reset_index(drop=True)
    )
    pd.testing.assert_frame_equal(again, table)


def test_numbers_are_binned_by_the_caller():
    ages = pd.DataFrame({"age": np.arange(float(N))})
    with pytest.raises(ValueError, match="age has 120 values, at most 8 allowed; bin it first"):
        subgroup_effects(OUTCOME, REGIMEN, "LDAC", ages)
    with pytest.raises(ValueError, match="'subgroups': 119"):
        subgroup_effects(OUTCOME, REGIMEN, "LDAC", SUBGROUPS.iloc[:-1])


@pytest.mark.parametrize("seed", range(15))
def test_tiny_subgroups_have_an_estimate_or_a_reason(seed):
    rng = np.random.default_rng(seed)
    n = 5 + seed % 8
    regimen = np.array([*"ABC", *rng.choice(list("ABC"), n - 3)], dtype=object)
    outcome = Outcome(rng.integers(0, 6, n), rng.random(n) < 0.6)
    levels = pd.DataFrame({"x": rng.choice(["u", "v"], n)})
    found = subgroup_effects(outcome, regimen, "B", levels, limits=(1, 1))
    missing = found["estimate"].isna()
    assert found.loc[missing, "note"].str.contains("not estimable|suppressed").all()
    assert np.isfinite(found.loc[~missing, "estimate"]).all()
