"""Every comparison of the regimens side by side, and where they disagree.

python -m pipelines.compare [--config FILE] [--cohort FILE] [--out DIR] [--with-learners]
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.command import program, run_command
from pipelines.output.flags import CohortOption, ConfigOption, WorkersOption

if TYPE_CHECKING:
    from pipelines.config import TrainConfig

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def compare(
    config: ConfigOption = None,
    cohort: CohortOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for report.html, comparison.csv, the other tables, summary.json."
        ),
    ] = None,
    with_learners: Annotated[
        bool,
        typer.Option(
            "--with-learners",
            help="Fit the configured learners too and add what their predictions owe to the "
            "regimen; takes minutes.",
        ),
    ] = False,
    workers: WorkersOption = None,
) -> None:
    """Compare the regimens: as treated, adjusted and, with learners, by model; in one table."""
    run_command(lambda: _compare(config, cohort, out, with_learners, workers))


def _compare(
    config_path: Path | None,
    table_path: Path | None,
    out: Path | None,
    with_learners: bool,
    workers: int | None,
) -> None:
    from pipelines.config import configured
    from pipelines.output.folder import check_out

    config = configured(config_path, table_path)
    check_out(out, "compare")
    _run(config, out, with_learners, workers)


def _run(config: TrainConfig, out: Path | None, with_learners: bool, workers: int | None) -> None:
    import os

    from features.guard import raise_failures
    from pipelines import summary
    from pipelines.cohort import check_cohort
    from pipelines.comparison import (
        ComparisonPlan,
        ComparisonRecord,
        compare,
        covariates_read,
        fit_effects,
        print_comparison,
        print_comparison_start,
    )
    from pipelines.tracking import runs as tracking

    started = time.monotonic()
    # Library warnings are for developers, here and in the worker processes.
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    checked = check_cohort(config, covariates=covariates_read(config, with_learners))
    raise_failures(checked.findings)
    plan = ComparisonPlan.of(config, checked)
    # A store that cannot be reached is told before any long work.
    tracking.connect()
    print_comparison_start(plan)
    steps = 2 + (plan.learner_steps if with_learners else 0)
    with summary.progress_bar(steps) as advance:
        effects = None
        if with_learners:
            effects = fit_effects(plan, workers or os.cpu_count() or 1, advance)
        advance("comparing", 1)
        found = compare(plan, effects)
        advance("writing", 1)
        place = ComparisonRecord(found).write(out)
    print_comparison(found, out, place, time.monotonic() - started)


def main(argv: list[str] | None = None) -> None:
    """Run the command with the given arguments."""
    app(args=argv, prog_name=program("compare"))


if __name__ == "__main__":
    main()
