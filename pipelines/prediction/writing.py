"""Predictions as text and files: a table for reading; CSV, JSON and Parquet for programs."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from features.errors import InputError, Problem, first_line, shown
from pipelines.output.files import csv_of, plain_records, write_bytes, write_text
from pipelines.prediction.result import Result


class Format(StrEnum):
    """How predictions are written."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


def form_of(stated: Format | None, out: Path | None) -> Format:
    """The format that was stated, else that of the file's name, else a table for reading.

    Raises
    ------
    InputError
        For Parquet without a file.
    """
    by_name = "" if out is None else out.suffix.lower().removeprefix(".")
    form = stated or (Format(by_name) if by_name in list(Format) else Format.table)
    if form is Format.parquet and out is None:
        raise InputError(
            Problem(
                what="Parquet is no text",
                where="--format parquet",
                remedy="name a file by --out",
            )
        )
    return form


def printed(result: Result, form: Format) -> str:
    """Predictions as text."""
    if form is Format.csv:
        return csv_of(result.with_model)
    if form is Format.json:
        return _as_json(result)
    from pipelines.prediction.table import as_table

    return as_table(result)


def write(result: Result, form: Format, out: Path | None) -> None:
    """Write predictions to a file, whole or not at all, or to standard output.

    Raises
    ------
    InputError
        When neither can be written.
    """
    if out is None:
        _to_stdout(printed(result, form), form)
        return
    try:
        if form is Format.parquet:
            write_bytes(out, as_parquet(result))
        else:
            write_text(out, printed(result, form))
    except OSError as error:
        raise InputError(
            Problem(
                what="The file cannot be written",
                where=f"--out {out}",
                got=first_line(error),
                remedy="name a file in a folder that you may write to",
            )
        ) from error


def as_parquet(result: Result) -> bytes:
    """Predictions as the bytes of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(arrow_table(result), sink)
    return bytes(sink.getvalue())


def arrow_table(result: Result) -> Any:
    """Predictions as a table of Arrow: numbers as numbers, all else as text."""
    import pyarrow as pa

    def column(values: np.ndarray) -> Any:
        if values.dtype != object:
            return pa.array(values, from_pandas=True)
        try:
            # Also of a column of which nothing is known.
            return pa.array(values, pa.string(), from_pandas=True)
        except (pa.ArrowTypeError, pa.ArrowInvalid):
            # An identifier may be a number or a date.
            return pa.array([None if v is None else str(v) for v in values], pa.string())

    return pa.table({name: column(values) for name, values in result.with_model.items()})


def _to_stdout(text: str, form: Format) -> None:
    from pipelines.output.terminal import is_terminal

    if sys.stdout is None:
        raise InputError(
            Problem(
                what="Standard output is closed, so that the predictions have nowhere to go",
                where="standard output",
                remedy="name a file by --out, or leave it open",
            )
        )
    # Escape sequences of an identifier are data to a program, but orders to a terminal.
    sys.stdout.write(shown(text) if is_terminal() and form is Format.csv else text)


def _as_json(result: Result) -> str:
    from pipelines.prediction.table import description

    stored = result.stored
    content = {
        "model": stored.identity | description(stored.card),
        "performance": stored.card.performance,
        "cautions": list(stored.card.cautions),
        "patients": _patients(result),
    }
    return json.dumps(content, indent=2) + "\n"


def _patients(result: Result) -> list[dict[str, object]]:
    rows = plain_records(result.columns)
    if not result.answers:
        return rows
    answers = zip(rows, result.answers, strict=True)
    return [row | {"answer": answer.to_dict()} for row, answer in answers]
