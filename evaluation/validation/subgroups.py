"""How well the predictions do in groups of patients: described with intervals, never tested.

A difference between subgroups is not tested: groups are small, many, and were not drawn for it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from evaluation.estimates import estimate_row, with_cohort
from evaluation.metrics import (
    HARRELL_C,
    OBSERVED_EXPECTED,
    Metric,
    events_by,
    metric_obstacle,
    metric_values,
    tested_patients,
)
from evaluation.results import METRIC_COLUMNS, metric_table
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

SUBGROUP_COLUMNS = ("variable", "level", *METRIC_COLUMNS)
MIN_PATIENTS = 20
MIN_EVENTS = 10
AGE_LIMITS = (60.0, 75.0)
MISSING = "missing"


def age_bands(age_years: ArrayLike, limits: Sequence[float] = AGE_LIMITS) -> np.ndarray:
    """Label patients by age band: '<60', '60-74', '>=75' years with the default limits.

    Parameters
    ----------
    age_years : array-like of shape (n,)
        NaN where unknown.
    limits : sequence of float
        Where a band starts, increasing, whole years.

    Returns
    -------
    ndarray of shape (n,), object
        None where the age is unknown.

    Raises
    ------
    ValueError
        When limits are not increasing whole years.
    """
    starts = np.asarray(limits, dtype=float)
    if not len(starts) or (np.diff(starts) <= 0).any() or (starts % 1).any():
        raise ValueError(f"limits must be increasing whole years; got {list(limits)}")
    whole = [int(start) for start in starts]
    middle = [f"{low}-{high - 1}" for low, high in itertools.pairwise(whole)]
    labels = np.array([f"<{whole[0]}", *middle, f">={whole[-1]}"], dtype=object)
    age = np.asarray(age_years, dtype=float)
    band = labels[np.searchsorted(starts, np.nan_to_num(age), side="right")]
    band[np.isnan(age)] = None
    return band


def subgroup_table(
    learner_name: str,
    outcome: Outcome,
    predictions: Sequence[SurvivalPrediction],
    folds: Sequence[np.ndarray],
    groups: Mapping[str, ArrayLike],
    horizons: Sequence[float],
    counts: np.ndarray,
    *,
    min_patients: int = MIN_PATIENTS,
    min_events: int = MIN_EVENTS,
) -> pd.DataFrame:
    """C and O/E in every level of every grouping, with the cohort first.

    Parameters
    ----------
    outcome, predictions, folds, counts
        As in `performance_table`: out-of-fold, one prediction and fold a repeat; the same counts.
    groups : mapping of variable to array-like of shape (n,)
        Labels such as sex, age band, center, disease, regimen. Unknown ones (None, NaN) are a level
        of their own, "missing".
    horizons : sequence of float
        Months, for O/E.
    min_patients, min_events : int
        A cell with fewer patients, or fewer events (by the horizon), is unstable and suppressed.

    Returns
    -------
    DataFrame with SUBGROUP_COLUMNS
        First `variable` "all", then each variable and level: `harrell_c` (no horizon; pairs
        within a fold and within the group) and `calibration_oe` at each horizon, with 95%
        percentile intervals over the same bootstrap counts. A suppressed cell is NaN, with its n,
        events and the reason. No tests.

    Raises
    ------
    ValueError
        When a grouping does not hold one label a patient, or predictions do not fit.
    KeyError
        When a horizon is not among the predicted times.
    """
    total = len(outcome)
    tested, outcome, predictions, folds = tested_patients(outcome, predictions, folds)
    samples = with_cohort(counts, total)[:, tested]
    cells = [("all", "all", np.ones(len(outcome), dtype=bool))]
    for variable, labels in groups.items():
        level = _levels(variable, labels, total)[tested]
        cells += [(variable, str(name), level == name) for name in _ordered(level)]
    metrics = [HARRELL_C, *(OBSERVED_EXPECTED.at(h) for h in horizons)]
    rows = []
    for variable, name, members in cells:
        inside = outcome.take(members)
        own = [p.take(np.flatnonzero(members)) for p in predictions]
        own_folds = [np.asarray(fold)[members] for fold in folds]
        for metric in metrics:
            events = events_by(inside, metric.horizon)
            obstacle = _unstable(len(inside), events, metric.horizon, min_patients, min_events)
            obstacle = obstacle or metric_obstacle(metric, inside, own, own_folds)
            values = np.full(1, np.nan)
            if not obstacle:
                values = _values(metric, inside, own, own_folds, samples[:, members])
            about = {"learner": learner_name, "metric": metric.name, "horizon": metric.horizon}
            about |= {"n": len(inside), "events": events}
            rows.append(
                (variable, name, about | estimate_row(values, obstacle, undefined=metric.undefined))
            )
    table = metric_table(row for _, _, row in rows)
    table.insert(0, "variable", [variable for variable, _, _ in rows])
    table.insert(1, "level", [name for _, name, _ in rows])
    return table


def _values(
    metric: Metric,
    outcome: Outcome,
    predictions: Sequence[SurvivalPrediction],
    folds: Sequence[np.ndarray],
    samples: np.ndarray,
) -> np.ndarray:
    """The metric in each sample; NaN in one that drew nobody of the group."""
    values = np.full(len(samples), np.nan)
    drawn = samples.sum(axis=1) > 0
    values[drawn] = metric_values(metric, outcome, predictions, folds, samples[drawn])
    return values


def _unstable(n: int, events: int, horizon: float, min_patients: int, min_events: int) -> str:
    reasons = []
    if n < min_patients:
        reasons.append(f"{n} patients, fewer than {min_patients}")
    if events < min_events:
        by_then = "" if np.isnan(horizon) else f" by {horizon:g} months"
        reasons.append(f"{events} events{by_then}, fewer than {min_events}")
    return f"suppressed: {' and '.join(reasons)}" if reasons else ""


def _levels(variable: str, labels: ArrayLike, n: int) -> np.ndarray:
    values = pd.Series(np.asarray(labels, dtype=object))
    if values.shape != (n,):
        raise ValueError(
            f"groups[{variable!r}] has shape {values.shape}; expected one label a patient, ({n},)"
        )
    return values.where(values.notna(), MISSING).astype(str).to_numpy(dtype=object)


def _ordered(level: np.ndarray) -> list[str]:
    """Levels in alphabetical order, bands by where they start, the missing last."""

    def key(name: str) -> tuple[bool, int, str]:
        rank = {"<": 0, ">": 2}.get(name[:1], 1)
        return name == MISSING, rank, name

    return sorted(set(level), key=key)
