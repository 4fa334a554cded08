"""Answers to single patients, as a command asks for them: in full, and drawn."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from features.errors import InputError, Problem, collect, first_line
from models.card import ModelCard
from models.individual import Answer, Question, row_of
from models.patients import Patients, check_horizons
from pipelines.prediction.result import Result, predicted

if TYPE_CHECKING:
    from models.artifact import StoredModel

# Beyond so many, predictions without ranges and explanations are what can be read.
MOST_ANSWERED = 1_000
PICTURES = (".png", ".svg")
# Characters of a line under a picture.
CAPTION_WIDTH = 100


@dataclass(frozen=True)
class Asking:
    """What is asked of every patient beside the probabilities.

    Attributes
    ----------
    limits : bool
        The range of each probability: asked for by every other question, too.
    alive_at : float, optional
        Months.
    both_regimens, explain : bool
    plot : Path, optional
        Where curves are drawn.
    """

    limits: bool = False
    alive_at: float | None = None
    both_regimens: bool = False
    explain: bool = False
    plot: Path | None = None

    @property
    def anything(self) -> bool:
        """Whether patients are to be answered in full."""
        more = (self.limits, self.both_regimens, self.explain)
        return any(more) or self.alive_at is not None or self.plot is not None

    def check(self) -> None:
        """Refuse what cannot be drawn, before anything is read.

        Raises
        ------
        InputError
        """
        if self.plot is not None and self.plot.suffix.lower() not in PICTURES:
            raise InputError(
                Problem(
                    what="No picture is drawn in this form",
                    where=f"--plot {self.plot}",
                    allowed=" or ".join(PICTURES),
                    remedy="name a file with one of these endings",
                )
            )


def answered(
    stored: StoredModel,
    read: Callable[[ModelCard], Patients],
    horizons: Sequence[float] | None,
    asking: Asking,
) -> Result:
    """Read the patients and answer each of them in full.

    Parameters
    ----------
    stored : StoredModel
        Loaded with its refits.
    horizons : sequence of float, optional
        Months; those evaluated in training when left out.

    Raises
    ------
    InputError
        With all that is wrong with the horizons, the patients and the question.
    """
    from models.artifact import ask, engine_of

    card = stored.card
    problems: list[Problem] = []
    months = collect(problems, lambda: check_horizons(horizons or card.horizons, card))
    patients = collect(problems, lambda: read(card))
    question = Question(
        months or card.horizons,
        asking.alive_at,
        asking.both_regimens,
        asking.explain,
        curve=asking.plot is not None,
    )
    if months is not None:
        collect(problems, lambda: question.check(card))
    if patients is not None and len(patients) > MOST_ANSWERED:
        problems.append(_too_many(len(patients)))
    if problems or patients is None:
        raise InputError(problems)
    found = ask(engine_of(stored), patients, question)
    return Result(_columns(found), stored, found)


def result_of(
    stored: StoredModel,
    read: Callable[[ModelCard], Patients],
    horizons: Sequence[float] | None,
    asking: Asking,
    *,
    in_words: bool,
) -> Result:
    """Predictions, or answers in full: where anything is asked, and for one patient in words.

    The others and errors are those of `answered`.
    """
    read_once = remembered(read)
    if not asking.anything:
        result = predicted(stored, read_once, horizons)
        if not (in_words and len(result) == 1):
            return result
    return answered(stored, read_once, horizons, asking)


def remembered(read: Callable[[ModelCard], Patients]) -> Callable[[ModelCard], Patients]:
    """Standard input cannot be read twice."""
    found: list[Patients] = []

    def once(card: ModelCard) -> Patients:
        if not found:
            found.append(read(card))
        return found[0]

    return once


def draw(result: Result, path: Path) -> None:
    """Draw the curve of each patient who was answered.

    Parameters
    ----------
    path : Path
        Of one patient; of several, each gets its row's number before the ending.

    Raises
    ------
    InputError
        When it cannot be written.
    """
    from pipelines.output.files import write_bytes

    for answer in result.answers:
        alone = len(result.answers) == 1
        own = path if alone else path.with_stem(f"{path.stem}_{answer.row}")
        try:
            write_bytes(own, picture(answer, path.suffix.lower().removeprefix(".")))
        except OSError as error:
            raise InputError(
                Problem(
                    what="The picture cannot be written",
                    where=f"--plot {own}",
                    got=first_line(error),
                    remedy="name a file in a folder that you may write to",
                )
            ) from error


def picture(answer: Answer, form: str) -> bytes:
    """One patient's curve with its range, as PNG or SVG, the same bytes each time."""
    import matplotlib
    import pandas as pd

    from evaluation.displays import PatientCurveDisplay

    assert answer.curve is not None
    curve = answer.curve
    frame = pd.DataFrame({"time": curve.months, "survival": curve.survival})
    if curve.low is not None:
        frame = frame.assign(low=curve.low, high=curve.high)
    if any(value is not None for value in curve.average):
        frame["average"] = np.array(curve.average, dtype=float)
    display = PatientCurveDisplay(
        frame, f"Without {answer.event}", _caption(answer), steps=curve.steps
    )
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "vensurv"}):
        figure = display.plot().get_figure(root=True)
        assert figure is not None
        figure.savefig(buffer, format=form, metadata={"Date": None} if form == "svg" else None)
    return buffer.getvalue()


def _caption(answer: Answer) -> str:
    lines = [f"caution: {doubt.text}" for doubt in answer.doubts]
    if answer.interval is not None:
        lines.append(
            f"Band: {answer.interval.name}, {answer.interval.refits} of them; no confidence "
            "interval."
        )
    return "\n".join(part for line in lines for part in textwrap.wrap(line, CAPTION_WIDTH))


def _columns(found: Sequence[Answer]) -> dict[str, np.ndarray]:
    rows = [row_of(answer) for answer in found]
    return {name: _column([row[name] for row in rows]) for name in rows[0]}


def _column(values: list[float | str | None]) -> np.ndarray:
    if any(isinstance(value, str) for value in values) or all(value is None for value in values):
        numbers = all(value is None for value in values)
        return np.full(len(values), np.nan) if numbers else np.array(values, dtype=object)
    if all(isinstance(value, int) for value in values):
        return np.array(values)
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def _too_many(count: int) -> Problem:
    return Problem(
        what="So many patients are not answered one by one",
        where="--limits, --alive-at, --both-regimens, --explain, --plot",
        got=f"{count} patients",
        allowed=f"up to {MOST_ANSWERED}",
        remedy="predict them without these, or fewer of them",
    )
