"""XGBoost on the accelerated failure time likelihood: a parametric curve for each patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from features.outcome import Outcome
from models.learners.boosting import (
    HALF_A_DAY,
    Boosted,
    boost,
    boosting_space,
    canonical_order,
    make_matrix,
    score_parts,
)
from models.learners.learner import Columns, Learner, Weights
from models.prediction import LinkedScore, SurvivalPrediction
from models.search import SearchSize

if TYPE_CHECKING:
    from optuna.trial import Trial

# The largest standardised residual that is looked at: beyond it a curve is 0 or 1 to 16 digits.
LARGEST_RESIDUAL = 36.0


@dataclass(eq=False, repr=False)
class XgboostAft(Boosted):
    """Gradient boosting of log time with `survival:aft` (10.1080/10618600.2022.2067548).

    log T = f(x) + scale x error. The scale is that of the model without covariates, fitted by
    maximum likelihood, times `scale_ratio`: what covariates explain leaves less to the error.
    Survival is the parametric curve, so that it falls before the first event was seen.

    Parameters
    ----------
    distribution : {'logistic', 'normal', 'extreme'}
        Of the error: a log-logistic, log-normal or Weibull time.
    scale_ratio : float
    others
        As for `Boosted`.
    """

    distribution: str = "logistic"
    scale_ratio: float = 0.9

    fitted: ClassVar[tuple[str, ...]] = ("columns_", "margin_", "scale_")

    def fit(
        self, X: np.ndarray, outcome: Outcome, weights: Weights = None, columns: Columns = None
    ) -> Self:
        """Fit on features of shape (n, p); NaN is allowed and learned from.

        Weights, shape (n,), count as so many patients.

        Raises
        ------
        ArithmeticError
            When the model without covariates has no maximum, as when everybody is censored.
        """
        order = canonical_order(X, outcome)
        time, event = np.maximum(outcome.time[order], HALF_A_DAY), outcome.event[order]
        known = np.ones(len(time)) if weights is None else np.asarray(weights, dtype=float)[order]
        self.columns_ = columns
        center, scale = fit_null(np.log(time), event, known, self.distribution)
        self.scale_ = scale * self.scale_ratio
        self.margin_ = boost(
            self,
            make_matrix(
                X[order],
                columns,
                weight=known,
                label_lower_bound=time,
                label_upper_bound=np.where(event, time, np.inf),
            ),
            {
                "objective": "survival:aft",
                "aft_loss_distribution": self.distribution,
                "aft_loss_distribution_scale": self.scale_,
                "base_score": float(np.exp(center)),
            },
            # A longer time is a lower risk.
            () if columns is None else tuple(-sign for sign in columns.monotone),
        )
        return self

    def risk_score(self, X: np.ndarray) -> np.ndarray:
        """Minus the location of log time in months, shape (n,)."""
        return -self.margin_.predict(X)

    def survival(self, X: np.ndarray, times: ArrayLike) -> np.ndarray:
        """Event-free probability, shape (n, n_times)."""
        return self.predict(X, np.atleast_1d(np.asarray(times, dtype=float))).survival

    def predict(self, X: np.ndarray, times: np.ndarray) -> SurvivalPrediction:
        """Risk score and survival."""
        risk_score = self.risk_score(X)
        return SurvivalPrediction(risk_score, self._survival_of_score(risk_score, times), times)

    def inside(self) -> LinkedScore:
        """Minus the location of log time, its terms, and the curve it gives."""
        return score_parts(self, self.margin_, self._survival_of_score, -1.0)

    @property
    def jumps(self) -> None:
        """Survival falls continuously."""

    def _survival_of_score(self, risk_score: np.ndarray, times: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            residual = (np.log(times)[None, :] + risk_score[:, None]) / self.scale_
        return survival_of_residual(residual, self.distribution)


def survival_of_residual(residual: np.ndarray, distribution: str) -> np.ndarray:
    """Probability that the standardised error exceeds a value, of any shape."""
    from scipy.special import expit, ndtr

    z = np.clip(residual, -np.inf, LARGEST_RESIDUAL)
    if distribution == "normal":
        return ndtr(-z)
    return expit(-z) if distribution == "logistic" else np.exp(-np.exp(z))


def fit_null(
    log_time: np.ndarray, event: np.ndarray, weights: np.ndarray, distribution: str
) -> tuple[float, float]:
    """Location and scale of log time without covariates, by maximum likelihood.

    Parameters
    ----------
    log_time, event, weights : ndarray of shape (n,)

    Raises
    ------
    ArithmeticError
        When the likelihood has no maximum.
    """
    from scipy.optimize import minimize
    from scipy.special import log_expit, log_ndtr

    def loss(params: np.ndarray) -> float:
        z = np.clip((log_time - params[0]) / np.exp(params[1]), -1e3, LARGEST_RESIDUAL)
        if distribution == "normal":
            density, survival = -0.5 * z**2 - 0.5 * np.log(2 * np.pi), log_ndtr(-z)
        elif distribution == "logistic":
            density, survival = log_expit(z) + log_expit(-z), log_expit(-z)
        else:
            density, survival = z - np.exp(z), -np.exp(z)
        return -float(np.sum(weights * np.where(event, density - params[1], survival)))

    spread = max(float(np.std(log_time)), 0.1)
    found = minimize(loss, [float(np.mean(log_time)), np.log(spread)], method="Nelder-Mead",
                     options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 2000})  # fmt: skip
    center, log_scale = found.x
    if not found.success or not -5 < log_scale < 5 or not -20 < center < 20 or not event.any():
        raise ArithmeticError("the accelerated failure time model without covariates has no fit")
    return float(center), float(np.exp(log_scale))


def search_space(trial: Trial, size: SearchSize) -> dict[str, Any]:
    """Trees as for the Cox loss, and the error: its distribution and how much of it is left."""
    return boosting_space(trial, size) | {
        "distribution": trial.suggest_categorical(
            "distribution", ["logistic", "normal", "extreme"]
        ),
        "scale_ratio": trial.suggest_float("scale_ratio", 0.6, 1.1),
    }


XGBOOST_AFT = Learner(
    "xgboost_aft",
    "XGBoost, accelerated failure time",
    XgboostAft,
    handles_missing=True,
    scale=False,
    search_space=search_space,
    handles_categories=True,
    handles_weights=True,
)
