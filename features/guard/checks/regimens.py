"""Regimens that cannot be compared: unequal follow-up, empty cells, no overlap."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import chdtrc

from features.errors import name_some
from features.guard.evidence import CohortEvidence
from features.guard.findings import Check, Observation
from features.life_table import LifeTable, log_rank
from features.text import significant

# Centers with fewer patients are counted, not named.
NAMED = 11


def follow_up_table(
    time: np.ndarray, censored: np.ndarray, arm: np.ndarray, n_arms: int
) -> LifeTable:
    """Tabulate the end of follow-up, a row an arm: censoring is what ends it, an event hides it.

    Schemper and Smith, Control Clin Trials 1996;17:343 (reverse Kaplan-Meier).
    """
    return LifeTable.count(time, censored, weights=arm == np.arange(n_arms)[:, None])


def median_follow_up(table: LifeTable) -> np.ndarray:
    """Reverse Kaplan-Meier median of each arm, shape (n_arms,); infinite when not reached."""
    median = table.quantile()
    return np.where(np.isnan(median), np.inf, median)


def log_rank_p(table: LifeTable) -> float:
    """P-value of the log-rank test between all arms; NaN where there is none."""
    statistic, degrees_of_freedom = log_rank(table)
    return float(chdtrc(degrees_of_freedom, statistic))


def follow_up_by_regimen(evidence: CohortEvidence) -> Iterator[Observation]:
    """Median follow-up differs between regimens, by the log-rank test on censoring."""
    if evidence.arms is None:
        return
    arm, names = evidence.arms
    limits = {
        k: evidence.guard.limit("follow_up_by_regimen", k) for k in ("p", "ratio", "censored")
    }
    for label, outcome in evidence.outcomes.items():
        rows = outcome.who
        table = follow_up_table(outcome.time[rows], outcome.censored[rows], arm[rows], len(names))
        p = log_rank_p(table)
        if table.events.sum() < limits["censored"] or not p < limits["p"]:
            continue
        medians = median_follow_up(table)
        if medians.max() < limits["ratio"] * medians.min():
            continue
        shown = ", ".join(
            f"{name} {significant(median, 2)} months"
            if np.isfinite(median)
            else f"{name} not reached"
            for name, median in zip(names, medians, strict=True)
        )
        yield Observation(
            f"Median follow-up of {label} differs by regimen: {shown} (log-rank test on "
            f"censoring, p {'< .001' if p < 0.001 else f'= {p:.3f}'})",
            rows,
        )


def regimen_center_cells(evidence: CohortEvidence) -> Iterator[Observation]:
    """Centers without a patient of some regimen."""
    if evidence.arms is None or evidence.center is None:
        return
    arm, names = evidence.arms
    centers, center = np.unique(evidence.center.astype(str), return_inverse=True)
    if len(centers) < 2:
        return
    cells = _crosstab(center, len(centers), arm, len(names))
    empty = cells == 0
    if not empty.any():
        return
    lacking = empty.any(axis=1)
    large = [str(c) for c in centers[lacking & (cells.sum(axis=1) >= NAMED)]]
    named = f"; among them {name_some(large, 5)}" if large else ""
    yield Observation(
        f"{int(empty.sum())} of {empty.size} cells of regimen x center are empty, in "
        f"{int(lacking.sum())} of {len(centers)} centers{named}",
        lacking[center],
    )


def regimen_predicted(evidence: CohortEvidence) -> Iterator[Observation]:
    """A covariate, or its being missing, that all but decides the regimen."""
    for name in _decisive(evidence):
        yield Observation(f"Covariate {name} all but decides the regimen", evidence.everybody)


def no_overlap(evidence: CohortEvidence) -> Iterator[Observation]:
    """Groups of patients who never had a regimen, and too many of them for chance."""
    if evidence.arms is None:
        return
    arm, names = evidence.arms
    least_chance = evidence.guard.limit("no_overlap", "chance")
    share = np.bincount(arm) / len(arm)
    decisive = set(_decisive(evidence))
    for name, levels in evidence.levels.items():
        if name in decisive:
            continue
        # The rare and the missing, which come last, are no kind of patient.
        cells = _crosstab(levels.code, levels.n_levels, arm, len(names))[:-2]
        # How likely nobody of a group has a regimen when the groups are treated alike.
        chance = (1 - share) ** cells.sum(axis=1, keepdims=True)
        never = (cells == 0) & (chance < least_chance)
        if never.any():
            alone = np.append(never.any(axis=1), [False, False])
            absent = name_some(np.array(names)[never.any(axis=0)])
            yield Observation(
                f"Some values of {name} never go with {absent}",
                alone[levels.code],
            )


CHECKS: tuple[Check[CohortEvidence], ...] = (
    follow_up_by_regimen,
    regimen_center_cells,
    regimen_predicted,
    no_overlap,
)


def _decisive(evidence: CohortEvidence) -> list[str]:
    """Covariates whose levels leave almost none of the error of guessing the commonest regimen.

    Goodman and Kruskal's lambda, J Am Stat Assoc 1954;49:732.
    """
    if evidence.arms is None:
        return []
    arm, names = evidence.arms
    commonest = np.bincount(arm).max()
    found = []
    for name, levels in evidence.levels.items():
        cells = _crosstab(levels.code, levels.n_levels, arm, len(names))
        explained = (cells.max(axis=1).sum() - commonest) / (len(arm) - commonest)
        if explained >= evidence.guard.limit("regimen_predicted", "share"):
            found.append(name)
    return found


def _crosstab(row: np.ndarray, n_rows: int, column: np.ndarray, n_columns: int) -> np.ndarray:
    counts = np.bincount(row * n_columns + column, minlength=n_rows * n_columns)
    return counts.reshape(n_rows, n_columns)
