"""Regimens compared among patients made alike."""

from evaluation.regimens.adjusted.balance import NEGLIGIBLE, UNWEIGHTED
from evaluation.regimens.adjusted.comparison import AdjustedComparison, compare_adjusted
from evaluation.regimens.adjusted.design import adjustment_design
from evaluation.regimens.adjusted.estimates import EVENT_PROBABILITY, HAZARD_RATIO, RMST, wald
from evaluation.regimens.adjusted.propensity import (
    Kind,
    balancing_weights,
    fit_propensity,
    propensity_limits,
)
from evaluation.regimens.adjusted.settings import DRAWN, AdjustedSettings

__all__ = [
    "DRAWN",
    "EVENT_PROBABILITY",
    "HAZARD_RATIO",
    "NEGLIGIBLE",
    "RMST",
    "UNWEIGHTED",
    "AdjustedComparison",
    "AdjustedSettings",
    "Kind",
    "adjustment_design",
    "balancing_weights",
    "compare_adjusted",
    "fit_propensity",
    "propensity_limits",
    "wald",
]
