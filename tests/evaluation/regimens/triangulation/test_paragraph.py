from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evaluation.estimators import ESTIMATORS
from evaluation.regimens.adjusted.comparison import compare_adjusted
from evaluation.regimens.adjusted.settings import AdjustedSettings
from evaluation.regimens.crude.comparison import FurtherComparisons, compare_regimens
from evaluation.regimens.triangulation.adjustment import say_adjustment, say_conditional
from evaluation.regimens.triangulation.checks import Checks
from evaluation.regimens.triangulation.in_time import say_time
from evaluation.regimens.triangulation.paragraph import (
    say_competing,
    say_dependence,
    say_direction,
    say_overlap,
    say_precision,
    say_shrinkage,
    say_size,
    say_unadjusted,
    say_unmeasured,
    triangulation_paragraph,
)
from evaluation.regimens.triangulation.reading import Reading, excludes_equal_arms, favours_arm
from evaluation.regimens.triangulation.table import (
    EVENT_PROBABILITY,
    HAZARD_RATIO,
    RMST,
    on_one_scale,
    one_table,
    shared_scales,
)
from evaluation.remarks import Remark, joined, not_estimable
from evaluation.results import ADJUSTED_COLUMNS, tidy
from features.outcome import Outcome

NOWHERE = float("nan")


def row(family, estimator, estimate, limits=(np.nan, np.nan), scale=HAZARD_RATIO, horizon=NOWHERE):
    return {
        "family": family,
        "estimator": estimator,
        "endpoint": "OS",
        "scale": scale,
        "horizon": horizon,
        "arm": "A",
        "reference_arm": "B",
        "estimate": estimate,
        "ci_low": limits[0],
        "ci_high": limits[1],
        "n": 70.0,
        "effective_n": 70.0,
    }


def named(words):
    """The name that prints so."""
    for one in sorted(ESTIMATORS, key=lambda one: -len(one.label)):
        if words == one.label:
            return one.named()
        start = one.label + one.before_part
        if one.before_part and words.startswith(start):
            return one.named(named(words[len(start) :]))
    return words


def table_of(rows):
    return tidy([row | {"estimator": named(row["estimator"])} for row in rows], ADJUSTED_COLUMNS)


def reading(rows, **checks):
    table = table_of(rows)
    return Reading.of(table, "OS", "A", Checks(70, 58, **checks))


CRUDE = row("classical", "Cox hazard ratio", 0.60, (0.4, 0.9))


def weighted(estimate, limits=(0.4, 1.6)):
    return row("adjusted", "overlap Cox", estimate, limits)


def probability(family, estimator, estimate, months=6.0, limits=(-0.9, 0.9)):
    return row(family, estimator, estimate, limits, EVENT_PROBABILITY, months)


# ------------------------------------------------------------------- which side, and whether sure


def test_a_low_ratio_a_low_probability_and_a_high_mean_favour_the_arm():
    rows = pd.DataFrame(
        [
            row("classical", "x", 0.9),
            row("classical", "x", 1.1),
            row("classical", "x", -0.1, scale=EVENT_PROBABILITY),
            row("classical", "x", 0.1, scale=EVENT_PROBABILITY),
            row("classical", "x", 1.0, scale=RMST),
            row("classical", "x", -1.0, scale=RMST),
        ]
    )
    assert favours_arm(rows).tolist() == [True, False, True, False, True, False]


def test_an_interval_excludes_equal_arms_on_its_own_scale():
    rows = pd.DataFrame(
        [
            row("classical", "x", 0.9, (0.8, 0.99)),
            row("classical", "x", 0.9, (0.8, 1.01)),
            row("classical", "x", 1.0, (0.2, 2.0), RMST),
            row("classical", "x", 1.0, (-0.2, 2.0), RMST),
            row("classical", "x", 1.0, (np.nan, np.nan), RMST),
        ]
    )
    assert excludes_equal_arms(rows).tolist() == [True, False, True, False, False]


# ------------------------------------------------------------------------------ one rule a test


def test_all_on_one_side_is_said_with_the_range():
    text = say_direction(reading([CRUDE, weighted(0.8)]))
    assert text == "OS, A against B: all 2 estimates favour A (hazard ratio 0.60 to 0.80)."


