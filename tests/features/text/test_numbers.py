import pytest

from features.text.numbers import fixed, months_text, significant


@pytest.mark.parametrize(
    ("value", "digits", "sign", "text"),
    [
        (-0.004, 2, False, "0.00"),
        (-0.0, 1, True, "0.0"),
        (0.004, 2, True, "0.00"),
        (-0.006, 2, False, "-0.01"),
        (0.3, 1, True, "+0.3"),
        (float("nan"), 2, False, "nan"),
    ],
)
def test_what_rounds_to_0_has_no_sign(value, digits, sign, text):
    assert fixed(value, digits, sign) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(110.4, "110"), (1234.0, "1234"), (11.04, "11.0"), (0.01234, "0.0123"), (0, "0"), (-0.0, "0")],
)
def test_no_number_has_an_exponent(value, text):
    assert significant(value) == text


@pytest.mark.parametrize(
    ("months", "text"),
    [
        (30 * 12 / 365.25, "day 30"),
        (60 * 12 / 365.25, "day 60"),
        (12, "12"),
        (4.5, "4.5"),
        (110, "110"),
        (15.3333333, "15.333"),
        (12 * 365.25 / 365.25, "12"),
        (float("nan"), ""),
    ],
)
def test_a_time_is_said_in_months_or_as_its_day(months, text):
    assert months_text(months) == text
