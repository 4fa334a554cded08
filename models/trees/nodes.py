"""Trees as plain arrays, whoever grew them, and which leaf each patient falls into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Rows times trees from which a compiled loop is worth its start.
COMPILED_FROM = 200_000
# More levels than any tree of a learner has: a walk that is longer runs in a circle.
DEEPEST = 1_000


@dataclass(frozen=True)
class Trees:
    """The nodes of several trees, one below the other.

    A value, in single precision, goes left where it is at or below the threshold; where `strict`,
    where it is below. A category goes right where the node's row of `sets` holds its code.

    Attributes
    ----------
    roots : ndarray of shape (n_trees,), int
        First node of each tree; a tree ends where the next one begins.
    left, right : ndarray of shape (n_nodes,), int
        Children, as places in these arrays; -1 in a leaf.
    feature : ndarray of shape (n_nodes,), int
        -1 in a leaf.
    threshold, value : ndarray of shape (n_nodes,), float
        Values count in leaves alone.
    missing_left : ndarray of shape (n_nodes,), bool
    set_row : ndarray of shape (n_nodes,), int
        Row of `sets`; -1 where the split is by threshold.
    sets : ndarray of shape (n_sets, n_codes), bool
    strict : bool
    """

    roots: np.ndarray
    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    value: np.ndarray
    missing_left: np.ndarray
    set_row: np.ndarray
    sets: np.ndarray
    strict: bool = False

    def __post_init__(self) -> None:
        """Refuse arrays that are no trees: a walk must end, and stay inside.

        Raises
        ------
        ValueError
        """
        count = len(self.left)
        for name in ("right", "feature", "threshold", "value", "missing_left", "set_row"):
            if getattr(self, name).shape != (count,):
                raise ValueError(f"trees: {name} must hold one value a node")
        if not len(self.roots) or self.roots[0] != 0 or (np.diff(self.roots) <= 0).any():
            raise ValueError("trees: roots must increase from 0")
        if self.roots[-1] >= count:
            raise ValueError("trees: a root lies beyond the nodes")
        place = np.arange(count)
        end = np.append(self.roots[1:], count)[np.searchsorted(self.roots, place, "right") - 1]
        leaf = self.left == -1
        if (leaf != (self.right == -1)).any() or (leaf != (self.feature == -1)).any():
            raise ValueError("trees: a node is a leaf in one array and none in another")
        for child in (self.left[~leaf], self.right[~leaf]):
            # A child stands below its parent, so that there is no circle.
            if (child <= place[~leaf]).any() or (child >= end[~leaf]).any():
                raise ValueError("trees: a child lies above its node or outside its tree")
        if (self.feature < -1).any() or self.sets.ndim != 2:
            raise ValueError("trees: a feature is below 0")
        if (self.set_row < -1).any() or (self.set_row >= len(self.sets)).any():
            raise ValueError("trees: a split names a set of categories that is not there")
        if not np.isfinite(self.value[leaf]).all() or np.isnan(self.threshold[~leaf]).any():
            raise ValueError("trees: a value or a threshold is no number")

    def __len__(self) -> int:
        return len(self.roots)

    @property
    def n_features(self) -> int:
        """Features that they need at least."""
        return int(self.feature.max()) + 1

    def nodes(self, tree: int) -> slice:
        """Where one tree's nodes stand."""
        end = self.roots[tree + 1] if tree + 1 < len(self.roots) else len(self.left)
        return slice(int(self.roots[tree]), int(end))

    def used(self, tree: int) -> np.ndarray:
        """Features on which one tree splits, increasing."""
        own = self.feature[self.nodes(tree)]
        return np.unique(own[own >= 0])

    def leaves(self, X: np.ndarray) -> np.ndarray:
        """The leaf of each patient in each tree, shape (n, n_trees), as places in the arrays.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
            Compared in single precision; NaN where missing.
        """
        X = np.ascontiguousarray(X, dtype=np.float32)
        if len(X) * len(self) >= COMPILED_FROM:
            from models.trees.compiled import walk

            return walk(
                X, self.roots, self.left, self.right, self.feature, self.threshold,
                self.missing_left, self.set_row, self.sets, self.strict,
            )  # fmt: skip
        rows = np.arange(len(X))[:, None]
        node = np.broadcast_to(self.roots, (len(X), len(self))).copy()
        for _ in range(DEEPEST):
            feature = self.feature[node]
            inner = feature >= 0
            if not inner.any():
                break
            value = X[rows, np.maximum(feature, 0)]
            known = self.threshold[node]
            go_left = value < known if self.strict else value <= known
            if len(self.sets):
                go_left = np.where(self.set_row[node] >= 0, self._by_set(node, value), go_left)
            go_left = np.where(np.isnan(value), self.missing_left[node], go_left)
            node = np.where(inner, np.where(go_left, self.left[node], self.right[node]), node)
        return node

    def _by_set(self, node: np.ndarray, value: np.ndarray) -> np.ndarray:
        """Whether a category goes left: one that the set does not hold, or cannot hold, does."""
        codes = self.sets.shape[1]
        valid = (value >= 0) & (value < codes)
        code = np.where(valid, value, 0).astype(int)
        return ~(valid & self.sets[np.maximum(self.set_row[node], 0), code])


