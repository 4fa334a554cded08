"""SHAP values of any model, by its predictions for mixed patients: every coalition, or a sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import comb

import numpy as np

from evaluation.explanation.values import ShapValues, Sides

# Predictions for mixed patients that counting out every coalition may take.
MOST_ROWS = 1_000_000
ROWS_AT_ONCE = 200_000
# Antithetic pairs of coalitions, or of orders of the players, for each two patients.
DRAWS = 2

# Features (k, n_features) -> outputs (k, n_outputs).
Predict = Callable[[np.ndarray], np.ndarray]


def every_coalition_fits(n: int, background: int, players: int) -> bool:
    """Whether all coalitions of so many players can be counted out."""
    return players <= 16 and n * background * 2**players <= MOST_ROWS


def every_coalition_shap(
    predict: Predict,
    sides: Sides,
    players: Sequence[int],
) -> ShapValues:
    """Exact interventional SHAP values by every coalition of the players.

    Parameters
    ----------
    predict : callable, features -> outputs
    sides : Sides
    players : sequence of int
        Places of the covariates that the model looks at; the others get 0.
    """
    X, background, weights = sides.X, sides.background, sides.weights
    columns, outputs = sides.columns, predict(X[:1]).shape[1]
    count = len(players)
    coalitions = (np.arange(2**count)[:, None] >> np.arange(count) & 1).astype(bool)
    inside = np.zeros((len(coalitions), len(columns)), dtype=bool)
    inside[:, list(players)] = coalitions
    of_patient = inside[:, sides.owner]
    worth = np.empty((len(X), len(coalitions), outputs))
    for rows in _chunks(len(X), len(coalitions) * len(background)):
        # Axes: patient, coalition, background patient, feature.
        mixed = np.where(of_patient[:, None, :], X[rows][:, None, None, :], background)
        found = predict(mixed.reshape(-1, X.shape[1])).reshape(*mixed.shape[:3], outputs)
        worth[rows] = np.einsum("j,icjk->ick", weights, found)
    size = coalitions.sum(axis=1)
    values = np.zeros((len(X), len(columns), outputs))
    for place, player in enumerate(players):
        out = np.flatnonzero(~coalitions[:, place])
        share = np.array([1.0 / (count * comb(count - 1, int(k))) for k in size[out]])
        gain = worth[:, out + 2**place] - worth[:, out]
        values[:, player] = np.einsum("c,nck->nk", share, gain)
    base = weights @ predict(background)
    method = "exact SHAP by every coalition"
    return ShapValues.exact(values, base, columns, method)


def sampled_shap(
    predict: Predict,
    sides: Sides,
    seed: int,
    draws: int = DRAWS,
) -> ShapValues:
    """Interventional SHAP values from random orders of the players, each with its reverse.

    Every patient meets every background patient, so that the values add up to the prediction
    whatever the orders (Strumbelj and Kononenko 2014; Mitchell et al. 2022). `error` is the
    standard error from the spread between the draws, at least two. Parameters as
    `every_coalition_shap`.
    """
    rng = np.random.default_rng(seed)
    X, background, weights = sides.X, sides.background, sides.weights
    n, m, p = len(X), len(background), len(sides.columns)
    base = weights @ predict(background)
    values = np.zeros((n, p, len(base)))
    variance = np.zeros_like(values)
    for rows in _chunks(n, m * draws * 2 * (p + 1)):
        # Axes: patient, background patient, draw, direction, step, feature.
        order = rng.random((len(rows), m, draws, p)).argsort(axis=-1)
        both = np.stack([order, order[..., ::-1]], axis=3)
        rank = both.argsort(axis=-1)
        joined = rank[..., None, :] < np.arange(p + 1)[:, None]
        mixed = np.where(
            joined[..., sides.owner],
            X[rows][:, None, None, None, None, :],
            background[None, :, None, None, None, :],
        )
        found = predict(mixed.reshape(-1, X.shape[1])).reshape(*mixed.shape[:-1], -1)
        gains = np.take_along_axis(np.diff(found, axis=-2), rank[..., None], axis=-2).mean(axis=3)
        mean, spread = gains.mean(axis=2), gains.var(axis=2, ddof=1)
        values[rows] = np.einsum("j,njpk->npk", weights, mean)
        variance[rows] = np.einsum("j,njpk->npk", weights**2, spread) / draws
    return ShapValues(values, base, sides.columns, _sampled(draws), np.sqrt(variance))


def sampled_player_shap(
    predict: Predict,
    sides: Sides,
    seed: int,
    draws: int = DRAWS,
    *,
    player: int,
) -> ShapValues:
    """`sampled_shap` of one player, from random coalitions, each with its complement.

    Two patients with the same features of the player contribute exactly nothing to each other, and
    are left out. The values of the other players are NaN.
    """
    rng = np.random.default_rng(seed)
    X, background, weights = sides.X, sides.background, sides.weights
    columns, own = sides.columns, sides.owner == player
    others = np.array([g for g in range(len(columns)) if g != player], dtype=int)
    base = weights @ predict(background)
    values = np.full((len(X), len(columns), len(base)), np.nan)
    variance = values.copy()
    values[:, player] = variance[:, player] = 0.0
    same = (X[:, None, own] == background[None, :, own]) | (
        np.isnan(X[:, None, own]) & np.isnan(background[None, :, own])
    )
    patient, other = np.nonzero(~same.all(axis=2))
    for pairs in _chunks(len(patient), draws * 4):
        i, j = patient[pairs], other[pairs]
        # Each other player is in with the same probability, itself drawn evenly (Owen 1972).
        shape = (len(pairs), draws, len(others))
        inside = rng.random(shape) < rng.random((len(pairs), draws, 1))
        joined = np.zeros((len(pairs), draws, 2, 2, len(columns)), dtype=bool)
        joined[:, :, 0, :, others] = inside.transpose(2, 0, 1)[..., None]
        joined[:, :, 1, :, others] = ~inside.transpose(2, 0, 1)[..., None]
        joined[..., 1, player] = True
        mixed = np.where(
            joined[..., sides.owner],
            X[i][:, None, None, None, :],
            background[j][:, None, None, None, :],
        )
        found = predict(mixed.reshape(-1, X.shape[1])).reshape(*mixed.shape[:-1], -1)
        gain = (found[..., 1, :] - found[..., 0, :]).mean(axis=2)
        share = weights[j][:, None]
        np.add.at(values[:, player], i, share * gain.mean(axis=1))
        np.add.at(variance[:, player], i, share**2 * gain.var(axis=1, ddof=1) / draws)
    return ShapValues(values, base, columns, _sampled(draws), np.sqrt(variance))


def _sampled(draws: int) -> str:
    return f"sampled SHAP, {draws} antithetic pairs a pair of patients"


def _chunks(n: int, rows_each: int) -> Iterator[np.ndarray]:
    """Places in 0..n-1, as many at once as memory allows."""
    step = max(ROWS_AT_ONCE // max(rows_each, 1), 1)
    cuts = [*range(0, n, step), n]
    return (np.arange(start, stop) for start, stop in pairwise(cuts))
