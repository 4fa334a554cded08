"""From a request's JSON to patients: every cell is held against the model's own dictionary.

Names and units are the dictionary's, never those of the training table; null means unknown. Nothing
is guessed from text: a number is a number, a code stands in the vocabulary.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from features.covariates import Covariate
from features.errors import InputError, Problem, did_you_mean, name_some, one_line
from models.card import ModelCard
from models.patients import PATIENT_ID, Patients

REGIMEN = "regimen"
MOST_PATIENTS = 1_000
# Of an identifier, in letters.
LONGEST_ID = 200
# A number in its place is one that every JSON reader holds exactly.
LARGEST_ID = 10**15
# Of one request; the rest is counted.
MOST_PROBLEMS = 50
Cell = float | str | None


def read_json(content: bytes) -> Any:
    """Read a body strictly: UTF-8, each name once in an object, numbers that are finite.

    Raises
    ------
    InputError
        When it is not such JSON.
    """
    try:
        return json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_each_once,
            parse_constant=_no_constant,
        )
    except InputError:
        raise
    except UnicodeDecodeError:
        got = "bytes that are not UTF-8"
    except RecursionError:
        got = "too many levels, one inside the other"
    except ValueError as error:
        # What it says names a line and a column, no value.
        got = str(error)
    raise InputError(
        Problem(
            what="The body is not JSON",
            where="body",
            got=got,
            allowed="one patient as an object, or a list of them",
            remedy="send what GET /openapi.json describes",
        )
    )


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    names = [name for name, _ in pairs]
    raise InputError(
        Problem(
            what="A name stands twice in one object",
            where="body",
            got=name_some(dict.fromkeys(name for name in names if names.count(name) > 1)),
            remedy="give each once: which of the two holds cannot be known",
        )
    )


def _no_constant(name: str) -> None:
    raise InputError(
        Problem(
            what="Not a number of JSON",
            where="body",
            got=name,
            remedy="write null where a value is unknown",
        )
    )


def patients_of(document: Any, card: ModelCard) -> Patients:
    """Patients of a document that was read: one object, or a list of objects.

    Raises
    ------
    InputError
        With a problem for every cell that cannot be used, the first 50 of them.
    """
    rows = document if isinstance(document, list) else [document]
    if not 0 < len(rows) <= MOST_PATIENTS:
        raise InputError(
            Problem(
                what="Too many patients at once" if rows else "There is no patient",
                where="body",
                got=f"a list of {len(rows)}",
                allowed=f"1 to {MOST_PATIENTS} patients",
                remedy="split the list" if rows else "send one patient, or a list of them",
            )
        )
    problems: list[Problem] = []
    cells = [_read(row, place, card, problems) for place, row in enumerate(rows, start=1)]
    if problems:
        left = len(problems) - MOST_PROBLEMS
        more = [Problem(f"{left} more of the kind", where="body")] if left > 0 else []
        raise InputError([*problems[:MOST_PROBLEMS], *more])
    return as_patients(cells, card)


def as_patients(cells: Sequence[Mapping[str, Cell]], card: ModelCard) -> Patients:
    """Patients of checked cells, each in the dictionary's unit; what is not named is unknown."""
    inputs = {c.name: _column(c, [row.get(c.name) for row in cells]) for c in card.inputs}
    regimen = np.array([row.get(REGIMEN) for row in cells], dtype=object) if card.arms else None
    named = any(PATIENT_ID in row for row in cells)
    ids = np.array([row.get(PATIENT_ID) or "" for row in cells], dtype=object) if named else None
    return Patients(inputs, regimen, np.arange(1, len(cells) + 1), ids)


def _column(covariate: Covariate, cells: Sequence[Cell]) -> np.ndarray:
    if covariate.is_numeric:
        return np.array([math.nan if cell is None else cell for cell in cells], dtype=float)
    return np.array(cells, dtype=object)


def _read(row: Any, place: int, card: ModelCard, problems: list[Problem]) -> dict[str, Cell]:
    if not isinstance(row, dict):
        problems.append(
            Problem(
                what="A patient is an object of names and values",
                where=f"patient {place}",
                got=_kind(row),
                remedy="send what GET /openapi.json describes",
            )
        )
        return {}
    cells: dict[str, Cell] = {}
    known = {c.name: c for c in card.inputs}
    for name, value in row.items():
        where = f"patient {place}, {one_line(name)}"
        problem: Problem | None = None
        if name == PATIENT_ID:
            cells[name], problem = read_id(value, where)
        elif name == REGIMEN and card.arms:
            cells[name], problem = read_regimen(value, card, where)
        elif name in known:
            cells[name], problem = read_cell(value, known[name], where)
        else:
            problem = _unknown_name(name, place, card)
        if problem is not None:
            problems.append(problem)
    if card.arms and REGIMEN not in row:
        problems.append(read_regimen(None, card, f"patient {place}, {REGIMEN}")[1])  # type: ignore[arg-type]
    if all(cells.get(name) is None for name in known) and not problems and known:
        problems.append(nothing_known(card, f"patient {place}"))
    return cells


