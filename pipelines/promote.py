"""Make a registered version the champion, after both were seen on the same patients.

python -m pipelines.promote --config cohort.yaml
python -m pipelines.promote --to 3 --config cohort.yaml
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.command import program, run_command
from pipelines.output.flags import CohortOption

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def promote(
    config: Annotated[
        Path | None,
        typer.Option(help="YAML configuration of the patients on whom both are shown."),
    ] = None,
    cohort: CohortOption = None,
    name: Annotated[
        str | None,
        typer.Option(help="Registered name; tracking.model_name of the configuration, or vensurv."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", "--version", help="Version to promote; the candidate if left out."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for promotion.csv and summary.json.")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Promote although both cannot be compared.")
    ] = False,
    look: Annotated[bool, typer.Option("--look", help="Show both and change nothing.")] = False,
) -> None:
    """Show champion and candidate on the same patients, then make the candidate champion.

    An older version is promoted, and so brought back, the same way.
    """
    run_command(lambda: _promote(config, cohort, name, to, out, anyway, look))


def _promote(
    config_path: Path | None,
    table_path: Path | None,
    name: str | None,
    to: str | None,
    out: Path | None,
    anyway: bool,
    look: bool,
) -> None:
    from models.store import CANDIDATE, resolve
    from pipelines.config import configured
    from pipelines.output.folder import check_out, replaced
    from pipelines.summary import print_promotion
    from pipelines.tracking import runs as tracking
    from pipelines.training import make_champion, prepare, write_promotion

    config = None
    if config_path is not None or table_path is not None:
        config = configured(config_path, table_path)
    check_out(out, "promote")
    tracking.connect(writes=not look)
    known = name or (config.tracking.model_name if config else "vensurv")
    with tracking.quiet():
        own = resolve(f"models:/{known}@{CANDIDATE}" if to is None else f"models:/{known}/{to}")
    promotion = prepare(own, config, anyway=anyway)
    if not look:
        make_champion(own, promotion)
    if out is not None:
        with replaced(out, "promote") as folder:
            write_promotion(folder, own, promotion, moved=not look)
    print_promotion(own, promotion, moved=not look)


def main(argv: list[str] | None = None) -> None:
    """Run the command with the given arguments."""
    app(args=argv, prog_name=program("promote"))


if __name__ == "__main__":
    main()
