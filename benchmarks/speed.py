"""What is measured: each function times our way and a baseline back to back."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sksurv.ensemble import RandomSurvivalForest
from sksurv.metrics import concordance_index_censored
from sksurv.util import Surv

from evaluation.bootstrap import bootstrap_counts
from evaluation.discrimination import harrell_c
from features.outcome import Outcome
from models.forest import SurvivalForest

SEED = 1


def weibull_cohort(n: int, covariates: int = 25) -> tuple[np.ndarray, np.ndarray, Outcome]:
    """Covariates, linear predictor and outcome with about 74% events."""
    rng = np.random.default_rng(SEED)
    X = rng.normal(size=(n, covariates))
    lp = X @ np.linspace(0.4, 0, covariates)
    time_to_event = 12 * (rng.exponential(size=n) * np.exp(-lp)) ** (1 / 1.3)
    censoring = rng.uniform(5, 60, n)
    return X, lp, Outcome(np.minimum(time_to_event, censoring), time_to_event <= censoring)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def measurement(work: str, ours: float, baseline_s: float, baseline: str) -> dict[str, Any]:
    return {
        "work": work,
        "ours_s": ours,
        "baseline_s": baseline_s,
        "ratio": baseline_s / ours,
        "baseline": baseline,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def c_index_bootstrap() -> dict[str, Any]:
    """Harrell's C of 1,000 bootstrap replicates at n = 10,000."""
    n, replicates, measured = 10_000, 1000, 5
    _, lp, outcome = weibull_cohort(n)
    counts = bootstrap_counts(n, replicates, SEED)
    harrell_c(outcome, lp, counts=counts[:1])  # compiles
    ours, _ = timed(lambda: harrell_c(outcome, lp, counts=counts))

    def loop() -> None:
        for count in counts[:measured]:
            rows = np.repeat(np.arange(n), count)
            concordance_index_censored(outcome.event[rows], outcome.time[rows], lp[rows])

    theirs, _ = timed(loop)
    return measurement(
        f"Harrell C, {replicates} replicates, n = {n}",
        ours,
        theirs * replicates / measured,
        f"scikit-survival in a loop, {measured} replicates scaled up",
    )


def forest_fit() -> dict[str, Any]:
    """A survival forest on our grid of event times against every event time."""
    X, _, outcome = weibull_cohort(2000)
    settings = {"n_estimators": 50, "min_samples_leaf": 15, "max_features": 0.4}
    ours, _ = timed(lambda: SurvivalForest(**settings, seed=SEED).fit(X, outcome))
    plain = RandomSurvivalForest(**settings, min_samples_split=30, random_state=SEED)
    target = Surv.from_arrays(outcome.event, outcome.time)
    theirs, _ = timed(lambda: plain.fit(X, target))
    return measurement("50 trees, n = 2000", ours, theirs, "scikit-survival RandomSurvivalForest")


BENCHMARKS: dict[str, Callable[[], dict[str, Any]]] = {
    "c_index_bootstrap": c_index_bootstrap,
    "forest_fit": forest_fit,
}
