"""Endpoints as data: from ready columns of time and event, from dates, or by ELN 2022's rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    field_validator,
    model_validator,
)

from features.covariates import Codes, check_columns, meets
from features.endpoints.dated import DatedEndpoint, check_population, derive_dated
from features.endpoints.death import Death, with_death
from features.endpoints.efs_eln2022 import EfsEln2022, derive_efs_eln2022
from features.endpoints.landmark import landmark
from features.endpoints.presets import expand_preset
from features.errors import InputError, Problem, did_you_mean, name_some, refuse
from features.errors.wrong_cells import rows_of, wrong_cells
from features.outcome import MONTHS, Outcome
from features.specs import Settings, codes_or_truths
from features.times import Months


class Endpoint(Settings):
    """A time-to-event endpoint in ready columns.

    Validated as part of a configuration, this class stands for every form of an endpoint: a mapping
    with `preset`, `rule` or `origin` becomes a `DatedEndpoint` or an `EfsEln2022`.

    Attributes
    ----------
    label : str
        Short name in tables, e.g. 'OS'.
    time, event : str
        Columns of the user's table.
    unit : {'days', 'months', 'years'}
        Unit of `time`.
    event_values, censored_values, competing_values : tuple of str
        Codes in the event column that mean observed, censored, and ended by a competing event.
    population : mapping of column -> codes
        Only patients who hold one of the codes in every column, such as responders.
    death : Death, optional
        Deaths that stand in another endpoint or in columns of their own: see
        `features.endpoints.death`.
    landmark_months : float, optional
        Re-base to this landmark: see `features.endpoints.landmark`.
    """

    label: str
    time: str
    event: str
    unit: Literal["days", "months", "years"]
    event_values: tuple[str, ...] = ("1", "1.0", "true")
    censored_values: tuple[str, ...] = ("0", "0.0", "false")
    competing_values: tuple[str, ...] = ()
    population: dict[str, Codes] = Field(default_factory=dict)
    death: Death | None = None
    landmark_months: Months | None = Field(default=None, gt=0)

    @model_validator(mode="wrap")
    @classmethod
    def _form(cls, value: Any, handler: ModelWrapValidatorHandler[Any]) -> Any:
        if isinstance(value, DatedEndpoint | EfsEln2022):
            return value
        if isinstance(value, dict):
            stated = expand_preset(value) if "preset" in value else value
            if "rule" in stated:
                return EfsEln2022.model_validate(stated)
            if "origin" in stated or "events" in stated:
                return DatedEndpoint.model_validate(stated)
        endpoint = handler(value)
        _check_one_meaning(endpoint)
        return endpoint

    @field_validator("event_values", "censored_values", "competing_values", mode="before")
    @classmethod
    def _as_text(cls, values: Any) -> Any:
        return codes_or_truths(values)

    @property
    def coded(self) -> tuple[Endpoint | Death, ...]:
        """The endpoint, and its death where it states one: each may have an event column."""
        return (self,) if self.death is None else (self, self.death)


def _check_one_meaning(endpoint: Endpoint) -> None:
    meanings = {
        "observed": endpoint.event_values,
        "censored": endpoint.censored_values,
        "competing": endpoint.competing_values,
    }
    found: dict[str, str] = {}
    for meaning, codes in meanings.items():
        for code in {code.lower(): code for code in codes}.values():
            if code.lower() in found:
                raise ValueError(
                    f"code {code} is both {found[code.lower()]} and {meaning}; "
                    "state `event_values`, `censored_values` and `competing_values`"
                )
            found[code.lower()] = meaning


AnyEndpoint = Endpoint | DatedEndpoint | EfsEln2022


class Derived(NamedTuple):
    """The outcome of the patients whom an endpoint is about, and who they are.

    Attributes
    ----------
    outcome : Outcome of the eligible patients, in their order
    eligible : ndarray of shape (n,), bool
        Over all patients of the table.
    """

    outcome: Outcome
    eligible: np.ndarray


def read_endpoint(stated: Mapping[str, Any]) -> AnyEndpoint:
    """The endpoint that a mapping of a configuration describes, of whatever form.

    Raises
    ------
    pydantic.ValidationError
        When a key is unknown, missing or wrong.
    """
    endpoint: AnyEndpoint = Endpoint.model_validate(dict(stated))
    return endpoint


def death_key(endpoint: AnyEndpoint) -> str:
    """Key of the endpoint that holds this endpoint's deaths; empty without one."""
    return endpoint.death.endpoint if isinstance(endpoint, Endpoint) and endpoint.death else ""


def check_deaths(endpoints: Mapping[str, AnyEndpoint]) -> None:
    """Check that every `death: {endpoint: ...}` names an endpoint that can say who died, and when.

    Raises
    ------
    ValueError
    """
    for key, endpoint in endpoints.items():
        named = death_key(endpoint)
        if not named:
            continue
        others = [other for other in endpoints if other != key]
        if named not in others:
            raise ValueError(
                f"{key}: death: there is no other endpoint {named!r}; "
                f"{did_you_mean(named, others)}the others are {name_some(others) or 'none'}"
            )
        other = endpoints[named]
        if other.landmark_months is not None:
            raise ValueError(f"{key}: death: the times of {named} start at a landmark")
        if isinstance(other, Endpoint) and other.death is not None:
            raise ValueError(f"{key}: death: {named} takes its deaths from elsewhere itself")


