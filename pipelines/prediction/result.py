"""Predictions as plain columns, with the model that they are of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from features.columns import Columns
from features.errors import InputError, Problem, collect
from models.card import ModelCard
from models.individual import Answer
from models.patients import Patients, check_horizons, predictions_of

if TYPE_CHECKING:
    from models.artifact import StoredModel


@dataclass(frozen=True)
class Result:
    """Predictions of n patients.

    Attributes
    ----------
    columns : Columns of shape (n,)
        As `models.patients.predictions_of`: what is asked, a column each.
    stored : StoredModel
        What predicted.
    answers : tuple of Answer
        In full, one a patient; empty where only the probabilities were asked for.
    """

    columns: Columns
    stored: StoredModel
    answers: tuple[Answer, ...] = ()

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @property
    def with_model(self) -> dict[str, np.ndarray]:
        """The columns, and on each row which model it comes from and what is to be known of it."""
        return {**self.columns, **{k: _same(v, len(self)) for k, v in origin(self.stored).items()}}


def predicted(
    stored: StoredModel, read: Callable[[ModelCard], Patients], horizons: Sequence[float] | None
) -> Result:
    """Read the patients and predict.

    Parameters
    ----------
    horizons : sequence of float, optional
        Months; those evaluated in training when left out.

    Raises
    ------
    InputError
        With all that is wrong with the horizons and the patients.
    """
    card = stored.card
    problems: list[Problem] = []
    months = collect(problems, lambda: check_horizons(horizons or card.horizons, card))
    patients = collect(problems, lambda: read(card))
    if problems or patients is None or months is None:
        raise InputError(problems)
    return Result(
        predictions_of(stored.model, card, patients, months, stored.beside.support), stored
    )


def origin(stored: StoredModel) -> dict[str, str]:
    """Which model a row comes from, where a row stands alone."""
    told = {name: text for name, text in stored.identity.items() if name != "model_asked_for"}
    provenance = stored.card.training.get("provenance")
    return told | ({"provenance": str(provenance)} if provenance else {})


def _same(text: str, n: int) -> np.ndarray:
    return np.full(n, text, dtype=object)
