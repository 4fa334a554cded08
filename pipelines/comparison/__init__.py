"""One comparison of the regimens, from its plan to its record."""

from pipelines.comparison.plan import ComparisonPlan, covariates_read
from pipelines.comparison.record import ComparisonRecord
from pipelines.comparison.run import compare, fit_effects
from pipelines.comparison.summary import print_comparison, print_comparison_start

__all__ = [
    "ComparisonPlan",
    "ComparisonRecord",
    "compare",
    "covariates_read",
    "fit_effects",
    "print_comparison",
    "print_comparison_start",
]
