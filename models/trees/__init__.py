"""Trees as plain arrays, and values cut into the bins on which they split."""

from models.trees.binning import quantile_edges, to_bins
from models.trees.nodes import Trees, from_sklearn, from_xgboost

__all__ = ["Trees", "from_sklearn", "from_xgboost", "quantile_edges", "to_bins"]
