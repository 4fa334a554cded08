import dataclasses

import numpy as np
import pandas as pd
import pytest

from features.covariates.dictionary import Covariate
from pipelines.cohort.reading import check_cohort
from pipelines.comparison.plan import ComparisonPlan, as_groups, covariates_read
from pipelines.comparison.run import _adjust, comparison_cautions
from pipelines.config import DEFAULT_CONFIG, read_config


def test_a_number_is_cut_at_and_above_each_limit():
    age = Covariate(name="age", label="Age", kind="number")
    groups = as_groups(pd.Series([59.9, 60, 74, 75, np.nan]), age, (60, 75))
    assert groups.tolist() == ["< 60", "60 to < 75", "60 to < 75", ">= 75", None]


def test_a_flag_is_yes_or_no_a_category_stays_and_a_small_number_is_text():
    flag = Covariate(name="f", label="F", kind="flag")
    assert as_groups(pd.Series([1.0, 0.0, np.nan]), flag, ()).tolist() == ["yes", "no", None]
    word = Covariate(name="w", label="W", kind="category", vocabulary=("x", "y"))
    assert as_groups(pd.Series(["x", None], dtype=object), word, ()).tolist() == ["x", None]
    number = Covariate(name="n", label="N", kind="integer")
    assert as_groups(pd.Series([2.0, np.nan]), number, ()).tolist() == ["2", None]


def plan_of(**changes):
    config = read_config(DEFAULT_CONFIG)
    own = config.comparison.model_copy(update=changes)
    config = config.model_copy(update={"comparison": own})
    return ComparisonPlan.of(
        config, check_cohort(config, covariates=covariates_read(config, False))
    )


def test_the_subgroups_left_out_are_the_flags_of_the_adjustment_set():
    assert set(plan_of().subgroups) == {
        "secondary_aml", "refractory_or_early_relapse", "prior_hma", "prior_allo_hsct",
        "adverse_karyotype", "mut_tp53",
    }  # fmt: skip
    assert plan_of(subgroups={}).subgroups == {}


def test_a_category_of_many_levels_makes_no_subgroups():
    plan = plan_of(adjust_for=("prior_hma", "disease"))
    many = pd.Series([f"kind {i % 9}" for i in range(70)], dtype=object)
    plan._values["disease"] = many
    plan.__dict__.pop("subgroups", None)
    assert set(plan.subgroups) == {"prior_hma"}
    stated = plan.config.comparison.model_copy(update={"subgroups": {"disease": ()}})
    config = plan.config.model_copy(update={"comparison": stated})
    again = dataclasses.replace(plan, config=config)
    again.__dict__["_values"] = plan._values
    (problem,) = again.problems()
    assert "too many values" in problem.what
    assert problem.got == "9 distinct values"


def test_tau_left_out_is_the_last_horizon_within_the_follow_up_of_every_arm():
    assert plan_of().tau("OS") == 12
    assert plan_of(tau=9.0).tau("OS") == 9


def test_strata_join_the_levels_and_keep_the_unknown():
    strata = plan_of(strata=("prior_hma", "secondary_aml")).strata
    assert len(strata) == 70
    assert set(strata) <= {f"{a} / {b}" for a in ("yes", "no", "unknown")
                           for b in ("yes", "no", "unknown")}  # fmt: skip
    assert plan_of().strata is None


def test_the_null_model_and_a_stack_have_no_regimen_contrast():
    plan = plan_of()
    assert "kaplan_meier" not in plan.learners
    assert "cox" in plan.learners


@pytest.mark.parametrize("with_learners", [False, True])
def test_what_is_read_grows_with_the_learners(with_learners):
    config = read_config(DEFAULT_CONFIG).model_copy(update={"covariates": ("age_years", "ecog")})
    own = config.comparison.model_copy(update={"adjust_for": ("prior_hma",)})
    config = config.model_copy(update={"comparison": own})
    read = covariates_read(config, with_learners)
    assert read[0] == "prior_hma"
    assert ("ecog" in read) is with_learners


def test_transplants_after_the_last_contact_are_a_caution():
    plan = plan_of()
    months = np.full(70, np.nan)
    months[:3] = 1.0, 400.0, 250.0
    late = dataclasses.replace(plan.checked.cohort, transplant_months=months)
    checked = dataclasses.replace(plan.checked, cohort=late)
    told = comparison_cautions(dataclasses.replace(plan, checked=checked))
    assert any("2 of 3 transplants lie after the patient's last contact" in text for text in told)
    assert not any("transplants lie" in text for text in comparison_cautions(plan))


def test_what_is_trimmed_and_bootstrapped_is_what_the_configuration_says(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "pipelines.comparison.run.compare_adjusted", lambda *args: seen.append(args[3]) or args[3]
    )
    for own in ({}, {"trim": 2.5, "interval": "bootstrap", "replicates": 321}):
        plan = plan_of(**own)
        _adjust(plan, plan.endpoint)
    left_out, stated = seen
    assert (left_out.trim, left_out.interval, left_out.replicates) == (None, "sandwich", 2000)
    assert (stated.trim, stated.interval, stated.replicates) == ((2.5, 97.5), "bootstrap", 321)


def test_the_adjusted_rows_have_the_intervals_that_were_asked_for():
    small = {"missing": "indicator", "adjust_for": ("age_years", "ecog"), "replicates": 100}
    plain = plan_of(**small)
    asked = plan_of(**small, trim=5.0, interval="bootstrap")
    before, table = (_adjust(plan, plan.endpoint).table for plan in (plain, asked))
    assert not before["ci_method"].str.contains("bootstrap").any()
    weighted = table[table["estimator"].str.contains("Kaplan-Meier")]
    assert weighted["ci_method"].str.contains("bootstrap of the whole procedure, 100").all()
    further = set(table["estimator"]) - set(before["estimator"])
    assert further
    assert all("trimmed" in name for name in further)
