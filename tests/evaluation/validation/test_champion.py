import numpy as np
import pandas as pd
import pytest

from evaluation.validation.champion import choose_champion


def scores(**ibs):
    """Tables of fold scores, simplest learner first."""
    return {name: pd.DataFrame({"ibs": values}) for name, values in ibs.items()}


# Paired differences simple - complex: .01, .03, .01, .03: mean .02, variance 4 * .0001 / 3, and
# with 2 folds SE = sqrt(.0004 / 3 * 1.25) = .0129; with 20 folds sqrt(.0004 / 3 * .3026) = .0064.
SIMPLE, COMPLEX = [0.21, 0.23, 0.21, 0.23], [0.20, 0.20, 0.20, 0.20]


def test_a_simpler_learner_beyond_one_standard_error_loses():
    champion = choose_champion(scores(cox=SIMPLE, forest=COMPLEX), "lowest_ibs_one_se", 1.0)
    assert champion.learner == "forest"
    assert "0.2000" in champion.reason
    assert "no simpler learner within one" in champion.reason


def test_a_simpler_learner_within_one_standard_error_wins():
    # Differences -.02, .06, -.02, .06: mean .02, variance 4 * .0016 / 3,
    # SE = sqrt(.0064 / 3 * 1.25) = .0516.
    close = [0.18, 0.26, 0.18, 0.26]
    champion = choose_champion(scores(cox=close, forest=COMPLEX), "lowest_ibs_one_se", 1.0)
    assert champion.learner == "cox"
    for part in ("within one standard error", "forest", "0.2000", "0.2200", "0.0516"):
        assert part in champion.reason


def test_the_simplest_of_those_within_one_standard_error_wins():
    close = [0.18, 0.26, 0.18, 0.26]
    table = scores(cox=close, forest=close, gradient_boosting=COMPLEX)
    assert choose_champion(table, "lowest_ibs_one_se", 1.0).learner == "cox"


def test_a_more_complex_learner_never_wins_by_being_close():
    close = [0.18, 0.26, 0.18, 0.26]
    champion = choose_champion(scores(cox=COMPLEX, forest=close), "lowest_ibs_one_se", 1.0)
    assert champion.learner == "cox"


def test_the_other_rule_takes_the_lowest():
    close = [0.18, 0.26, 0.18, 0.26]
    champion = choose_champion(scores(cox=close, forest=COMPLEX), "lowest_ibs", 1.0)
    assert champion.learner == "forest"
    assert champion.reason == "lowest mean IBS of the test folds 0.2000"


def test_equal_learners_give_the_simpler_one():
    for rule in ("lowest_ibs_one_se", "lowest_ibs"):
        assert choose_champion(scores(cox=COMPLEX, forest=COMPLEX), rule, 1.0).learner == "cox"


def test_a_learner_without_a_score_in_some_fold_cannot_win():
    table = scores(cox=[0.1, np.nan, 0.1, 0.1], forest=COMPLEX)
    assert choose_champion(table, "lowest_ibs_one_se", 1.0).learner == "forest"


def test_without_any_usable_learner_it_is_said():
    with pytest.raises(ValueError, match="no learner has an integrated Brier score"):
        choose_champion(scores(cox=[np.nan, 0.2]), "lowest_ibs_one_se", 1.0)


def test_a_single_fold_has_no_error_and_takes_the_lowest():
    champion = choose_champion(scores(cox=[0.21], forest=[0.20]), "lowest_ibs_one_se", 1.0)
    assert champion.learner == "forest"


@pytest.mark.parametrize("rule", ["lowest_ibs_one_se", "lowest_ibs"])
@pytest.mark.parametrize(
    "table",
    [
        scores(cox=SIMPLE),
        scores(cox=SIMPLE, forest=COMPLEX),
        scores(cox=[0.18, 0.26, 0.18, 0.26], forest=COMPLEX),
        scores(cox=[0.21], forest=[0.20]),
    ],
    ids=["alone", "beyond", "within", "one fold"],
)
def test_the_figure_is_never_called_the_ibs_of_the_metrics(rule, table):
    reason = choose_champion(table, rule, 1.0).reason
    assert "mean IBS of the test folds" in reason
    assert reason.count("IBS") == reason.count("mean IBS of the test folds")