def test_who_is_on_the_other_side_is_named():
    rows = [CRUDE, weighted(0.8), probability("adjusted", "AIPW of pseudo-values", 0.02)]
    text = say_direction(reading(rows))
    assert "2 of 3 estimates favour A" in text
    assert "against: AIPW of pseudo-values at 6 months" in text


def test_a_single_estimate_has_no_range():
    text = say_direction(
        reading([CRUDE, probability("classical", "Kaplan-Meier difference", -0.2)])
    )
    assert "(hazard ratio 0.60; event by 6 months -20 percentage points)" in text


def test_cumulative_incidences_are_told_apart_from_hazards():
    row = probability("classical", "cumulative incidence difference", -0.2)
    assert "competing event before" in say_competing(reading([CRUDE, row]))
    assert say_competing(reading([CRUDE])) == ""


def competing_reading(difference, limits, *more):
    rows = [CRUDE, probability("classical", "cumulative incidence difference", -0.2), *more]
    other = probability("classical", "cumulative incidence difference", difference, 12.0, limits)
    table = table_of([*rows, other | {"endpoint": "death in remission"}])
    return Reading.of(table, "OS", "A", Checks(70, 58), "death in remission")


def test_more_of_the_competing_event_is_said_where_an_arm_seems_better():
    found = competing_reading(0.15, (0.04, 0.26))
    text = say_direction(found)
    assert "favour" not in text
    assert "all 2 estimates are of fewer of this event under A" in text
    assert "but more of death in remission (+15 percentage points by 12 months, +4 to +26)" in text
    assert "death in remission is less frequent under B (+15" in say_competing(found)


def test_a_competing_event_that_does_not_differ_or_differs_the_same_way_softens_nothing():
    assert "favour A" in say_direction(competing_reading(0.15, (-0.04, 0.34)))
    same = competing_reading(-0.15, (-0.26, -0.04))
    assert "favour A" in say_direction(same)
    assert "death in remission is less frequent under A (-15" in say_competing(same)


def test_the_fine_gray_ratio_of_the_competing_event_is_told_where_no_horizon_shows_it():
    gray = row("classical", "Fine-Gray hazard ratio", 1.8, (1.1, 2.9))
    gray |= {"scale": "subdistribution hazard ratio", "endpoint": "death in remission"}
    text = say_direction(competing_reading(0.05, (-0.1, 0.2), gray))
    assert "more of death in remission (subdistribution hazard ratio 1.80, 1.10 to 2.90)" in text


def test_all_against_the_arm_favour_the_reference_arm():
    rows = [weighted(1.2), row("adjusted", "matching Cox", 1.3, (0.9, 1.9))]
    assert "all 2 estimates favour B" in say_direction(reading(rows))


def test_one_estimate_is_told_as_one():
    text = triangulation_paragraph(reading([CRUDE]))
    assert text.startswith("OS, A against B: the one estimate favours A (hazard ratio 0.60). The ")
    assert "The one 95% interval excludes equal arms." in text
    assert "holds equal arms" in say_precision(reading([weighted(0.8)]))
    assert say_dependence(reading([CRUDE])) == ""
    nothing = row("classical", "Cox hazard ratio", 1.0, (0.5, 2.0))
    assert "the one estimate is exactly no difference" in say_direction(reading([nothing]))


def test_an_estimate_without_an_interval_is_no_vote():
    rows = [CRUDE, weighted(0.8), row("adjusted", "matching Cox", 1.3)]
    text = say_direction(reading(rows))
    assert "all 2 estimates favour A (hazard ratio 0.60 to 0.80)." in text
    assert text.endswith("1 estimate has no interval and is not counted.")
    alone = say_direction(reading([row("classical", "Cox hazard ratio", 0.6)]))
    assert alone.endswith("(hazard ratio 0.60), so that none speaks for either arm.")


