"""Counts, follow-up and medians of endpoints, by hand."""

import numpy as np
import pytest

from evaluation.cohort.endpoint_summary import (
    ENDPOINT_COLUMNS,
    endpoint_summary,
    readable_endpoints,
)
from evaluation.statistics.kaplan_meier import median_time
from features.outcome import Outcome

OUTCOME = Outcome([2, 3, 5, 20, 4, 6, 12, 30], [1, 1, 0, 1, 1, 0, 0, 0])
REGIMEN = np.array(["LDAC"] * 4 + ["HMA"] * 4, dtype=object)


def test_one_row_for_all_patients_and_for_each_arm():
    summary = endpoint_summary({"OS": OUTCOME}, REGIMEN)
    assert list(summary) == list(ENDPOINT_COLUMNS)
    assert summary[["arm", "n", "events"]].to_numpy().tolist() == [
        ["All patients", 8, 4],
        ["HMA", 4, 1],
        ["LDAC", 4, 3],
    ]


def test_follow_up_is_the_reverse_kaplan_meier_median():
    # HMA: dead at 4, alive at 6, 12 and 30. Reversed: 3 at risk at 6 (2/3), at 12 1/3: 12 months.
    row = endpoint_summary({"OS": OUTCOME}, REGIMEN).iloc[1]
    assert row["follow_up"] == 12
    # One event among four: S stays at 3/4 and no median is reached.
    assert np.isnan(row["median"])


def test_median_is_that_of_kaplan_meier():
    row = endpoint_summary({"OS": OUTCOME}, REGIMEN).iloc[2]
    expected = median_time(OUTCOME.take(REGIMEN == "LDAC"))
    assert row[["median", "ci_low", "ci_high"]].tolist() == pytest.approx(
        list(expected), nan_ok=True
    )


def test_competing_events_end_follow_up_and_leave_no_median():
    outcome = Outcome([1, 2, 3, 4], [1, 0, 0, 0], competing=np.array([False, True, False, False]))
    row = endpoint_summary({"CIR": outcome}).iloc[0]
    assert (row["events"], row["competing"]) == (1, 1)
    # Censored alive at 3 and 4 alone: 2 at risk at 3, 1/2 until 4, so 3.5.
    assert row["follow_up"] == 3.5
    assert np.isnan(row["median"])
    shown = readable_endpoints(endpoint_summary({"OS": OUTCOME, "CIR": outcome}))
    assert shown.iloc[-1, -1] == "none: competing events"
    assert shown["competing"].tolist() == ["", "1"]


def test_follow_up_is_complete_where_nobody_is_censored():
    everybody = Outcome([2, 3, 5, 20], [1, 0, 1, 1], competing=np.array([0, 1, 0, 0], dtype=bool))
    shown = readable_endpoints(endpoint_summary({"OS": OUTCOME, "CIR": everybody}, eligible=None))
    follow_up = shown.columns[-2]
    assert shown[follow_up].iloc[1] == "complete"
    assert shown[follow_up].iloc[0] != "complete"


def test_an_endpoint_may_be_about_some_patients_only():
    responders = np.array([True, False] * 4)
    summary = endpoint_summary(
        {"RFS": OUTCOME.take(responders)}, REGIMEN, eligible={"RFS": responders}
    )
    assert summary["n"].tolist() == [4, 2, 2]
    # LDAC responders 1 and 3 at 2 (event) and 5; HMA 5 and 7 at 4 (event) and 12.
    assert summary["events"].tolist() == [2, 1, 1]


@pytest.mark.parametrize("regimen", [None, np.array(["HMA"] * 8, dtype=object)])
def test_without_two_arms_there_is_one_row(regimen):
    summary = endpoint_summary({"OS": OUTCOME}, regimen)
    assert summary["arm"].tolist() == ["All patients"]


def test_readable_medians():
    shown = readable_endpoints(endpoint_summary({"OS": OUTCOME}, REGIMEN))
    assert "competing" not in shown
    assert shown["median, months (95% CI)"].iloc[1] == "not reached"
    # LDAC: 3/4 at 2, 1/2 at 3 until the drop at 20: the midpoint 11.5.
    assert shown["median, months (95% CI)"].iloc[2].startswith("11.5 (")
