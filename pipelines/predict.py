"""Predict for patients: event probability at horizons, median event-free time and risk score.

python -m pipelines.predict patients.csv
echo '{"age_years": 61, "regimen": "HMA"}' | python -m pipelines.predict -
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.errors import InputError, Problem
from pipelines.command import program, run_command
from pipelines.model_address import DEFAULT_MODEL, load_any
from pipelines.table_options import (
    DecimalOption,
    EncodingOption,
    MissingOption,
    SeparatorOption,
    SheetOption,
)

if TYPE_CHECKING:
    import pandas as pd

    from models.card import ModelCard
    from models.stored import StoredModel

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

SHOWN = ("uno_c", "c", "ipa", "oe", "calibration_oe", "calibration_slope")
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
        str,
        typer.Argument(
            help="CSV, Parquet, JSON or Excel file with one row a patient; - for stdin."
        ),
    ],
    model: Annotated[
        str,
        typer.Option(help="models:/NAME@champion, models:/NAME/VERSION, or a folder."),
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
    run_command(lambda: _predict(patients, form, model, horizons, output, out, ignore_extra))


def _predict(
    patients: str,
    form: dict[str, Any],
    model_uri: str,
    horizons: str | None,
    output: Format,
    out: Path | None,
    ignore_extra: bool,
) -> None:
    from features.plain_text import shown
    from features.sources import read_table
    from models.patients import known_codes, predict_patients
    from pipelines.files import csv_text
    from pipelines.table_options import read_format
    from pipelines.terminal import is_terminal

    months = None if horizons is None else _read_horizons(horizons)
    table_format = read_format(form)
    stored = load_any(model_uri)
    card = stored.card
    table = read_table(patients, sys.stdin, table_format, known_codes(card))
    result = predict_patients(
        stored.model, card, table, months or card.horizons, ignore_extra=ignore_extra
    )
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

    card = stored.card

    rows = result.astype(object).where(result.notna(), None).to_dict(orient="records")
    content = {
        "model": stored.identity | _description(card),
        "performance": card.performance,
        "cautions": list(card.cautions),
        "patients": rows,
    }
    return json.dumps(content, indent=2) + "\n"


def _as_table(result: pd.DataFrame, stored: StoredModel) -> str:
    from io import StringIO

    import pandas as pd
    from rich.table import Table

    from features.number_text import significant
    from features.plain_text import LONGEST_NAME, one_line
    from pipelines.terminal import PlainConsole

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
        if name.split(" ")[0].removeprefix("competing_") in SHOWN:
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
    from pipelines.files import write_text

    try:
        write_text(path, text)
    except OSError as error:
        raise InputError(
            Problem(
                what="The file cannot be written",
                where=f"--out {path}",
                got=error.strerror or str(error),
                remedy="name a file in a folder that you may write to",
            )
        ) from error


def main(argv: list[str] | None = None) -> None:
    """Run the command with the given arguments."""
    app(args=argv, prog_name=program("predict"))


if __name__ == "__main__":
    main()
