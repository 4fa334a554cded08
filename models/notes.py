"""What is said beside each prediction: values that were filled in, unusual, or never seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from features.columns import Columns, is_known
from features.covariates import DERIVATIONS
from models.card import ModelCard


def notes_of(
    inputs: Columns, covariates: Columns, card: ModelCard, months: Sequence[float]
) -> np.ndarray:
    """What was filled in for each patient, and what lies outside the training range.

    Parameters
    ----------
    inputs : Columns of shape (n,)
        Every input of the model.
    covariates : Columns of shape (n,)
        What the model sees, built from them.
    months : sequence of float
        Horizons.

    Returns
    -------
    ndarray of shape (n,), object
        Text, '; ' between two sentences, empty where there is nothing to say.
    """
    # A probability of 0 there says that nobody was seen, not that nothing can happen.
    early = ", ".join(f"{month:g}" for month in months if month < (card.first_event or 0))
    always = ["nobody had the event in training by month " + early] if early else []
    lists = {**_gaps(inputs, covariates), **_outside(inputs, card)}
    marks = {**lists, **_unlike_training(inputs, card)}
    if not marks:
        return np.full(len(next(iter(inputs.values()))), "; ".join(always), dtype=object)
    # Few patterns are distinct among a million patients: each is put into words once.
    table = np.array(list(marks.values())).T
    patterns, which = np.unique(np.packbits(table, axis=1), axis=0, return_inverse=True)
    held = np.unpackbits(patterns, axis=1, count=table.shape[1]).astype(bool)
    told = [_told([key for key, is_so in zip(marks, row, strict=True) if is_so]) for row in held]
    words = np.array(["; ".join([*parts, *always]) for parts in told], dtype=object)
    return words[which.reshape(-1)]


# Whether one thing holds of each patient: (what is said, of what) -> mask of shape (n,).
Marks = dict[tuple[str, str], np.ndarray]


def _told(keys: Sequence[tuple[str, str]]) -> list[str]:
    by_sentence: dict[str, list[str]] = {}
    for sentence, name in keys:
        by_sentence.setdefault(sentence, []).append(name)
    return [sentence + ", ".join(names) for sentence, names in by_sentence.items()]


def _gaps(inputs: Columns, covariates: Columns) -> Marks:
    """Inputs that are missing, and covariates that cannot be derived from known ones."""
    needed = {
        name: [name] if name in inputs else list(DERIVATIONS[name].inputs) for name in covariates
    }
    unknown = {name: ~is_known(column) for name, column in covariates.items()}
    # A derived covariate may be known although an input is not: refractory disease has no CR1.
    missing = {
        column: ~is_known(values)
        & np.any([unknown[name] for name in needed if column in needed[name]], axis=0)
        for column, values in inputs.items()
    }
    # Known inputs may not determine a covariate, as a risk that is defined for AML alone.
    unclear = {
        name: unknown[name] & ~np.any([missing[column] for column in needed[name]], axis=0)
        for name in covariates
    }
    return {("missing: ", name): mask for name, mask in missing.items()} | {
        ("cannot be derived: ", name): mask for name, mask in unclear.items()
    }


def _outside(inputs: Columns, card: ModelCard) -> Marks:
    return {
        ("outside the central 95% of training: ", name): (inputs[name] < low)
        | (inputs[name] > high)
        for name, (low, high) in card.ranges.items()
        if name in inputs
    }


def _unlike_training(inputs: Columns, card: ModelCard) -> Marks:
    marks: Marks = {}
    for name, seen in card.levels.items():
        column = inputs[name]
        for level in dict.fromkeys(column[is_known(column) & ~np.isin(column, seen)]):
            marks[f"never seen in training: {name} {level}", ""] = column == level
    for name, few in card.rare.items():
        for level in few:
            sentence = f"too rare in training to count for itself: {name} {level}"
            marks[sentence, ""] = inputs[name] == level
    return marks
