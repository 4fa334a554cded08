"""Predict for patients: event probability at horizons, median event-free time and risk score.

python -m pipelines.predict patients.csv
echo '{"age_years": 61, "regimen": "HMA"}' | python -m pipelines.predict -
python -m pipelines.predict --config redcap_project.yaml
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.errors import InputError, Problem, first_line
from pipelines.command import program, run_command
from pipelines.output.flags import (
    DecimalOption,
    EncodingOption,
    MissingOption,
    SeparatorOption,
    SheetOption,
)
from pipelines.tracking.model_address import DEFAULT_MODEL, load_any

if TYPE_CHECKING:
    import pandas as pd

    from models.card import ModelCard
    from models.prediction import SurvivalModel
    from models.store import StoredModel
    from pipelines.config import TrainConfig

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

# Of what is missing or unusual about a patient, printed in a table.
LONGEST_NOTE = 1_000


class Format(StrEnum):
    """How predictions are printed."""

    table = "table"
    csv = "csv"
    json = "json"


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
            help="models:/NAME@champion, models:/NAME/VERSION, runs:/RUN/model, or a folder."
        ),
    ] = DEFAULT_MODEL,
    horizons: Annotated[
        str | None,
        typer.Option(help="Months, separated by commas; those evaluated in training if left out."),
    ] = None,
    output: Annotated[
        Format, typer.Option("--format", help="Table for reading, CSV or JSON for programs.")
    ] = Format.table,
    out: Annotated[Path | None, typer.Option(help="File to write instead of the terminal.")] = None,
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
    given = (patients, config, form, ignore_extra)
    run_command(lambda: _predict(given, model, horizons, output, out))


def _predict(
    given: tuple[str | None, Path | None, dict[str, Any], bool],
    model_uri: str,
    horizons: str | None,
    output: Format,
    out: Path | None,
) -> None:
    from features.errors import shown
    from pipelines.output.files import csv_text
    from pipelines.output.folder import check_file
    from pipelines.output.terminal import is_terminal

    check_file(out, given[0], given[1])
    months = None if horizons is None else _read_horizons(horizons)
    read = _reading(*given)
    stored = load_any(model_uri)
    result = read(stored.model, stored.card, months or stored.card.horizons)
    if output is Format.csv:
        text = csv_text(result.assign(**_columns_of(stored)))
    elif output is Format.json:
        text = _as_json(result, stored)
    else:
        text = _as_table(result, stored)
    if out is not None:
        _write(out, text)
    elif sys.stdout is None:
        raise _nowhere()
    else:
        # Escape sequences of an identifier are data to a program, but orders to a terminal.
        sys.stdout.write(shown(text) if is_terminal() and output is Format.csv else text)


def _reading(
    patients: str | None, config_path: Path | None, form: dict[str, Any], ignore_extra: bool
) -> Callable[[SurvivalModel, ModelCard, Sequence[float]], pd.DataFrame]:
    """How the patients are read and predicted, everything that can be checked before checked."""
    from pipelines.output.flags import read_format

    table_format = read_format(form)
    if config_path is not None:
        config = _configuration(config_path, patients, table_format.stated)
        return lambda *model: _predict_configured(config, *model)
    if patients is None:
        raise InputError(
            Problem(
                what="No patients are given",
                where="predict",
                allowed="PATIENTS, a file or - for standard input; or --config FILE",
                remedy="name the file with the patients, or the configuration that describes them",
            )
        )

    def predict_table(
        model: SurvivalModel, card: ModelCard, months: Sequence[float]
    ) -> pd.DataFrame:
        from features.tables import read_table
        from models.patients import known_codes, predict_patients

        table = read_table(patients, sys.stdin, table_format, known_codes(card))
        return predict_patients(model, card, table, months, ignore_extra=ignore_extra)

    return predict_table


def _configuration(path: Path, patients: str | None, form: dict[str, Any]) -> TrainConfig:
    """The configuration that describes the patients, with their file in place of its table."""
    from features.sources import FileSource
    from pipelines.config import configured

    if patients == "-" or (patients is None and form):
        raise InputError(
            Problem(
                what="Only a file takes the place of the configured table",
                where="predict --config",
                got="- (standard input)" if patients else ", ".join(f"--{key}" for key in form),
                remedy="name a file, or leave it out: then the configured source is read",
            )
        )
    config = configured(path, None if patients is None else Path(patients))
    if patients is None or not form:
        return config
    source = FileSource(path=str(Path(patients).resolve()), **form)
    place = {"source": source}
    return config.model_copy(update={"cohort": config.cohort.model_copy(update=place)})


def _predict_configured(
    config: TrainConfig, model: SurvivalModel, card: ModelCard, months: Sequence[float]
) -> pd.DataFrame:
    from models.patients import predict_for
    from pipelines.cohort import configured_patients

    patients, left_out = configured_patients(config, card)
    # Not among the results: they may be read by a program.
    for sentence in left_out:
        print(sentence, file=sys.stderr)
    return predict_for(model, card, patients, months)


def _read_horizons(text: str) -> list[float]:
    import re

    parts = [part.strip() for part in text.split(",")]
    numbers = all(re.fullmatch(r"\d+\.?\d*|\.\d+", part, re.ASCII) for part in parts)
    months = [float(part) for part in parts] if numbers else []
    if months and min(months) > 0 and len(set(months)) == len(months):
        return months
    raise InputError(
        Problem(
            what="The horizons are not numbers" if not numbers else "The horizons cannot be used",
            where="--horizons",
            got=text[:60],
            allowed="months above 0, each once, separated by commas, such as 6,12",
        )
    )


def _columns_of(stored: StoredModel) -> dict[str, str]:
    """Which model each row comes from, and what is to be known of it."""
    columns = {
        "model": stored.uri,
        "model_run_id": stored.run_id,
        "model_data_fingerprint": stored.data_fingerprint,
    }
    provenance = stored.card.training.get("provenance")
    return columns | ({"provenance": str(provenance)} if provenance else {})


def _nowhere() -> InputError:
    return InputError(
        Problem(
            what="Standard output is closed, so that the predictions have nowhere to go",
            where="standard output",
            remedy="name a file by --out, or leave it open",
        )
    )


def _as_json(result: pd.DataFrame, stored: StoredModel) -> str:
    import json

    from pipelines.output.files import records

    card = stored.card
    content = {
        "model": stored.identity | _description(card),
        "performance": card.performance,
        "cautions": list(card.cautions),
        "patients": records(result),
    }
    return json.dumps(content, indent=2) + "\n"


def _as_table(result: pd.DataFrame, stored: StoredModel) -> str:
    from io import StringIO

    import pandas as pd
    from rich.table import Table

    from evaluation.metrics import IPA, OBSERVED_EXPECTED, SLOPE, UNO_C, is_one_of
    from features.errors import LONGEST_NAME, one_line
    from features.text import significant
    from pipelines.output.terminal import PlainConsole

    buffer = StringIO()
    console = PlainConsole(buffer)
    card = stored.card
    description = _description(card)
    console.print(
        f"{stored.told}: {description['learner']}, trained on {description['trained on']}"
    )
    if card.recalibration:
        statement = str(card.recalibration["statement"])
        console.print(f"{statement[0].upper()}{statement[1:]}.")
    if card.training.get("provenance"):
        console.print(f"Not for patients: {card.training['provenance']}.", style="bold")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in result.columns:
        table.add_column(_heading(column, card), overflow="fold")
    for row in result.itertuples(index=False):
        cells = []
        for column, value in zip(result.columns, row, strict=True):
            if column == "median_months" and pd.isna(value):
                cells.append(f"> {card.follow_up:.1f}")
            elif column.startswith("event_probability"):
                cells.append("unknown" if pd.isna(value) else f"{value:.0%}")
            elif isinstance(value, float):
                cells.append(significant(value))
            else:
                cells.append(one_line(value, LONGEST_NOTE if column == "note" else LONGEST_NAME))
        table.add_row(*cells)
    console.print(table)
    console.print(
        "Risk score: unscaled, higher is worse, comparable within this model only. The "
        "probabilities carry no interval of their own; how good they are on average:"
    )
    for name, value in card.performance.items():
        if is_one_of(name.split(" ")[0], UNO_C, IPA, OBSERVED_EXPECTED, SLOPE):
            console.print(f"  {name}: {value}, {card.measured}")
    for caution in card.cautions:
        console.print(f"  caution: {caution}")
    return buffer.getvalue()


def _heading(column: str, card: ModelCard) -> str:
    if column.startswith("event_probability"):
        return f"P({card.endpoint} event by {column.rsplit('_', 1)[1].removesuffix('m')} mo)"
    return {"median_months": f"median {card.endpoint}, mo", "risk_score": "risk score"}.get(
        column, column.replace("_", " ")
    )


def _description(card: ModelCard) -> dict[str, object]:
    training = card.training
    return {
        "learner": card.learner_label,
        "endpoint": card.endpoint,
        "trained on": f"{training['cohort']}, {training['patients']} patients, "
        f"{training['events']} events",
        "follow_up_months": round(card.follow_up, 2),
        "provenance": training.get("provenance", ""),
        **({"recalibration": card.recalibration["statement"]} if card.recalibration else {}),
    }


def _write(path: Path, text: str) -> None:
    from pipelines.output.files import write_text

    try:
        write_text(path, text)
    except OSError as error:
        raise InputError(
            Problem(
                what="The file cannot be written",
                where=f"--out {path}",
                got=first_line(error),
                remedy="name a file in a folder that you may write to",
            )
        ) from error


def main(argv: list[str] | None = None) -> None:
    """Run the command with the given arguments."""
    app(args=argv, prog_name=program("predict"))


if __name__ == "__main__":
    main()
