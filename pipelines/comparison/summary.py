"""What a person sees of a comparison in the terminal."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from evaluation.regimens import COX, KAPLAN_MEIER, RMST_DIFFERENCE, WEIGHTED, Named, parts_of
from evaluation.regimens.triangulation import (
    EVENT_PROBABILITY,
    FAMILIES,
    HAZARD_RATIO,
    NOT_RANDOMISED,
    RANDOMISED,
    RMST,
)
from evaluation.results import (
    INTERVAL,
    MODEL_BASED,
    RANGE,
    format_estimate,
    format_p,
    in_brackets,
)
from features.text import months_text
from pipelines.cohort import cohort_name
from pipelines.comparison.plan import ComparisonPlan
from pipelines.comparison.run import Comparison
from pipelines.output.terminal import console, print_findings, print_heading, print_table
from pipelines.summary import short

# Probabilities in percentage points.
_DIGITS = {HAZARD_RATIO: 2, RMST: 2, EVENT_PROBABILITY: 1}


def print_comparison_start(plan: ComparisonPlan) -> None:
    """Say who is compared and what is adjusted for."""
    outcome, regimen = plan.outcome(plan.endpoint)
    sizes = pd.Series(regimen).value_counts()
    arms = ", ".join(f"{arm} {sizes[arm]}" for arm in (plan.reference_arm, *plan.arms))
    print_heading(
        cohort_name(plan.config),
        f": {len(outcome)} patients ({arms}), "
        f"{outcome.n_events} {plan.endpoint} events, adjusted for "
        f"{len(plan.config.adjustment_set)} covariates",
    )
    if plan.cohort.provenance:
        console.print(plan.cohort.provenance, style="yellow")
    print_findings(plan.checked.findings)


def print_comparison(
    found: Comparison, out: Path | None, place: tuple[str, str], seconds: float
) -> None:
    """Print the table of each contrast, its paragraph, cautions and places."""
    plan = found.plan
    for (endpoint, arm), paragraph in found.paragraphs.items():
        # One contrast of the modelled endpoint; the others are in the report.
        if endpoint == plan.endpoint:
            table = side_by_side(found, endpoint, arm)
            modelled = table["family"] == MODEL_BASED
            for header, rows in ((INTERVAL, table[~modelled]), (RANGE, table[modelled])):
                if len(rows):
                    print_table(f"{endpoint}, {arm} against {plan.reference_arm}, {header}", rows)
        console.print(paragraph)
        console.print()
    console.print(
        "A hazard ratio below 1, a difference in event probability (percentage points) below 0 "
        "and an RMST difference\nabove 0 are better than the reference arm. "
        + (RANDOMISED if plan.config.cohort.randomised else NOT_RANDOMISED)
        + " Model-based rows:\ncontribution of the regimen to this model's prediction.\n",
        style="dim",
    )
    if found.transplant is not None:
        print_table("Transplantation after the start of treatment", _transplant(found.transplant))
    if found.cautions:
        console.print("What these data cannot support", style="bold")
        for caution in found.cautions:
            console.print(f"  - {caution}")
        console.print()
    _print_places(plan, out, place, seconds)


def side_by_side(found: Comparison, endpoint: str, arm: str) -> pd.DataFrame:
    """Estimators as rows, scales and horizons as columns, each cell 'estimate (interval)'."""
    scales = found.readings[endpoint, arm].scales
    rows: dict[tuple[str, str], dict[str, str]] = {}
    effective: dict[tuple[str, str], str] = {}
    for (scale, months), estimates in scales.items():
        column = _column(scale, months)
        for row in estimates.itertuples():
            key = (str(row.family), _shared_name(row.estimator))
            unit = 100 if scale == EVENT_PROBABILITY else 1
            estimate, low, high = (unit * v for v in (row.estimate, row.ci_low, row.ci_high))
            cell = format_estimate(estimate, low, high, _DIGITS[scale])
            if row.family == MODEL_BASED:
                cell = in_brackets(cell)
            rows.setdefault(key, {})[column] = cell
            effective[key] = f"{row.effective_n:.0f}"
    columns = [_column(scale, months) for scale, months in scales]
    ordered = sorted(rows, key=lambda key: FAMILIES.index(key[0]))
    return pd.DataFrame(
        [
            {"family": key[0], "estimator": key[1], "eff n": effective[key]}
            | {column: rows[key].get(column, "") for column in columns}
            for key in ordered
        ],
        columns=["family", "estimator", "eff n", *columns],
    )


def _shared_name(name: Named) -> str:
    """One line for the Cox and the Kaplan-Meier rows of the same weights."""
    known = name.estimator
    if known in WEIGHTED:
        return f"{known.label} weights"
    crude = known in (COX, RMST_DIFFERENCE, KAPLAN_MEIER) and not name.part
    return "crude" if crude else name


def _column(scale: str, months: float) -> str:
    if scale == HAZARD_RATIO:
        return "hazard ratio"
    if scale == RMST:
        return f"RMST {months:g} mo, months"
    return f"event by {months:g} mo, points"


def _transplant(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "analysis": parts_of(table["estimator"]),
            "months": [months_text(h) for h in table["horizon"]],
            "compared": table["arm"] + " vs " + table["reference_arm"],
            "hazard ratio (95% interval)": [
                format_estimate(r.estimate, r.ci_low, r.ci_high) for r in table.itertuples()
            ],
            "p": [format_p(p) for p in table["p_value"]],
        }
    )


def _print_places(
    plan: ComparisonPlan, out: Path | None, place: tuple[str, str], seconds: float
) -> None:
    from pipelines.tracking.runs import run_page

    if out is not None:
        console.print(f"Report   {short(out / 'report.html')}, with the tables as CSV and JSON")
    else:
        console.print(
            "Report   report.html among the run's artifacts; --out DIR writes it here too"
        )
    console.print(f"Run      {place[1]} in experiment {plan.config.tracking.experiment}")
    console.print(f"Page     {run_page(*place)} while make ui runs")
    console.print(f"Time     {seconds:.0f} s")
