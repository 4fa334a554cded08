"""Regimens compared as the patients came."""

from evaluation.regimens.crude.comparison import FurtherComparisons, compare_regimens
from evaluation.regimens.crude.cumulative_incidence import (
    competing_as_event,
    cumulative_incidence,
    gray_test,
)
from evaluation.regimens.crude.early_death import DAYS_PER_MONTH, early_deaths
from evaluation.regimens.crude.hazard_ratio import (
    NO_MAXIMUM,
    Trend,
    cox_hazard_ratio,
    has_hazard_ratio,
    hazards_trend,
)
from evaluation.regimens.crude.rank_tests import UNDEFINED, log_rank
from evaluation.regimens.crude.rmst import choose_tau, restricted_mean
from evaluation.regimens.crude.smooth_hazard_ratio import smooth_hazard_ratio, why_no_smooth

__all__ = [
    "DAYS_PER_MONTH",
    "NO_MAXIMUM",
    "UNDEFINED",
    "FurtherComparisons",
    "Trend",
    "choose_tau",
    "compare_regimens",
    "competing_as_event",
    "cox_hazard_ratio",
    "cumulative_incidence",
    "early_deaths",
    "gray_test",
    "has_hazard_ratio",
    "hazards_trend",
    "log_rank",
    "restricted_mean",
    "smooth_hazard_ratio",
    "why_no_smooth",
]
