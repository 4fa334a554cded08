"""SHAP values with what they add up to, and the numbers of a survival curve that they explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import shap

# Values, base and prediction agree to this, or nothing is returned.
TOLERANCE = 1e-6
# Rounding of an engine that adds its trees up in single precision.
ROUNDING = 2e-5
# Width of the strips, in months, where a survival curve has no steps of its own.
STRIP = 0.05


@dataclass(frozen=True)
class CurveOutputs:
    """Numbers read from a survival curve, each a constant plus a weighted sum of its points.

    SHAP values are linear in what is explained, so that the same weights give those of the event
    probability, which is 1 - S(t), and of the restricted mean, which is the area under S.

    Attributes
    ----------
    names : tuple of str
        "event probability" or "RMST", one an output.
    horizons : tuple of float
        Months: the horizon, or tau of a restricted mean.
    times : ndarray of shape (n_times,), increasing
    weights : ndarray of shape (n_times, n_outputs)
    constant : ndarray of shape (n_outputs,)
    """

    names: tuple[str, ...]
    horizons: tuple[float, ...]
    times: np.ndarray
    weights: np.ndarray
    constant: np.ndarray

    @classmethod
    def read(
        cls, horizons: Sequence[float], tau: float | None = None, jumps: np.ndarray | None = None
    ) -> CurveOutputs:
        """Event probability at each horizon, then the restricted mean up to tau where given.

        Parameters
        ----------
        horizons : sequence of float
            Months, increasing.
        tau : float, optional
            Months, above 0.
        jumps : ndarray of shape (n_jumps,), optional
            Where the curve steps: the area is then exact. Without them it is taken by midpoints of
            strips of at most 0.05 months.

        Raises
        ------
        ValueError
            When tau is not above 0, or horizons do not increase.
        """
        months = np.asarray(horizons, dtype=float)
        if (np.diff(months) <= 0).any():
            raise ValueError(f"horizons must increase; got {months.tolist()}")
        names, ends = ("event probability",) * len(months), tuple(months.tolist())
        if tau is None:
            count = len(months)
            return cls(names, ends, months, -np.eye(count), np.ones(count))
        if not tau > 0:
            raise ValueError(f"tau must be above 0 months; got {tau}")
        if jumps is None:
            cuts = np.linspace(0, tau, int(np.ceil(tau / STRIP)) + 1)
            places, widths, known = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts), 0.0
        else:
            # From one step to the next the curve is flat; up to the first it is 1.
            places = jumps[(jumps > 0) & (jumps < tau)]
            widths = np.diff(np.append(places, tau))
            known = float(places[0]) if len(places) else float(tau)
        times = np.union1d(months, places)
        weights = np.zeros((len(times), len(months) + 1))
        weights[np.searchsorted(times, months), np.arange(len(months))] = -1.0
        weights[np.searchsorted(times, places), -1] = widths
        constant = np.append(np.ones(len(months)), known)
        return cls((*names, "RMST"), (*ends, float(tau)), times, weights, constant)

    def take(self, wanted: np.ndarray) -> CurveOutputs:
        """The marked outputs, shape (n_outputs,), bool, and the times that they need."""
        chosen = np.flatnonzero(wanted)
        needed = (self.weights[:, chosen] != 0).any(axis=1)
        return CurveOutputs(
            tuple(self.names[k] for k in chosen),
            tuple(self.horizons[k] for k in chosen),
            self.times[needed],
            self.weights[np.ix_(needed, chosen)],
            self.constant[chosen],
        )

    @property
    def size(self) -> np.ndarray:
        """The largest value that each output can have: 1 for a probability, tau for a mean."""
        return np.where(np.asarray(self.names) == "RMST", self.horizons, 1.0)

    def of(self, survival: np.ndarray) -> np.ndarray:
        """Outputs of curves of shape (..., n_times), shape (..., n_outputs)."""
        return self.constant + survival @ self.weights

    def within(self, follow_up: float) -> np.ndarray:
        """Which outputs need nothing beyond the follow-up, shape (n_outputs,), bool."""
        return np.asarray(self.horizons) <= follow_up


@dataclass(frozen=True)
class Sides:
    """The patients explained and those whose values stand in, as a model's features.

    Attributes
    ----------
    X : ndarray of shape (n, n_features)
    background : ndarray of shape (m, n_features)
        A covariate outside a coalition takes its value from one of these patients.
    weights : ndarray of shape (m,)
        How much each of them counts, adding up to 1.
    owner : ndarray of shape (n_features,), int
        Place among `columns` of the covariate that each feature was made from.
    columns : tuple of str
        The players: covariates before encoding.
    """

    X: np.ndarray
    background: np.ndarray
    weights: np.ndarray
    owner: np.ndarray
    columns: tuple[str, ...]


@dataclass(frozen=True)
class ShapValues:
    """SHAP values of n patients, p covariates and K outputs, light enough for thousands of refits.

    `explanation` makes one output of it an object of shap, for its pictures.

    Attributes
    ----------
    values : ndarray of shape (n, p, K)
        Contribution of each covariate to this model's prediction, in the unit of the output.
    base : ndarray of shape (K,)
        What the values of a patient and this add up to the prediction.
    columns : tuple of str
        The p covariates.
    method : str
    error : ndarray of shape (n, p, K)
        Standard error of each value; 0 where the method is exact.
    """

    values: np.ndarray
    base: np.ndarray
    columns: tuple[str, ...]
    method: str
    error: np.ndarray

    @classmethod
    def exact(
        cls, values: np.ndarray, base: np.ndarray, columns: Sequence[str], method: str
    ) -> ShapValues:
        """Values without an error of their own."""
        return cls(values, base, tuple(columns), method, np.zeros(values.shape))

    def check(
        self, predicted: ArrayLike, size: ArrayLike = 1.0, tolerance: float = TOLERANCE
    ) -> ShapValues:
        """Return it when every patient's values and the base add up to the prediction.

        Parameters
        ----------
        predicted : array-like of shape (n, K)
        size : array-like of shape (K,)
            How large an output can be; the tolerance is a share of it.

        Raises
        ------
        ArithmeticError
            When one is off by more than the tolerance.
        """
        off = np.abs(self.values.sum(axis=1) + self.base - np.asarray(predicted)) / size
        if not (off <= tolerance).all():
            raise ArithmeticError(
                f"SHAP values do not add up to the prediction: off by {off.max():.3g}, "
                f"expected at most {tolerance:g} ({self.method})"
            )
        return self

    def share_rounding(self, predicted: ArrayLike, size: ArrayLike = 1.0) -> ShapValues:
        """Add what is missing to the prediction, in equal parts, to the values that are not 0.

        Only for a prediction that was added up in single precision. Parameters as `check`.

        Raises
        ------
        ArithmeticError
            When more than rounding is missing.
        """
        self.check(predicted, size, ROUNDING)
        missing = np.asarray(predicted) - self.values.sum(axis=1) - self.base
        share = self.values != 0
        count = share.sum(axis=1)
        part = np.divide(missing, count, out=np.zeros_like(missing), where=count > 0)
        return replace(self, values=self.values + share * part[:, None, :])

    def of(self, column: str) -> np.ndarray:
        """Values of one covariate, shape (n, K); zeros when the model does not see it."""
        if column not in self.columns:
            return np.zeros((len(self.values), self.values.shape[2]))
        return self.values[:, self.columns.index(column)]

    def explanation(self, predictors: pd.DataFrame, output: int = 0) -> shap.Explanation:
        """One output as shap has it, for any of its pictures.

        Parameters
        ----------
        predictors : DataFrame of shape (n, p)
            The patients explained; a covariate that the model does not see has values of 0.
        output : int
            Which of the K.

        Returns
        -------
        shap.Explanation
            values, error_std and data of shape (n, p), base_values of shape (n,). In data a
            category is the place of its level among the sorted ones, and NaN is not known;
            display_data has the values themselves.
        """
        import shap

        shape = (len(predictors), predictors.shape[1])
        values, error, codes = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        for place, name in enumerate(predictors):
            codes[:, place] = _codes(predictors[name])
            if name in self.columns:
                own = self.columns.index(name)
                values[:, place] = self.values[:, own, output]
                error[:, place] = self.error[:, own, output]
        return shap.Explanation(
            values,
            np.full(len(values), self.base[output]),
            codes,
            display_data=predictors.to_numpy(dtype=object),
            feature_names=[str(name) for name in predictors],
            error_std=error,
            compute_time=None,
        )

    def spread(self, known: np.ndarray) -> ShapValues:
        """Put the outputs at the marked places, shape (K,), bool, and NaN at the others."""

        def placed(part: np.ndarray) -> np.ndarray:
            wide = np.full((*part.shape[:-1], len(known)), np.nan)
            wide[..., known] = part
            return wide

        return replace(
            self, values=placed(self.values), error=placed(self.error), base=placed(self.base)
        )


def _codes(values: pd.Series) -> np.ndarray:
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(dtype=float)
    codes: np.ndarray = pd.Categorical(values).codes.astype(float)
    return np.where(codes < 0, np.nan, codes)


def coalition_nodes(players: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights in (0, 1) that average a coalition game exactly.

    A Shapley value is the integral over q of the expected gain of joining a coalition that each of
    the other players is in with probability q (Owen 1972); that is a polynomial of degree
    players - 1, which Gauss-Legendre integrates exactly with half as many points.
    """
    points, weights = np.polynomial.legendre.leggauss(max((players + 1) // 2, 1))
    return (points + 1) / 2, weights / 2
