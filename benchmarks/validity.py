"""Which regimen estimators recover a known truth: bias, coverage and type I error, as measured.

python -m benchmarks.validity [--cohorts 1000] [--n 300] [--interval sandwich] [SCENARIO ...]

Cohorts of features/simulated/scenario.py, every estimator against the truth of its own population
on its own scale; prints a table and writes benchmarks/validity.json. About 20 minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evaluation.regimens.adjusted import (
    EVENT_PROBABILITY,
    HAZARD_RATIO,
    RMST,
    AdjustedSettings,
    adjustment_design,
    compare_adjusted,
    fit_propensity,
    wald,
)
from evaluation.statistics import CoxFit, weighted_survival
from features.outcome import Outcome
from features.simulated import Scenario, SimulatedCohort, read_scenario, simulate_cohort
from models.card import software_versions

RESULTS = Path(__file__).with_name("validity.json")
SEED = 20260
ARM, REFERENCE_ARM = "HMA", "LDAC"
HORIZONS = (6.0, 12.0, 24.0)
TAU = 24.0
# All that decides on the regimen in configs/simulator.yaml, and two strong prognostic covariates.
COVARIATES = ("age_years", "ecog", "prior_hma", "adverse_karyotype", "extramedullary")
TRUTH_PATIENTS = 400_000
COMPLETE = {"missing": {"mechanism": "none"}}
# Scenarios of configs/simulator.yaml with what is changed in them.
SCENARIOS: dict[str, tuple[str, dict[str, Any]]] = {
    "randomised": ("randomised", COMPLETE),
    "confounded": ("confounded", COMPLETE),
    "null": ("null", COMPLETE),
    "non_proportional": (
        "non_proportional",
        COMPLETE | {"assignment": {"mechanism": "confounded"}},
    ),
    "unmeasured": ("unmeasured", COMPLETE),
    "missing_values": ("confounded", {}),
}
# Multiple imputation takes most of the time.
FEWER = {"missing_values": 5}
COLUMNS = ("estimator", "scale", "horizon")


@dataclass(frozen=True)
class Study:
    """How large, and how the intervals are made."""

    cohorts: int
    n: int
    interval: str = "sandwich"
    replicates: int = 200
    imputations: int = 5
    truth_patients: int = TRUTH_PATIENTS


def scenario(name: str, n: int) -> Scenario:
    base, changes = SCENARIOS[name]
    return read_scenario(base, changes | {"n": n})


def split(cohort: SimulatedCohort) -> tuple[Outcome, np.ndarray, pd.DataFrame]:
    table = cohort.table
    outcome = Outcome(table["os_months"].to_numpy(), table["os_event"].to_numpy())
    covariates = table[list(COVARIATES)].astype(float)
    return outcome, table["regimen"].to_numpy(dtype=object), covariates


def truths(name: str, patients: int = TRUTH_PATIENTS) -> dict[tuple[str, str, float], float]:
    """The truth by population, scale and horizon, from one large cohort.

    Differences are means of the patients' own true survival under each arm, weighted as the
    population asks. A marginal hazard ratio is that of a randomised trial in the population with
    the same follow-up, a conditional one that of the Cox model in such a trial: both depend on
    follow-up where hazards are not proportional.
    """
    base, changes = SCENARIOS[name]
    # Every cohort draws its centers anew, so the truth is an average over many of them.
    large = changes | COMPLETE | {"n": patients, "centers": {"count": patients // 10}}
    randomised = {"assignment": {"mechanism": "randomised", "ldac_share": 0.5}}
    assigned = simulate_cohort(read_scenario(base, large), SEED)
    trial = simulate_cohort(read_scenario(base, large | randomised), SEED + 1)
    _, regimen, covariates = split(assigned)
    fit = fit_propensity(adjustment_design(covariates), regimen == ARM)
    outcome, trial_regimen, trial_covariates = split(trial)
    design = trial_covariates.to_numpy()
    score = 1 / (1 + np.exp(-(fit.fit.coef[0] + design @ fit.fit.coef[1:])))
    tilts = {
        "ATE": np.ones(patients),
        "overlap": score * (1 - score),
        "matched": np.minimum(score, 1 - score),
    }
    grid = np.linspace(0.0, TAU, 97)
    curves = {
        arm: np.column_stack([trial.truth.survival([t], arm)[:, 0] for t in grid])
        for arm in (ARM, REFERENCE_ARM)
    }
    in_arm = (trial_regimen == ARM).astype(float)
    # Without any effect the ratio is 1, whatever a finite trial says.
    effect = trial.truth.regimen_effect
    null = effect.hazard_ratio == 1 and effect.change_months is None
    found: dict[tuple[str, str, float], float] = {}
    for population, tilt in tilts.items():
        mean = {arm: tilt @ curve / tilt.sum() for arm, curve in curves.items()}
        gap = mean[ARM] - mean[REFERENCE_ARM]
        for horizon in HORIZONS:
            found[population, EVENT_PROBABILITY, horizon] = -float(np.interp(horizon, grid, gap))
        # Simpson's rule: the grid has a point at the change of the hazard ratio, 6 months.
        step = grid[1] - grid[0]
        found[population, RMST, TAU] = float(
            step / 3 * (gap[0] + 4 * gap[1:-1:2].sum() + 2 * gap[2:-1:2].sum() + gap[-1])
        )
        marginal = CoxFit.fit(outcome, in_arm[:, None], tilt, ties="breslow")
        found[population, HAZARD_RATIO, np.nan] = 1.0 if null else float(np.exp(marginal.coef[0]))
    conditional = CoxFit.fit(outcome, np.column_stack([in_arm, design]), ties="breslow")
    found["as treated", HAZARD_RATIO, np.nan] = 1.0 if null else float(np.exp(conditional.coef[0]))
    return found


def crude_rows(outcome: Outcome, regimen: np.ndarray) -> Iterator[dict[str, Any]]:
    arm = regimen == ARM
    value, variance = 0.0, 0.0
    for rows, sign in ((arm, 1.0), (~arm, -1.0)):
        curve = weighted_survival(outcome.take(rows), np.ones(rows.sum()), HORIZONS, TAU)
        by_weight = np.column_stack([-curve.survival_by_weight, curve.rmst_by_weight])
        value = value + sign * np.append(-curve.survival, curve.rmst)
        variance = variance + np.sum(by_weight**2, axis=0)
    for at, horizon in enumerate((*HORIZONS, TAU)):
        low, high, p_value = wald(float(value[at]), float(variance[at]))
        scale = RMST if at == len(HORIZONS) else EVENT_PROBABILITY
        yield {
            "estimator": "crude Kaplan-Meier", "scale": scale, "horizon": horizon,
            "population": "ATE", "estimate": value[at], "ci_low": low, "ci_high": high,
            "p_value": p_value,
        }  # fmt: skip
    cox = CoxFit.fit(outcome, arm[:, None].astype(float))
    low, high, p_value = wald(float(cox.coef[0]), float(cox.covariance[0, 0]))
    yield {
        "estimator": "crude Cox", "scale": HAZARD_RATIO, "horizon": np.nan, "population": "ATE",
        "estimate": np.exp(cox.coef[0]), "ci_low": np.exp(low), "ci_high": np.exp(high),
        "p_value": p_value,
    }  # fmt: skip


def estimates(cohort: SimulatedCohort, study: Study, seed: int) -> pd.DataFrame:
    """Crude and adjusted rows of one cohort."""
    outcome, regimen, covariates = split(cohort)
    settings = AdjustedSettings(
        REFERENCE_ARM, HORIZONS, tau=TAU, seed=seed, imputations=study.imputations,
        interval=study.interval, replicates=study.replicates,
    )  # fmt: skip
    adjusted = compare_adjusted(outcome, regimen, covariates, settings).table
    adjusted = adjusted[~adjusted["estimator"].str.startswith("E-value")].copy()
    # Which of the two is taken depends on the number of events.
    adjusted["estimator"] = adjusted["estimator"].str.replace(", Firth", "")
    columns = [*COLUMNS, "population", "estimate", "ci_low", "ci_high", "p_value"]
    crude = pd.DataFrame(list(crude_rows(outcome, regimen)))
    return pd.concat([crude[columns], adjusted[columns]], ignore_index=True)


def summarise(rows: pd.DataFrame, truth: Mapping[tuple[str, str, float], float]) -> pd.DataFrame:
    """Bias, spread, coverage and rejections of each estimator over the cohorts.

    A hazard ratio's bias and errors are on the log scale. `rejected` is the share with the value of
    no difference outside the interval: the type I error under the null.
    """
    found = []
    for (estimator, scale, horizon), group in rows.groupby(list(COLUMNS), dropna=False, sort=False):
        key = np.nan if np.isnan(horizon) else horizon
        target = next(
            value for (population, s, h), value in truth.items()
            if population == group["population"].iloc[0] and s == scale
            and (h == key or (np.isnan(h) and np.isnan(key)))
        )  # fmt: skip
        ratio = scale == HAZARD_RATIO
        limits = group[["estimate", "ci_low", "ci_high"]].to_numpy(dtype=float)
        none, centre = (1.0, np.log(target)) if ratio else (0.0, target)
        value = np.log(limits[:, 0]) if ratio else limits[:, 0]
        known = np.isfinite(limits).all(axis=1)
        low, high = limits[known, 1], limits[known, 2]
        width = (np.log(high) - np.log(low)) if ratio else high - low
        found.append({
            "estimator": estimator,
            "scale": scale,
            "horizon": horizon,
            "truth": target,
            "mean": float(np.exp(np.nanmean(value)) if ratio else np.nanmean(value)),
            "bias": float(np.nanmean(value) - centre),
            "sd": float(np.nanstd(value, ddof=1)),
            "mean_error": float(np.mean(width) / (2 * 1.959964)),
            "coverage": float(np.mean((low <= target) & (target <= high))),
            "rejected": float(np.mean((low > none) | (high < none))),
            "without_interval": int((~known).sum()),
            "cohorts": len(group),
        })  # fmt: skip
    return pd.DataFrame(found)


def run(name: str, study: Study, progress: bool = True) -> pd.DataFrame:
    """Simulate, estimate and summarise one scenario."""
    truth = truths(name, study.truth_patients)
    cohorts = study.cohorts // FEWER.get(name, 1)
    # Each scenario has cohorts of its own, so that chance does not move all of them together.
    first = SEED + 100_000 * (1 + list(SCENARIOS).index(name))
    started = time.perf_counter()
    rows = []
    for i in range(cohorts):
        cohort = simulate_cohort(scenario(name, study.n), first + i)
        rows.append(estimates(cohort, study, i).assign(cohort=i))
        if progress and (i + 1) % 100 == 0:
            seconds = time.perf_counter() - started
            left = seconds / (i + 1) * (cohorts - i - 1)
            print(f"{name}: {i + 1} of {cohorts}, {seconds:.0f} s, {left:.0f} s left", flush=True)
    table = summarise(pd.concat(rows, ignore_index=True), truth)
    table.insert(0, "scenario", name)
    return table


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--cohorts", type=int, default=1000)
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--interval", choices=("sandwich", "bootstrap"), default="sandwich")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.scenarios) - set(SCENARIOS))
    if unknown:
        parser.error(f"no scenario {unknown[0]!r}; there are: {', '.join(SCENARIOS)}")
    study = Study(given.cohorts, given.n, given.interval)
    tables = []
    for name in given.scenarios or SCENARIOS:
        tables.append(run(name, study))
        print(tables[-1].drop(columns="scenario").to_string(index=False, float_format="%.3f"))
        result = {
            "n": study.n, "interval": study.interval, "seed": SEED,
            "covariates": list(COVARIATES), "versions": software_versions(),
            "rows": json.loads(pd.concat(tables).to_json(orient="records")),
        }  # fmt: skip
        given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
