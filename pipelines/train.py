"""The main job: from a patient table to tracked models, a regimen comparison and a champion.

python -m pipelines.train [--config FILE] [--cohort FILE] [--out DIR]
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from features.errors import InputError, Problem
from pipelines.command import program, run_command
from pipelines.output.flags import CohortOption, ConfigOption, WorkersOption

if TYPE_CHECKING:
    from pipelines.config import TrainConfig

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def train(
    config: ConfigOption = None,
    cohort: CohortOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for metrics.csv, regimen_effects.csv, summary.json, report.html."
        ),
    ] = None,
    workers: WorkersOption = None,
    promote: Annotated[
        bool,
        typer.Option(
            "--promote",
            help="Show the chosen model beside the present champion, then make it champion.",
        ),
    ] = False,
    anyway: Annotated[
        bool,
        typer.Option("--anyway", help="With --promote: although both cannot be compared."),
    ] = False,
) -> None:
    """Train, validate and compare survival learners on one cohort; register the best.

    It becomes the candidate of its name; the champion, of whom predictions are asked, stays what
    it was unless --promote is given. The first of a name becomes champion too.
    """
    run_command(lambda: _train(config, cohort, out, workers, promote, anyway))


def _train(
    config_path: Path | None,
    table_path: Path | None,
    out: Path | None,
    workers: int | None,
    promote: bool,
    anyway: bool,
) -> None:
    from pipelines.config import configured
    from pipelines.output.folder import check_out

    if anyway and not promote:
        raise InputError(
            Problem("Nothing is promoted", where="--anyway", remedy="give --promote too")
        )
    config = configured(config_path, table_path)
    check_out(out, "train")
    _run(config, out, workers, promote, anyway)


def _run(
    config: TrainConfig, out: Path | None, workers: int | None, promote: bool, anyway: bool
) -> None:
    import os

    from features.guard import raise_failures
    from pipelines import summary
    from pipelines.cohort import check_cohort
    from pipelines.training import (
        TrainingPlan,
        check_storage,
        claim_training,
        find_rival_of,
        run_training,
    )

    started = time.monotonic()
    # Library warnings are for developers, here and in the worker processes.
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    checked = check_cohort(config)
    raise_failures(checked.findings)
    plan = TrainingPlan.of(config, checked)
    check_storage(config.tuning.storage)
    # Before any long work: a champion that cannot be shown beside the new one stops the training.
    rival = find_rival_of(plan, anyway=anyway) if promote else None
    unfinished = claim_training(plan)
    summary.print_start(plan, unfinished)
    with summary.progress_bar(plan.steps) as advance:
        workers = workers or os.cpu_count() or 1
        result = run_training(plan, unfinished, workers, advance, out, rival)
    summary.print_result(result, out, time.monotonic() - started)


def main(argv: list[str] | None = None) -> None:
    """Run the command with the given arguments."""
    app(args=argv, prog_name=program("train"))


if __name__ == "__main__":
    main()
