"""Look at a cohort without training: read, validate, guard and report.

python -m pipelines.check [--config FILE] [--cohort FILE] [--out DIR]
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.command import program, run_command
from pipelines.output.flags import CohortOption, ConfigOption

if TYPE_CHECKING:
    from pipelines.config import TrainConfig

CLEAN, FINDINGS, UNUSABLE = 0, 1, 2

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def check(
    config: ConfigOption = None,
    cohort: CohortOption = None,
    out: Annotated[
        Path, typer.Option(help="Folder for data_report.html, findings.csv and table_one.csv.")
    ] = Path("out/check"),
) -> None:
    """Check a cohort and describe it: inclusion, Table 1, missing values, findings, endpoints.

    Exit status 0: clean. 1: there are findings to look at. 2: the table cannot be used as it
    stands; a training would refuse it, too.
    """
    run_command(lambda: _check(config, cohort, out))


def _check(config_path: Path | None, table_path: Path | None, out: Path) -> None:
    from features.guard import Severity
    from pipelines.cohort import check_cohort, print_check, worst_severity, write_check
    from pipelines.config import configured
    from pipelines.output.folder import check_out, replaced
    from pipelines.training import with_training_problems

    config: TrainConfig = configured(config_path, table_path)
    check_out(out, "check")
    checked = with_training_problems(config, check_cohort(config))
    with replaced(out, "check") as folder:
        report = out / write_check(config, checked, folder).name
    print_check(config, checked, report)
    status = {Severity.FAIL: UNUSABLE, Severity.WARN: FINDINGS}
    raise SystemExit(status.get(worst_severity(checked), CLEAN))


def main(argv: list[str] | None = None) -> None:
    """Run the command with the given arguments."""
    app(args=argv, prog_name=program("check"))


if __name__ == "__main__":
    main()
