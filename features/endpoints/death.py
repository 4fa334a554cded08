"""A death that another endpoint, or columns of its own, know of: a competing event, or an event.

Progression whose column knows nothing of deaths censors them, as if the dead could still progress:
its risks then come out too high (Andersen et al., Int J Epidemiol 2012;41:861).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import (
    Field,
    field_validator,
    model_serializer,
    model_validator,
)

from features.errors import InputError, Problem
from features.errors.wrong_cells import name_values, rows_of
from features.outcome import Outcome
from features.specs import Settings, codes_or_truths


class Death(Settings):
    """Where an endpoint's deaths stand, and what they are to it.

    Attributes
    ----------
    counts_as : {'competing', 'event'}
        Written `is`. A competing event; or an event, as in progression-free survival.
    endpoint : str
        Key of the endpoint that is death of any cause, such as `os`.
    time, event : str
        Instead of `endpoint`: columns of the time of death or last contact, and of whether it was
        death.
    unit : {'days', 'months', 'years'}, optional
        Of `time`; that of the endpoint if left out.
    event_values, censored_values : tuple of str
        Codes of `event`, as for every endpoint in ready columns.
    """

    counts_as: Literal["competing", "event"] = Field(alias="is")
    endpoint: str = ""
    time: str = ""
    event: str = ""
    unit: Literal["days", "months", "years"] | None = None
    event_values: tuple[str, ...] = ("1", "1.0", "true")
    censored_values: tuple[str, ...] = ("0", "0.0", "false")

    @model_validator(mode="after")
    def _one_form(self) -> Death:
        if bool(self.endpoint) == bool(self.time or self.event):
            raise ValueError("give `endpoint`, a key of another endpoint, or `time` with `event`")
        if bool(self.time) != bool(self.event):
            raise ValueError("`time` and `event` belong together: when, and whether it was death")
        return self

    @field_validator("event_values", "censored_values", mode="before")
    @classmethod
    def _as_text(cls, values: Any) -> Any:
        return codes_or_truths(values)

    @model_serializer(mode="wrap")
    def _as_written(self, handler: Any) -> dict[str, Any]:
        stated: dict[str, Any] = handler(self)
        return {"is" if key == "counts_as" else key: value for key, value in stated.items()}


def with_death(
    patients: pd.DataFrame, outcome: Outcome, death: Outcome, counts_as: str, where: str
) -> Outcome:
    """End each patient's follow-up at death where the event did not come before.

    Parameters
    ----------
    patients : DataFrame of shape (n, any), index the patient's position in the whole table
    outcome : Outcome of n patients
        What is known without the deaths.
    death : Outcome of the same n patients
        Death of any cause, on the same clock.
    counts_as : {'competing', 'event'}
    where : str
        The endpoint, for messages.

    Raises
    ------
    InputError
        When the two contradict each other: an event after death or after the last contact, or
        event-free follow-up beyond it.
    """
    after = outcome.time > death.time
    ended = outcome.event if outcome.competing is None else outcome.event | outcome.competing
    problems = [
        Problem(
            what=what,
            where=f"{where}, {rows_of(patients, wrong)}",
            got=name_values(_times(outcome, death, wrong)),
            allowed="the event by the time of death, or of the last contact of who is alive",
            remedy="correct the times, check that both run from the same day and say the right "
            "unit, or leave these patients out with a stated reason",
        )
        for wrong, what in (
            (after & ended & death.event, "The event comes after the patient's death"),
            (after & ended & ~death.event, "The event comes after the last contact"),
            (after & ~ended & death.event, "The follow-up goes on after the patient's death"),
            (after & ~ended & ~death.event, "The follow-up goes on after the last contact"),
        )
        if wrong.any()
    ]
    if problems:
        raise InputError(problems)
    # Who died without the event, however long after the last assessment, can have it no more. An
    # event on the very day of death counts.
    died = death.event & ~ended
    competing = outcome.competing
    if counts_as == "competing":
        competing = died if competing is None else competing | died
    return replace(
        outcome,
        time=np.where(died, death.time, outcome.time),
        event=outcome.event | died if counts_as == "event" else outcome.event,
        competing=competing,
        reason=_either(died, death.reason, outcome.reason),
        source=_either(died, death.source, outcome.source),
    )


def _either(died: np.ndarray, of_death: np.ndarray | None, own: np.ndarray | None) -> Any:
    if of_death is None or own is None:
        return own
    return np.where(died, of_death, own)


def _times(outcome: Outcome, death: Outcome, wrong: np.ndarray) -> list[str]:
    return [
        f"{time:.2f} months, {'death' if died else 'last contact'} at {end:.2f}"
        for time, died, end in zip(
            outcome.time[wrong], death.event[wrong], death.time[wrong], strict=True
        )
    ]