def test_the_spread_of_the_adjusted_ratios_leaves_none_out():
    rows = [weighted(0.8, (0.5, 1.3)), row("adjusted", "matching Cox", 0.82, (0.5, 1.3))]
    assert "less than half" in say_size(reading(rows, events_per_coefficient=20.0))
    rows.append(row("adjusted", "stabilised IPTW Cox", 2.4))
    assert "more than half" in say_size(reading(rows, events_per_coefficient=20.0))


@pytest.mark.parametrize(
    ("scale", "low", "high", "excluded"),
    [
        (HAZARD_RATIO, 0.4, 0.994, True),
        (HAZARD_RATIO, 0.4, 0.9951, False),  # prints as 1.00
        (HAZARD_RATIO, 1.004, 2.0, False),
        (EVENT_PROBABILITY, -0.3, -0.0004, False),  # prints as 0.000
        (EVENT_PROBABILITY, -0.3, -0.0006, True),
        (RMST, 0.004, 3.0, False),
    ],
)
def test_a_limit_that_prints_as_no_difference_touches_it(scale, low, high, excluded):
    rows = pd.DataFrame([row("classical", "x", (low + high) / 2, (low, high), scale)])
    assert excludes_equal_arms(rows).tolist() == [excluded]


def test_rows_of_the_same_patients_are_not_so_many_findings():
    assert "not independent" in say_dependence(reading([CRUDE, weighted(0.8)]))


@pytest.mark.parametrize("estimates", [(0.6, 0.8), (0.6, 1.2), (1.2, 1.3)])
def test_direction_and_precision_lead_the_paragraph(estimates):
    rows = [CRUDE | {"estimate": estimates[0]}, weighted(estimates[1])]
    rows.append(probability("model-based", "SHAP contrast, forest", 0.0))
    found = reading(rows, trend_p=0.5)
    told = triangulation_paragraph(found)
    assert told.lead == f"{say_direction(found)} {say_precision(found)}"
    assert told == f"{told.lead} {told.rest}"


def test_a_single_estimate_leads_by_its_direction_and_nothing_by_nothing():
    assert triangulation_paragraph(reading([CRUDE])).lead == say_direction(reading([CRUDE]))
    nothing = triangulation_paragraph(reading([row("classical", "x", np.nan)]))
    assert (nothing.lead, nothing.rest) == ("", nothing)


def test_without_events_in_an_arm_there_are_no_hazard_ratios():
    rows = [probability("classical", "Kaplan-Meier difference", -0.2)]
    assert "No event in A: hazard ratios do not exist" in triangulation_paragraph(
        reading(rows, arm_events=(0, 30))
    )
    assert "hazard ratios do not exist" not in triangulation_paragraph(
        reading(rows, arm_events=(1, 30))
    )


def test_intervals_are_counted_by_family():
    text = say_precision(reading([CRUDE, weighted(0.8), row("adjusted", "matching Cox", 0.8)]))
    # The row without limits is not counted.
    assert "1 of 1 classical and 0 of 1 adjusted rows" in text


def test_a_model_that_left_the_regimen_out_is_on_neither_side():
    text = say_direction(reading([CRUDE, probability("model-based", "SHAP contrast, forest", 0.0)]))
    assert "the one estimate favours A" in text
    assert "1 model-based estimate is 0: that model left the regimen out" in text


def test_the_interval_of_a_shrunken_model_excludes_nothing():
    shrunk = probability("model-based", "SHAP contrast, cox", -0.1, limits=(-0.2, -0.01))
    # Of both limits only the crude one counts.
    assert say_precision(reading([CRUDE, shrunk])) == "The one 95% interval excludes equal arms."
    assert say_precision(reading([shrunk])) == ""


def test_where_no_interval_excludes_equal_arms_the_side_may_be_chance():
    text = say_precision(reading([weighted(0.8), weighted(0.9) | {"estimator": "matching Cox"}]))
    assert text.startswith("None of the 2 95% intervals excludes equal arms")


# Random arms of 35: an SMD of 2 sqrt(1/35 + 1/35) = 0.48 is at the edge for one term.
SIZES = {"arm_sizes": (35, 35), "largest_smd_term": "age"}


