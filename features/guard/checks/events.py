"""Events that may be read the wrong way round, and deaths that an endpoint does not know."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.special import gammaln

from features.endpoints import Death, Endpoint
from features.guard.checks.times import read_moments
from features.guard.evidence import NO, CohortEvidence, TableEvidence, happened
from features.guard.findings import Check, Observation
from features.guard.settings import Happened, read_rules
from features.text import as_text, words

YES = ("1", "1.0", "true", "yes", "y")
CODES_STATED = {"event_values", "censored_values"}
STATE_CODES = (
    "state what the codes mean: `event_values: [0], censored_values: [1]` where 1 is alive or "
    "censored, `event_values: [1], censored_values: [0]` where 1 is the event"
)


def reversed_event(evidence: TableEvidence) -> Iterator[Observation]:
    """An event column whose name, labels or deaths say that its 1 is no event."""
    for key, endpoint in evidence.columns.endpoints.items():
        if not isinstance(endpoint, Endpoint):
            continue
        for coded in endpoint.coded:
            if coded.event not in evidence.table.columns:
                continue
            told = _says_alive(evidence, coded)
            if not told and coded is endpoint and is_death(key, endpoint.label):
                told = _dead_but_censored(evidence, endpoint)
            if told:
                yield Observation(
                    f"The event of {endpoint.label} (column {coded.event}) may be the wrong way "
                    f"round: {told}",
                    as_text(evidence.table[coded.event]).notna().to_numpy(dtype=bool),
                    remedy=STATE_CODES,
                    names=(endpoint.label,),
                )


def death_disagrees(evidence: TableEvidence) -> Iterator[Observation]:
    """Deaths by the dates that the guard names, and by the event of death, are not the same."""
    column = evidence.guard.death
    if not column or not read_moments(evidence.table[column]).is_date:
        return
    died = _died(evidence, column)
    for key, endpoint in evidence.columns.endpoints.items():
        if not isinstance(endpoint, Endpoint) or not is_death(key, endpoint.label):
            continue
        if endpoint.event not in evidence.table.columns:
            continue
        event, censored = read_as(evidence.table, endpoint)
        for wrong, how in (
            (event & ~died, f"have the event of {endpoint.label} and no death"),
            (censored & died, f"are censored for {endpoint.label} and have a death"),
        ):
            if wrong.any():
                yield Observation(
                    f"Patients {how} (columns {endpoint.event} and {column})",
                    wrong,
                    names=(endpoint.label,),
                )


def death_unused(evidence: TableEvidence) -> Iterator[Observation]:
    """Most of those censored for an endpoint are dead by a column that no endpoint reads."""
    rows, share = (evidence.guard.limit("death_unused", k) for k in ("rows", "share"))
    endpoints = evidence.columns.endpoints
    if any(is_death(key, endpoint.label) for key, endpoint in endpoints.items()):
        return  # Their times are known, and compared patient by patient.
    for key, endpoint in endpoints.items():
        if not isinstance(endpoint, Endpoint) or endpoint.event not in evidence.table.columns:
            continue
        if endpoint.death is not None:
            continue
        censored = read_as(evidence.table, endpoint)[1]
        for column in death_columns(evidence):
            died = censored & _died(evidence, column)
            if died.sum() >= max(rows, share * censored.sum()):
                yield Observation(
                    f"Most patients censored for {endpoint.label} died (column {column}), and a "
                    "censored patient counts as one who may still have the event",
                    died,
                    censored,
                    remedy="describe death as an endpoint of its own, and say what it is here: "
                    f"`{key}: {{..., death: {{endpoint: os, is: competing}}}}`, or `is: event`",
                    names=(endpoint.label,),
                )


def reversed_times(evidence: CohortEvidence) -> Iterator[Observation]:
    """Nobody has the event until many are censored, as in deaths and survivors exchanged."""
    least, chance = (evidence.guard.limit("reversed_times", k) for k in ("share", "chance"))
    for label, outcome in evidence.outcomes.items():
        told = outcome.event | outcome.censored
        n, events = int(told.sum()), int(outcome.event.sum())
        if not 0 < events < n:
            continue
        first = outcome.time[outcome.event].min()
        before = outcome.censored & (outcome.time < first)
        if before.sum() < least * n:
            continue
        # That all events come last among the ends of follow-up, were their order one of chance.
        if _log_choose(n - before.sum(), events) - _log_choose(n, events) < np.log(chance):
            yield Observation(
                f"Nobody has the event of {label} before {first:.2g} months, when "
                f"{int(before.sum())} of {n} are already censored: event and censoring may be the "
                "wrong way round",
                outcome.who,
                remedy=STATE_CODES,
                names=(label,),
            )


def competing_death(evidence: CohortEvidence) -> Iterator[Observation]:
    """An endpoint that is censored where the same cohort knows a death."""
    deaths = {e: key for e, key in evidence.endpoint_keys.items() if is_death(key, e)}
    rows, share, months, most = (
        evidence.guard.limit("competing_death", k) for k in ("rows", "share", "months", "dead")
    )
    for death, death_key in deaths.items():
        died = evidence.outcomes[death]
        for label, outcome in evidence.outcomes.items():
            if label in deaths:
                continue
            censored = outcome.censored & died.event
            # Times in different units are rounded differently.
            at_death = censored & (np.abs(outcome.time - died.time) <= months)
            enough = at_death.sum() >= max(rows, share * outcome.censored.sum())
            if not enough and censored.sum() >= max(rows, most * outcome.censored.sum()):
                at_death, enough = censored, True
            if enough:
                yield Observation(
                    f"{label} is censored in patients whose death {death} knows",
                    at_death,
                    outcome.censored,
                    remedy=_say_death(evidence.endpoint_keys[label], death_key),
                    names=(label,),
                )


TABLE_CHECKS: tuple[Check[TableEvidence], ...] = (reversed_event, death_disagrees, death_unused)
COHORT_CHECKS: tuple[Check[CohortEvidence], ...] = (reversed_times, competing_death)


def is_death(key: str, label: str) -> bool:
    """Whether an endpoint is death of any cause, by its key or label."""
    known = set(read_rules().events.death_endpoints)
    return bool(known & {" ".join(words(key)), " ".join(words(label))})


def death_columns(evidence: TableEvidence) -> list[str]:
    """Columns that say who died, by the guard's settings or by name, and belong to no endpoint."""
    named = set(read_rules().events.death)
    found = [
        c
        for c in evidence.table.columns
        if named & set(words(c)) and c not in evidence.outcome_columns
    ]
    return list(dict.fromkeys([*filter(None, [evidence.guard.death]), *map(str, found)]))


