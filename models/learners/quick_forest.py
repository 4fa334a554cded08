"""scikit-survival's forests without the bookkeeping that takes longer than a small tree itself.

At 70 patients more than half of the time of a fit goes into cloning each tree, reading its
signature and checking its parameters. Here a tree is made once, from parameters that the forest has
checked; the trees are the same, split by split.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sksurv.ensemble import ExtraSurvivalTrees, RandomSurvivalForest
from sksurv.tree import ExtraSurvivalTree, SurvivalTree


class _Tree(SurvivalTree):
    def _validate_params(self) -> None:
        """The forest did."""


class _ExtraTree(ExtraSurvivalTree):
    def _validate_params(self) -> None:
        """The forest did."""


class _MakesTrees:
    tree: ClassVar[Any]
    estimator_params: Any

    def _make_estimator(self, append: bool = True, random_state: Any = None) -> Any:
        """Make a tree with the same seed as scikit-learn would give it."""
        params = {name: getattr(self, name) for name in self.estimator_params}
        seed = random_state.randint(np.iinfo(np.int32).max)
        return self.tree(**params | {"random_state": seed})


class QuickSurvivalForest(_MakesTrees, RandomSurvivalForest):
    """`RandomSurvivalForest`, the same trees in less time."""

    tree = _Tree


class QuickExtraSurvivalTrees(_MakesTrees, ExtraSurvivalTrees):
    """`ExtraSurvivalTrees`, the same trees in less time."""

    tree = _ExtraTree
