"""The patients of a command, from wherever they are given, as a stored model takes them."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.covariates import MissingWords
from features.errors import InputError, Problem
from features.tables import TableFormat, plain_kind, read_plain, read_stdin, read_table
from models.card import ModelCard
from models.patients import Patients, known_codes, plain_patients, read_patients
from pipelines.output.flags import read_format

if TYPE_CHECKING:
    from pipelines.config import TrainConfig

STDIN = "-"


@dataclass(frozen=True)
class Given:
    """Where the patients are, as the command was told.

    Attributes
    ----------
    patients : str, optional
        A file, or - for standard input.
    config : Path, optional
        Configuration whose source and columns describe them.
    form : mapping
        The flags that say how a file is written.
    ignore_extra : bool
        Leave columns out that the model does not know.
    """

    patients: str | None
    config: Path | None
    form: dict[str, Any]
    ignore_extra: bool = False


def reader_of(given: Given) -> Callable[[ModelCard], Patients]:
    """How the patients are read, everything that can be checked before checked.

    Raises
    ------
    InputError
        When nobody is given, or the configuration or the flags cannot be used.
    """
    form = read_format(given.form)
    if given.config is not None:
        config = _configuration(given.config, given.patients, form.stated)
        return lambda card: _configured(config, card)
    patients = given.patients
    if patients is None:
        raise InputError(
            Problem(
                what="No patients are given",
                where="predict",
                allowed="PATIENTS, a file or - for standard input; or --config FILE",
                remedy="name the file with the patients, or the configuration that describes them",
            )
        )
    return lambda card: _from_table(patients, form, card, given.ignore_extra)


def _from_table(patients: str, form: TableFormat, card: ModelCard, ignore_extra: bool) -> Patients:
    """Patients of a file; a few plain ones without pandas, whose import takes a second."""
    data, kind = b"", plain_kind(patients)
    if patients == STDIN:
        data = read_stdin(sys.stdin)
        kind = ".json" if data.lstrip()[:1] in (b"[", b"{") else ".csv"
    elif kind:
        data = Path(patients).read_bytes()
    codes = known_codes(card)
    if kind and not form.stated:
        cells = read_plain(data, kind, MissingWords(codes=codes))
        found = None if cells is None else plain_patients(cells, card, ignore_extra=ignore_extra)
        if found is not None:
            return found
    stdin = io.TextIOWrapper(io.BytesIO(data)) if patients == STDIN else None
    return read_patients(read_table(patients, stdin, form, codes), card, ignore_extra=ignore_extra)


def _configuration(path: Path, patients: str | None, form: dict[str, Any]) -> TrainConfig:
    """The configuration that describes the patients, with their file in place of its table."""
    from features.sources import FileSource
    from pipelines.config import configured

    if patients == STDIN or (patients is None and form):
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


def _configured(config: TrainConfig, card: ModelCard) -> Patients:
    from pipelines.cohort import configured_patients

    patients, left_out = configured_patients(config, card)
    # Not among the results: they may be read by a program.
    for sentence in left_out:
        print(sentence, file=sys.stderr)
    return patients


def read_horizons(text: str) -> list[float]:
    """Months of `--horizons`.

    Raises
    ------
    InputError
        When they are not numbers, not above 0, or one stands twice.
    """
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
