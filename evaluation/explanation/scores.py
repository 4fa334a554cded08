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

from evaluation.explanation.values import ShapValues, coalition_nodes

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
) -> ShapValues | None:
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
    ShapValues or None
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
    phases = [_phases(side - shift, frequency) for side in (terms, background)]
    sums = _wave_sums(
        terms, background, *phases[0], *phases[1], weights, points,
        -1 if player is None else player,
    )  # fmt: skip
    # Of a coefficient times a wave the real part.
    values = sums[:, :, 0] @ coefficient.real - sums[:, :, 1] @ coefficient.imag
    base = weights @ outputs(background.sum(axis=1))
    explanation = ShapValues.exact(values, base, columns, "exact SHAP of a function of a sum")
    if player is None:
        return explanation.check(outputs(terms.sum(axis=1)))
    values[:, np.arange(p) != player] = np.nan
    return explanation


def _phases(terms: np.ndarray, frequency: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of w times term, each of shape (n, p, n_waves)."""
    angle = terms[:, :, None] * frequency
    return np.cos(angle), np.sin(angle)


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


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _wave_sums(
    terms: np.ndarray,
    background: np.ndarray,
    cosine: np.ndarray,
    sine: np.ndarray,
    background_cosine: np.ndarray,
    background_sine: np.ndarray,
    weights: np.ndarray,
    points: np.ndarray,
    player: int,
) -> np.ndarray:
    """Gain of each wave for each patient and player, shape (n, p, 2, n_waves): cosine, sine.

    A wave's mean over the coalitions of two patients is the product, over the covariates in which
    they differ, of a mixture of both waves, times the wave that they share. Waves are the innermost
    loop, as real and imaginary parts, so that a processor takes several at once.
    """
    n, p = terms.shape
    n_waves = cosine.shape[2]
    sums = np.zeros((n, p, 2, n_waves))
    differing = np.empty(p, dtype=np.int64)
    # Products of what comes before each player, and of what comes after.
    re, im = np.empty((p + 1, n_waves)), np.empty((p + 1, n_waves))
    after_re, after_im = np.empty(n_waves), np.empty(n_waves)
    shared_re, shared_im = np.empty(n_waves), np.empty(n_waves)
    for i in range(n):
        for j in range(len(background)):
            if player >= 0 and terms[i, player] == background[j, player]:
                continue
            count = 0
            for k in range(n_waves):
                shared_re[k], shared_im[k] = 1.0, 0.0
            for g in range(p):
                if terms[i, g] == background[j, g]:
                    _multiply(shared_re, shared_im, cosine[i, g], sine[i, g])
                elif g != player:
                    differing[count] = g
                    count += 1
            if player >= 0:
                differing[count] = player
                count += 1
            for q in range((count + 1) // 2):
                point = points[count, q, 0]
                scale = weights[j] * points[count, q, 1]
                for k in range(n_waves):
                    re[0, k], im[0, k] = scale * shared_re[k], scale * shared_im[k]
                # The last one's factor is needed only where others come before it.
                for d in range(count - 1):
                    g = differing[d]
                    for k in range(n_waves):
                        re[d + 1, k], im[d + 1, k] = re[d, k], im[d, k]
                    _multiply_mixture(
                        re[d + 1], im[d + 1], point, cosine[i, g], sine[i, g],
                        background_cosine[j, g], background_sine[j, g],
                    )  # fmt: skip
                for k in range(n_waves):
                    after_re[k], after_im[k] = 1.0, 0.0
                for d in range(count - 1, -1, -1):
                    g = differing[d]
                    for k in range(n_waves):
                        gain_re = cosine[i, g, k] - background_cosine[j, g, k]
                        gain_im = sine[i, g, k] - background_sine[j, g, k]
                        rest_re = re[d, k] * after_re[k] - im[d, k] * after_im[k]
                        rest_im = re[d, k] * after_im[k] + im[d, k] * after_re[k]
                        sums[i, g, 0, k] += rest_re * gain_re - rest_im * gain_im
                        sums[i, g, 1, k] += rest_re * gain_im + rest_im * gain_re
                    if player >= 0:
                        break
                    _multiply_mixture(
                        after_re, after_im, point, cosine[i, g], sine[i, g],
                        background_cosine[j, g], background_sine[j, g],
                    )  # fmt: skip
    return sums


@njit(cache=True, nogil=True, inline="always")
def _multiply(re: np.ndarray, im: np.ndarray, by_re: np.ndarray, by_im: np.ndarray) -> None:
    for k in range(len(re)):
        re[k], im[k] = re[k] * by_re[k] - im[k] * by_im[k], re[k] * by_im[k] + im[k] * by_re[k]


@njit(cache=True, nogil=True, inline="always")
def _multiply_mixture(
    re: np.ndarray,
    im: np.ndarray,
    point: float,
    own_re: np.ndarray,
    own_im: np.ndarray,
    other_re: np.ndarray,
    other_im: np.ndarray,
) -> None:
    for k in range(len(re)):
        by_re = point * own_re[k] + (1.0 - point) * other_re[k]
        by_im = point * own_im[k] + (1.0 - point) * other_im[k]
        re[k], im[k] = re[k] * by_re - im[k] * by_im, re[k] * by_im + im[k] * by_re
