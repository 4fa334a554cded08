"""The page for one patient: one template, with what the answer says put into words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from models.individual import ONE_MODEL, Answer, AtHorizon, Filled, percent
from pipelines.service.about import NOT_FOR_CARE, Served
from pipelines.service.form import Form, empty_form, read_form
from pipelines.service.pictures import YES_NO, curve_picture, waterfall

# Of an event whose name makes no sentence, the name itself stands in brackets.
HAPPENS = {"death": ("die", "dies")}
TEMPLATES = Path(__file__).with_name("web")


@dataclass(frozen=True)
class Page:
    """The page of a served model."""

    served: Served
    audited: bool = False

    def empty(self) -> str:
        """Before anything was asked."""
        return self._written(empty_form(self.served.stored.card))

    def read(self, pairs: Sequence[tuple[str, str]]) -> Form:
        """What was sent."""
        return read_form(pairs, self.served.stored.card)

    def refused(self, form: Form) -> str:
        """What is wrong, each linked to its field, and the form as it was sent."""
        return self._written(form)

    def answered(self, form: Form, answer: Answer) -> str:
        """The answer, then the form as it was sent."""
        return self._written(form, answer)

    @cached_property
    def _template(self) -> Template:
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {"percent": percent, "unit": in_print}
        return environment.get_template("page.html")

    def _written(self, form: Form, answer: Answer | None = None) -> str:
        told: dict[str, Any] = {} if answer is None else _told(self.served, answer)
        return self._template.render(
            served=self.served,
            card=self.served.stored.card,
            form=form,
            answer=answer,
            not_for_care=NOT_FOR_CARE,
            audited=self.audited,
            **told,
        )


def in_print(unit: str) -> str:
    """A unit of the dictionary, which is plain ASCII, as it is printed.

    >>> in_print("1e9/L"), in_print("umol/L"), in_print("g/dL")
    ('×10⁹/L', 'µmol/L', 'g/dL')
    """
    return unit.replace("1e9/L", "×10⁹/L").replace("umol", "µmol").replace(" per uL", " per µL")


def _told(served: Served, answer: Answer) -> dict[str, Any]:
    """What the template shows of an answer, beside its own numbers."""
    stored_until = None if served.engine.support is None else served.engine.support.until
    return {
        "warnings": [doubt.text for doubt in answer.doubts],
        "figures": [(at, _of_a_hundred(at, answer.event)) for at in answer.horizons],
        "picture": curve_picture(answer),
        "bars": waterfall(answer.contributions, served.flags),
        "median": _median(answer),
        "given": [
            (one.label, _value(served, one.name, one.told, one.value)) for one in answer.inputs
        ],
        "filled": [_filled(served, one) for one in answer.filled],
        "one_model": ONE_MODEL,
        "supported": stored_until,
    }


def _value(served: Served, name: str, told: str, value: float | str | None) -> str:
    return YES_NO[bool(value)] if name in served.flags and value is not None else in_print(told)


def _filled(served: Served, one: Filled) -> str:
    """A gap in words: 'Bone-marrow blasts (%), taken as 24.5 (the median of ...)'."""
    support = served.engine.support
    label = one.name if support is None else support.labels.get(one.name, one.name)
    if one.value is None:
        return f"{in_print(label)}, {one.by}"
    value = f"{one.value:g}" if isinstance(one.value, float) else one.value
    return f"{in_print(label)}, taken as {_value(served, one.name, value, one.value)} ({one.by})"


def _of_a_hundred(at: AtHorizon, event: str) -> str:
    """A probability as a count, which is read more safely than a share."""
    many, one = HAPPENS.get(event, (f"have the event ({event})", f"has the event ({event})"))
    by = f"by month {at.month:g}"
    if at.probability > 0.99:
        return f"Of 100 such patients, more than 99 {many} {by}."
    if at.probability < 0.01:
        return f"Of 100 such patients, fewer than one {one} {by}."
    count = round(100 * at.probability)
    return f"Of 100 such patients, about {count} {many} {by}."


def _median(answer: Answer) -> str:
    if answer.median is None:
        return f"Half of such patients reach no {answer.event} within {answer.until:g} months."
    low, high = answer.median_low, answer.median_high
    limits = ""
    if low is not None:
        end = f"{high:.1f}" if high is not None else "beyond the follow-up"
        limits = f" ({low:.1f} to {end})"
    return f"{answer.median:.1f} months{limits}"