@pytest.mark.parametrize(
    ("after", "smd", "words"),
    [
        (0.62, 0.05, "from 0.60 crude (adjusted 0.62); the arms were balanced"),
        (0.62, 0.50, "though the arms differed by more than chance gives (largest SMD 0.50, age"),
        (0.80, 0.50, "towards 1; the arms differed by more than chance gives"),
        (0.80, 0.50, "the change is consistent with measured confounding."),
        (0.40, 0.50, "away from 1"),
        (0.40, 0.50, "consistent with measured confounding that hid part of the contrast"),
        (0.80, 0.40, "the imbalance is of a size that chance gives (largest SMD 0.40, age"),
        (0.80, 0.40, "not told from chance"),
        (0.80, 0.05, "not told from chance"),
        (1.30, 0.50, "across 1"),
    ],
)
def test_the_change_by_adjustment_is_told_with_the_imbalance(after, smd, words):
    text = say_adjustment(reading([CRUDE, weighted(after)], largest_smd=smd, **SIZES))
    assert words in text
    assert "Weighting also changes the population." in text
    assert "likely" not in text


def test_the_largest_of_many_terms_is_held_against_what_the_largest_of_many_is_by_chance():
    one = Checks(70, 58, largest_smd=0.5, arm_sizes=(35, 35))
    # norm.isf(0.025) = 1.959964, norm.isf(0.05 / 20) = 2.807034, times sqrt(2 / 35) = 0.239046
    assert one.chance_smd == pytest.approx(0.468521, abs=1e-6)
    ten = Checks(70, 58, largest_smd=0.5, arm_sizes=(35, 35), terms=10)
    assert ten.chance_smd == pytest.approx(0.671010, abs=1e-6)
    assert (one.beyond_chance, ten.beyond_chance) == (True, False)
    # A large cohort: significant, and negligible all the same.
    assert not Checks(70_000, 58, largest_smd=0.05, arm_sizes=(35_000, 35_000)).beyond_chance


def test_measured_confounding_is_seldom_said_of_arms_that_were_drawn():
    rng = np.random.default_rng(5)
    said = 0
    for _ in range(400):
        arm = rng.permutation(np.repeat([True, False], [42, 28]))
        x = rng.normal(size=(70, 10))
        spread = np.sqrt((x[arm].var(axis=0, ddof=1) + x[~arm].var(axis=0, ddof=1)) / 2)
        smd = np.abs(x[arm].mean(axis=0) - x[~arm].mean(axis=0)) / spread
        checks = Checks(70, 58, largest_smd=smd.max(), arm_sizes=(42, 28), terms=10)
        said += checks.beyond_chance
    assert said / 400 < 0.10


def test_an_unmeasured_imbalance_is_not_called_balance():
    text = say_adjustment(reading([CRUDE, weighted(0.62)]))
    assert "balanced" not in text
    assert "nan" not in text


def test_two_ratios_on_both_sides_of_1_with_wide_intervals_are_not_told_apart():
    crude = row("classical", "Cox hazard ratio", 1.06, (0.5, 2.2))
    text = say_adjustment(reading([crude, weighted(0.94)], largest_smd=0.6, **SIZES))
    assert "both intervals hold 1: the two are not told apart" in text
    assert "confounding" not in text


def test_the_adjusted_ratio_that_moves_most_is_named():
    rows = [CRUDE, weighted(0.60), row("adjusted", "stabilised IPTW Cox", 1.10, (0.6, 1.7))]
    text = say_adjustment(reading(rows, largest_smd=0.5, **SIZES))
    assert "hardly" not in text
    assert "to 1.10 (stabilised IPTW Cox; adjusted rows 0.60 to 1.10)" in text


def test_a_multivariable_ratio_that_alone_moves_is_no_sign_of_confounding():
    rows = [CRUDE, weighted(0.60), row("adjusted", "multivariable Cox", 0.50, (0.3, 0.8))]
    text = say_adjustment(reading(rows, largest_smd=0.9, **SIZES))
    assert "given the covariates" in text
    assert "confounding" not in text


def test_adjustment_on_fewer_patients_is_told():
    found = reading([CRUDE, weighted(0.8) | {"n": 60.0}], largest_smd=0.5, largest_smd_term="age")
    assert "(of 70 and 60 patients, so that who is left out plays a part)" in say_adjustment(found)


