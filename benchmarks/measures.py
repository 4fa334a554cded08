"""Speed of the measures: bootstraps against scikit-survival, and growth to a million patients.

`MEASURES` maps names to functions as `benchmarks.speed.BENCHMARKS` does.
"""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Any

import numpy as np
from sksurv.metrics import brier_score as sksurv_brier_score
from sksurv.metrics import concordance_index_ipcw
from sksurv.util import Surv

from benchmarks.speed import SEED, measurement, timed, weibull_cohort
from evaluation.bootstrap import bootstrap_counts
from evaluation.metrics import (
    brier_losses,
    decision_curve,
    harrell_c,
    null_losses,
    replicate_auc,
    replicate_scores,
    uno_c,
)
from evaluation.metrics.calibration import (
    calibration_curve,
    calibration_in_time,
    calibration_slope,
    d_calibration_test,
    discrimination_slope,
    grouped_calibration,
    observed_expected,
    replicate_calibration_errors,
    replicate_intercepts_at_horizon,
    risk_distribution,
    risk_summary,
)
from features.outcome import Outcome

TAU = 36.0
TIMES = np.arange(3.0, 37.0, 3.0)
HORIZON = 12.0


def predicted_survival(lp: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The truth behind `weibull_cohort`, (n, m)."""
    return np.exp(-((times / 12) ** 1.3) * np.exp(1.3 * lp)[:, None])


def uno_c_bootstrap() -> dict[str, Any]:
    """Uno's C of 1,000 bootstrap replicates at n = 10,000, the weights of the cohort held fixed."""
    n, replicates, measured = 10_000, 1000, 3
    _, lp, outcome = weibull_cohort(n)
    counts = bootstrap_counts(n, replicates, SEED)
    uno_c(outcome, lp, TAU, counts=counts[:1])  # compiles
    ours, estimates = timed(lambda: uno_c(outcome, lp, TAU, counts=counts))
    target = Surv.from_arrays(outcome.event, outcome.time)

    def loop() -> list[float]:
        rows = [np.repeat(np.arange(n), count) for count in counts[:measured]]
        return [concordance_index_ipcw(target, target[r], lp[r], tau=TAU)[0] for r in rows]

    theirs, expected = timed(loop)
    row = measurement(
        f"Uno C, {replicates} replicates, n = {n}",
        ours,
        theirs * replicates / measured,
        f"scikit-survival in a loop, {measured} replicates scaled up",
    )
    return row | {"largest_difference": float(np.abs(estimates[:measured] - expected).max())}


def brier_bootstrap() -> dict[str, Any]:
    """Brier score at 12 times of 1,000 bootstrap replicates at n = 10,000."""
    n, replicates, measured = 10_000, 1000, 20
    _, lp, outcome = weibull_cohort(n)
    counts = bootstrap_counts(n, replicates, SEED)
    survival = predicted_survival(lp, TIMES)

    def replicated() -> np.ndarray:
        return replicate_scores(brier_losses(outcome, survival, TIMES), counts)

    ours, scores = timed(replicated)
    target = Surv.from_arrays(outcome.event, outcome.time)

    def loop() -> list[np.ndarray]:
        rows = [np.repeat(np.arange(n), count) for count in counts[:measured]]
        return [sksurv_brier_score(target, target[r], survival[r], TIMES)[1] for r in rows]

    theirs, expected = timed(loop)
    row = measurement(
        f"Brier score at {len(TIMES)} times, {replicates} replicates, n = {n}",
        ours,
        theirs * replicates / measured,
        f"scikit-survival in a loop, {measured} replicates scaled up",
    )
    return row | {"largest_difference": float(np.abs(scores[:measured] - expected).max())}


def every_measure(outcome: Outcome, lp: np.ndarray) -> dict[str, float]:
    """Seconds of each measure, one after the other, the better of two runs."""
    survival = predicted_survival(lp, TIMES)
    risk = 1.0 - survival[:, int(np.flatnonzero(TIMES == HORIZON)[0])]
    hazard = (outcome.time / 12) ** 1.3 * np.exp(1.3 * lp)
    thresholds = np.arange(0.05, 1, 0.05)
    work: dict[str, Callable[[], object]] = {
        "harrell_c": lambda: harrell_c(outcome, lp),
        "uno_c": lambda: uno_c(outcome, lp, TAU),
        "auc": lambda: replicate_auc(outcome, 1.0 - survival, TIMES),
        "brier": lambda: (brier_losses(outcome, survival, TIMES), null_losses(outcome, TIMES)),
        "observed_expected": lambda: observed_expected(outcome, risk, HORIZON),
        "calibration_slope": lambda: calibration_slope(outcome, risk),
        "intercept_at_horizon": lambda: replicate_intercepts_at_horizon(
            outcome, risk, HORIZON, np.ones((1, len(outcome)))
        ),
        "groups": lambda: grouped_calibration(outcome, risk, HORIZON),
        "smooth_curve": lambda: calibration_curve(outcome, risk, HORIZON),
        "ici_e50_e90": lambda: replicate_calibration_errors(outcome, risk, HORIZON),
        "calibration_in_time": lambda: calibration_in_time(outcome, survival, TIMES),
        "d_calibration": lambda: d_calibration_test(outcome, np.exp(-hazard)),
        "decision_curve": lambda: decision_curve(outcome, {"m": risk}, HORIZON, thresholds),
        "risk_distribution": lambda: risk_distribution(outcome, risk, HORIZON),
        "risk_summary": lambda: risk_summary(outcome, risk, HORIZON),
        "discrimination_slope": lambda: discrimination_slope(outcome, risk, HORIZON),
    }
    return {name: min(timed(one)[0] for _ in range(2)) for name, one in work.items()}


def metrics_million() -> dict[str, Any]:
    """Every measure at n = 1,000,000; the growth from n = 100,000 as an exponent of n."""
    small, large = 100_000, 1_000_000
    seconds = {}
    for n in (1000, small, large):  # the first compiles
        _, lp, outcome = weibull_cohort(n, covariates=3)
        seconds[n] = every_measure(outcome, lp)
    total = {n: sum(each.values()) for n, each in seconds.items()}
    row = measurement(
        f"every measure once, n = {large}, {len(TIMES)} times",
        total[large],
        total[small] * large / small,
        f"n = {small}, scaled up linearly",
    )
    growth = np.log(total[large] / total[small]) / np.log(large / small)
    return row | {
        "exponent": float(growth),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "seconds": seconds[large],
        "exponents": {
            name: float(np.log(seconds[large][name] / seconds[small][name]) / np.log(large / small))
            for name in seconds[large]
        },
    }


MEASURES: dict[str, Callable[[], dict[str, Any]]] = {
    "uno_c_bootstrap": uno_c_bootstrap,
    "brier_bootstrap": brier_bootstrap,
    "metrics_million": metrics_million,
}
