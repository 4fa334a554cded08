"""How often one patient's limits hold the true probability, on simulated truth.

python -m benchmarks.individual [--cohorts 200] [CELL ...], a cell as cox-70-few

Cohorts of features/simulated/scenario.py. Each is tuned on, fitted and refitted to bootstrap
samples with the tuned parameters kept, as a training does; then 100 new patients of the same
population are predicted, and the limits of `models.individual` are held against each patient's own
true survival. Writes benchmarks/individual.json after every cell and prints the table of
docs/individual.md. Hours for all cells on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.bootstrap import bootstrap_counts
from features.dataset import Dataset
from features.outcome import Outcome
from features.simulated import Scenario, SimulatedCohort, read_scenario, simulate_cohort
from models.card import software_versions
from models.fit import fit_model
from models.fitted import NUMERICAL_ERRORS
from models.individual import limits
from models.individual.interval import WIDENED
from models.resampling import bootstrap_strata
from models.tuning import Search
from pipelines.training.nested_validation import (
    FINAL,
    prediction_times,
    search_and_fit,
    task_seed,
)

RESULTS = Path(__file__).with_name("individual.json")
SEED = 30260
HORIZONS = (6.0, 12.0)
NEW_PATIENTS = 100
REFITS = 30
TRIALS = 8
LEARNERS = ("cox", "forest", "xgboost_cox")
SIZES = (70, 300)
# Forests and boosting take several times as long as Cox.
FEWER = {"forest": 5, "xgboost_cox": 4}
# Few: these alone have an effect, each a straight line on the log hazard. Many: all of
# configs/simulator.yaml, some of them by a threshold that no straight line follows.
FEW = ("age_years", "ecog", "prior_hma", "adverse_karyotype", "extramedullary", "mut_tp53")
WORLDS = ("few", "many")
BASE: dict[str, Any] = {"missing": {"mechanism": "none"}, "centers": {"frailty_sd": 0.0}}


@dataclass(frozen=True)
class Cell:
    """One learner on cohorts of one size in one world."""

    learner: str
    n: int
    world: str

    @property
    def name(self) -> str:
        return f"{self.learner}-{self.n}-{self.world}"

    @property
    def seed(self) -> int:
        return task_seed(SEED, self.name)


CELLS = {cell.name: cell for cell in (Cell(*parts) for parts in product(LEARNERS, SIZES, WORLDS))}


def scenario(world: str, n: int) -> tuple[Scenario, tuple[str, ...]]:
    """What is simulated, and the covariates that have an effect in it."""
    effects = read_scenario("randomised", BASE).effects
    named = [(e.covariate,) if isinstance(e.covariate, str) else e.covariate for e in effects]
    if world == "few":
        kept = [e for e, names in zip(effects, named, strict=True) if names[0] in FEW]
        fields = [e.model_dump(by_alias=True, exclude_none=True) for e in kept]
        return read_scenario("randomised", BASE | {"n": n, "effects": fields}), FEW
    acting = [
        n for e, names in zip(effects, named, strict=True) if e.hazard_ratio != 1 for n in names
    ]
    return read_scenario("randomised", BASE | {"n": n}), tuple(dict.fromkeys(acting))


def dataset(cohort: SimulatedCohort, covariates: Sequence[str]) -> Dataset:
    table = cohort.table
    seen = table[list(covariates)]
    numbers = {name: float for name in covariates if name != "disease"}
    outcome = Outcome(table["os_months"].to_numpy(), table["os_event"].to_numpy())
    regimen = table["regimen"].to_numpy(dtype=object)
    return Dataset(seen.astype(numbers), regimen, None, outcome)


def true_survival(cohort: SimulatedCohort) -> np.ndarray:
    """Each patient's own, under the regimen received, shape (n, n_horizons)."""
    on_ldac = cohort.table["regimen"].to_numpy() == "LDAC"
    hma, ldac = (cohort.truth.survival(HORIZONS, arm) for arm in ("HMA", "LDAC"))
    return np.where(on_ldac[:, None], ldac, hma)


