"""Flags that several commands have, the same for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from features.tables import TableFormat

ConfigOption = Annotated[
    Path | None, typer.Option(help="YAML configuration; configs/train.yaml if left out.")
]
CohortOption = Annotated[
    Path | None, typer.Option(help="Patient table to use instead of the configured one.")
]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Processes; the number of cores if left out.")
]
AuditOption = Annotated[
    Path | None,
    typer.Option(
        help="File to which a line is added for each prediction: time, model, horizons and a keyed "
        "hash of the input; no covariate."
    ),
]
# How a patients' file is written.
SeparatorOption = Annotated[
    str, typer.Option(help='Between columns of text, such as ";" or tab; a comma in .csv.')
]
DecimalOption = Annotated[str, typer.Option(help='Decimal mark of numbers: "." or ",".')]
EncodingOption = Annotated[
    str, typer.Option(help="Of text and JSON: utf-8, windows-1252, latin-1, gb18030, utf-16...")
]
SheetOption = Annotated[str | None, typer.Option(help="Of an Excel workbook.")]
MissingOption = Annotated[
    list[str] | None, typer.Option(help="A further word that means missing; may be repeated.")
]


def read_format(flags: Mapping[str, Any]) -> TableFormat:
    """The format that the flags state.

    Raises
    ------
    InputError
        Naming each flag that cannot be used, and what it may be.
    """
    from pydantic import ValidationError

    from features.errors import InputError, Problem
    from features.tables import TableFormat

    given = {key: value for key, value in flags.items() if value not in (None, [])}
    try:
        return TableFormat.model_validate(given)
    except ValidationError as error:
        raise InputError(
            Problem(
                what="A flag cannot be used",
                where=f"--{detail['loc'][0]}",
                got=str(detail.get("input"))[:60],
                allowed=detail["msg"].removeprefix("Value error, "),
            )
            for detail in error.errors()
        ) from None
