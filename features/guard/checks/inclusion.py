"""Inclusion rules that choose patients by how they ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import fisher_exact

from features.cohort import CohortColumns
from features.endpoints import Death, Endpoint
from features.guard.checks.events import read_as
from features.guard.findings import Check, Observation
from features.guard.settings import Guard
from features.inclusion import InclusionRule
from features.text import as_number


@dataclass(frozen=True)
class InclusionEvidence:
    """A table of n patients before the inclusion rules, and whom each of them removed.

    Attributes
    ----------
    removed : tuple of (rule, ndarray of shape (n,), bool)
    kept : ndarray of shape (n,), bool
        Whom all the rules left.
    """

    table: pd.DataFrame
    columns: CohortColumns
    guard: Guard
    removed: tuple[tuple[InclusionRule, np.ndarray], ...]
    kept: np.ndarray


def removed_by_outcome(evidence: InclusionEvidence) -> Iterator[Observation]:
    """A rule of the outcome that removes events alone, or them more or less often than others."""
    for rule, removed in evidence.removed:
        for endpoint in evidence.columns.endpoints.values():
            if not isinstance(endpoint, Endpoint):
                continue
            for coded in endpoint.coded:
                if not {coded.time, coded.event} <= set(evidence.table.columns):
                    continue
                seen = _by_outcome(evidence, rule, removed, coded, endpoint.label)
                if seen is not None:
                    yield seen


CHECKS: tuple[Check[InclusionEvidence], ...] = (removed_by_outcome,)


def _by_outcome(
    evidence: InclusionEvidence,
    rule: InclusionRule,
    removed: np.ndarray,
    coded: Endpoint | Death,
    label: str,
) -> Observation | None:
    least, share, chance = (
        evidence.guard.limit("removed_by_outcome", k) for k in ("rows", "share", "chance")
    )
    event, censored = read_as(evidence.table, coded)
    # A time may be missing where the event is known; that is the case that matters most.
    told = event | censored
    out, kept = removed & told, evidence.kept & told
    if out.sum() < least or not kept.any() or not _reads(evidence, rule, out, coded):
        return None
    of_removed, of_kept = event[out].mean(), event[kept].mean()
    mostly = of_removed >= share and of_removed > of_kept
    counts = [[int((who & has).sum()) for has in (event, censored)] for who in (out, kept)]
    if not mostly and fisher_exact(counts).pvalue >= chance:
        return None
    often = "more often" if of_removed > of_kept else "more seldom"
    told_so = (
        f"(nearly) all whom it removes have the event of {label}"
        if mostly
        else f"whom it removes have the event of {label} {often} than whom it keeps"
    )
    return Observation(
        f"Inclusion rule {rule.name} looks at the outcome, and {told_so}",
        out & event,
        out,
        names=(rule.name,),
    )


def _reads(
    evidence: InclusionEvidence, rule: InclusionRule, removed: np.ndarray, coded: Endpoint | Death
) -> bool:
    """Whether a rule reads the outcome, or stands for a rule that the time be known."""
    if {c.column for c in rule.conditions} & {coded.time, coded.event}:
        return True
    return bool(np.isnan(as_number(evidence.table[coded.time])[removed]).all())
