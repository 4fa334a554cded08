import pytest

from evaluation.regimens.target_trial import COMPONENTS, TARGET_COLUMNS, target_trial_sheet


def test_the_components_come_in_their_order_with_both_sides():
    sheet = target_trial_sheet({"outcome": "OS"}, {"eligibility": "adults", "outcome": "58 deaths"})
    assert tuple(sheet.columns) == TARGET_COLUMNS
    assert sheet.to_numpy().tolist() == [
        ["Eligibility", "not stated", "adults"],
        ["Outcomes", "OS", "58 deaths"],
    ]


def test_what_target_asks_for_has_a_place():
    # TARGET 2025: eligibility, strategies, assignment, follow-up, outcomes, contrasts,
    # assumptions, analysis.
    asked = {"eligibility", "strategies", "assignment", "time_zero", "follow_up", "outcome"}
    assert asked | {"contrast", "assumptions", "analysis"} <= set(COMPONENTS)


def test_an_unknown_component_is_refused():
    with pytest.raises(ValueError, match="unknown component blinding"):
        target_trial_sheet({"blinding": "none"}, {})
