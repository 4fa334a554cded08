"""Certainty is never printed."""

import pytest

from models.individual.words import percent, percent_range, points


@pytest.mark.parametrize(
    ("probability", "told"),
    [(1.0, "> 99%"), (0.9901, "> 99%"), (0.99, "99%"), (0.0, "< 1%"), (0.01, "1%"),
     (0.0099, "< 1%"), (0.434, "43%"), (None, "unknown"), (float("nan"), "unknown")],
)  # fmt: skip
def test_percent(probability, told):
    assert percent(probability) == told


def test_a_range_without_a_limit_is_not_told():
    assert percent_range(0.2, 1.0) == "20% to > 99%"
    assert percent_range(None, 0.5) == ""


def test_points_have_a_sign():
    assert [points(0.123), points(-0.04), points(0.001)] == ["+12 points", "-4 points", "0 points"]
