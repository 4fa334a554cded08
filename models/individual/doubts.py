"""Which cautions one patient raises: what is given is held against card and stored support."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from features.columns import Columns
from models.individual.cautions import Caution, Doubt
from models.individual.support import FEWEST_EVENTS, PREFERENCE, Support
from models.individual.words import percent

if TYPE_CHECKING:
    from models.card import ModelCard

REGIMEN = "regimen"
# Share of the covariates that may be missing before it is said to be much.
MUCH_MISSING = 1 / 3


def doubts_of(
    card: ModelCard,
    support: Support | None,
    inputs: Mapping[str, object],
    patient: Columns,
    months: Sequence[float],
    *,
    unclear: Sequence[str] = (),
    arms: Sequence[str] = (),
) -> tuple[Doubt, ...]:
    """Everything that is doubtful about one patient's answer.

    Parameters
    ----------
    inputs : mapping of input -> value
        As given, in the dictionary's units; None or NaN where missing.
    patient : mapping of predictor -> ndarray of shape (1,)
    months : sequence of float
        The horizons asked for.
    unclear : sequence of str
        Covariates that the inputs, all known, do not determine.
    arms : sequence of str
        Regimens that the answer speaks of.
    """
    provenance = str(card.training.get("provenance", ""))
    found = [
        (Caution.NOT_FOR_PATIENTS, provenance),
        *_horizons(card, support, months),
        *_values(card, inputs),
        (Caution.CANNOT_BE_DERIVED, ", ".join(unclear)),
        (Caution.MANY_MISSING, _missing(patient)),
    ]
    if support is not None:
        found += [
            (Caution.FAR_FROM_TRAINING, _far(support, patient)),
            (Caution.THIN_OVERLAP, _thin(support, patient, arms)),
            (Caution.NOT_SHOWN_BETTER, _not_better(support)),
            (Caution.NARROW_RANGE, _narrow(support)),
        ]
    return tuple(Doubt(caution, about) for caution, about in found if about)


def _horizons(
    card: ModelCard, support: Support | None, months: Sequence[float]
) -> list[tuple[Caution, str]]:
    late = [] if support is None else [month for month in months if month > support.until]
    early = [month for month in months if month < (card.first_event or 0)]
    return [
        (Caution.BEYOND_SUPPORT, f"{_months(late)} months" if late else ""),
        (Caution.BEFORE_FIRST_EVENT, _months(early)),
    ]


def _values(card: ModelCard, inputs: Mapping[str, object]) -> list[tuple[Caution, str]]:
    known = {name: value for name, value in inputs.items() if not is_missing(value)}
    outside = [
        name
        for name, (low, high) in card.ranges.items()
        if name in known and not low <= float(known[name]) <= high  # type: ignore[arg-type]
    ]
    never = [
        f"{name} {known[name]}"
        for name, levels in card.levels.items()
        if name in known and known[name] not in levels
    ]
    rare = [f"{name} {known[name]}" for name, few in card.rare.items() if known.get(name) in few]
    return [
        (Caution.NEVER_SEEN, ", ".join(never)),
        (Caution.RARE, ", ".join(rare)),
        (Caution.OUTSIDE_RANGE, ", ".join(outside)),
    ]


def _missing(patient: Columns) -> str:
    names = [name for name in patient if name != REGIMEN]
    missing = [name for name in names if is_missing(patient[name][0])]
    if len(missing) <= MUCH_MISSING * len(names):
        return ""
    return f"{len(missing)} of {len(names)} covariates ({', '.join(missing)})"


def is_far(support: Support, standardised: np.ndarray) -> np.ndarray:
    """Whether each patient is unlike the training patients, all covariates together, (n,).

    Parameters
    ----------
    standardised : ndarray of shape (n, n_terms)
        By `support.terms`.
    """
    if support.distance is None:
        return np.zeros(len(standardised), dtype=bool)
    return np.asarray(support.distance.of_patients(standardised) > support.distance.cutoff)


def _far(support: Support, patient: Columns) -> str:
    standardised = support.terms.of_patients(patient)
    if support.distance is None or not is_far(support, standardised)[0]:
        return ""
    distance = float(support.distance.of_patients(standardised)[0])
    cutoff = support.distance.cutoff
    return f"distance {distance:.1f}, and 99% of them are within {cutoff:.1f} of their mean"


def _thin(support: Support, patient: Columns, arms: Sequence[str]) -> str:
    thin = [arm for arm in arms if overlaps(support, patient, arm) is False]
    told = ((arm, propensity(support, patient, arm)) for arm in thin)
    return ", ".join(f"{arm} ({percent(p)} did)" if p is not None else arm for arm, p in told)


def _not_better(support: Support) -> str:
    better = support.better
    if better is None or better.shown:
        return ""
    return (
        f"IPA at {better.month:g} months {better.estimate:.2f} "
        f"({better.low:.2f} to {better.high:.2f}), 0 is Kaplan-Meier"
    )


def _narrow(support: Support) -> str:
    if support.events_per_feature >= FEWEST_EVENTS:
        return ""
    return f"{support.events_per_feature:.1f} events a feature, {FEWEST_EVENTS} are asked for"


def overlaps(support: Support, patient: Columns, arm: str) -> bool | None:
    """Whether enough training patients like this one received the arm; None where not stored."""
    found = overlapping(support, support.terms.of_patients(patient), arm)
    return None if found is None else bool(found[0])


def overlapping(support: Support, standardised: np.ndarray, arm: str) -> np.ndarray | None:
    """The same of many patients, shape (n,); `standardised` as for `is_far`."""
    preferences = [
        one.preference(standardised) if arm == one.arm else 1 - one.preference(standardised)
        for one in support.overlaps
        if arm in (one.arm, one.reference_arm)
    ]
    return np.min(preferences, axis=0) >= PREFERENCE[0] if preferences else None


def propensity(support: Support, patient: Columns, arm: str) -> float | None:
    """Probability of the arm against the one other that is stored; None with several others."""
    standardised = support.terms.of_patients(patient)
    found = [one for one in support.overlaps if arm in (one.arm, one.reference_arm)]
    if len(found) != 1:
        return None
    probability = float(found[0].propensity(standardised)[0])
    return probability if arm == found[0].arm else 1 - probability


def is_missing(value: object) -> bool:
    """None, or NaN."""
    return value is None or value != value


def _months(months: Sequence[float]) -> str:
    return ", ".join(f"{month:g}" for month in months)