def derive_endpoint(
    table: pd.DataFrame,
    endpoint: AnyEndpoint,
    among: np.ndarray | None = None,
    death: Derived | None = None,
) -> Derived:
    """Derive an endpoint for the patients whom it is about.

    Parameters
    ----------
    table : DataFrame of shape (n, any)
        As read; cells may be text.
    among : ndarray of shape (n,), bool, optional
        Patients of the cohort; the cells of others are not read.
    death : Derived, optional
        Of the endpoint that `death_key` names.

    Returns
    -------
    Derived
        Times in months. A time of 0 (an event on the index date) is kept.

    Raises
    ------
    InputError
        When a column is absent, or a time, date or event is missing, impossible or not a known
        code, or contradicts the patient's death: an outcome is never imputed and no patient is left
        out silently.
    """
    table = table.reset_index(drop=True)
    eligible = np.ones(len(table), dtype=bool) if among is None else among.copy()
    patients = table if eligible.all() else table[eligible]
    if isinstance(endpoint, DatedEndpoint):
        outcome, population = derive_dated(patients, endpoint)
        eligible[eligible] = population
    elif isinstance(endpoint, EfsEln2022):
        outcome = derive_efs_eln2022(patients, endpoint)
    else:
        where = f"endpoint {endpoint.label}"
        population = meets(patients, endpoint.population, where)
        check_population(population, endpoint.population, where)
        patients, eligible[eligible] = patients[population], population
        outcome = _derive_ready(patients, endpoint)
        if endpoint.death is not None:
            outcome = _with_death(patients, endpoint, outcome, death)
    if endpoint.landmark_months is not None:
        at = landmark(outcome, endpoint.landmark_months)
        outcome, eligible[eligible] = at.outcome, at.at_risk
    return Derived(outcome, eligible)


def derive_outcome(table: pd.DataFrame, endpoint: AnyEndpoint) -> Outcome:
    """Derive an endpoint: the outcome of `derive_endpoint`, of whom it is about alone."""
    return derive_endpoint(table, endpoint).outcome


def _with_death(
    patients: pd.DataFrame, endpoint: Endpoint, outcome: Outcome, known: Derived | None
) -> Outcome:
    stated = endpoint.death
    assert stated is not None
    where = f"endpoint {endpoint.label}, death"
    if not stated.endpoint:
        own = Endpoint(
            label=f"{endpoint.label}, death",
            time=stated.time,
            event=stated.event,
            unit=stated.unit or endpoint.unit,
            event_values=stated.event_values,
            censored_values=stated.censored_values,
        )
        died = _derive_ready(patients, own)
        return with_death(patients, outcome, died, stated.counts_as, where)
    if known is None:
        raise ValueError(f"{endpoint.label} needs the outcome of endpoint {stated.endpoint}")
    place = np.cumsum(known.eligible) - 1
    rows = patients.index.to_numpy()
    unknown = ~known.eligible[rows]
    if unknown.any():
        raise InputError(
            Problem(
                what="Whether these patients died is not known",
                where=f"{where}, {rows_of(patients, unknown)}",
                got=f"they do not belong to endpoint {stated.endpoint}",
                remedy=f"state the same `population:` for both, or none for {stated.endpoint}",
            )
        )
    died = known.outcome.take(place[rows])
    return with_death(patients, outcome, died, stated.counts_as, where)


def _leave_out(event: np.ndarray, bad: np.ndarray) -> str:
    dead = int((event & bad).sum())
    if not dead:
        return "leave these patients out with a stated reason"
    # Leaving out those who had the event is no cure: nobody would notice the better survival.
    return (
        f"leave these patients out with a stated reason; but {dead} of these {int(bad.sum())} had "
        "the event, and without them the risk comes out too low: rather complete their times"
    )


def _derive_ready(table: pd.DataFrame, endpoint: Endpoint) -> Outcome:
    where = f"endpoint {endpoint.label}"
    check_columns(table, {f"{where}, time": endpoint.time, f"{where}, event": endpoint.event})
    # Read as text first: a date would otherwise count as nanoseconds since 1970.
    text = table[endpoint.time].astype("string").str.strip()
    time = pd.to_numeric(text, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    number, codes = pd.factorize(table[endpoint.event].astype("string").str.strip())
    lower = [str(code).lower() for code in codes]

    def holds(values: tuple[str, ...]) -> np.ndarray:
        known = {value.lower() for value in values}
        return np.array([*(code in known for code in lower), False])[number]

    event, censored = holds(endpoint.event_values), holds(endpoint.censored_values)
    competing = holds(endpoint.competing_values)
    competing_codes = ", ".join(endpoint.competing_values)
    problems: list[Problem] = []
    for bad, column, what, allowed, how in (
        (~np.isfinite(time), endpoint.time, "The time is missing or not a number",
         f"{endpoint.unit} as a plain number",
         "derive the endpoint from dates with `origin:`, `events:` and `censors:`"),
        (np.nan_to_num(time) < 0, endpoint.time, "The time is negative",
         "0 or more: it runs from the index date", "correct the dates that it was computed from"),
        (~(event | censored | competing), endpoint.event,
         "The event is missing or not a known code",
         f"observed: {', '.join(endpoint.event_values)}; "
         f"censored: {', '.join(endpoint.censored_values)}"
         + (f"; competing: {competing_codes}" if competing_codes else ""),
         "state the codes with `event_values:` and `censored_values:`"),
    ):  # fmt: skip
        remedy = f"correct the table, {how}, or {_leave_out(event, bad)}"
        problems += wrong_cells(table[column], bad, where, what, remedy, allowed)
    refuse(problems)
    if not event.any():
        raise InputError(
            Problem(
                what="No patient has the event",
                where=f"{where}, column {endpoint.event}",
                remedy="check the coding: which code means that the event was observed?",
            )
        )
    reasons = np.array([*(f"{endpoint.event} = {code}" for code in codes), ""], dtype=object)
    return Outcome(
        time * MONTHS[endpoint.unit],
        event,
        reasons[number],
        np.full(len(table), endpoint.event, dtype=object),
        competing if endpoint.competing_values else None,
    )
