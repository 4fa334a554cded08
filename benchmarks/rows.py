"""One row a measurement, and the simulated patients that are measured on."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from features.outcome import Outcome

SEED = 1


def weibull_cohort(
    n: int, covariates: int = 25, seed: int = SEED
) -> tuple[np.ndarray, np.ndarray, Outcome]:
    """Covariates, linear predictor and outcome with about 74% events."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, covariates))
    lp = X @ np.linspace(0.4, 0, covariates)
    time_to_event = 12 * (rng.exponential(size=n) * np.exp(-lp)) ** (1 / 1.3)
    censoring = rng.uniform(5, 60, n)
    return X, lp, Outcome(np.minimum(time_to_event, censoring), time_to_event <= censoring)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what the work returns."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def measurement(
    work: str,
    ours: float,
    baseline_s: float,
    baseline: str,
    more: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """A row: what was done, in how many seconds, against what; ratio above 1 is faster."""
    return {
        "work": work,
        "ours_s": ours,
        "baseline_s": baseline_s,
        "ratio": baseline_s / ours,
        "baseline": baseline,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        **(more or {}),
    }
