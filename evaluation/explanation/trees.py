"""Exact SHAP values of tree ensembles, with the covariates before encoding as players.

Interventional: the covariates outside a coalition take the values of another patient, averaged
over a background. Features made from one covariate join a coalition together; adding up the values
of features that join one by one, as shap does, is another game.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

from evaluation.explanation.values import ShapValues, Sides
from models.prediction import DecisionTree


def interventional_shap(
    trees: Sequence[DecisionTree], sides: Sides, player: int | None = None
) -> ShapValues:
    """Exact interventional SHAP values of a sum of trees.

    Parameters
    ----------
    trees : sequence of DecisionTree
    sides : Sides
    player : int, optional
        Compute this covariate alone, in less time; the others are NaN, and nothing is added up.

    Returns
    -------
    ShapValues
        Base value: the weighted mean prediction of the background.

    Raises
    ------
    ArithmeticError
        When the values do not add up to the trees' sum.
    """
    n, outputs = len(sides.X), trees[0].value.shape[1]
    values = np.zeros((n, len(sides.columns), outputs))
    base, total = np.zeros(outputs), np.zeros((n, outputs))
    for tree in trees:
        left, left_background = tree.goes_left(sides.X), tree.goes_left(sides.background)
        rows, leaves = _leaves(tree)
        depth, players = _depth(tree), _players(tree, sides.owner)
        if player is None or (players == player).any():
            shares = _pair_shares(
                tree.left, tree.right, players, left, left_background, sides.weights, rows,
                len(sides.columns), len(leaves), _gains(depth), depth,
                -1 if player is None else player,
            )  # fmt: skip
            values += shares @ tree.value[leaves]
        reached = _follow(tree.left, tree.right, left_background)
        base += sides.weights @ tree.value[reached]
        total += tree.value[_follow(tree.left, tree.right, left)]
    method = "exact interventional TreeSHAP"
    explanation = ShapValues.exact(values, base, sides.columns, method)
    if player is None:
        return explanation.check(total)
    values[:, np.arange(len(sides.columns)) != player] = np.nan
    return explanation


def _players(tree: DecisionTree, owner: np.ndarray) -> np.ndarray:
    """Covariate that each node splits on; -1 in a leaf."""
    return np.where(tree.left >= 0, owner[np.maximum(tree.feature, 0)], -1)


def _leaves(tree: DecisionTree) -> tuple[np.ndarray, np.ndarray]:
    """Row of each node among the leaves, -1 for a split, and the leaves."""
    is_leaf = tree.left < 0
    return np.where(is_leaf, np.cumsum(is_leaf) - 1, -1), np.flatnonzero(is_leaf)


def _depth(tree: DecisionTree) -> int:
    """Splits on the longest way down."""
    depth = np.zeros(len(tree.left), dtype=int)
    # A child stands after its parent.
    for node in np.flatnonzero(tree.left >= 0):
        depth[[tree.left[node], tree.right[node]]] = depth[node] + 1
    return int(depth.max())


@njit(cache=True, nogil=True)
def _follow(left_child: np.ndarray, right_child: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Leaf of each patient, shape (n,)."""
    reached = np.zeros(len(left), dtype=np.int64)
    for i in range(len(left)):
        node = 0
        while left_child[node] >= 0:
            node = left_child[node] if left[i, node] else right_child[node]
        reached[i] = node
    return reached


def _gains(depth: int) -> np.ndarray:
    """Shapley's weights a! b! / (a + b + 1)!, shape (depth + 1, depth + 1)."""
    gains = np.empty((depth + 1, depth + 1))
    for b in range(depth + 1):
        gains[0, b] = 1.0 / (b + 1)
        for a in range(1, depth + 1):
            gains[a, b] = gains[a - 1, b] * a / (a + b + 1)
    return gains


@njit(cache=True, nogil=True)
def _pair_shares(
    left_child: np.ndarray,
    right_child: np.ndarray,
    player: np.ndarray,
    left: np.ndarray,
    left_background: np.ndarray,
    weights: np.ndarray,
    row: np.ndarray,
    n_players: int,
    n_leaves: int,
    gains: np.ndarray,
    depth: int,
    only: int,
) -> np.ndarray:
    """How much of each leaf counts for each patient and player, shape (n, p, n_leaves).

    A leaf is reached by a coalition when it holds all players of A, at whose splits only the
    patient goes towards the leaf, and none of B, where only the background patient does.
    """
    shares = np.zeros((len(left), n_players, n_leaves))
    # Whom a player's splits follow: 0 both so far, 1 the patient, 2 the background patient.
    follows = np.zeros(n_players, dtype=np.int8)
    decided = np.empty(depth + 1, dtype=np.int64)
    stack_node = np.empty(2 * depth + 2, dtype=np.int64)
    stack_length = np.empty(2 * depth + 2, dtype=np.int64)
    stack_player = np.empty(2 * depth + 2, dtype=np.int64)
    stack_follows = np.empty(2 * depth + 2, dtype=np.int8)
    own_nodes = np.flatnonzero(player == only)
    for i in range(len(left)):
        for j in range(len(left_background)):
            if only >= 0:
                # Where all splits of the player send both the same way, it adds nothing.
                same = True
                for node in own_nodes:
                    if left[i, node] != left_background[j, node]:
                        same = False
                        break
                if same:
                    continue
            length = 0
            stack_node[0], stack_length[0], stack_player[0], stack_follows[0] = 0, 0, -1, 0
            top = 1
            while top > 0:
                top -= 1
                node = stack_node[top]
                while length > stack_length[top]:
                    length -= 1
                    follows[decided[length]] = 0
                if stack_player[top] >= 0:
                    decided[length] = stack_player[top]
                    follows[stack_player[top]] = stack_follows[top]
                    length += 1
                while left_child[node] >= 0:
                    own = player[node]
                    goes_left = left[i, node]
                    if follows[own] == 2:
                        goes_left = left_background[j, node]
                    elif follows[own] == 0 and goes_left != left_background[j, node]:
                        # Two ways: the background patient's waits, the patient's goes on.
                        stack_node[top] = right_child[node] if goes_left else left_child[node]
                        stack_length[top], stack_player[top] = length, own
                        stack_follows[top] = 2
                        top += 1
                        decided[length] = own
                        follows[own] = 1
                        length += 1
                    node = left_child[node] if goes_left else right_child[node]
                if only >= 0 and follows[only] == 0:
                    continue
                of_patient = 0
                for k in range(length):
                    of_patient += follows[decided[k]] == 1
                of_other = length - of_patient
                leaf = row[node]
                for k in range(length):
                    own = decided[k]
                    if only >= 0 and own != only:
                        continue
                    if follows[own] == 1:
                        gain = gains[of_patient - 1, of_other]
                    else:
                        gain = -gains[of_patient, of_other - 1]
                    shares[i, own, leaf] += weights[j] * gain
            while length > 0:
                length -= 1
                follows[decided[length]] = 0
    return shares