def from_sklearn(trees: Sequence[Any]) -> Trees:
    """Trees of scikit-learn or scikit-survival, their leaf values where there is one a leaf."""
    roots = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]
    left, right = (
        np.concatenate(
            [
                np.where(getattr(tree, side) >= 0, getattr(tree, side) + root, -1)
                for tree, root in zip(trees, roots, strict=True)
            ]
        ).astype(np.int64)
        for side in ("children_left", "children_right")
    )
    feature = np.concatenate([np.maximum(tree.feature, -1) for tree in trees]).astype(np.int64)
    one = all(tree.value is not None and tree.value.size == tree.node_count for tree in trees)
    value = np.concatenate([np.ravel(tree.value) for tree in trees]) if one else np.zeros(len(left))
    return Trees(
        roots=roots.astype(np.int64),
        left=left,
        right=right,
        feature=feature,
        threshold=np.concatenate([tree.threshold for tree in trees]).astype(float),
        value=np.where(left == -1, value, 0.0),
        missing_left=np.concatenate([tree.missing_go_to_left for tree in trees]).astype(bool),
        set_row=np.full(len(left), -1, dtype=np.int64),
        sets=np.zeros((0, 0), dtype=bool),
    )


def from_xgboost(trees: Sequence[Mapping[str, Any]]) -> Trees:
    """Trees as XGBoost writes them in JSON, thresholds and leaf values in single precision."""
    roots: list[int] = []
    parts: list[tuple[np.ndarray, ...]] = []
    sets: list[list[int]] = []
    start = 0
    for tree in trees:
        left = np.array(tree["left_children"], dtype=np.int64)
        right = np.array(tree["right_children"], dtype=np.int64)
        leaf = left == -1
        condition = np.array(tree["split_conditions"], dtype=np.float32).astype(float)
        set_row = np.full(len(left), -1, dtype=np.int64)
        for node, first, size in zip(
            tree["categories_nodes"],
            tree["categories_segments"],
            tree["categories_sizes"],
            strict=True,
        ):
            set_row[node] = len(sets)
            sets.append(tree["categories"][first : first + size])
        parts.append(
            (
                np.where(leaf, -1, left + start),
                np.where(leaf, -1, right + start),
                np.where(leaf, -1, np.array(tree["split_indices"], dtype=np.int64)),
                np.where(leaf | (set_row >= 0), 0.0, condition),
                np.where(leaf, condition, 0.0),
                np.array(tree["default_left"], dtype=bool),
                set_row,
            )
        )
        roots.append(start)
        start += len(left)
    held = np.zeros((len(sets), 1 + max((max(own) for own in sets), default=-1)), dtype=bool)
    for row, own in enumerate(sets):
        held[row, own] = True
    names = ("left", "right", "feature", "threshold", "value", "missing_left", "set_row")
    joined = (np.concatenate(part) for part in zip(*parts, strict=True))
    nodes: dict[str, Any] = dict(zip(names, joined, strict=True))
    return Trees(np.array(roots, dtype=np.int64), **nodes, sets=held, strict=True)
