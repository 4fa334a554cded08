"""The survival learners, and the list of them."""

from models.learners.forest import SurvivalForest
from models.learners.learner import Learner, SurvivalEstimator
from models.learners.registry import LEARNERS, STACK

__all__ = [
    "LEARNERS",
    "STACK",
    "Learner",
    "SurvivalEstimator",
    "SurvivalForest",
]
