"""What each covariate adds to one patient's probability, against a typical patient: they add up.

With one reference the Shapley value of a covariate needs the probability for every mixture of the
patient's and the typical patient's values. Covariates that are alike in both add nothing, so that
only the others take part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import numpy as np

from features.columns import Columns

# Plain columns of n patients -> one probability each.
Probability = Callable[[Columns], np.ndarray]

# Covariates that differ: up to so many, every mixture is predicted (2 ^ 12 patients).
MOST_COUNTED = 12
# Beyond, so many random orders of the covariates, each with its reverse.
ORDERS = 512
EXACT = "exact Shapley values against the typical patient"
SAMPLED = f"Shapley values against the typical patient, from {2 * ORDERS} orders of the covariates"


@dataclass(frozen=True)
class Shares:
    """Shapley values of one patient.

    Attributes
    ----------
    start, end : float
        Probability of the typical patient, and of this one.
    amounts : mapping of covariate -> float
        They add up to end - start.
    method : str
    """

    start: float
    end: float
    amounts: dict[str, float]
    method: str


def shares(probability: Probability, patient: Columns, typical: Columns, seed: int = 0) -> Shares:
    """What each covariate adds to the probability of one patient.

    Parameters
    ----------
    probability : callable
    patient, typical : mapping of covariate -> ndarray of shape (1,)
    seed : int
        Of the orders, where there are too many covariates to count out every mixture.
    """
    names = list(patient)
    differing = [name for name in names if not _same(patient[name][0], typical[name][0])]
    start, end = (float(probability(one)[0]) for one in (typical, patient))
    amounts = dict.fromkeys(names, 0.0)
    exact = len(differing) <= MOST_COUNTED
    if exact:
        found = _counted(probability, patient, typical, differing)
    else:
        found = _ordered(probability, patient, typical, differing, seed)
    # What round-off leaves, some 1e-16, goes to the largest, so that the parts are the whole.
    if differing:
        largest = int(np.abs(found).argmax())
        found[largest] += (end - start) - found.sum()
    amounts |= dict(zip(differing, found.tolist(), strict=True))
    return Shares(start, end, amounts, EXACT if exact else SAMPLED)


def _counted(
    probability: Probability, patient: Columns, typical: Columns, players: list[str]
) -> np.ndarray:
    count = len(players)
    coalitions = (np.arange(2**count)[:, None] >> np.arange(count) & 1).astype(bool)
    worth = probability(_mixed(patient, typical, players, coalitions))
    size = coalitions.sum(axis=1)
    values = np.zeros(count)
    for place in range(count):
        out = np.flatnonzero(~coalitions[:, place])
        share = np.array([1.0 / (count * comb(count - 1, int(k))) for k in size[out]])
        values[place] = share @ (worth[out + 2**place] - worth[out])
    return values


def _ordered(
    probability: Probability, patient: Columns, typical: Columns, players: list[str], seed: int
) -> np.ndarray:
    count = len(players)
    order = np.random.default_rng(seed).random((ORDERS, count)).argsort(axis=1)
    both = np.concatenate([order, order[:, ::-1]])
    rank = both.argsort(axis=1)
    joined = rank[:, None, :] < np.arange(count + 1)[:, None]
    worth = probability(_mixed(patient, typical, players, joined.reshape(-1, count)))
    gains = np.diff(worth.reshape(len(both), count + 1), axis=1)
    return np.asarray(np.take_along_axis(gains, rank, axis=1).mean(axis=0))


def _mixed(
    patient: Columns, typical: Columns, players: list[str], inside: np.ndarray
) -> dict[str, np.ndarray]:
    """Patients who have this patient's values inside a coalition, the typical one's outside."""
    mixed = {name: np.repeat(patient[name], len(inside)) for name in patient}
    for place, name in enumerate(players):
        mixed[name] = np.where(inside[:, place], patient[name][0], typical[name][0])
        mixed[name] = mixed[name].astype(patient[name].dtype)
    return mixed


def _same(one: object, other: object) -> bool:
    if one is None or other is None:
        return one is other
    # A missing number is like another missing one.
    return bool(one == other or (one != one and other != other))
