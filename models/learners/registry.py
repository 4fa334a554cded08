"""The list of survival learners, simplest first: the champion rule goes by this order."""

from __future__ import annotations

from models.learners import (
    cox,
    forest,
    gradient_boosting,
    kaplan_meier_null,
    xgboost_aft,
    xgboost_cox,
)
from models.learners.learner import Learner

_SINGLE = (
    kaplan_meier_null.KAPLAN_MEIER,
    cox.GENETIC_RISK,
    cox.COX_CLINICAL,
    cox.COX,
    forest.FOREST,
    forest.EXTRA_TREES,
    gradient_boosting.GRADIENT_BOOSTING,
    xgboost_cox.XGBOOST_COX,
    xgboost_aft.XGBOOST_AFT,
)
STACK = "stack"
_COMBINED = Learner(
    STACK,
    "Stack of the others",
    estimator=None,
    handles_missing=True,
    scale=False,
    stackable=False,
)
LEARNERS = {learner.name: learner for learner in (*_SINGLE, _COMBINED)}
