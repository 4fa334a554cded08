"""The form for one patient: fields from the model's dictionary, read back as they were sent.

Text is read as a clinician types it: a number with a decimal point, empty for unknown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from features.covariates import Covariate
from features.errors import Problem, one_line
from models.card import ModelCard
from models.individual import Question
from models.patients import Patients
from pipelines.service.body import (
    REGIMEN,
    Cell,
    as_patients,
    nothing_known,
    read_cell,
    read_regimen,
)

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)
ALIVE_AT, BOTH = "alive_at", "both_regimens"
EMPTY = "leave it empty"
UNKNOWN = ("", "unknown")
FLAG = (UNKNOWN, ("0", "no"), ("1", "yes"))
# Of a name of a unit's field: the covariate's, and this.
UNIT = ".unit"


@dataclass(frozen=True)
class Field:
    """One field as the page draws it.

    Attributes
    ----------
    name, label, hint : str
    choices : tuple of (value, text)
        Empty where a number is typed.
    units : tuple of (unit, hint)
        Those to choose from; one where there is no choice.
    value, unit : str
        As sent.
    problem : Problem, optional
    """

    name: str
    label: str
    hint: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    units: tuple[tuple[str, str], ...] = ()
    value: str = ""
    unit: str = ""
    problem: Problem | None = None
    required: bool = False

    @property
    def id(self) -> str:
        """Of the element, which an error links to."""
        return f"f-{self.name}"


@dataclass(frozen=True)
class Form:
    """Fields in groups, with what was read from them.

    Attributes
    ----------
    groups : tuple of (title, fields)
    cells : mapping
        What is known, in the dictionary's units.
    """

    card: ModelCard
    groups: tuple[tuple[str, tuple[Field, ...]], ...]
    cells: dict[str, Cell] = field(default_factory=dict)
    alive_at: float | None = None
    both_regimens: bool = False
    others: tuple[Problem, ...] = ()

    @property
    def fields(self) -> tuple[Field, ...]:
        """Every field, in order."""
        return tuple(one for _, fields in self.groups for one in fields)

    @property
    def problems(self) -> tuple[tuple[str, Problem], ...]:
        """What is wrong, each with the element it is about; empty for the form as a whole."""
        own = [(one.id, one.problem) for one in self.fields if one.problem is not None]
        return (*own, *(("", one) for one in self.others))

    @property
    def patients(self) -> Patients:
        """The one patient."""
        return as_patients([self.cells], self.card)

    @property
    def question(self) -> Question:
        """What is asked: everything that the page shows."""
        return Question(
            self.card.horizons, self.alive_at, self.both_regimens, explain=True, curve=True
        )

    def refused(self, problems: Sequence[Problem]) -> Form:
        """The same, with what is wrong with it as a whole."""
        return replace(self, others=(*self.others, *problems))


def empty_form(card: ModelCard) -> Form:
    """The form before anything was typed, a group a place where a hospital records it."""
    groups: dict[str, list[Field]] = {}
    if card.arms:
        arms = (("", "choose"), *((arm, arm) for arm in card.arms))
        groups["Treatment"] = [Field(REGIMEN, "Regimen", choices=arms, required=True)]
    for one in card.inputs:
        groups.setdefault(one.source.capitalize() or "Patient", []).append(_field(one))
    asked = [Field(ALIVE_AT, "Alive at, months since the first dose",
                   hint="optional: what is to come for those alive until then")]  # fmt: skip
    if len(card.arms) > 1:
        asked.append(Field(BOTH, "Also under each regimen", choices=(("1", "yes"),)))
    groups["Also ask"] = asked
    return Form(card, tuple((title, tuple(fields)) for title, fields in groups.items()))


def read_form(pairs: Sequence[tuple[str, str]], card: ModelCard) -> Form:
    """The form as it was sent, with what is wrong in its fields."""
    form = empty_form(card)
    sent: dict[str, str] = {}
    known = {one.name for one in form.fields}
    known |= {one.name + UNIT for one in form.fields if len(one.units) > 1}
    others = []
    for name, value in pairs:
        if name not in known or name in sent:
            what = "The form has no such field" if name not in known else "A field stands twice"
            others.append(Problem(what, where="form", got=one_line(name)))
        sent[name] = value.strip()
    cells: dict[str, Cell] = {}
    inputs = {one.name: one for one in card.inputs}

    def read(one: Field) -> Field:
        told = replace(one, value=sent.get(one.name, ""), unit=sent.get(one.name + UNIT, ""))
        if one.name == REGIMEN:
            cell, problem = read_regimen(told.value or None, card, one.label)
        elif one.name in inputs:
            cell, problem = _read(told, inputs[one.name])
        else:
            return _read_option(told)
        cells[one.name] = cell
        return replace(told, problem=problem)

    groups = tuple((title, tuple(read(one) for one in fields)) for title, fields in form.groups)
    alive = next(one for _, fields in groups for one in fields if one.name == ALIVE_AT)
    found = replace(
        form,
        groups=groups,
        cells=cells,
        alive_at=float(alive.value) if alive.value and alive.problem is None else None,
        both_regimens=BOTH in sent and len(card.arms) > 1,
        others=tuple(others),
    )
    if not found.problems and all(cells[name] is None for name in inputs) and inputs:
        found = found.refused([nothing_known(card, "form")])
    return found


def _field(one: Covariate) -> Field:
    hint = one.structural_missing
    if one.kind == "flag":
        return Field(one.name, one.label, hint, FLAG)
    if not one.is_numeric:
        choices = (UNKNOWN, *((value, value) for value in one.vocabulary))
        return Field(one.name, one.label, hint, choices)
    factors = {one.unit: 1.0, **one.units}
    units = tuple((unit, _limits(one, factor)) for unit, factor in factors.items())
    return Field(one.name, one.label, hint, units=units)


def _limits(one: Covariate, factor: float) -> str:
    """The limits in a unit: '2 to 22'."""
    if one.limits is None:
        return "a number"
    low, high = (float(f"{limit / factor:.6g}") for limit in one.limits)
    whole = "whole, " if one.kind == "integer" else ""
    return f"{whole}{low:g} to {high:g}"


def _read(told: Field, one: Covariate) -> tuple[Cell, Problem | None]:
    if not told.value:
        return None, None
    if not one.is_numeric:
        return read_cell(told.value, one, one.label, EMPTY)
    if not NUMBER.fullmatch(told.value):
        comma = "write a decimal point, not a comma" if "," in told.value else "write a number"
        remedy = f"{comma}, or leave it empty where it is unknown"
        return None, Problem("Not a number", one.label, one_line(told.value), "", remedy)
    number, unit = float(told.value), told.unit or one.unit
    if unit == one.unit:
        cell, problem = read_cell(number, one, one.label, EMPTY)
        return cell, problem and replace(problem, got=f"{one_line(told.value)} {unit}".rstrip())
    if unit not in one.units:
        return None, Problem("There is no such unit", one.label, one_line(unit))
    factor = one.units[unit]
    # Rounded, as a table's values are, so that 9.2 g/dL is 92 g/L.
    cell, problem = read_cell(round(number * factor, 9), one, one.label, EMPTY)
    got, allowed = f"{one_line(told.value)} {unit}", f"{_limits(one, factor)} {unit}"
    return cell, problem and replace(problem, got=got, allowed=allowed, remedy="correct it")


def _read_option(told: Field) -> Field:
    if told.name == BOTH and told.value not in ("", "1"):
        return replace(told, problem=Problem("Neither yes nor no", told.label))
    if told.name == ALIVE_AT and told.value and not NUMBER.fullmatch(told.value):
        problem = Problem("Not a number", told.label, one_line(told.value), "months")
        return replace(told, problem=problem)
    return told
