"""Many patients from one file into another, in parts: what a kill leaves, the same command goes on.

Each part is kept in a folder beside the output until all are there; the folder says of which input,
model and options its parts are, and parts of others are thrown away.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from features.errors import InputError, Problem, first_line
from features.errors.wrong_cells import further_down, place_of
from features.tables import TableFormat, read_parts
from models.patients import (
    PATIENT_ID,
    Patients,
    check_horizons,
    known_codes,
    predictions_of,
    read_patients,
)
from pipelines.output.files import csv_of, replace_file, write_text
from pipelines.prediction.result import Result
from pipelines.prediction.writing import Format, arrow_table

if TYPE_CHECKING:
    import pandas as pd

    from models.artifact import StoredModel

# Files of which the parts are read one after the other, and from what size on that is worth it.
KINDS = (".csv", ".tsv", ".parquet")
LARGE = 4 << 20
PLAN = "plan.json"
# Called with the share of the input that is done.
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Batch:
    """What is to be predicted, and where it goes.

    Attributes
    ----------
    patients, out : Path
    form : TableFormat
        How the patients' file is written.
    output : Format
        CSV or Parquet.
    rejected : Path, optional
        Where patients are named who cannot be predicted; without it, one of them is an error.
    horizons : sequence of float, optional
    ignore_extra : bool
    """

    patients: Path
    out: Path
    form: TableFormat
    output: Format
    rejected: Path | None = None
    horizons: Sequence[float] | None = None
    ignore_extra: bool = False


def paths_of_batch(
    patients: str | None, out: Path | None, output: Format, rejected: Path | None
) -> tuple[Path, Path] | None:
    """The two files, where one goes into the other in parts: it is large, or some may be rejected.

    Raises
    ------
    InputError
        Where patients may be rejected, but not of this input or not into this output.
    """
    source = None if patients is None else Path(patients)
    suited = output in (Format.csv, Format.parquet)
    if suited and out is not None and source is not None and source.suffix.lower() in KINDS:
        with contextlib.suppress(OSError, ValueError):
            if rejected is not None or source.stat().st_size > LARGE:
                return source, out
        return None
    if rejected is not None:
        raise InputError(
            Problem(
                what="Patients are rejected one by one between two files alone",
                where=f"--rejected {rejected}",
                got=f"{patients or 'no file'} into {out or 'standard output'}",
                allowed=f"a file in {', '.join(KINDS)}, and --out with CSV or Parquet",
                remedy="name such files, or leave --rejected out",
            )
        )
    return None


def predict_in_parts(batch: Batch, stored: StoredModel, progress: Progress) -> tuple[int, int]:
    """Predict for every patient of a file.

    Returns
    -------
    int, int
        Patients who were predicted, and who were rejected.

    Raises
    ------
    InputError
        As `models.patients.predict_patients`; with `rejected`, for what is wrong of the whole table
        alone, and where nobody can be predicted.
    """
    months = check_horizons(batch.horizons or stored.card.horizons, stored.card)
    folder = batch.out.with_name(f".{batch.out.name}.parts")
    try:
        _make(folder, _plan(batch, stored, months))
        predicted, done = 0, 0
        codes = known_codes(stored.card)
        for number, (table, share) in enumerate(read_parts(batch.patients, batch.form, codes)):
            part = folder / f"{number:06}.parquet"
            if not part.exists():
                _predict_part(table, done, batch, stored, months, part)
            predicted += _rows_of(part)
            done += len(table)
            progress(share)
        if not predicted:
            raise InputError(
                Problem(
                    what="Nobody can be predicted",
                    where=str(batch.patients),
                    got=f"{done:,} patients, each with a mistake",
                    remedy="leave --rejected out to see the mistakes",
                )
            )
        _join(folder, batch)
    except OSError as error:
        raise InputError(
            Problem(
                what="The file cannot be written",
                where=f"--out {batch.out}",
                got=first_line(error),
                remedy="free some space, or name a file in a folder that you may write to; the "
                "same command goes on",
            )
        ) from error
    shutil.rmtree(folder, ignore_errors=True)
    return predicted, done - predicted


def _predict_part(
    table: pd.DataFrame,
    above: int,
    batch: Batch,
    stored: StoredModel,
    months: Sequence[float],
    part: Path,
) -> None:
    """Write one part's predictions, and before them who of it was rejected."""
    columns, wrong = _predicted(table, above, batch, stored, months)
    if batch.rejected is not None:
        write_text(part.with_suffix(".csv"), csv_of(wrong, header=False))
    made = part.with_suffix(".making")
    if columns is None:
        made.touch()
    else:
        import pyarrow.parquet as pq

        pq.write_table(arrow_table(Result(columns, stored)), made)
    replace_file(made, part)