def one_cohort(cell: Cell, number: int, refits: int = REFITS, trials: int = TRIALS) -> np.ndarray:
    """Truth, prediction, limits, percentile limits: shape (6, n_new, n_horizons)."""
    made, covariates = scenario(cell.world, cell.n)
    seed = cell.seed + 2 * number
    train = dataset(simulate_cohort(made, seed), covariates)
    new = simulate_cohort(made.model_copy(update={"n": NEW_PATIENTS}), seed + 1)
    predictors = dataset(new, covariates).predictors
    times = prediction_times(HORIZONS, train.outcome)
    search = Search(trials, 3, seed)
    _, model = search_and_fit(cell.learner, train, times, search, FINAL, None)
    counts = bootstrap_counts(cell.n, refits, task_seed(seed, "refits"), bootstrap_strata(train))
    survival = model.predict(predictors, HORIZONS).survival
    others = np.full((refits, *survival.shape), np.nan)
    for replicate, row in enumerate(counts):
        sample = train.take(np.repeat(np.arange(cell.n), row))
        own_seed = task_seed(seed, "refit", replicate)
        try:
            refitted = fit_model(cell.learner, model.params, sample, own_seed)
        except NUMERICAL_ERRORS:
            continue
        others[replicate] = refitted.predict(predictors, HORIZONS).survival
    low, high = limits(survival, others, WIDENED)
    percentiles = np.nanquantile(others, [0.025, 0.975], axis=0)
    return np.stack([true_survival(new), survival, low, high, *percentiles])


def summarise(cell: Cell, found: Sequence[np.ndarray]) -> list[dict[str, Any]]:
    """One row a horizon. Coverage over all new patients; of the third with the highest true risk;
    and the cohort in twenty where it was lowest."""
    rows = []
    # Axes: cohort, patient, horizon.
    truth, survival, low, high, least, most = np.stack(found, axis=1)
    inside = np.where(np.isnan(low), np.nan, (low <= truth) & (truth <= high))
    narrow = (least <= truth) & (truth <= most)
    for place, horizon in enumerate(HORIZONS):
        held, at = inside[..., place], truth[..., place]
        sick = at <= np.quantile(at, 1 / 3)
        rows.append({
            "learner": cell.learner, "n": cell.n, "world": cell.world, "horizon": horizon,
            "cohorts": len(found), "seed": cell.seed,
            "coverage": float(np.nanmean(held)),
            "coverage_high_risk": float(np.nanmean(held[sick])),
            "coverage_worst_cohorts": float(np.quantile(np.nanmean(held, axis=1), 0.05)),
            "percentile_coverage": float(np.mean(narrow[..., place])),
            "width": float(np.nanmean((high - low)[..., place])),
            "error": float(np.sqrt(np.mean((survival - truth)[..., place] ** 2))),
            "without": float(np.isnan(held).mean()),
        })  # fmt: skip
    return rows


def run(
    cell: Cell, cohorts: int, refits: int = REFITS, trials: int = TRIALS
) -> list[dict[str, Any]]:
    started, found = time.perf_counter(), []
    for number in range(cohorts):
        found.append(one_cohort(cell, number, refits, trials))
        if (number + 1) % 20 == 0:
            seconds = time.perf_counter() - started
            print(f"{cell.name}: {number + 1} of {cohorts}, {seconds:.0f} s", flush=True)
    return summarise(cell, found)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as docs/individual.md shows them."""
    words = {"few": "6 covariates, straight", "many": "20 covariates, some by a threshold"}
    lines = [
        "| learner | patients | truth | months | cohorts | held the truth | high-risk third "
        "| worst cohorts | width | percentiles of refits held |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['learner']} | {row['n']} | {words[row['world']]} | {row['horizon']:g} "
            f"| {row['cohorts']} | {row['coverage']:.1%} | {row['coverage_high_risk']:.1%} "
            f"| {row['coverage_worst_cohorts']:.0%} | {row['width']:.2f} "
            f"| {row['percentile_coverage']:.1%} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cells", nargs="*", metavar="CELL", help=", ".join(CELLS))
    parser.add_argument("--cohorts", type=int, default=200)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.cells) - set(CELLS))
    if unknown:
        parser.error(f"no cell {unknown[0]!r}; there are: {', '.join(CELLS)}")
    rows = json.loads(given.out.read_text())["rows"] if given.out.exists() else []
    for name in given.cells or CELLS:
        cell = CELLS[name]
        fresh = run(cell, max(given.cohorts // FEWER.get(cell.learner, 1), 1))
        rows = [
            r
            for r in rows
            if (r["learner"], r["n"], r["world"]) != (cell.learner, cell.n, cell.world)
        ]
        order = list(CELLS)
        rows = sorted(
            rows + fresh,
            key=lambda r: (order.index(f"{r['learner']}-{r['n']}-{r['world']}"), r["horizon"]),
        )
        result = {
            "seed": SEED, "widened": WIDENED, "refits": REFITS, "trials": TRIALS,
            "new_patients": NEW_PATIENTS, "versions": software_versions(), "rows": rows,
        }  # fmt: skip
        given.out.write_text(json.dumps(result, indent=1) + "\n")
        print(table(fresh), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
