"""Predictions as a person reads them: one patient a block, many patients a line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from typing import Any

import numpy as np
from rich.table import Table

from features.errors import LONGEST_NAME, one_line
from features.text import significant
from models.card import ModelCard
from models.individual import Answer, told
from pipelines.output.terminal import PlainConsole
from pipelines.prediction.result import Result

# Of what is missing or unusual about a patient, printed in a table.
LONGEST_NOTE = 1_000


def as_table(result: Result) -> str:
    """What is printed: the model, the predictions, and how good they are on average."""
    buffer = StringIO()
    console = PlainConsole(buffer)
    card = result.stored.card
    about = description(card)
    console.print(f"{result.stored.told}: {about['learner']}, trained on {about['trained on']}")
    if card.recalibration:
        statement = str(card.recalibration["statement"])
        console.print(f"{statement[0].upper()}{statement[1:]}.")
    if card.training.get("provenance"):
        console.print(f"Not for patients: {card.training['provenance']}.", style="bold")
    if result.answers:
        _answers(console, result.answers)
        console.print("How good the model's predictions are on average:")
    else:
        console.print(_block(result) if len(result) == 1 else _lines(result))
        console.print(
            "Risk score: unscaled, higher is worse, comparable within this model only. The "
            "probabilities carry no range of their own (--limits gives it); how good they are on "
            "average:"
        )
    for name, value in card.told_performance.items():
        console.print(f"  {name}: {value}, {card.measured}")
    for caution in card.cautions:
        console.print(f"  caution: {caution}")
    return buffer.getvalue()


def _answers(console: PlainConsole, answers: Sequence[Answer]) -> None:
    """Each patient in words, what is doubtful of all of them once."""
    shared = [doubt for doubt in answers[0].doubts if all(doubt in one.doubts for one in answers)]
    band = answers[0].interval
    for answer in answers:
        own = tuple(doubt for doubt in answer.doubts if doubt not in shared)
        for line in told(replace(answer, doubts=own, interval=None)):
            console.print(one_line(line, LONGEST_NOTE))
    for doubt in shared:
        console.print(f"Caution: {doubt.text}.")
    if band is not None:
        console.print(f"In brackets: {band.name}. {band.told}")


def _block(result: Result) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, values in result.columns.items():
        table.add_row(_heading(name, result.stored.card), _cell(name, values[0], result))
    return table


def _lines(result: Result) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in result.columns:
        table.add_column(_heading(name, result.stored.card), overflow="fold")
    for row in zip(*result.columns.values(), strict=True):
        cells = zip(result.columns, row, strict=True)
        table.add_row(*(_cell(name, value, result) for name, value in cells))
    return table


def _cell(column: str, value: Any, result: Result) -> str:
    if column == "median_months" and np.isnan(value):
        return f"> {result.stored.card.follow_up:.1f}"
    if column.startswith("event_probability"):
        return "unknown" if np.isnan(value) else f"{value:.0%}"
    if isinstance(value, float):
        return significant(value)
    return one_line(value, LONGEST_NOTE if column == "note" else LONGEST_NAME)


def _heading(column: str, card: ModelCard) -> str:
    if column.startswith("event_probability"):
        return f"P({card.endpoint} event by {column.rsplit('_', 1)[1].removesuffix('m')} mo)"
    return {"median_months": f"median {card.endpoint}, mo", "risk_score": "risk score"}.get(
        column, column.replace("_", " ")
    )


def description(card: ModelCard) -> dict[str, object]:
    """What is said of a model beside its names."""
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
