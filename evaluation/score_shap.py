"""Exact SHAP values of models whose survival is a function of one sum over the covariates.

Cox models and stumps are such: the score is a sum of one term a covariate, and survival at a
horizon a smooth function of the score. Over coalitions of independent players the mean of
exp(i w score) is a product over the covariates, and any smooth function on an interval is a sum of
such waves; with these two, no coalition has to be counted out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numba import njit

from evaluation.explanation import Explanation, coalition_nodes

# The waves meet the function to this, as a share of its range, or the method is refused.
WAVE_TOLERANCE = 1e-9
MOST_WAVES = 256


def additive_shap(
    terms: np.ndarray,
    background: np.ndarray,
    weights: np.ndarray,
    outputs: Callable[[np.ndarray], np.ndarray],
    columns: Sequence[str],
    player: int | None = None,
) -> Explanation | None:
    """Exact interventional SHAP values of smooth functions of a sum of terms.

    Parameters
    ----------
    terms : ndarray of shape (n, p)
        One term a covariate; their sum is the score.
    background : ndarray of shape (m, p)
        Terms of the patients whose covariates stand in for those outside a coalition.
    weights : ndarray of shape (m,)
        How much each counts, adding up to 1.
    outputs : callable, scores (k,) -> (k, n_outputs)
    columns : sequence of str
        The p players.
    player : int, optional
        Compute this one alone; the others are NaN.

    Returns
    -------
    Explanation or None
        None when the function is too steep on this interval to be met to 1e-9 of its range.

    Raises
    ------
    ArithmeticError
        When the values do not add up to the outputs.
    """
    both = np.concatenate([terms, background])
    low, high = both.min(axis=0).sum(), both.max(axis=0).sum()
    found = _waves(outputs, low, high)
    if found is None:
        return None
    frequency, coefficient = found
    p = terms.shape[1]
    points = np.zeros((p + 1, max((p + 1) // 2, 1), 2))
    for count in range(p + 1):
        nodes = np.column_stack(coalition_nodes(count))
        points[count, : len(nodes)] = nodes
    # The middle of the interval is taken off in equal parts, so that phases stay small.
    shift = (low + high) / 2 / p
    phases, background_phases = (_phases(side - shift, frequency) for side in (terms, background))
    sums = _wave_sums(
        terms, background, phases, background_phases, weights, points,
        -1 if player is None else player,
    )  # fmt: skip
    values = (sums @ coefficient).real
    base = weights @ outputs(background.sum(axis=1))
    explanation = Explanation.exact(values, base, columns, "exact SHAP of a function of a sum")
    if player is None:
        return explanation.check(outputs(terms.sum(axis=1)))
    values[:, np.arange(p) != player] = np.nan
    return explanation


def _phases(terms: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """exp(i w term), shape (n, n_waves, p)."""
    return np.exp(1j * frequency[None, :, None] * terms[:, None, :])


def _waves(
    outputs: Callable[[np.ndarray], np.ndarray], low: float, high: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """Frequencies (K,) and complex coefficients (K, n_outputs) of the outputs on an interval.

    The waves have twice the interval as their period, so that nothing has to be periodic; the
    coefficients are those of least squares (Huybrechs, 10.1137/090752456).
    """
    middle, half = (low + high) / 2, max((high - low) / 2, 0.5)
    count = 16
    while count <= MOST_WAVES:
        frequency = np.arange(count) * np.pi / (2 * half)
        # Denser towards the ends, where a fit of this kind is loosest.
        place = np.cos(np.pi * (np.arange(4 * count) + 0.5) / (4 * count))
        design = _waves_at(half * place, frequency)
        wanted = outputs(middle + half * place)
        solution = np.linalg.lstsq(design, wanted, rcond=1e-14)[0]
        between = half * np.linspace(-1, 1, 4 * count + 3)
        off = np.abs(_waves_at(between, frequency) @ solution - outputs(middle + between)).max(0)
        if (off <= WAVE_TOLERANCE * np.maximum(np.ptp(wanted, axis=0), 1e-3)).all():
            return frequency, solution[:count] - 1j * solution[count:]
        count *= 2
    return None


def _waves_at(place: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """Cosines and sines, shape (n_places, 2 K)."""
    angle = place[:, None] * frequency
    return np.concatenate([np.cos(angle), np.sin(angle)], axis=1)


@njit(cache=True, nogil=True)
def _wave_sums(
    terms: np.ndarray,
    background: np.ndarray,
    phases: np.ndarray,
    background_phases: np.ndarray,
    weights: np.ndarray,
    points: np.ndarray,
    player: int,
) -> np.ndarray:
    """Gain of each wave for each patient and player, shape (n, p, n_waves), complex."""
    n, p = terms.shape
    n_waves = phases.shape[1]
    sums = np.zeros((n, p, n_waves), dtype=np.complex128)
    differing = np.empty(p, dtype=np.int64)
    factors = np.empty(p, dtype=np.complex128)
    before = np.empty(p + 1, dtype=np.complex128)
    for i in range(n):
        for j in range(len(background)):
            if player >= 0 and terms[i, player] == background[j, player]:
                continue
            count = 0
            for g in range(p):
                if terms[i, g] != background[j, g]:
                    differing[count] = g
                    count += 1
            for k in range(n_waves):
                common = complex(1.0, 0.0)
                for g in range(p):
                    if terms[i, g] == background[j, g]:
                        common *= phases[i, k, g]
                for q in range((count + 1) // 2):
                    point = points[count, q, 0]
                    scale = weights[j] * points[count, q, 1]
                    for d in range(count):
                        g = differing[d]
                        own, other = phases[i, k, g], background_phases[j, k, g]
                        factors[d] = point * own + (1.0 - point) * other
                    if player >= 0:
                        product = common * scale
                        for d in range(count):
                            g = differing[d]
                            if g == player:
                                product *= phases[i, k, g] - background_phases[j, k, g]
                            else:
                                product *= factors[d]
                        sums[i, player, k] += product
                        continue
                    before[0] = common * scale
                    for d in range(count):
                        before[d + 1] = before[d] * factors[d]
                    after = complex(1.0, 0.0)
                    for d in range(count - 1, -1, -1):
                        g = differing[d]
                        gain = phases[i, k, g] - background_phases[j, k, g]
                        sums[i, g, k] += gain * before[d] * after
                        after *= factors[d]
    return sums