def test_where_nothing_could_be_adjusted_it_is_said_why():
    failed = weighted(np.nan) | {"note": not_estimable("the covariates tell the arms apart")}
    text = say_unadjusted(reading([CRUDE, failed]))
    assert text.startswith("Nothing could be adjusted (the covariates tell the arms apart):")
    assert "crude rows cannot be told from confounding" in text
    assert say_unadjusted(reading([CRUDE, failed, weighted(0.8)])) == ""


def test_without_a_weighted_ratio_adjustment_is_not_spoken_of():
    assert say_adjustment(reading([CRUDE])) == ""


@pytest.mark.parametrize(
    ("conditional", "words"),
    [
        # Log ratios of 0.46 and 0.36: 1.3 times; of 1.61 and 0.36: 4.5 times.
        (0.63, "further from 1 than the weighted ones (0.70, marginal), as it can without any"),
        (0.20, "disagree by more than"),
        (1.80, "disagree by more than"),
        (0.68, ""),
        (0.90, ""),
    ],
)
def test_a_conditional_ratio_a_little_further_from_1_needs_no_bias(conditional, words):
    rows = [weighted(0.7), row("adjusted", "multivariable Cox", conditional)]
    text = say_conditional(reading(rows))
    assert words in text
    assert bool(text) is bool(words)


def test_a_conditional_ratio_whose_interval_holds_the_marginal_ones_does_not_disagree():
    rows = [weighted(0.7), row("adjusted", "multivariable Cox", 0.5, (0.2, 1.2))]
    text = say_conditional(reading(rows))
    assert "disagree" not in text
    assert "but its interval holds them" in text
    rows[1] |= {"ci_high": 0.6}
    assert "disagree" in say_conditional(reading(rows))


def test_the_conditional_ratio_is_not_set_against_ratios_that_hardly_move():
    rows = [
        row("classical", "Cox hazard ratio", 0.96, (0.6, 1.5)),
        weighted(0.99),
        row("adjusted", "multivariable Cox", 0.89),
    ]
    assert "hardly moves" in say_adjustment(reading(rows))
    assert say_conditional(reading(rows)) == ""


@pytest.mark.parametrize(
    ("trend", "adjusted_trend", "words"),
    [
        (
            0.01,
            0.5,
            "changes with time (proportional hazards: crude p = .010, multivariable p = .50)",
        ),
        (0.5, 0.02, "changes with time"),
        (
            0.5,
            0.5,
            "hazards: crude p = .50, multivariable p = .50), which 58 events cannot exclude",
        ),
        (np.nan, np.nan, ""),
    ],
)
def test_non_proportional_hazards_are_told(trend, adjusted_trend, words):
    text = say_time(reading([CRUDE], trend_p=trend, adjusted_trend_p=adjusted_trend))
    assert words in text
    assert bool(text) is bool(words)


def test_a_difference_that_fades_is_told_though_the_test_does_not_see_it():
    rows = [
        probability("classical", "Kaplan-Meier difference", -0.37, 6.0, (-0.6, -0.1)),
        probability("classical", "Kaplan-Meier difference", -0.10, 12.0, (-0.3, 0.1)),
    ]
    text = say_time(reading(rows, trend_p=0.28))
    assert "crude -37 percentage points by 6 months, -10 by 12" in text
    # Crude figures stand beside the test of the crude hazard ratio, whatever the other one says.
    text = say_time(reading(rows, trend_p=0.28, adjusted_trend_p=0.09))
    assert "though the test does not see it (proportional hazards: crude p = .28)" in text
    assert ".09" not in text
    assert "not see it" not in say_time(reading(rows, trend_p=0.01))


def test_a_difference_that_turns_round_is_told():
    rows = [
        probability("classical", "Kaplan-Meier difference", 0.3, 6.0, (0.2, 0.4)),
        probability("classical", "Kaplan-Meier difference", 0.0, 9.0, (-0.1, 0.1)),
        probability("classical", "Kaplan-Meier difference", -0.3, 12.0, (-0.4, -0.2)),
    ]
    text = say_time(reading(rows, trend_p=0.5))
    assert "turns round (crude +30 percentage points by 6 months, -30 by 12, both" in text
    assert "No sign" not in text
    rows[0] |= {"ci_low": -0.1}
    assert "turns round" not in say_time(reading(rows, trend_p=0.5))


