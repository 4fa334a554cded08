"""Kaplan-Meier medians, event probabilities at horizons and their differences, by arm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from evaluation.estimators import EVENT_PROBABILITY, KAPLAN_MEIER, MEDIAN, Estimator
from evaluation.remarks import joined, reads_above
from evaluation.results import Estimate
from evaluation.statistics import median_time, survival_at
from features.life_table import Z
from features.outcome import Outcome


def median_rows(by_arm: Mapping[str, Outcome]) -> Iterator[Estimate]:
    """Median months of each arm with log-log limits."""
    for arm, outcome in by_arm.items():
        median = median_time(outcome)
        yield Estimate(
            estimator=MEDIAN,
            scale="months",
            arm=arm,
            value=median.median,
            low=median.ci_low,
            high=median.ci_high,
            method="log-log",
            n=len(outcome),
            events=outcome.n_events,
            note="" if np.isfinite(median.median) else "not reached",
        )


def survival_rows(by_arm: Mapping[str, Outcome], horizons: Sequence[float]) -> Iterator[Estimate]:
    """Kaplan-Meier event probability of each arm at each horizon, then differences.

    Parameters
    ----------
    by_arm : mapping of arm -> Outcome
        The reference arm last.
    horizons : sequence of float
        Months.
    """
    tables = {arm: survival_at(outcome, horizons) for arm, outcome in by_arm.items()}
    as_incidence = {
        arm: table.assign(
            incidence=1 - table["survival"],
            ci_low=1 - table["ci_high"],
            ci_high=1 - table["ci_low"],
        )
        for arm, table in tables.items()
    }
    names = (EVENT_PROBABILITY, KAPLAN_MEIER)
    # From survival, so that no digit is lost to 1 - (1 - S).
    yield from probability_rows(
        by_arm, horizons, as_incidence, names, "Greenwood",
        lambda point, base: base["survival"] - point["survival"],
    )  # fmt: skip


def probability_rows(
    by_arm: Mapping[str, Outcome],
    horizons: Sequence[float],
    tables: Mapping[str, pd.DataFrame],
    names: tuple[Estimator, Estimator],
    error: str,
    difference_of: Callable[[pd.Series, pd.Series], float],
) -> Iterator[Estimate]:
    """Event probability of each arm at each horizon, then differences from the reference arm.

    Parameters
    ----------
    by_arm : mapping of arm -> Outcome
        The reference arm last.
    horizons : sequence of float
        Months.
    tables : mapping of arm -> DataFrame
        A row a horizon: incidence, its ci_low, ci_high and std_error, n_event; NaN beyond
        follow-up.
    names : (Estimator, Estimator)
        Of the probability, and of the difference.
    error : str
        Whose standard error it is.
    difference_of : callable (row of the arm, row of the reference arm) -> float
    """
    *others, reference = by_arm
    for at, horizon in enumerate(horizons):
        points = {arm: table.iloc[at] for arm, table in tables.items()}
        beyond = {
            arm: f"follow-up of {arm} ends at {by_arm[arm].follow_up:.1f} months"
            for arm, point in points.items()
            if np.isnan(point["incidence"])
        }
        for arm, point in points.items():
            unbounded = arm not in beyond and np.isnan(point["ci_low"])
            yield Estimate(
                estimator=names[0],
                scale="probability",
                horizon=horizon,
                arm=arm,
                value=point["incidence"],
                low=point["ci_low"],
                high=point["ci_high"],
                method="log-log",
                n=len(by_arm[arm]),
                events=int(point["n_event"]),
                note=beyond.get(arm, "no interval at 0% or 100%" if unbounded else ""),
            )
        for arm in others:
            point, base = points[arm], points[reference]
            difference = difference_of(point, base)
            # An arm at 0% or 100% has no Greenwood error, so the difference has no interval.
            errors = np.array([point["std_error"], base["std_error"]], dtype=float)
            margin = Z * np.hypot(*errors) if (errors > 0).all() else np.nan
            bounded = np.isnan(difference) or np.isfinite(margin)
            yield Estimate(
                estimator=names[1],
                scale="event probability difference",
                horizon=horizon,
                arm=arm,
                reference_arm=reference,
                value=difference,
                low=difference - margin,
                high=difference + margin,
                method=f"normal, {error}",
                n=len(by_arm[arm]) + len(by_arm[reference]),
                events=int(point["n_event"] + base["n_event"]),
                note=joined(
                    reads_above(0, f"more events than {reference}"),
                    *(beyond[a] for a in (arm, reference) if a in beyond),
                    "" if bounded else "no interval with an arm at 0% or 100%",
                ),
            )
