"""What is said beside each prediction: values that were filled in, unusual, or never seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from features.columns import Columns, is_known
from features.covariates import DERIVATIONS
from models.card import ModelCard
from models.individual import MUCH_MISSING, TEXTS, Caution, Support, is_far, overlapping

# Whether one thing holds of each patient: (which doubt, of what) -> mask of shape (n,). None is no
# doubt: a value is missing.
Marks = dict[tuple[Caution | None, str], np.ndarray]


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
    early = ", ".join(f"{month:g}" for month in _early(card, months))
    always = [TEXTS[Caution.BEFORE_FIRST_EVENT](early)] if early else []
    marks = _marks(inputs, covariates, card)
    return _in_patterns(marks, _length(inputs), lambda keys: "; ".join([*_told(keys), *always]))


def cautions_of(
    inputs: Columns,
    covariates: Columns,
    regimen: np.ndarray | None,
    card: ModelCard,
    support: Support | None,
    months: Sequence[float],
) -> np.ndarray:
    """The names of each patient's doubts: those of `models.individual`, for many patients at once.

    Parameters
    ----------
    regimen : ndarray of shape (n,), or None where the model does not see it
    support : Support, optional
        Without it nothing is known of distance, overlap and follow-up.

    The others are those of `notes_of`. What is about a range alone is left out.

    Returns
    -------
    ndarray of shape (n,), object
        Names, '; ' between two.
    """
    n = _length(inputs)
    found = {caution: np.zeros(n, dtype=bool) for caution in Caution}
    for (caution, _), mask in _marks(inputs, covariates, card).items():
        if caution is not None:
            found[caution] |= mask
    found[Caution.NOT_FOR_PATIENTS] |= bool(card.training.get("provenance"))
    found[Caution.BEFORE_FIRST_EVENT] |= bool(_early(card, months))
    unknown = [~is_known(column) for column in covariates.values()]
    found[Caution.MANY_MISSING] |= np.mean(unknown, axis=0) > MUCH_MISSING
    if support is not None:
        found[Caution.BEYOND_SUPPORT] |= any(month > support.until for month in months)
        found[Caution.NOT_SHOWN_BETTER] |= support.better is not None and not support.better.shown
        standardised = support.terms.of_patients(covariates)
        found[Caution.FAR_FROM_TRAINING] |= is_far(support, standardised)
        for arm in () if regimen is None else card.arms:
            thin = overlapping(support, standardised, arm)
            if thin is not None:
                found[Caution.THIN_OVERLAP] |= (regimen == arm) & ~thin
    marks: Marks = {(caution, ""): mask for caution, mask in found.items()}
    return _in_patterns(marks, n, lambda keys: "; ".join(str(caution) for caution, _ in keys))


def _in_patterns(
    marks: Marks, n: int, words: Callable[[list[tuple[Caution | None, str]]], str]
) -> np.ndarray:
    """Few patterns are distinct among a million patients: each is put into words once."""
    if not marks:
        return np.full(n, words([]), dtype=object)
    table = np.array(list(marks.values())).T
    patterns, which = np.unique(np.packbits(table, axis=1), axis=0, return_inverse=True)
    held = np.unpackbits(patterns, axis=1, count=table.shape[1]).astype(bool)
    told = [words([key for key, is_so in zip(marks, row, strict=True) if is_so]) for row in held]
    return np.array(told, dtype=object)[which.reshape(-1)]


def _told(keys: Sequence[tuple[Caution | None, str]]) -> list[str]:
    by_kind: dict[Caution | None, list[str]] = {}
    for kind, name in keys:
        by_kind.setdefault(kind, []).append(name)
    return [
        f"missing: {', '.join(names)}" if kind is None else TEXTS[kind](", ".join(names))
        for kind, names in by_kind.items()
    ]


def _length(inputs: Columns) -> int:
    return len(next(iter(inputs.values())))


def _early(card: ModelCard, months: Sequence[float]) -> list[float]:
    return [month for month in months if month < (card.first_event or 0)]


def _marks(inputs: Columns, covariates: Columns, card: ModelCard) -> Marks:
    return {
        **_gaps(inputs, covariates),
        **_outside(inputs, card),
        **_unlike_training(inputs, card),
    }


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
    found: Marks = {(None, name): mask for name, mask in missing.items()}
    return found | {(Caution.CANNOT_BE_DERIVED, name): mask for name, mask in unclear.items()}


def _outside(inputs: Columns, card: ModelCard) -> Marks:
    return {
        (Caution.OUTSIDE_RANGE, name): (inputs[name] < low) | (inputs[name] > high)
        for name, (low, high) in card.ranges.items()
        if name in inputs
    }


def _unlike_training(inputs: Columns, card: ModelCard) -> Marks:
    marks: Marks = {}
    for name, seen in card.levels.items():
        column = inputs[name]
        for level in dict.fromkeys(column[is_known(column) & ~np.isin(column, seen)]):
            marks[Caution.NEVER_SEEN, f"{name} {level}"] = column == level
    for name, few in card.rare.items():
        for level in few:
            marks[Caution.RARE, f"{name} {level}"] = inputs[name] == level
    return marks