def nothing_known(card: ModelCard, where: str) -> Problem:
    """What is said of a patient without a single value."""
    return Problem(
        what="Nothing is known of this patient",
        where=where,
        allowed="at least one of " + name_some([c.name for c in card.inputs], 40),
        remedy="give some values; without any, the answer would be an average",
    )


def read_cell(
    value: Any, covariate: Covariate, where: str, unknown: str = "give null"
) -> tuple[Cell, Problem | None]:
    """One value in the dictionary's unit, or what is wrong with it.

    Parameters
    ----------
    unknown : str
        How it is said that a value is unknown.
    """
    if value is None:
        return None, None
    if not covariate.is_numeric:
        if isinstance(value, str) and value in covariate.vocabulary:
            return value, None
        return None, _impossible(value, covariate, where, unknown)
    number = _number(value, flag=covariate.kind == "flag")
    if number is None:
        return None, _impossible(value, covariate, where, unknown, "not a number of JSON")
    low, high = (0.0, 1.0) if covariate.kind == "flag" else covariate.limits or (-1e300, 1e300)
    whole = covariate.kind == "number" or number % 1 == 0
    if whole and low <= number <= high:
        return number, None
    return None, _impossible(value, covariate, where, unknown)


def read_regimen(value: Any, card: ModelCard, where: str) -> tuple[Cell, Problem | None]:
    """One of the model's regimens, or what is wrong with it."""
    if isinstance(value, str) and value in card.arms:
        return value, None
    return None, Problem(
        what="The regimen is missing" if value is None else "The model does not know this regimen",
        where=where,
        got="" if value is None else _shown(value),
        allowed=", ".join(card.arms),
        remedy="name one of these: the regimen is never assumed",
    )


def read_id(value: Any, where: str) -> tuple[Cell, Problem | None]:
    """A patient's name among those of one request; it is given back and kept nowhere."""
    if value is None:
        return None, None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_ID:
        return str(value), None
    if isinstance(value, str) and len(value) <= LONGEST_ID and _is_text(value):
        return value, None
    return None, Problem(
        what="Not an identifier",
        where=where,
        got=_shown(value),
        allowed=f"text of up to {LONGEST_ID} letters, or a whole number",
    )


def _unknown_name(name: str, place: int, card: ModelCard) -> Problem:
    known = [c.name for c in card.inputs] + ([REGIMEN] if card.arms else []) + [PATIENT_ID]
    return Problem(
        what="The model does not know this name",
        where=f"patient {place}",
        got=one_line(name),
        allowed=name_some(known, 40),
        remedy=did_you_mean(name[:LONGEST_ID], known) + "take it out",
    )


def _impossible(
    value: Any, covariate: Covariate, where: str, unknown: str, why: str = ""
) -> Problem:
    remedy = f"correct it, or {unknown} where it is unknown"
    number = None if isinstance(value, bool) else _number(value)
    if covariate.limits is not None and number is not None:
        low, high = covariate.limits
        for unit, factor in covariate.units.items():
            if low <= number * factor <= high:
                remedy = f"this looks like {unit}: multiply by {factor:g} to get {covariate.unit}"
                break
    return Problem(
        what="Not a possible value",
        where=where,
        got=f"{_shown(value)}{f' ({why})' if why else ''}",
        allowed=covariate.allowed,
        remedy=remedy,
    )


def _number(value: Any, *, flag: bool = False) -> float | None:
    if isinstance(value, bool):
        return float(value) if flag else None
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return _kind(value)
    if isinstance(value, int) and abs(value) >= 10**18:
        return "a huge number"
    return one_line(json.dumps(value, ensure_ascii=False))


def _kind(value: Any) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "text",
        bool: "true or false",
        type(None): "null",
    }
    return names.get(type(value), "a number")


def _is_text(value: str) -> bool:
    """Whether it can be written: half a character cannot."""
    return not any("\ud800" <= letter <= "\udfff" for letter in value)