def test_a_difference_that_is_seen_later_is_told_without_calling_it_a_late_effect():
    rows = [
        probability("classical", "Kaplan-Meier difference", 0.0, 6.0, (-0.1, 0.1)),
        probability("classical", "Kaplan-Meier difference", -0.3, 12.0, (-0.4, -0.2)),
    ]
    text = say_time(reading(rows, trend_p=0.5))
    assert "seen only later (crude 0 percentage points by 6 months, -30 by 12)" in text
    assert "or by few events until then" in text
    assert "crude p = .50" in text


def test_two_ways_of_g_computation_that_disagree_are_told():
    rows = [
        probability("adjusted", "g-computation, Cox", -0.1),
        probability("adjusted", "g-computation, Cox stratified by arm", -0.3),
    ]
    assert "(-10 points) and a baseline hazard of each arm (-30)" in say_time(reading(rows))
    rows[1]["estimate"] = -0.15
    assert say_time(reading(rows)) == ""


@pytest.mark.parametrize(("word", "said"), [("poor", True), ("thin", True), ("adequate", False)])
def test_thin_overlap_says_on_how_many_a_row_rests(word, said):
    thin = row("adjusted", "stabilised IPTW Cox", 0.7) | {"effective_n": 33.6}
    # 33.6 of 70 where the arms are not known apart.
    assert (
        "(on an effective 48% of 70 patients)" in say_overlap(reading([thin], overlap=word))
    ) is said
    text = say_overlap(reading([thin], overlap=word, effective_share=0.23))
    assert ("an effective 23% of the patients of an arm" in text) is said
    assert "48%" not in text


def test_a_row_that_rests_on_everybody_is_not_said_to_rest_on_few():
    whole = row("adjusted", "stabilised IPTW Cox", 0.7) | {"effective_n": 70.0}
    assert "effective" not in say_overlap(reading([whole], overlap="thin"))
    found = reading([whole], overlap="thin", effective_share=0.85)
    assert "effective" not in say_overlap(found)


def contrasts(adjusted, modelled, months=6.0, limits=(-0.3, -0.1)):
    return [
        probability("adjusted", "overlap Kaplan-Meier", adjusted, months, limits),
        probability("model-based", "SHAP contrast, cox", modelled, months),
    ]


@pytest.mark.parametrize(
    ("modelled", "words"),
    [
        (-0.05, "smaller (-5 against -20 percentage points by 6 months, medians)"),
        (-0.2, "of the size of the adjusted ones"),
        (-0.4, "larger than the adjusted ones"),
        (0.2, "opposite sign of the adjusted ones (+20 against -20"),
    ],
)
def test_shrinkage_is_measured_against_the_adjusted_contrasts(modelled, words):
    assert words in say_shrinkage(reading(contrasts(-0.2, modelled)))


def test_there_is_no_shrinkage_of_a_contrast_that_may_be_none():
    assert say_shrinkage(reading(contrasts(-0.2, -0.01, limits=(-0.5, 0.1)))) == ""


def test_shrinkage_is_read_at_the_horizon_of_the_largest_contrast():
    rows = [*contrasts(-0.2, -0.25), *contrasts(-0.02, -0.005, 12.0, (-0.3, 0.2))]
    text = say_shrinkage(reading(rows))
    assert "of the size of the adjusted ones (-25 against -20 percentage points by 6" in text


def test_without_models_nothing_is_said_of_shrinkage():
    assert say_shrinkage(reading([probability("adjusted", "overlap Kaplan-Meier", -0.2)])) == ""


def test_few_events_and_the_spread_of_the_adjusted_ratios_are_told():
    rows = [weighted(0.7), row("adjusted", "matching Cox", 0.75, (0.4, 1.4))]
    text = say_size(reading(rows, events_per_coefficient=5.3))
    assert text.startswith("58 events are 5.3 a coefficient, and the adjusted ratios differ")
    assert "less than half" in text
    rows[1] |= {"estimate": 1.9, "ci_low": 1.2, "ci_high": 3.0}
    assert "more than half" in say_size(reading(rows, events_per_coefficient=20.0))


