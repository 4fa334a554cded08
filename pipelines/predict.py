"""Predict for patients: event probability at horizons, median event-free time and risk score.

python -m pipelines.predict patients.csv
echo '{"age_years": 61, "regimen": "HMA"}' | python -m pipelines.predict -
python -m pipelines.predict --config redcap_project.yaml
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pipelines.command import program, run_command
from pipelines.output.flags import (
    AuditOption,
    DecimalOption,
    EncodingOption,
    MissingOption,
    SeparatorOption,
    SheetOption,
)
from pipelines.tracking.model_address import DEFAULT_MODEL, load_any

if TYPE_CHECKING:
    from features.errors import InputError
    from pipelines.output.audit import Audit
    from pipelines.prediction import Batch, Format

# As `pipelines.prediction.Format`; a command's help loads nothing heavy.
FormatName = Literal["table", "csv", "json", "parquet"]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def predict(
    patients: Annotated[
        str | None,
        typer.Argument(
            help="CSV, Parquet, JSON or Excel file with one row a patient; - for stdin. "
            "May be left out with --config."
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="YAML configuration whose source (REDCap, cBioPortal, a database...) and columns "
            "describe the patients, as for a training; with PATIENTS, that file in its place."
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="models:/NAME@champion, models:/NAME/VERSION, runs:/RUN/model, a run, or a folder."
        ),
    ] = DEFAULT_MODEL,
    horizons: Annotated[
        str | None,
        typer.Option(help="Months, separated by commas; those evaluated in training if left out."),
    ] = None,
    output: Annotated[
        FormatName | None,
        typer.Option(
            "--format",
            help="Table for reading; CSV, JSON or Parquet for programs. By the name of --out if "
            "left out.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write instead of the terminal.")] = None,
    rejected: Annotated[
        Path | None,
        typer.Option(
            help="CSV file for patients who cannot be predicted, each with the reasons; without "
            "it, one of them stops the command."
        ),
    ] = None,
    limits: Annotated[
        bool,
        typer.Option("--limits", help="The range of each probability, and every doubt by name."),
    ] = False,
    alive_at: Annotated[
        float | None,
        typer.Option(help="Months: what is to come for those without the event until then."),
    ] = None,
    both_regimens: Annotated[
        bool,
        typer.Option("--both-regimens", help="The same patient under each regimen of the model."),
    ] = False,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="What each covariate adds, against a typical patient."),
    ] = False,
    audit: AuditOption = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="PNG or SVG file for the survival curve; of several patients, one each."),
    ] = None,
    ignore_extra: Annotated[
        bool, typer.Option("--ignore-extra", help="Leave columns unread that the model lacks.")
    ] = False,
    separator: SeparatorOption = "",
    decimal: DecimalOption = ".",
    encoding: EncodingOption = "utf-8",
    sheet: SheetOption = None,
    missing: MissingOption = None,
) -> None:
    """Predict each patient's risk with a trained model.

    A covariate may be missing; an unknown column, a wrong type, an impossible value or an unknown
    regimen is refused.
    """
    form = {
        "separator": separator,
        "decimal": decimal,
        "encoding": encoding,
        "sheet": sheet,
        "missing": missing,
    }
    question = (limits, alive_at, both_regimens, explain, plot)
    asked = _Asked(
        patients, config, model, horizons, output, out, rejected, ignore_extra, form, question,
        audit,
    )  # fmt: skip
    run_command(lambda: _predict(asked))


@dataclass(frozen=True)
class _Asked:
    """The command line."""

    patients: str | None
    config: Path | None
    model: str
    horizons: str | None
    output: str | None
    out: Path | None
    rejected: Path | None
    ignore_extra: bool
    form: dict[str, Any]
    question: tuple[bool, float | None, bool, bool, Path | None]
    audit: Path | None


def _predict(asked: _Asked) -> None:
    from pipelines.output.audit import canonical
    from pipelines.output.folder import check_file
    from pipelines.prediction import (
        Asking,
        Format,
        Given,
        draw,
        form_of,
        read_horizons,
        reader_of,
        remembered,
        result_of,
        write,
    )

    asking = Asking(*asked.question)
    asking.check()
    for file in (asked.out, asked.rejected, asking.plot):
        check_file(file, asked.patients, asked.config)
    months = None if asked.horizons is None else read_horizons(asked.horizons)
    form = form_of(None if asked.output is None else Format(asked.output), asked.out)
    if asking.anything and asked.rejected is not None:
        raise _not_in_parts(asked.rejected)
    noted = _noted(asked)
    batch = None if asking.anything or noted else _batch(asked, form, months)
    if batch is not None:
        _in_parts(batch, asked.model)
        return
    read = remembered(
        reader_of(Given(asked.patients, asked.config, asked.form, asked.ignore_extra))
    )
    in_words = form is Format.table
    stored = load_any(asked.model, refits=asking.anything or in_words)
    result = result_of(stored, read, months, asking, in_words=in_words)
    if noted is not None:
        inputs = canonical(read(stored.card), stored.card)
        noted.write(inputs, months or stored.card.horizons, stored.uri, stored.digest)
    if asking.plot is not None:
        draw(result, asking.plot)
    write(result, form, asked.out)


def _noted(asked: _Asked) -> Audit | None:
    """The audit file, tried before anything is predicted; None where none is asked for."""
    from features.errors import InputError, Problem
    from pipelines.output.audit import Audit

    if asked.audit is not None and asked.rejected is not None:
        raise InputError(
            Problem(
                what="Patients are noted all together, not in parts",
                where=f"--audit {asked.audit}, --rejected {asked.rejected}",
                remedy="leave one of the two out",
            )
        )
    return None if asked.audit is None else Audit(asked.audit)


def _not_in_parts(rejected: Path) -> InputError:
    from features.errors import InputError, Problem

    return InputError(
        Problem(
            what="A full answer is for a few patients, all of them",
            where=f"--rejected {rejected}",
            allowed="without --limits, --alive-at, --both-regimens, --explain and --plot",
            remedy="leave either out",
        )
    )


def _batch(asked: _Asked, form: Format, months: list[float] | None) -> Batch | None:
    """What is predicted in parts, of a file to a file; None for anything else."""
    from pipelines.output.flags import read_format
    from pipelines.prediction import Batch, paths_of_batch

    patients = asked.patients if asked.config is None else None
    paths = paths_of_batch(patients, asked.out, form, asked.rejected)
    if paths is None:
        return None
    table_format = read_format(asked.form)
    return Batch(*paths, table_format, form, asked.rejected, months, asked.ignore_extra)


def _in_parts(batch: Batch, model: str) -> None:
    from pipelines.prediction import predict_in_parts, progress_of

    stored = load_any(model)
    with progress_of("Predicting") as progress:
        done, rejected = predict_in_parts(batch, stored, progress)
    told = f", {rejected:,} rejected: {batch.rejected}" if batch.rejected else ""
    print(f"{done:,} patients predicted: {batch.out}{told}", file=sys.stderr)


def main(argv: list[str] | None = None) -> None:
    """Run the command with the given arguments."""
    app(args=argv, prog_name=program("predict"))


if __name__ == "__main__":
    main()
