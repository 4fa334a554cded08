"""How an interval was made, as `ci_method` says it: said and told apart here, nowhere else."""

from __future__ import annotations

import re

_BY_PATIENTS = re.compile(r"bootstrap percentile, B=(?P<count>\d+), (?P<resampled>.+)")
_BY_FOLDS = re.compile(r"corrected resampled t over (?P<count>\d+) test folds, df=(?P<df>\d+)")


def by_patients(count: int, resampled: str) -> str:
    """Percentiles over bootstrap samples of patients; `resampled` says what is held fixed.

    >>> by_patients(500, "patients, predictions fixed")
    'bootstrap percentile, B=500, patients, predictions fixed'
    """
    return f"bootstrap percentile, B={count}, {resampled}"


def by_folds(count: int, degrees: int) -> str:
    """The t-test over test folds, its variance corrected for overlapping training sets.

    >>> by_folds(15, 14)
    'corrected resampled t over 15 test folds, df=14'
    """
    return f"corrected resampled t over {count} test folds, df={degrees}"


def replicates_of(method: str) -> int | None:
    """Bootstrap samples of patients behind an interval; None where it was made otherwise.

    >>> replicates_of(by_patients(500, "patients, predictions fixed"))
    500
    """
    found = _BY_PATIENTS.fullmatch(method)
    return int(found["count"]) if found else None


def in_short(method: str) -> str:
    """A method as a column of a printed table says it.

    >>> in_short(by_folds(15, 14))
    'mean of 15 test folds, corrected t, df=14'
    """
    count = replicates_of(method)
    if count is not None:
        return f"patients, B={count}"
    folds = _BY_FOLDS.fullmatch(method)
    if folds:
        return f"mean of {folds['count']} test folds, corrected t, df={folds['df']}"
    return method
