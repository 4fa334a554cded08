"""What a person sees in the terminal: progress, then tables and places."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from evaluation.metrics import HARRELL_C, IBS, IPA, OBSERVED_EXPECTED, UNO_C, rows_of
from evaluation.regimens import ADVERSE_EVENT, rows_in
from evaluation.remarks import not_estimable, why_not
from evaluation.report import describe_arms, metrics_by_learner
from evaluation.results import format_p, format_row, under_true_header
from features.errors import one_line
from features.text import months_text
from models.learners import LEARNERS
from pipelines.cohort import cohort_name, endpoint_label
from pipelines.output.terminal import console, print_findings, print_heading, print_table

if TYPE_CHECKING:
    from models.store import Version
    from pipelines.training import Advance, Promotion, TrainingPlan, TrainingResult, Unfinished
    from pipelines.validation import Kept, Validation

PROGRESS_COLUMNS = (
    TextColumn("{task.description:<36}", markup=False),
    BarColumn(),
    TextColumn("{task.percentage:>3.0f}%", markup=False),
    TimeElapsedColumn(),
    TimeRemainingColumn(),
)
TERMINAL_TABLES = {
    "Out-of-fold performance, estimate (95% bootstrap interval); * chosen\n"
    "C, IPA: higher is better; IBS: lower is better": (HARRELL_C, UNO_C, IBS, IPA),
    "Calibration, observed / expected events; 1 is calibrated": (OBSERVED_EXPECTED,),
}


def print_start(plan: TrainingPlan, unfinished: Unfinished) -> None:
    """Say what is about to be trained, on whom, and how much such a cohort supports."""
    outcome, config = plan.dataset.outcome, plan.config
    print_heading(
        cohort_name(config),
        f": {len(plan.cohort)} patients, "
        f"{outcome.n_events} {plan.endpoint} events, "
        f"{len(config.covariates)} covariates",
    )
    if plan.cohort.provenance:
        console.print(plan.cohort.provenance, style="yellow")
    if plan.cohort.regimen is None:
        console.print(
            "No regimen column is configured: regimen comparison and effects are skipped."
        )
    print_findings(plan.findings)
    console.print(f"Sample size: {plan.sample_size_text}.")
    if unfinished.resumed:
        console.print("Going on with this training where it was stopped.", style="yellow")
    damaged = unfinished.damaged()
    if damaged:
        console.print(f"Damaged and done anew: {', '.join(damaged)}.", style="yellow")


@contextmanager
def progress_bar(steps: int) -> Iterator[Advance]:
    """Show a bar with elapsed and remaining time; yields what moves it."""
    with Progress(*PROGRESS_COLUMNS, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=steps)

        def advance(description: str, count: int) -> None:
            progress.update(task, description=one_line(description), advance=count)

        yield advance


def print_result(result: TrainingResult, out: Path | None, seconds: float) -> None:
    """Print metrics, regimen table, cautions and places."""
    for title, metrics in TERMINAL_TABLES.items():
        shown = result.metrics[rows_of(result.metrics["metric"], *metrics)]
        table = metrics_by_learner(shown)
        chosen = table["learner"] == result.champion.learner
        table.insert(0, "", chosen.map({True: "*", False: ""}))
        print_table(title, table)
        for note in sorted(set(shown.loc[shown["estimate"].isna(), "note"])):
            console.print(f"{not_estimable(why_not(note))}\n", style="dim")
    console.print(f"Chosen: {LEARNERS[result.champion.learner].label}. {result.champion.reason}.\n")
    if result.verdict:
        console.print(f"{result.verdict}\n")
    _print_regimen(result)
    if result.claims is not None:
        wrong = result.claims[result.claims["verdict"] != "reproduced"]
        console.print(
            f"Published claims: {len(result.claims) - len(wrong)} of {len(result.claims)} "
            "reproduced from the table."
        )
        for row in wrong.itertuples():
            console.print(
                f"  {row.claim}: published {row.published}; {row.recomputed}. {row.verdict}"
            )
        console.print()
    if result.cautions:
        console.print("What these data cannot support", style="bold")
        for caution in result.cautions:
            console.print(f"  - {caution}")
        console.print()
    if result.promotion is not None:
        print_both(result.promotion)
    _print_places(result, out, seconds)


def print_validation(result: Validation, kept: Kept, out: Path | None, seconds: float) -> None:
    """Print what a stored model is worth on new patients, and where that is kept."""
    card, outcome = result.card, result.given.dataset.outcome
    print_heading(
        result.name,
        f": {len(outcome)} patients, {outcome.n_events} events; "
        f"{result.stored.told}, {card.learner_label}, trained on "
        f"{card.training.get('cohort', '')}",
    )
    print_findings(result.given.checked.findings)
    for title, metrics in TERMINAL_TABLES.items():
        shown = result.metrics[rows_of(result.metrics["metric"], *metrics)]
        title = title.replace("Out-of-fold performance", "Performance on these patients")
        print_table(title.replace("; * chosen", ""), metrics_by_learner(shown))
        for note in sorted(set(shown.loc[shown["estimate"].isna(), "note"])):
            console.print(f"{not_estimable(why_not(note))}\n", style="dim")
    if result.recalibration is not None:
        statement = result.recalibration.statement
        console.print(f"{statement[0].upper()}{statement[1:]}.")
        console.print(f"Stored as {kept.recalibrated_uri}; validate it on other patients.")
        console.print(f"{kept.told[0].upper()}{kept.told[1:]}.\n")
        if kept.promotion is not None:
            print_both(kept.promotion)
    if result.cautions:
        console.print("What these data cannot support", style="bold")
        for caution in result.cautions:
            console.print(f"  - {caution}")
        console.print()
    if out is not None:
        console.print(f"Report   {short(out / 'report.html')}, with the tables as CSV")
    console.print(f"Run      {kept.run_id}, kind evaluation")
    console.print(f"Time     {seconds:.0f} s")


def print_promotion(own: Version, promotion: Promotion, *, moved: bool) -> None:
    """Print champion and candidate side by side, and which of them is champion now."""
    print_both(promotion)
    place = f"models:/{own.name}@champion"
    before = "nobody" if promotion.replaces is None else promotion.replaces.told
    if not moved:
        console.print(f"Nothing was changed: {place} is {before}; shown for {own.told}")
        return
    console.print(f"Champion {place} is now {own.told}")
    console.print(f"Replaces {before}")
    if promotion.replaces is not None:
        console.print(
            f"Back     python -m pipelines.promote --name {own.name} "
            f"--to {promotion.replaces.version} --anyway"
        )


def print_both(promotion: Promotion) -> None:
    """Print the comparison of a promotion, and what flatters one of the two."""
    from pipelines.training import readable

    if promotion.table is not None:
        title = (
            f"Champion and candidate on {promotion.on}\n"
            "estimate (95% interval over patients, both models held fixed); difference: candidate "
            "minus champion\nUno C: higher is better; IBS, Brier: lower is better"
        )
        print_table(title, readable(promotion))
        for note in sorted({n for n in promotion.table["difference_note"] if "not estim" in n}):
            console.print(f"{note}\n", style="dim")
    for caution in promotion.cautions:
        console.print(f"  - {caution}")
    if promotion.cautions:
        console.print()


def _print_regimen(result: TrainingResult) -> None:
    if result.regimen is None:
        return
    endpoint = endpoint_label(result.config)
    adverse = rows_in(result.regimen["estimator"], ADVERSE_EVENT).any()
    regimen = result.regimen[~rows_in(result.regimen["estimator"], ADVERSE_EVENT)]
    classical = regimen[regimen["family"] == "classical"]
    by_arm = classical["reference_arm"].isna()
    print_table("Regimens, as treated, unadjusted", _regimen_rows(classical[by_arm]))
    modelled = regimen[(regimen["family"] != "classical") & (regimen["endpoint"] == endpoint)]
    contrasts = pd.concat([classical[~by_arm], modelled])
    print_table("Regimens compared", _regimen_rows(contrasts))
    console.print(
        "Differences are in probability, arm minus reference; a hazard ratio above 1 is worse than "
        "the reference.\nModel-based rows: contribution of the regimen to a model's prediction; "
        "their intervals are the range over refits of a shrunken model, not the uncertainty of a "
        "treatment difference, and the two rows of a model are two readings of it, not two "
        "confirmations. "
        + (
            "The regimen was drawn at random: the classical rows compare the arms as drawn."
            if result.config.cohort.randomised
            else "No row is causal."
        )
        + (" Adverse events: in the report.\n" if adverse else "\n"),
        style="dim",
    )


def _regimen_rows(table: pd.DataFrame) -> pd.DataFrame:
    cells = [format_row(row) for row in table.itertuples()]
    return pd.DataFrame(
        {
            "endpoint": table["endpoint"],
            "estimator": table["estimator"],
            "months": [months_text(h) for h in table["horizon"]],
            "arms": describe_arms(table),
            **under_true_header(table["family"], cells),
            "p": [format_p(p) for p in table["p_value"]],
        }
    )


def _print_places(result: TrainingResult, out: Path | None, seconds: float) -> None:
    from pipelines.tracking.runs import connected_store, experiment_page

    file = connected_store()
    store = f"sqlite:///{short(file)}" if isinstance(file, Path) else file
    if out is not None:
        console.print(f"Report   {short(out / 'report.html')}, with the tables as CSV and JSON")
    else:
        console.print(
            "Report   report.html among the run's artifacts; --out DIR writes it here too"
        )
    console.print(f"Run      {result.run_id} in experiment {result.config.tracking.experiment}")
    console.print(f"Page     {experiment_page(result.experiment_id)} while make ui runs")
    for place, told in result.model_told.items():
        console.print(f"{place:<8} {told}")
    console.print(f"MLflow   make ui, or: python -m pipelines.ui (store {store})")
    console.print(f"Predict  python -m pipelines.predict --model {result.model_uri} patients.csv")
    console.print(f"Time     {seconds:.0f} s")


def short(path: Path) -> str:
    """A path from the working folder, where it lies below it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
