"""The main job: from a patient table to tracked models, a regimen comparison and a champion.

python -m pipelines.train [--config FILE] [--cohort FILE] [--out DIR]
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.command import program, run_command

if TYPE_CHECKING:
    from pipelines.config import TrainConfig

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def train(
    config: Annotated[
        Path | None, typer.Option(help="YAML configuration; configs/train.yaml if left out.")
    ] = None,
    cohort: Annotated[
        Path | None, typer.Option(help="Patient table to use instead of the configured one.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for metrics.csv, regimen_effects.csv, summary.json, report.html."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; the number of cores if left out.")
    ] = None,
) -> None:
    """Train, validate and compare survival learners on one cohort; register the best."""
    run_command(lambda: _train(config, cohort, out, workers))


def _train(
    config_path: Path | None, table_path: Path | None, out: Path | None, workers: int | None
) -> None:
    from pipelines.command import check_out
    from pipelines.config import configured

    config = configured(config_path, table_path)
    check_out(out)
    _run(config, out, workers)


def _run(config: TrainConfig, out: Path | None, workers: int | None) -> None:
    import os

    from features.guard_findings import raise_failures
    from pipelines import summary
    from pipelines.cohorts import check_cohort, check_trainable
    from pipelines.plan import TrainingPlan
    from pipelines.training import check_storage, claim_training, run_training

    started = time.monotonic()
    # Library warnings are for developers, here and in the worker processes.
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    checked = check_cohort(config)
    raise_failures(checked.findings)
    check_trainable(config, checked.cohort)
    plan = TrainingPlan.of(config, checked)
    check_storage(config.tuning.storage)
    unfinished = claim_training(plan)
    summary.print_start(plan, resumed=unfinished.resumed)
    with summary.progress_bar(plan.steps) as advance:
        result = run_training(plan, unfinished, workers or os.cpu_count() or 1, advance, out)
    summary.print_result(result, out, time.monotonic() - started)


def main(argv: list[str] | None = None) -> None:
    """Run the command with the given arguments."""
    app(args=argv, prog_name=program("train"))


if __name__ == "__main__":
    main()
