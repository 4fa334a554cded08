"""Inclusion rules that choose patients by how they ended."""

import pandas as pd
import pytest

from features.cohort import CohortColumns
from features.guard.findings import findings_frame, without_small_counts
from features.guard.run import guard_inclusion_rules
from features.guard.settings import Severity, read_guard
from features.inclusion import InclusionRule, apply_inclusion

OS = {"label": "OS", "time": "days", "event": "dead", "unit": "days"}
KNOWN = {"name": "followed", "column": "days", "known": True}


def table(rows):
    """Patients of (days, dead) and how many of each."""
    cells = [pair for pair, times in rows.items() for _ in range(times)]
    return pd.DataFrame(cells, columns=["days", "dead"], dtype="string").assign(seen="1")


def found(patients, rule, endpoint=OS, **guard):
    columns = CohortColumns.model_validate({"endpoints": {"os": endpoint}})
    rules = [InclusionRule.model_validate(rule)]
    included = apply_inclusion(patients, rules)
    return guard_inclusion_rules(patients, rules, included, columns, read_guard(guard))


def test_a_missing_time_that_is_a_death():
    (finding,) = found(table({("", "1"): 4, ("90", "1"): 6, ("400", "0"): 6}), KNOWN)
    assert (finding.severity, finding.count, finding.total) == (Severity.WARN, 4, 4)
    assert finding.rows == (1, 2, 3, 4)
    assert "rule followed" in finding.what
    assert "all whom it removes have the event of OS" in finding.what


def test_the_codes_of_the_endpoint_are_read():
    coded = OS | {"event_values": ["Dead"], "censored_values": ["Alive"]}
    patients = table({("", "dead"): 4, ("90", "dead"): 6, ("400", "alive"): 6})
    assert found(patients, KNOWN, coded)
    assert not found(table({("", "alive"): 4, ("90", "dead"): 6, ("9", "alive"): 6}), KNOWN, coded)


def test_a_rule_by_another_column_that_goes_with_missing_times():
    patients = table({("", "1"): 4, ("90", "1"): 6, ("400", "0"): 6})
    patients["seen"] = ["0"] * 4 + ["1"] * 12
    rule = {"name": "seen again", "column": "seen", "one_of": ["1"]}
    assert [f.names for f in found(patients, rule)] == [("seen again",)]
    # The same patients with times: a rule of what was known before may go with the outcome.
    assert not found(patients.assign(days="50"), rule)


@pytest.mark.parametrize(
    ("rows", "rule", "often"),
    [
        # 10 of 13 removed died, 3 of 23 kept: Fisher p < .001.
        ({("5", "1"): 10, ("6", "0"): 3, ("90", "1"): 3, ("90", "0"): 20},
         {"column": "days", "at_least": 30}, "more often than whom it keeps"),
        # The long followed are removed: all alive.
        ({("900", "0"): 10, ("90", "1"): 12, ("90", "0"): 8},
         {"column": "days", "at_most": 365}, "more seldom than whom it keeps"),
    ],
)  # fmt: skip
def test_deaths_more_or_less_often_than_among_the_kept(rows, rule, often):
    (finding,) = found(table(rows), {"name": "times", "missing": "exclude", **rule})
    assert often in finding.what


@pytest.mark.parametrize(
    "rows",
    [
        # Two alone.
        {("", "1"): 2, ("90", "1"): 6, ("400", "0"): 6},
        # As many deaths as among the others.
        {("", "1"): 3, ("", "0"): 3, ("90", "1"): 6, ("400", "0"): 6},
        # Nobody is known to have died.
        {("", ""): 6, ("90", "1"): 6, ("400", "0"): 6},
        # Everybody died, removed or not.
        {("", "1"): 6, ("90", "1"): 30},
    ],
)
def test_no_false_alarm(rows):
    assert not found(table(rows), KNOWN)


def test_what_is_known_is_a_note_and_small_counts_are_hidden():
    patients = table({("", "1"): 4, ("90", "1"): 6, ("400", "0"): 6})
    (finding,) = found(patients, KNOWN, known={"removed_by_outcome": "followed"})
    assert finding.severity is Severity.NOTE
    few = without_small_counts([finding], 5)
    (hidden,) = findings_frame(few)[["count", "total", "rows"]].to_numpy()
    assert hidden.tolist() == ["under 5", "under 5", ""]
    assert few[0].who.startswith("under 5 of under 5 patient(s); which rows is told without ")
