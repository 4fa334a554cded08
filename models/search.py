"""How much a search may try on a cohort: the more events a feature has, the more freedom."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SearchSize:
    """What a search space is sized by.

    Attributes
    ----------
    n_events : int
        Events among the patients that are searched on.
    n_features : int
        Features after encoding.
    """

    n_events: int
    n_features: int

    @property
    def events_per_variable(self) -> float:
        """Events a feature; the smaller, the more a flexible model overfits."""
        return self.n_events / max(1, self.n_features)

    @property
    def tree_depth(self) -> int:
        """Deepest boosted tree worth trying: stumps under 10 events a feature, then 2, 3 and 4."""
        limits = (10, 20, 100)
        return 1 + sum(self.events_per_variable >= limit for limit in limits)
