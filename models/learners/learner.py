"""What a learner is: the estimator it makes, what may be searched, and what it tolerates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike

from features.outcome import Outcome
from models.prediction import LinkedScore, SurvivalPrediction, SurvivalTrees
from models.preprocessing import FeatureColumns
from models.search import SearchSize

if TYPE_CHECKING:
    from optuna.trial import Trial

# What an estimator is fitted with beside features and outcome.
Weights = np.ndarray | None
Columns = FeatureColumns | None


class Parameters:
    """What every estimator is: a dataclass of its parameters that a fit adds plain values to.

    Attributes
    ----------
    fitted : tuple of str
        Names of what a fit adds: numbers, arrays, tuples, or types of `models.store.plain`. A
        stored model is these and the parameters, and nothing else.
    """

    fitted: ClassVar[tuple[str, ...]] = ()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Its parameters, by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}  # type: ignore[arg-type]


class SurvivalEstimator(Protocol):
    """What a learner makes: features in, risk score (higher is worse) and survival out."""

    fitted: ClassVar[tuple[str, ...]]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Its parameters, by name."""
        ...

    def fit(
        self, X: np.ndarray, outcome: Outcome, weights: Weights = None, columns: Columns = None
    ) -> Self:
        """Fit on features of shape (n, p); weights of shape (n,) where `handles_weights`."""
        ...

    def risk_score(self, X: np.ndarray) -> np.ndarray:
        """Unscaled risk, higher is worse, shape (n,)."""
        ...

    def survival(self, X: np.ndarray, times: ArrayLike) -> np.ndarray:
        """Event-free probability, shape (n, n_times)."""
        ...

    def predict(self, X: np.ndarray, times: np.ndarray) -> SurvivalPrediction:
        """Both at once, which costs less than one after the other."""
        ...

    @property
    def jumps(self) -> np.ndarray | None:
        """Where survival steps, months, increasing; None when it falls continuously."""
        ...

    def inside(self) -> SurvivalTrees | LinkedScore:
        """What the predictions are made of, for those who explain them."""
        ...


def no_search(trial: Trial, size: SearchSize) -> dict[str, Any]:
    """Nothing to tune."""
    return {}


@dataclass(frozen=True)
class Learner:
    """One way of learning a survival model. A learner says of itself all that others ask of it.

    Attributes
    ----------
    name, label : str
    estimator : type, or None
        A dataclass of its parameters, with a `seed` where the fit is random. None for a learner
        that combines fitted models.
    defaults : mapping
        Parameters that differ from the estimator's own.
    search_space : callable (trial, SearchSize) -> params
    handles_missing : bool
        Whether missing numbers may reach it.
    scale : bool
        Whether it needs standardised features.
    handles_categories : bool
        Whether it splits on category codes itself, and knows monotone constraints.
    handles_weights : bool
        Whether a patient's weight counts in all that it computes.
    stackable : bool
        Whether a stack may combine it: it sees every covariate.
    may_be_champion : bool
        False for the null model: nobody's risk should be told by it.
    most_patients : int, optional
        More would take hours; `twin` names the learner that does the same for any number.
    """

    name: str
    label: str
    estimator: Callable[..., SurvivalEstimator] | None
    handles_missing: bool
    scale: bool
    search_space: Callable[[Trial, SearchSize], dict[str, Any]] = no_search
    defaults: Mapping[str, Any] = field(default_factory=dict)
    handles_categories: bool = False
    handles_weights: bool = False
    stackable: bool = True
    may_be_champion: bool = True
    most_patients: int | None = None
    twin: str = ""

    def make(self, params: Mapping[str, Any], seed: int) -> SurvivalEstimator:
        """The unfitted estimator; without parameters, with the learner's defaults."""
        if self.estimator is None:
            raise TypeError("this learner combines fitted models; use models.fit.fit_model")
        known = {**self.defaults, **params}
        if "seed" in getattr(self.estimator, "__dataclass_fields__", {}):
            known["seed"] = seed
        return self.estimator(**known)