def _says_alive(evidence: TableEvidence, endpoint: Endpoint | Death) -> str:
    """Why names or labels say that the event code means alive or censored; empty if none does."""
    rules, attrs = read_rules().events, evidence.table.attrs
    labels = attrs.get("choices", {}).get(endpoint.event, {})
    of_events = {" ".join(words(labels.get(code, code))) for code in endpoint.event_values}
    alive = sorted(of_events & set(rules.alive))
    if alive:
        return f"what counts as the event says {', '.join(alive)}"
    # Codes that are stated, or whose labels are no such words, are known.
    if CODES_STATED & endpoint.model_fields_set or labels:
        return ""
    title = attrs.get("titles", {}).get(endpoint.event, "")
    # A title that explains its codes, such as 0 alive, 1 dead, holds both words.
    for name in (endpoint.event, "" if set(words(title)) & set(rules.death) else title):
        said = words(name)
        plain, joined = " ".join(said), "".join(said)
        if set(said) & set(rules.denied):
            continue
        if set(said) & set(rules.alive) or joined in rules.alive:
            return f"its name, {name}, says alive or censored, and 1 is read as the event"
        unclear = any(f" {phrase} " in f" {plain} " for phrase in rules.unclear)
        if (unclear or joined in {p.replace(" ", "") for p in rules.unclear}) and not (
            set(said) & {*rules.death, "event"}
        ):
            return f"its name, {name}, does not say whether 1 is alive or dead"
    return ""


def _dead_but_censored(evidence: TableEvidence, endpoint: Endpoint) -> str:
    """Where another column tells who died, and it is those who are read as alive."""
    limits = {
        k: evidence.guard.limit("reversed_event", k) for k in ("rows", "among_events", "among_rest")
    }
    event, censored = read_as(evidence.table, endpoint)
    if min(event.sum(), censored.sum()) < limits["rows"]:
        return ""
    for column in death_columns(evidence):
        died = _died(evidence, column)
        if (
            died[event].mean() <= limits["among_events"]
            and died[censored].mean() >= limits["among_rest"]
        ):
            return (
                f"by column {column}, {died[censored].mean():.0%} of those who are read as "
                f"censored died, and {died[event].mean():.0%} of those with the event"
            )
    return ""


def read_as(table: pd.DataFrame, coded: Endpoint | Death) -> tuple[np.ndarray, np.ndarray]:
    """Who is read as having the event, and who as censored."""
    code = as_text(table[coded.event]).str.lower()
    event, censored = (
        code.isin([c.lower() for c in codes]).to_numpy(dtype=bool)
        for codes in (coded.event_values, coded.censored_values)
    )
    return event, censored


def _died(evidence: TableEvidence, column: str) -> np.ndarray:
    """Who died by a column of yes and no, of words, or of dates or times of death."""
    table, rules = evidence.table, read_rules().events
    told = set(as_text(table[column]).str.lower().dropna().unique())
    words_told = {value for value in told if set(words(value)) & {*rules.death, *rules.alive}}
    if words_told:
        dead = tuple(v for v in words_told if set(words(v)) & set(rules.death))
        return happened(table, Happened(column=column, values=dead or ("",)))
    if not told <= {*YES, *NO} and not np.isfinite(read_moments(table[column]).value).any():
        return np.zeros(len(table), dtype=bool)
    return happened(table, Happened(column=column))


def _say_death(key: str, death_key: str) -> str:
    return (
        f"say what death is for this endpoint: `{key}: {{..., death: {{endpoint: {death_key}, "
        "is: competing}}`, or `is: event` where it counts deaths, as PFS and EFS do; with codes "
        "of death in its event column, `competing_values`; from dates, `competing`"
    )


def _log_choose(n: int | np.integer, k: int) -> float:
    """Logarithm of the number of ways to choose k of n; -inf where there is none."""
    if k > n:
        return -np.inf
    return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
