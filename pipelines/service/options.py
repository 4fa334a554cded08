"""What is asked of every patient of a request, by its query."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from features.errors import InputError, Problem, did_you_mean, name_some, one_line
from models.card import ModelCard
from models.individual import Question

MOST_HORIZONS = 20
NUMBER = re.compile(r"\d{1,9}(\.\d{1,20})?([eE][+-]?\d{1,3})?", re.ASCII)
TRUTH = {"true": True, "false": False}
ONE_NUMBER = "one number of months"


def names_of(card: ModelCard) -> tuple[str, ...]:
    """The options that this model knows."""
    regimens = ("both_regimens",) if len(card.arms) > 1 else ()
    return ("horizons", "alive_at", *regimens, "explain", "curve")


def read_options(pairs: Sequence[tuple[str, str]], card: ModelCard) -> Question:
    """Read a query, each name once.

    Raises
    ------
    InputError
        For an unknown name, one that stands twice, a value of the wrong kind, and what the model
        cannot be asked.
    """
    known, problems = names_of(card), list[Problem]()
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            problems.append(
                Problem(
                    what="There is no such option",
                    where="query",
                    got=one_line(name),
                    allowed=", ".join(known),
                    remedy=did_you_mean(name[:100], known) + "take it out",
                )
            )
        elif name in given:
            problems.append(Problem("An option stands twice", where=f"query, {name}"))
        given[name] = value
    horizons = _numbers("horizons", given, problems) or list(card.horizons)
    alive_at = _numbers("alive_at", given, problems)
    truths = {name: _truth(name, given, problems) for name in ("both_regimens", "explain", "curve")}
    if problems:
        raise InputError(problems)
    question = Question(tuple(sorted(horizons)), alive_at[0] if alive_at else None, **truths)
    question.check(card)
    return question


def _numbers(name: str, given: dict[str, str], problems: list[Problem]) -> list[float]:
    if name not in given:
        return []
    parts = given[name].split(",")
    most = 1 if name == "alive_at" else MOST_HORIZONS
    if 0 < len(parts) <= most and all(NUMBER.fullmatch(part) for part in parts):
        found = [float(part) for part in parts]
        if len(set(found)) == len(found) and all(map(math.isfinite, found)):
            return found
    problems.append(
        Problem(
            what="Not months" if most > 1 else "Not a month",
            where=f"query, {name}",
            got=one_line(given[name]),
            allowed=ONE_NUMBER
            if most == 1
            else f"up to {most} different months, separated by commas, such as 6,12",
        )
    )
    return []


def _truth(name: str, given: dict[str, str], problems: list[Problem]) -> bool:
    value = given.get(name, "false")
    if value not in TRUTH:
        problems.append(
            Problem(
                what="Neither true nor false",
                where=f"query, {name}",
                got=one_line(value),
                allowed=name_some(TRUTH),
            )
        )
    return TRUTH.get(value, False)
