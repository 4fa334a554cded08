"""Covariates that are of a later time than baseline, by what they know of the outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy.special import bdtr, bdtrc

from features.guard.evidence import CohortEvidence, Followed
from features.guard.findings import Check, Observation
from features.guard.settings import Guard

# Months at which those who died by then are counted.
EARLY = (1.0, 2.0, 3.0, 6.0)


def early_deaths(evidence: CohortEvidence) -> Iterator[Observation]:
    """A value, or its absence, that goes with early events more than any baseline effect explains.

    The classic is a best response 'early death', or a response that nobody could assess.
    """
    for name in evidence.predictors:
        # The extremes of a strong number may well be that far apart.
        groups = [*_groups(evidence, name, numbers=False), ("missing", evidence.codes[name] < 0)]
        for label, value, who, month in _first_odd(evidence, groups, _too_many_early):
            yield Observation(
                f"Who has {name} {value} has the event of {label} so early (by "
                f"{month:g} months) that it was probably recorded because of it",
                who,
                names=evidence.inputs_named(name),
            )


def guarantee_time(evidence: CohortEvidence) -> Iterator[Observation]:
    """A value whose patients have no early event, as those who lived to be transplanted."""
    for name in evidence.predictors:
        groups = list(_groups(evidence, name))
        for label, value, who, month in _first_odd(evidence, groups, _too_few_early):
            yield Observation(
                f"Who has {name} {value} has hardly any event of {label} within "
                f"{month:g} months: they probably had to live to get that value",
                who,
                names=evidence.inputs_named(name),
            )


def responders_only(evidence: CohortEvidence) -> Iterator[Observation]:
    """A covariate that is known in responders alone, such as MRD after treatment."""
    if evidence.responder is None:
        return
    least, chance = (evidence.guard.limit("responders_only", k) for k in ("known", "chance"))
    responded, not_responded = evidence.responder == 1, evidence.responder == 0
    for name, code in evidence.codes.items():
        known = code >= 0
        n = int((known & (responded | not_responded)).sum())
        if n < least or (known & not_responded).any() or not not_responded.any():
            continue
        # That none of those in whom it is known is a non-responder, were it known at random.
        share = responded.sum() / (responded | not_responded).sum()
        if share**n < chance:
            yield Observation(
                f"Covariate {name} is known only in patients who responded",
                known,
                names=evidence.inputs_named(name),
            )


CHECKS: tuple[Check[CohortEvidence], ...] = (early_deaths, guarantee_time, responders_only)


def _groups(
    evidence: CohortEvidence, name: str, numbers: bool = True
) -> Iterator[tuple[str, np.ndarray]]:
    """The values of a covariate as groups of patients; numbers are cut at their quartiles."""
    code, levels = evidence.codes[name], evidence.predictors[name]
    if evidence.is_number(name) and code.max(initial=-1) >= 2:
        if not numbers:
            return
        number = levels.to_numpy(dtype=float, na_value=np.nan)
        cuts = np.unique(np.nanquantile(number, [0.25, 0.5, 0.75]))
        for cut in cuts:
            yield f"above {cut:.4g}", number > cut
            yield f"up to {cut:.4g}", number <= cut
    else:
        for at in range(code.max(initial=-1) + 1):
            who = code == at
            value = levels.to_numpy(dtype=object)[np.argmax(who)]
            yield f"{value:g}" if isinstance(value, float) else str(value), who


def _first_odd(
    evidence: CohortEvidence,
    groups: Sequence[tuple[str, np.ndarray]],
    odd_month: Callable[[Followed, np.ndarray, Guard], float | None],
) -> Iterator[tuple[str, str, np.ndarray, float]]:
    """(label, value, who, month) of each endpoint's first group with an odd month."""
    for label, outcome in evidence.outcomes.items():
        for value, who in groups:
            month = odd_month(outcome, who, evidence.guard)
            if month is not None:
                yield label, value, who, month
                break


def _counts(outcome: Followed, who: np.ndarray, month: float) -> tuple[int, int]:
    """Of a group: how many are told at a month, and how many of them had the event by then."""
    by_then = outcome.event & (outcome.time <= month)
    told = who & outcome.who & (by_then | (outcome.time > month))
    return int(told.sum()), int((told & by_then).sum())


def _too_many_early(outcome: Followed, who: np.ndarray, guard: Guard) -> float | None:
    rows, ratio, chance = (
        guard.limit("early_deaths", k) for k in ("rows", "hazard_ratio", "chance")
    )
    for month in EARLY:
        n, events = _counts(outcome, who, month)
        rest, rest_events = _counts(outcome, ~who, month)
        if events < rows or rest < rows:
            continue
        # As if the rest had half an event more: nobody's risk is 0.
        alive = 1 - (rest_events + 0.5) / (rest + 1)
        if bdtrc(events - 1, n, 1 - alive**ratio) < chance:
            return month
    return None


def _too_few_early(outcome: Followed, who: np.ndarray, guard: Guard) -> float | None:
    rows, ratio, chance = (
        guard.limit("guarantee_time", k) for k in ("rows", "hazard_ratio", "chance")
    )
    for month in EARLY:
        n, events = _counts(outcome, who, month)
        rest, rest_events = _counts(outcome, ~who, month)
        if n < rows or rest < rows:
            continue
        alive = 1 - rest_events / (rest + 1)
        if bdtr(events, n, 1 - alive ** (1 / ratio)) < chance:
            return month
    return None
