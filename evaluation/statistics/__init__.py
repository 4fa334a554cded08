"""Estimates of survival analysis, held to R."""

from evaluation.statistics.censoring import (
    WEIGHTED,
    CensoringModel,
    censoring_of,
    censoring_weights,
    fit_censoring,
    replicate_survival,
    share_with_error,
    weighted_share,
)
from evaluation.statistics.competing_incidence import (
    any_event,
    competing_events,
    fit_competing_censoring,
    incidence_by_cause,
    replicate_incidence,
)
from evaluation.statistics.conditional_censoring import (
    ConditionalCensoring,
    fit_censoring_by_group,
    fit_censoring_cox,
)
from evaluation.statistics.cox import NO_EVENT, CoxFit, RiskSets
from evaluation.statistics.fine_gray import fine_gray
from evaluation.statistics.firth_cox import fit_firth_cox
from evaluation.statistics.kaplan_meier import (
    WeightedSurvival,
    kaplan_meier,
    median_time,
    number_at_risk,
    survival_at,
    weighted_kaplan_meier,
    weighted_survival,
)
from evaluation.statistics.logistic import LogisticFit, Method, fit_logistic, is_separated
from evaluation.statistics.proportions import HypothesisTest, TwoProportions, proportion
from evaluation.statistics.random_effects import pool_random_effects

__all__ = [
    "NO_EVENT",
    "WEIGHTED",
    "CensoringModel",
    "ConditionalCensoring",
    "CoxFit",
    "HypothesisTest",
    "LogisticFit",
    "Method",
    "RiskSets",
    "TwoProportions",
    "WeightedSurvival",
    "any_event",
    "censoring_of",
    "censoring_weights",
    "competing_events",
    "fine_gray",
    "fit_censoring",
    "fit_censoring_by_group",
    "fit_censoring_cox",
    "fit_competing_censoring",
    "fit_firth_cox",
    "fit_logistic",
    "incidence_by_cause",
    "is_separated",
    "kaplan_meier",
    "median_time",
    "number_at_risk",
    "pool_random_effects",
    "proportion",
    "replicate_incidence",
    "replicate_survival",
    "share_with_error",
    "survival_at",
    "weighted_kaplan_meier",
    "weighted_share",
    "weighted_survival",
]
