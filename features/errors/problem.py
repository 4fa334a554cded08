"""A user's mistake, told so that it can be mended without reading code."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TypeVar

from features.errors.plain import one_line, shown

T = TypeVar("T")
# Of one part of a problem; a table's cell or a file's name may have any length.
LONGEST_PART = 2_000
# Further lines of a part stand under its first, so that no text of a table passes for another part.
INDENT = "\n" + " " * 11


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input.

    Attributes
    ----------
    what, where, got, allowed, remedy : str
        As printed.
    rows : tuple of int
        Patients that it is wrong of, from 0; empty where it is wrong of the table.

    Examples
    --------
    >>> print(Problem("Not a number", where="column age", got="old", remedy="write years"))
    Not a number
      where:   column age
      got:     old
      remedy:  write years
    """

    what: str
    where: str = ""
    got: str = ""
    allowed: str = ""
    remedy: str = ""
    rows: tuple[int, ...] = field(default=(), repr=False, compare=False)

    def __str__(self) -> str:
        parts = [_harmless(self.what)]
        for label in ("where", "got", "allowed", "remedy"):
            text = getattr(self, label)
            if text:
                parts.append(f"  {label + ':':<9}{_harmless(text)}")
        return "\n".join(parts)


def _harmless(text: str) -> str:
    cut = text if len(text) <= LONGEST_PART else text[:LONGEST_PART] + " ..."
    return shown(cut).replace("\n", INDENT)


class InputError(ValueError):
    """The input cannot be used as it stands. Holds every problem found, not just the first."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def collect(problems: list[Problem], read: Callable[[], T]) -> T | None:
    """Read one part of an input and keep what is wrong with it, so that all is told at once.

    Returns
    -------
    What `read` returns, or None after an InputError, whose problems are appended.
    """
    try:
        return read()
    except InputError as error:
        problems.extend(error.problems)
        return None


def refuse(problems: Iterable[Problem]) -> None:
    """Raise an InputError that holds these problems, if there are any."""
    every = tuple(problems)
    if every:
        raise InputError(every)


def wrong_names(
    names: Iterable[object], what: str, where: str, remedy: str, allowed: str = ""
) -> list[Problem]:
    """One problem that lists names, such as columns, or none where there are none."""
    every = list(names)
    return [Problem(what, where, name_some(every), allowed, remedy)] if every else []


def first_line(error: object) -> str:
    """What an error says, in one line: the system's own words where it is of the system."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question when a known name is close, otherwise empty.

    >>> did_you_mean("age_year", ["age_years", "ecog"])
    "did you mean 'age_years'? "
    """
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}? " if close else ""


def name_some(names: Iterable[object], most: int = 12) -> str:
    """List names, each in one line, cut after `most` of them with the number left out.

    >>> name_some(["ecog", "wbc", "hb"], most=2)
    'ecog, wbc, ... (1 more)'
    """
    every = [str(name) for name in names]
    told = ", ".join(one_line(name) for name in every[:most])
    return told if len(every) <= most else f"{told}, ... ({len(every) - most} more)"
