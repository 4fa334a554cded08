"""Early deaths: who is counted, and what censoring does to the denominator."""

import numpy as np
import pytest

from evaluation.regimens.crude.early_death import early_death_rows, early_deaths
from evaluation.regimens.crude.response_rates import Counts
from evaluation.results import regimen_table
from evaluation.statistics.proportions import TwoProportions, proportion
from features.outcome import Outcome

DAY = 12 / 365.25


def outcome_of(days, event):
    return Outcome(np.array(days) * DAY, event)


def test_a_death_on_the_very_day_counts_and_a_censoring_by_then_does_not():
    # died on days 10 and 30, died on 31, censored on day 12, censored on day 400
    outcome = outcome_of([10, 30, 31, 12, 400], [1, 1, 1, 0, 0])
    assert early_deaths(outcome, 30) == Counts(2, 4, 1)
    assert early_deaths(outcome, 31) == Counts(3, 4, 1)


@pytest.mark.parametrize("day", range(1, 91))
def test_whole_days_survive_the_way_through_months(day):
    assert early_deaths(outcome_of([day], [1]), day).events == 1
    assert early_deaths(outcome_of([day + 1], [1]), day).events == 0


def test_rows_of_two_arms():
    by_arm = {
        "HMA": outcome_of([10, 200, 300, 20], [1, 1, 0, 0]),
        "LDAC": outcome_of([90, 100], [1, 1]),
    }
    table = regimen_table(early_death_rows(by_arm, [30]))
    hma, ldac, difference = table.to_dict("records")
    assert hma["endpoint"] == "death by day 30"
    assert hma["horizon"] == pytest.approx(30 * DAY)
    # 1 of 3: the patient censored on day 20 is in no denominator.
    assert (hma["events"], hma["n"]) == (1, 3)
    assert (hma["ci_low"], hma["ci_high"]) == pytest.approx(proportion(1, 3)[1:])
    assert hma["note"] == "1 censored by day 30 left out"
    assert ldac["note"] == ""
    # Upper exact limit of 0 of 2: 1 - .025^(1/2)
    assert ldac["ci_high"] == pytest.approx(1 - np.sqrt(0.025))
    limits = (difference["estimate"], difference["ci_low"], difference["ci_high"])
    assert limits == pytest.approx(TwoProportions(1, 3, 0, 2).risk_difference())


def test_nobody_followed_so_long():
    by_arm = {"A": outcome_of([5], [0]), "B": outcome_of([40], [1])}
    table = regimen_table(early_death_rows(by_arm, [30]))
    assert np.isnan(table.loc[0, "estimate"])
    assert "nobody was followed so long" in table.loc[0, "note"]
    assert "not estimable" in table.loc[2, "note"]


def test_an_arm_that_nobody_was_followed_in_has_no_rate():
    # Day 60: of A three are dead and one was lost before; of B one of two lives on.
    by_arm = {"A": outcome_of([5, 20, 40, 50], [1, 1, 1, 0]), "B": outcome_of([9, 90], [1, 0])}
    table = regimen_table(early_death_rows(by_arm, [60])).set_index("arm")
    alone = table[table["scale"] == "probability"]
    assert np.isnan(alone.loc["A", "estimate"])
    assert "nobody was followed so long" in alone.loc["A", "note"]
    assert alone.loc["B", "estimate"] == 0.5
    assert table.loc[table["scale"] == "probability difference", "estimate"].isna().all()
    # Everybody dead is known to the last patient.
    dead = {"A": outcome_of([5, 20], [1, 1]), "B": by_arm["B"]}
    rates = regimen_table(early_death_rows(dead, [60])).set_index("arm")["estimate"]
    assert rates.loc["A"].iloc[0] == 1.0