def _predicted(
    table: pd.DataFrame,
    above: int,
    batch: Batch,
    stored: StoredModel,
    months: Sequence[float],
) -> tuple[dict[str, np.ndarray] | None, dict[str, np.ndarray]]:
    """Predictions of those who can be predicted, None where nobody can; who cannot, and why."""
    kept = np.arange(len(table))
    reasons: list[tuple[int, str]] = []
    while len(kept):
        try:
            read = read_patients(
                table.iloc[kept].reset_index(drop=True),
                stored.card,
                ignore_extra=batch.ignore_extra,
            )
            patients = Patients(read.inputs, read.regimen, above + kept + 1, read.ids)
            support = stored.beside.support
            made = predictions_of(stored.model, stored.card, patients, months, support)
            return made, _told(reasons, table, above)
        except InputError as error:
            if batch.rejected is None or not all(problem.rows for problem in error.problems):
                raise InputError(further_down(p, above) for p in error.problems) from None
            for problem in error.problems:
                reason = _reason(problem)
                reasons += [(int(kept[row]), reason) for row in problem.rows]
            kept = np.setdiff1d(kept, [row for row, _ in reasons])
    return None, _told(reasons, table, above)


def _reason(problem: Problem) -> str:
    allowed = f" (allowed: {problem.allowed})" if problem.allowed else ""
    return ": ".join(filter(None, (place_of(problem), problem.what))) + allowed


def _told(reasons: list[tuple[int, str]], table: pd.DataFrame, above: int) -> dict[str, np.ndarray]:
    by_row: dict[int, list[str]] = {}
    for row, reason in sorted(reasons, key=lambda one: one[0]):
        by_row.setdefault(row, []).append(reason)
    rows = list(by_row)
    ids = (
        table[PATIENT_ID].iloc[rows].to_numpy(dtype=object, na_value=None)
        if (PATIENT_ID in table)
        else np.full(len(rows), None)
    )
    texts = np.array(["; ".join(told) for told in by_row.values()], dtype=object)
    return {PATIENT_ID: ids, "row": np.array(rows, dtype=int) + above + 1, "reasons": texts}


# -- the folder of parts ----------------------------------------------------------------------


def _plan(batch: Batch, stored: StoredModel, months: Sequence[float]) -> str:
    """Everything that a part depends on, as text."""
    content = {
        "patients": _fingerprint(batch.patients),
        "model": {**stored.identity, "digest": stored.digest},
        "horizons": list(months),
        "form": batch.form.stated,
        "ignore_extra": batch.ignore_extra,
        "rejected": batch.rejected is not None,
    }
    return json.dumps(content, indent=2, default=str) + "\n"


def _make(folder: Path, plan: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        if (folder / PLAN).read_text("utf-8") == plan:
            return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_text(folder / PLAN, plan)


def _fingerprint(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            Problem(
                what="The table cannot be read",
                where=str(path),
                got=first_line(error),
                remedy="check who may read it",
            )
        ) from error


def _rows_of(part: Path) -> int:
    if not part.stat().st_size:
        return 0
    import pyarrow.parquet as pq

    return int(pq.read_metadata(part).num_rows)


def _join(folder: Path, batch: Batch) -> None:
    """Put the parts together beside their place, and then there; those rejected first."""
    if batch.rejected is not None:
        with _beside(batch.rejected) as made, made.open("wb") as file:
            file.write(f"{PATIENT_ID},row,reasons\n".encode())
            for part in sorted(folder.glob("*.csv")):
                file.write(part.read_bytes())
    parts = [part for part in sorted(folder.glob("*.parquet")) if part.stat().st_size]
    with _beside(batch.out) as made:
        (_join_parquet if batch.output is Format.parquet else _join_csv)(parts, made)


def _join_parquet(parts: Sequence[Path], made: Path) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(made, pq.read_schema(parts[0])) as writer:
        for part in parts:
            writer.write_table(pq.read_table(part))


def _join_csv(parts: Sequence[Path], made: Path) -> None:
    import pyarrow.parquet as pq

    with made.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file:
        for number, part in enumerate(parts):
            table = pq.read_table(part)
            columns = {n: _plain(table.column(n)) for n in table.column_names}
            file.write(csv_of(columns, header=number == 0))


def _plain(column: Any) -> np.ndarray:
    values: np.ndarray = column.to_numpy()
    return values


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A file beside its place, put there when it is whole."""
    made = path.with_name(f".{path.name[:100]}.{os.getpid()}.part")
    try:
        yield made
        replace_file(made, path)
    finally:
        with contextlib.suppress(OSError):
            made.unlink()