def test_the_e_value_of_the_overlap_ratio_comes_last():
    e_value = row("adjusted", "E-value of overlap Cox", 2.06, (1.0, np.nan), "risk ratio")
    text = say_unmeasured(reading([weighted(0.64), e_value]))
    assert "risk ratio of 2.1" in text
    assert "none is needed for its interval" in text
    e_value["ci_low"] = 1.3
    assert "1.3 for the limit" in say_unmeasured(reading([weighted(0.64), e_value]))
    assert say_unmeasured(reading([CRUDE])) == "No row knows what was not recorded."


def test_an_e_value_of_1_explains_nothing_away():
    e_value = row("adjusted", "E-value of overlap Cox", 1.0, (1.0, np.nan), "risk ratio")
    text = say_unmeasured(reading([weighted(1.0), e_value]))
    assert "would explain" not in text
    assert "hardly a difference" in text
    near = e_value | {"estimate": 2.3, "ci_low": 1.0004}
    assert "hardly excludes 1" in say_unmeasured(reading([weighted(0.5), near]))
    unknown = e_value | {"estimate": 2.3, "ci_low": np.nan}
    assert "nan" not in say_unmeasured(reading([weighted(0.5), unknown]))


def test_nothing_estimable_is_said():
    assert "nothing could be estimated" in triangulation_paragraph(
        reading([row("classical", "x", np.nan)])
    )


# ------------------------------------------------------------------------ from patients to words


@pytest.fixture(scope="module")
def study():
    """200 patients; the older ones go more often to B and die sooner."""
    rng = np.random.default_rng(3)
    n = 200
    age = rng.normal(65, 8, n)
    regimen = np.where(rng.random(n) < 1 / (1 + np.exp((age - 65) / 6)), "A", "B").astype(object)
    time = rng.exponential(12 * np.exp(-(age - 65) / 15 + 0.3 * (regimen == "A")))
    seen = rng.uniform(6, 40, n)
    outcome = Outcome(np.minimum(time, seen), time <= seen)
    responder = (rng.random(n) < 0.5).astype(float)
    return outcome, regimen, pd.DataFrame({"age": age, "sex": rng.integers(0, 2, n)}), responder


@pytest.fixture(scope="module")
def compared(study):
    outcome, regimen, covariates, responder = study
    settings = AdjustedSettings("B", [6, 12])
    adjusted = compare_adjusted(outcome, regimen, covariates, settings)
    classical = compare_regimens(
        {"OS": outcome}, regimen, "B", [6, 12], responder, None, FurtherComparisons(replicates=200)
    )
    checks = Checks.of(outcome, regimen, ("A", "B"), adjusted)
    note = joined("not causal", Remark.LEFT.says("in 12% of refits"))
    model = table_of([probability("model-based", "SHAP contrast, cox", -0.04) | {"note": note}])
    table = one_table(classical, [adjusted.table], [model], {("OS", "A"): checks}, {"cox": "age"})
    return table, checks


def test_every_row_has_what_it_assumes_and_what_was_found(compared):
    table, _ = compared
    assert tuple(table.columns) == ADJUSTED_COLUMNS
    assert (table["reference_arm"] != "").all()
    for column in ("assumption", "verdict", "adjustment_set", "population"):
        assert (table[column] != "").all(), column
    by_name = table.drop_duplicates("estimator").set_index("estimator")
    assert "proportional hazards p = " in by_name.loc["Cox hazard ratio", "verdict"]
    assert "largest SMD" in by_name.loc["Kaplan-Meier difference", "verdict"]
    assert "(age)" in by_name.loc["Kaplan-Meier difference", "verdict"]
    assert (
        by_name.loc["SHAP contrast, cox", "verdict"]
        == "the regimen left the model in 12% of refits"
    )
    assert by_name.loc["SHAP contrast, cox", "adjustment_set"] == "age"
    assert by_name.loc["response rate difference", "verdict"] == "cannot be checked"


