"""How an interval was made, as `ci_method` says it, and as a narrow column says it."""

from __future__ import annotations


class Method(str):
    """How an interval was made: a text that knows how it is said in short.

    Attributes
    ----------
    short : str
    replicates : int, optional
        Bootstrap samples of patients behind it; None where it was made otherwise.
    """

    short: str
    replicates: int | None

    def __new__(cls, text: str, short: str = "", replicates: int | None = None) -> Method:  # noqa: D102
        found = super().__new__(cls, text)
        found.short, found.replicates = short or text, replicates
        return found

    def __getnewargs__(self) -> tuple[str, str, int | None]:  # type: ignore[override]
        return str(self), self.short, self.replicates


def by_patients(count: int, resampled: str) -> Method:
    """Percentiles over bootstrap samples of patients; `resampled` says what is held fixed.

    >>> by_patients(500, "patients, predictions fixed")
    'bootstrap percentile, B=500, patients, predictions fixed'
    """
    said = f"bootstrap percentile, B={count}, {resampled}"
    return Method(said, f"patients, B={count}", count)


def by_folds(count: int, degrees: int) -> Method:
    """The t-test over test folds, its variance corrected for overlapping training sets.

    >>> by_folds(15, 14).short
    'mean of 15 test folds, corrected t, df=14'
    """
    return Method(
        f"corrected resampled t over {count} test folds, df={degrees}",
        f"mean of {count} test folds, corrected t, df={degrees}",
    )


def by_permutation(count: int) -> Method:
    """A studentised permutation test turned into limits.

    >>> by_permutation(2000).short
    'studentised permutation'
    """
    said = "studentised permutation"
    return Method(f"{said}, {count} permutations", said)


NORMAL = Method("normal, Greenwood", "normal")


def in_short(method: str) -> str:
    """A method as a narrow column says it; one that has no shorter form, as it is."""
    return method.short if isinstance(method, Method) else str(method)


def replicates_of(method: str) -> int | None:
    """Bootstrap samples of patients behind an interval; None where it was made otherwise."""
    return method.replicates if isinstance(method, Method) else None
