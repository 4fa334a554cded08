"""From covariates to features, inside the resampling.

`fitting`, which needs scikit-learn, is entered by itself: a stored model predicts without it.
"""

from models.preprocessing.encoding import Category, Encoding, FeatureColumns, count_rows

__all__ = ["Category", "Encoding", "FeatureColumns", "count_rows"]
