import numpy as np

from features.endpoints.clock import DateSource, pick

NAT = "NaT"


def days(*values):
    return np.array(values, dtype="datetime64[D]")


def test_the_earliest_date_is_picked_and_on_ties_the_source_listed_first():
    found = pick([days("2024-01-05", NAT, "2024-01-03", NAT),
                  days("2024-01-04", "2024-01-09", "2024-01-03", NAT)], 4)  # fmt: skip
    assert found.day[:3].astype(str).tolist() == ["2024-01-04", "2024-01-09", "2024-01-03"]
    assert np.isnat(found.day[3])
    assert found.which.tolist()[:3] == [1, 1, 0]


def test_the_latest_date_is_picked_where_asked_for():
    found = pick([days("2024-01-05", NAT), days("2024-01-04", "2024-01-09")], 2, last=True)
    assert found.day.astype(str).tolist() == ["2024-01-05", "2024-01-09"]
    assert found.which.tolist() == [0, 1]


def test_without_sources_there_is_no_date():
    assert np.isnat(pick([], 3).day).all()


def test_picking_changes_none_of_the_dates_given():
    first = days("2024-01-05")
    pick([first, days("2024-01-01")], 1)
    assert str(first[0]) == "2024-01-05"


def test_a_source_is_called_by_its_reason_else_by_its_column():
    assert DateSource(date="death_date", reason="death").name == "death"
    assert DateSource(date="death_date").name == "death_date"