def test_every_family_is_on_the_shared_scales(compared):
    table, _ = compared
    assert shared_scales(table, "OS", "A")[1:] == [
        (RMST, 12.0), (EVENT_PROBABILITY, 6.0), (EVENT_PROBABILITY, 12.0)
    ]  # fmt: skip
    rows = on_one_scale(table, "OS", "A", EVENT_PROBABILITY, 6.0)
    assert list(dict.fromkeys(rows["family"])) == ["classical", "adjusted", "model-based"]
    restricted = on_one_scale(table, "OS", "A", RMST, 12.0)
    assert {"classical", "adjusted"} <= set(restricted["family"])


def test_the_checks_are_those_of_the_comparison(compared, study):
    _, checks = compared
    outcome, regimen, covariates, _ = study
    assert (checks.n, checks.events) == (200, outcome.n_events)
    a = regimen == "A"
    spread = np.sqrt((covariates.loc[a, "age"].var() + covariates.loc[~a, "age"].var()) / 2)
    smd = abs(covariates.loc[a, "age"].mean() - covariates.loc[~a, "age"].mean()) / spread
    assert checks.largest_smd == pytest.approx(smd)
    assert checks.largest_smd_term == "age"
    assert checks.overlap in ("adequate", "thin", "poor")
    # The regimen and two covariates.
    assert checks.events_per_coefficient == pytest.approx(outcome.n_events / 3)


def test_the_paragraph_says_that_confounding_made_the_crude_ratio_better(compared):
    table, checks = compared
    text = triangulation_paragraph(Reading.of(table, "OS", "A", checks))
    assert "towards 1; the arms differed by more than chance gives" in text
    assert "consistent with measured confounding" in text
    assert "nan" not in text
    # The same table, the same words.
    assert text == triangulation_paragraph(
        Reading.of(table.sample(frac=1, random_state=1).sort_index(), "OS", "A", checks)
    )


def test_without_an_adjusted_comparison_only_the_trend_is_checked(study):
    outcome, regimen, _, _ = study
    checks = Checks.of(outcome, regimen, ("A", "B"), None)
    assert np.isfinite(checks.trend_p)
    assert checks.balance_words == "cannot be checked"


def test_randomised_arms_have_no_confounding_to_explain_away(study):
    outcome, regimen, covariates, _ = study
    settings = AdjustedSettings("B", [6, 12], imputations=2, randomised=True)
    adjusted = compare_adjusted(outcome, regimen, covariates, settings)
    checks = Checks.of(outcome, regimen, ("A", "B"), adjusted, randomised=True)
    classical = compare_regimens({"OS": outcome}, regimen, "B", [6, 12])
    model = table_of([probability("model-based", "SHAP contrast, cox", -0.04) | {"note": ""}])
    table = one_table(classical, [adjusted.table], [model], {("OS", "A"): checks})
    assert not table["estimator"].str.startswith("E-value").any()
    words = " ".join([*table["assumption"], *table["verdict"]])
    assert "confounding" not in words
    assert "exchangeable" not in words
    assert (table["assumption"].str.startswith("arms drawn at random")).all()
    text = triangulation_paragraph(Reading.of(table, "OS", "A", checks))
    assert "The regimen was drawn at random" in text
    assert "confound" not in text
    # These arms do differ by more than chance, which a trial has to explain.
    assert "check how they were drawn" in text


def test_imbalance_of_randomised_arms_is_chance():
    rows = [CRUDE, row("adjusted", "multivariable Cox", 0.80, (0.5, 1.2)),
            row("adjusted", "overlap Cox", 0.78, (0.5, 1.2))]  # fmt: skip
    small = {"largest_smd": 0.2, "largest_smd_term": "age", "arm_sizes": (35, 35)}
    text = say_adjustment(reading(rows, randomised=True, **small))
    assert "the imbalance of the arms, drawn at random, is chance (largest SMD 0.20, age)" in text
    assert "crude and adjusted rows are both valid" in text
    told = say_unadjusted(replace(reading(rows, randomised=True), unadjusted="too few"))
    assert told.endswith("the crude rows stand alone; the arms were drawn at random.")
