"""External validation: how good a stored model is on new patients, with recalibration if wanted.

python -m pipelines.evaluate --model models:/NAME@champion --config other_cohort.yaml
python -m pipelines.evaluate --model FOLDER --config other_cohort.yaml --out DIR
"""

from __future__ import annotations

import re
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipelines.command import program, run_command
from pipelines.output.flags import CohortOption
from pipelines.tracking.model_address import DEFAULT_MODEL, load_any

# What MLflow takes as an alias, and what it keeps for itself.
ALIAS = re.compile(r"[\w-]+", re.ASCII)
RESERVED = re.compile(r"v\d+|latest", re.IGNORECASE)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Kind(StrEnum):
    """How a model is recalibrated."""

    in_the_large = "in_the_large"
    slope = "slope"
    per_horizon = "per_horizon"


@app.command()
def evaluate(
    config: Annotated[
        Path, typer.Option(help="YAML configuration of the new cohort, as a training takes it.")
    ],
    model: Annotated[
        str,
        typer.Option(
            help="models:/NAME@champion, models:/NAME/VERSION, runs:/RUN/model, or a folder."
        ),
    ] = DEFAULT_MODEL,
    cohort: CohortOption = None,
    recalibrate: Annotated[
        Kind | None,
        typer.Option(help="Also store the model recalibrated on this cohort, as a new version."),
    ] = None,
    alias: Annotated[
        str | None,
        typer.Option(
            help="Alias moved to the recalibrated version, which is the candidate in any case; "
            "champion promotes it."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for report.html, summary.json and the tables as CSV."),
    ] = None,
    anyway: Annotated[
        bool,
        typer.Option("--anyway", help="With --alias champion: although both cannot be compared."),
    ] = False,
) -> None:
    """Judge a stored model on a cohort that it never saw.

    The model's own covariates are read, whatever the configuration lists; another endpoint, an
    unknown regimen or another unit is refused.
    """
    run_command(lambda: _evaluate(config, model, cohort, recalibrate, alias, out, anyway))


def _evaluate(
    config_path: Path,
    model_uri: str,
    table_path: Path | None,
    kind: Kind | None,
    alias: str | None,
    out: Path | None,
    anyway: bool,
) -> None:
    from features.errors import InputError, Problem
    from models.store import CHAMPION
    from pipelines import summary
    from pipelines.cohort import read_for_model
    from pipelines.config import configured
    from pipelines.output.folder import check_out, replaced
    from pipelines.tracking import runs as tracking
    from pipelines.training import find_rival
    from pipelines.validation import beside_champion, keep, registered_name, validate_externally

    started = time.monotonic()
    if alias is not None and kind is None:
        raise InputError(
            Problem(
                what="There is no new version for an alias",
                where="--alias",
                got=alias,
                remedy="give --recalibrate too, or leave --alias out",
            )
        )
    if alias is not None and (not ALIAS.fullmatch(alias) or RESERVED.fullmatch(alias)):
        raise InputError(
            Problem(
                what="The registry takes no such alias",
                where="--alias",
                got=alias,
                allowed="letters, digits, _ and -; not latest, nor v and a number",
                remedy="choose another name",
            )
        )
    name = "" if kind is None else registered_name(model_uri)
    config = configured(config_path, table_path)
    check_out(out, "evaluate")
    stored = load_any(model_uri, refits=kind is not None)
    given = read_for_model(config, stored.card)
    # A store that cannot be written to is told before any long work.
    tracking.connect()
    rival = None
    if alias == CHAMPION:
        rival = find_rival(config, name, "--alias champion", anyway=anyway)
    result = validate_externally(stored, given, None if kind is None else kind.value)
    promotion = None if rival is None else beside_champion(result, rival)
    kept = keep(result, name, None if alias == CHAMPION else alias, promotion)
    if out is not None:
        with replaced(out, "evaluate") as folder:
            result.write(folder, kept)
    summary.print_validation(result, kept, out, time.monotonic() - started)


def main(argv: list[str] | None = None) -> None:
    """Run the command with the given arguments."""
    app(args=argv, prog_name=program("evaluate"))


if __name__ == "__main__":
    main()
