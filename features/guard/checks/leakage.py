"""Predictors that know the answer: near-perfect for time, for the event, or by being known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from features.guard.evidence import CohortEvidence, Followed, Levels
from features.guard.findings import Check, Observation

# A C-index of .90 has a standard error below .003 in so many patients.
SAMPLE = 20_000


def harrell_c(time: np.ndarray, event: np.ndarray, score: np.ndarray) -> float:
    """Share of comparable pairs in which the patient with the higher score fails first.

    Harrell FE et al., JAMA 1982;247:2543. A pair is comparable when the shorter time is an event,
    or when of two equal times one is an event and the other censored; equal scores count half.
    O(n log n), or as many passes over the scores as their number of distinct values has bits.

    Parameters
    ----------
    time, event, score : ndarray of shape (n,)
        None missing. A higher score is worse.

    Returns
    -------
    float
        From 0 to 1; NaN when no pair is comparable.
    """
    # Events of one time form a group, those censored at that time the next one.
    group = np.unique(2 * np.unique(time, return_inverse=True)[1] + ~event, return_inverse=True)[1]
    rank = np.unique(score, return_inverse=True)[1]
    # Within a group the order is such that its own members are never counted.
    lower = np.empty(len(time))
    higher = np.empty(len(time))
    order = np.lexsort((-rank, -group))
    lower[order] = _smaller_before(rank[order])
    order = np.lexsort((rank, -group))
    higher[order] = _smaller_before(rank.max(initial=0) - rank[order])
    size = np.bincount(group)
    later = (len(time) - np.cumsum(size))[group]
    pairs = later[event].sum()
    concordant = (lower + (later - lower - higher) / 2)[event].sum()
    return float(concordant / pairs) if pairs else np.nan


def leakage_time(evidence: CohortEvidence) -> Iterator[Observation]:
    """A predictor that alone orders survival times almost perfectly."""
    limit, events, known = (
        evidence.guard.limit("leakage_time", k) for k in ("concordance", "events", "known")
    )
    for label, outcome in evidence.outcomes.items():
        for name in evidence.predictors:
            sample = _sample(evidence, name, outcome, outcome.who)
            if len(sample.time) < known or sample.event.sum() < events:
                continue
            c = harrell_c(sample.time, sample.event, sample.by_rate)
            if max(c, 1 - c) >= limit:
                yield Observation(
                    f"Covariate {name} alone orders the times of {label} with a C-index of "
                    f"{max(c, 1 - c):.2f}",
                    *_who_is_known(evidence, name),
                    names=evidence.inputs_named(name),
                )


def leakage_event(evidence: CohortEvidence) -> Iterator[Observation]:
    """A predictor that alone separates events from censored patients."""
    limit, each = (evidence.guard.limit("leakage_event", k) for k in ("auc", "each"))
    for label, outcome in evidence.outcomes.items():
        for name in evidence.predictors:
            sample = _sample(evidence, name, outcome, outcome.event | outcome.censored)
            if min(sample.event.sum(), (~sample.event).sum()) < each:
                continue
            auc = _auc(sample.by_share, sample.event)
            if max(auc, 1 - auc) >= limit:
                yield Observation(
                    f"Covariate {name} alone tells who had the event of {label} "
                    f"(AUC {max(auc, 1 - auc):.2f})",
                    *_who_is_known(evidence, name),
                    names=evidence.inputs_named(name),
                )


def leakage_missing(evidence: CohortEvidence) -> Iterator[Observation]:
    """A predictor that is known, or missing, only in patients with the event.

    The classic is `chapter` of the free light chain data: a cause of death.
    """
    limit, each = (
        evidence.guard.limit("leakage_missing", k) for k in ("balanced_accuracy", "each")
    )
    for label, outcome in evidence.outcomes.items():
        event, censored = outcome.event, outcome.censored
        told = event | censored
        for name, code in evidence.codes.items():
            known = code >= 0
            groups = (event, censored, known & told, ~known & told)
            if min(group.sum() for group in groups) < each:
                continue
            accuracy = (known[event].mean() + (~known)[censored].mean()) / 2
            if max(accuracy, 1 - accuracy) >= limit:
                yield Observation(
                    f"Whether covariate {name} is known tells who had the event of {label}",
                    known,
                    names=evidence.inputs_named(name),
                )


CHECKS: tuple[Check[CohortEvidence], ...] = (leakage_time, leakage_event, leakage_missing)


@dataclass(frozen=True)
class _Sample:
    """Patients in whom a covariate is known, with the covariate as a score.

    Numbers are their own score. A category's level scores its events per month (`by_rate`) or
    its share of events (`by_share`), rare levels joined: the order that suits it best.
    """

    time: np.ndarray
    event: np.ndarray
    by_rate: np.ndarray
    by_share: np.ndarray


def _sample(evidence: CohortEvidence, name: str, outcome: Followed, among: np.ndarray) -> _Sample:
    levels = evidence.levels[name]
    rows = np.flatnonzero(~levels.missing & among)
    if len(rows) > SAMPLE:
        # A screen needs no more; a fixed seed gives the same findings each time.
        rows = np.sort(np.random.default_rng(0).choice(rows, SAMPLE, replace=False))
    time, event = outcome.time[rows], outcome.event[rows]
    if evidence.is_number(name):
        score = evidence.predictors[name].to_numpy(dtype=float, na_value=np.nan)[rows]
        return _Sample(time, event, score, score)
    code = levels.code[rows]
    events = _per_level(levels, code, event)
    months, patients = _per_level(levels, code, time), _per_level(levels, code, np.ones(len(rows)))
    rate = events / np.maximum(months, 1e-9)
    share = events / np.maximum(patients, 1)
    return _Sample(time, event, rate[code], share[code])


def _per_level(levels: Levels, code: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.bincount(code, weights=values.astype(float), minlength=levels.n_levels)


def _who_is_known(evidence: CohortEvidence, name: str) -> tuple[np.ndarray, np.ndarray]:
    known = evidence.codes[name] >= 0
    return known, known


def _auc(score: np.ndarray, event: np.ndarray) -> float:
    """Probability that a patient with the event scores higher (Mann-Whitney); ties count half."""
    _, rank, size = np.unique(score, return_inverse=True, return_counts=True)
    middle = np.cumsum(size) - (size - 1) / 2
    n_event = event.sum()
    above = middle[rank][event].sum() - n_event * (n_event + 1) / 2
    return float(above / (n_event * (len(event) - n_event)))


def _smaller_before(rank: np.ndarray) -> np.ndarray:
    """For each place, how many earlier places hold a smaller rank.

    Two ranks differ first, from the top, in some bit. Places are kept sorted by the bits above
    it, in their old order; a 1 then counts the 0s before it that share those bits.
    """
    count = np.zeros(len(rank), dtype=np.int64)
    place = np.arange(len(rank))
    for bit in reversed(range(int(rank.max(initial=0)).bit_length())):
        above, one = rank[place] >> (bit + 1), (rank[place] >> bit) & 1
        zeros = np.cumsum(1 - one) - (1 - one)
        first = np.searchsorted(above, above)
        count[place] += np.where(one == 1, zeros - zeros[first], 0)
        place = place[np.argsort(rank[place] >> bit, kind="stable")]
    return count
