"""Numbers and months as text: no minus before a zero, no exponent, a day where it is one."""

from __future__ import annotations

import numpy as np

from features.outcome import MONTHS

# A time that is no multiple of this many months but a whole day was given in days.
_PART_OF_A_MONTH = 0.25
_ROUNDING = 1e-6


def fixed(value: float, digits: int, sign: bool = False) -> str:
    """A number with so many decimals; what rounds to 0 has no sign.

    >>> fixed(-0.001, 2), fixed(0.256, 1, sign=True)
    ('0.00', '+0.3')
    """
    text = f"{value:{'+' if sign else ''}.{digits}f}"
    return f"{0.0:.{digits}f}" if float(text) == 0 else text


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, and never an exponent.

    >>> significant(110, 2), significant(0.01234, 2)
    ('110', '0.012')
    """
    if not np.isfinite(value) or value == 0:
        return f"{value + 0.0:g}"
    return f"{value:.{max(digits - 1 - int(np.floor(np.log10(abs(value)))), 0)}f}"


def months_text(months: float) -> str:
    """A column's cell for a time in months; a day where it is one, empty for NaN.

    >>> months_text(12.0), months_text(4.5), months_text(30 * 12 / 365.25)
    ('12', '4.5', 'day 30')
    """
    if not np.isfinite(months):
        return ""
    days = months / MONTHS["days"]
    in_months = _is_whole(months / _PART_OF_A_MONTH)
    if not in_months and _is_whole(days):
        return f"day {days:.0f}"
    return f"{months:.3f}".rstrip("0").rstrip(".")


def _is_whole(value: float) -> bool:
    return abs(value - round(value)) < _ROUNDING
