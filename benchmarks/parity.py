"""Our measures beside those of R on public cohorts: python -m benchmarks.parity [FOLDER].

FOLDER holds data/leuksurv.csv, data/bmt.csv, for the comparisons of regimens also
data/mdacc_venhma_ldac.csv, and references/*.json, the values that R gave with the call beside each;
by default the folder `shared` beside the checkout. Without it there is nothing to compare with, and
that is said. Exit status 1 when a difference is larger than the tolerance.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmarks.regimen_parity import regimen_rows
from evaluation.metrics import (
    brier_losses,
    harrell_c,
    mean_over_time,
    null_losses,
    replicate_auc,
    replicate_treated,
    scaled_brier,
    uno_c,
)
from evaluation.metrics.calibration import (
    calibration_slope,
    d_calibration_test,
    observed_expected,
    replicate_calibration_errors,
)
from evaluation.statistics import incidence_by_cause
from features.outcome import Outcome

SHARED = Path(__file__).resolve().parents[1].parent / "shared"
TOLERANCE = 1e-6
DAYS = {"6m": 182.625, "12m": 365.25, "24m": 730.5}
TAU = 730.5
COLUMNS = ("cohort", "measure", "ours", "R", "difference")


@dataclass(frozen=True)
class Prediction:
    """A cohort with the fixed Weibull prediction that R was given; times in days."""

    name: str
    table: pd.DataFrame
    time: str
    event: str
    scale: float
    shape: float

    @property
    def outcome(self) -> Outcome:
        return Outcome(self.table[self.time].to_numpy(float), self.table[self.event] == 1)

    @property
    def score(self) -> np.ndarray:
        return self.table["lp_fixed"].to_numpy(float)

    def hazard(self, days: np.ndarray | float) -> np.ndarray:
        return (days / self.scale) ** self.shape * np.exp(self.score)

    def risk(self, label: str) -> np.ndarray:
        return self.table[f"risk_{label}"].to_numpy(float)


def compare(folder: Path) -> pd.DataFrame:
    """One row a measure and cohort: ours, R's and the difference.

    Raises
    ------
    FileNotFoundError
        When the folder holds no references.
    """
    references: dict[str, Any] = {}
    for path in sorted((folder / "references").glob("*.json")):
        found = json.loads(path.read_text())["refs"]
        references |= {row["id"]: row["result"] for row in found}
    if not references:
        raise FileNotFoundError(f"no references in {folder / 'references'}")
    cohorts = (
        ("leuksurv", "time", "event", 600.0, 0.55),
        ("bmt", "t2", "d3", 1600.0, 0.6),
    )
    rows: list[tuple[str, str, float, float]] = []
    for name, *settings in cohorts:
        table = pd.read_csv(folder / "data" / f"{name}.csv")
        cohort = Prediction(name, table, *settings)  # type: ignore[arg-type]
        rows += [(name, *row) for row in _single_event(cohort, references)]
        if "cr_status" in table:
            rows += [(name, *row) for row in _competing(table, references)]
    rows += regimen_rows(folder, references)
    result = pd.DataFrame(rows, columns=list(COLUMNS[:-1]))
    return result.assign(difference=(result["ours"] - result["R"]).abs())


def _single_event(cohort: Prediction, refs: dict[str, Any]) -> Iterator[tuple[str, float, float]]:
    name, outcome, score = cohort.name, cohort.outcome, cohort.score
    for tau, suffix, key in ((None, "", ""), (TAU, ", tau 24m", "tau_")):
        harrell = float(harrell_c(outcome, score, tau=tau))
        yield f"Harrell C{suffix}", harrell, refs[f"harrell_{key}{name}"]["C"]
        uno = float(uno_c(outcome, score, tau))
        yield f"Uno C{suffix}", uno, refs[f"uno_{key}{name}"]["C"]

    given, times = refs[f"score_{name}"], list(DAYS.values())
    risks = np.column_stack([cohort.risk(label) for label in DAYS])
    auc = replicate_auc(outcome, risks, times)[0]
    brier = brier_losses(outcome, 1.0 - risks, times).mean(axis=0)
    ipa = scaled_brier(brier, null_losses(outcome, times).mean(axis=0))
    for i, label in enumerate(DAYS):
        yield f"AUC {label}", auc[i], given["AUC"][i]
        yield f"Brier {label}", brier[i], given["Brier"][i]
        yield f"IPA {label}", ipa[i], given["IPA"][i]
    grid = np.array(refs[f"ibs_{name}"]["grid"], dtype=float)
    survival = np.exp(-np.column_stack([cohort.hazard(day) for day in grid]))
    losses = brier_losses(outcome, survival, grid).mean(axis=0)
    yield (
        "IBS, trapezoid",
        float(mean_over_time(losses, grid)),
        refs[f"ibs_{name}"]["ibs_trapezoid"],
    )

    for label, days in DAYS.items():
        risk, theirs = cohort.risk(label), refs[f"oe_{name}_risk_{label}"]
        ratio = observed_expected(outcome, risk, days)
        yield f"O/E {label}", ratio.ratio, theirs["OE"]
        yield f"O/E {label}, lower limit", ratio.ci_low, theirs["OE_lower"]
        smooth = refs[f"ici_{name}_risk_{label}"]
        errors = replicate_calibration_errors(outcome, risk, days)[0]
        for place, measure in enumerate(("ICI", "E50", "E90", "Emax")):
            yield f"{measure} {label}", errors[place], smooth[measure]
    four = replicate_calibration_errors(outcome, cohort.risk("12m"), DAYS["12m"], knots=4)[0]
    yield "ICI 12m, 4 knots", four[0], refs[f"ici4_{name}_risk_12m"]["ICI"]
    slope, theirs = calibration_slope(outcome, cohort.risk("12m")), refs[f"slope_{name}"]
    yield "calibration slope", slope.slope, theirs["slope_cloglog_risk"]
    yield "standard error of the slope", slope.standard_error, theirs["slope_cloglog_se"]
    own = cohort.hazard(outcome.time)
    test = d_calibration_test(outcome, np.exp(-own))
    yield "D-calibration chi-square", test.chi_square, refs[f"dcal_{name}"]["chisq"]

    theirs = refs[f"dca_{name}_12m"]
    thresholds = np.array(theirs["threshold"], dtype=float)
    shares = replicate_treated(outcome, cohort.risk("12m"), DAYS["12m"], thresholds)
    benefit = shares.net_benefit(thresholds)[0]
    for threshold, value, expected in zip(thresholds, benefit, theirs["net_benefit"], strict=True):
        yield f"net benefit 12m at {threshold:.0%}", value, expected


def _competing(table: pd.DataFrame, refs: dict[str, Any]) -> Iterator[tuple[str, float, float]]:
    status = table["cr_status"]
    outcome = Outcome(table["t2"].to_numpy(float), status == 1, competing=status == 2)
    theirs = refs["cuminc_bmt_all"]
    curves = incidence_by_cause(outcome, theirs["times"])
    for cause, place in (("event", 0), ("competing", 1)):
        ours = curves.loc[curves["cause"] == cause, "estimate"].to_numpy()
        for day, value, expected in zip(theirs["times"], ours, theirs["est"][place], strict=True):
            label = {"event": "relapse", "competing": "death in remission"}[cause]
            yield f"cumulative incidence of {label}, day {day:g}", value, expected


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED
    try:
        found = compare(folder)
    except FileNotFoundError as error:
        print(f"nothing to compare with: {error}")
        raise SystemExit(2) from None
    table = Table(*COLUMNS, box=None)
    for row in found.itertuples(index=False):
        table.add_row(row[0], row[1], f"{row[2]:.8f}", f"{row[3]:.8f}", f"{row[4]:.1e}")
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    beyond = found[~(found["difference"] <= TOLERANCE)]
    console.print(
        f"{len(found)} values, {len(beyond)} beyond {TOLERANCE:g}; the largest difference is "
        f"{found['difference'].max():.1e}"
    )
    raise SystemExit(1 if len(beyond) else 0)


if __name__ == "__main__":
    main()
