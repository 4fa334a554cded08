"""Cox regression: one partial likelihood, and everything that is read from it.

Hazard ratios, tests of proportional hazards, weighted and robust comparisons, standardised
survival and calibration slopes all hang on the same sums over those at risk: `PartialLikelihood`
adds them up, for a cohort or for all its bootstrap replicates. What costs more than a fit
(residuals, leverage, baseline hazard) is made when it is asked for. Rows of start-stop data are
patients with an entry, and the rows of one patient one `cluster` of the robust variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from evaluation.remarks import not_estimable
from evaluation.statistics.partial_likelihood import PartialLikelihood, Stratum, Ties
from features.life_table import Z
from features.outcome import Outcome

NO_EVENT = not_estimable("no event while patients of both kinds are at risk")
SEPARATED = not_estimable("a column separates the events, the likelihood has no maximum")
ALIKE = not_estimable("a column does not vary, or repeats others")
# Columns that vary less than this, as shares of what varies most, are one column.
_ALIKE = 1e-11
# Where less than this share of the information at no effect is left in some direction, the
# coefficients have run away: the likelihood has no maximum.
_RUNAWAY = 1e-6


@dataclass(frozen=True)
class RiskSets:
    """Baseline hazard of one stratum at its m event times, and what moves it.

    Attributes
    ----------
    times : ndarray of shape (m,)
    steps : ndarray of shape (m,)
        Growth of the cumulative hazard, of the centred columns at 0, in the form of the ties.
    by_risk, by_tied_risk : ndarray of shape (m,)
        What one more unit of weight times exp(linear predictor) at risk takes off a step, and how
        much less it takes where the patient has the event then.
    by_death : ndarray of shape (m,)
        What one more unit of weight with the event adds to a step, the risk set unchanged.
    by_mean : ndarray of shape (m, q)
        What the coefficients take off a step: the mean of the centred columns among those at risk
        times the step.
    """

    times: np.ndarray
    steps: np.ndarray
    by_risk: np.ndarray
    by_tied_risk: np.ndarray
    by_death: np.ndarray
    by_mean: np.ndarray


class WaldRatio(NamedTuple):
    """Hazard ratio of one column, one more of it, with Wald 95% limits; above 1 is worse."""

    estimate: float
    ci_low: float
    ci_high: float
    p_value: float


class Schoenfeld(NamedTuple):
    """Of each of d events, in order of time within its stratum.

    `residuals` (d, q): columns less their mean among those at risk; `covariances` (d, q, q): of the
    columns among those at risk. Tied events share the mean over their rows of the likelihood.
    """

    times: np.ndarray
    residuals: np.ndarray
    covariances: np.ndarray


@dataclass(frozen=True)
class CoxFit:
    """A Cox model of n patients on q columns: of one cohort, or of B replicates (shapes (B, ...)).

    It lives on columns that differ from those given in scale and place, `standardised`, which makes
    Newton's steps of comparable size whatever the units and however alike the terms of a spline.

    Attributes
    ----------
    coef : ndarray of shape (..., q)
        Log hazard ratios, higher is worse; NaN where there is no estimate.
    covariance : ndarray of shape (..., q, q)
        Inverse information, the weights taken as numbers of patients.
    log_likelihood : ndarray of shape (...,)
    hazard : ndarray of shape (..., k)
        Cumulative baseline hazard at the times asked for, where all `standardised` columns are 0.
    standardised_coef : ndarray of shape (..., p)
        Coefficients of the `standardised` columns.
    note : str
        Why there is no estimate, of a single cohort; empty when there is one.
    """

    coef: np.ndarray
    covariance: np.ndarray
    log_likelihood: np.ndarray
    hazard: np.ndarray
    standardised_coef: np.ndarray
    note: str
    centre: np.ndarray
    transform: np.ndarray
    likelihood: PartialLikelihood

    @classmethod
    def fit(
        cls,
        outcome: Outcome,
        columns: np.ndarray,
        weights: np.ndarray | None = None,
        *,
        ties: Ties = "efron",
        strata: ArrayLike | None = None,
        entry: ArrayLike | None = None,
        times: ArrayLike = (),
        drop_alike: bool = False,
    ) -> CoxFit:
        """Maximise the weighted partial likelihood by Newton's method.

        Parameters
        ----------
        outcome : Outcome of n patients
        columns : ndarray of shape (n, q)
            Numbers without NaN.
        weights : ndarray of shape (n,) or (B, n), optional
            At least 0; ones by default. Counts of bootstrap replicates have shape (B, n).
        ties : {"efron", "breslow"}
            For the likelihood and for the hazard.
        strata : array-like of shape (n,), optional
            Labels; each stratum has its own baseline hazard.
        entry : array-like of shape (n,), optional
            Months at which each patient comes under observation, before his own time; 0, the
            default, is the start, and such a patient is at risk at month 0 as well.
        times : array-like of shape (k,)
            Months, increasing, at which `hazard` is wanted; without strata.
        drop_alike : bool
            Of one cohort: leave out the directions in which nobody at risk differs, so that a
            column that does not vary, or repeats others, spoils no other (NaN where it does not
            vary). Otherwise the whole fit is NaN then.

        Returns
        -------
        CoxFit
            All NaN where no event is informative or the likelihood has no maximum.

        Raises
        ------
        ValueError
            When columns do not have one row a patient or hold NaN, ties is another word, an entry
            is not before the patient's time, `times` are asked for with strata, or `drop_alike` of
            replicates.

        References
        ----------
        Efron, JASA 1977, 72:557-565; Binder, Biometrika 1992;79:139; Therneau and Grambsch,
        Modeling Survival Data, 2000, chapter 3.
        """
        columns = np.asarray(columns, dtype=float)
        if columns.ndim != 2 or len(columns) != len(outcome):
            raise ValueError(
                f"columns has shape {columns.shape}; expected one row a patient, "
                f"({len(outcome)}, q)"
            )
        if np.isnan(columns).any():
            raise ValueError("columns hold NaN")
        times = np.asarray(times, dtype=float)
        if len(times) and strata is not None:
            raise ValueError("the hazard at times is that of one stratum; read baseline instead")
        likelihood = PartialLikelihood(outcome, columns, weights, ties, strata, entry)
        weights = likelihood.weights
        if drop_alike and weights.ndim > 1:
            raise ValueError("drop_alike is for one cohort, not for replicates")
        many = np.atleast_2d(weights)
        smallest = _RUNAWAY * float((weights * outcome.event).sum()) if drop_alike else 1e-10
        centre, transform = (
            _informative_directions(likelihood) if drop_alike else _uncorrelating(columns)
        )
        q, p, k = *transform.shape, len(times)
        varies = (many * outcome.event > 0).any() and (p > 0 or not q)
        if varies:
            design = (columns - centre) @ transform
            start = np.zeros(p)
            if len(many) > 1:  # replicates lie near the cohort
                everyone = np.ones((1, len(outcome)))
                first = likelihood.maximise(design, everyone, times, start)
                start = np.nan_to_num(first[0][0])
            found = likelihood.maximise(design, many, times, start, smallest)
        else:
            found = (
                np.full((len(many), p), np.nan), np.full((len(many), p, p), np.nan),
                np.full(len(many), np.nan), np.full((len(many), k), np.nan),
            )  # fmt: skip
        inner, spread, value, steps = found
        if drop_alike and varies and np.isfinite(value[0]):
            # The pass of the last step was just beside the maximum.
            at_maximum = likelihood.at(inner[0], design)
            value = np.array([at_maximum.value])
            spread = np.linalg.inv(at_maximum.information)[np.newaxis]
        coef = inner @ transform.T
        covariance = transform @ spread @ transform.T
        known = np.isfinite(value)
        coef[~known], covariance[~known] = np.nan, np.nan
        if drop_alike:
            coef[:, ~transform.any(axis=1)] = np.nan
        missing = weights.ndim == 1 and not known[0]
        note = SEPARATED if varies else ALIKE if q and not p and not drop_alike else NO_EVENT
        shape = weights.shape[:-1]
        return cls(
            coef.reshape(*shape, q),
            covariance.reshape(*shape, q, q),
            value.reshape(shape),
            np.cumsum(steps, axis=1).reshape(*shape, k),
            inner.reshape(*shape, p),
            note if missing else "",
            centre,
            transform,
            likelihood,
        )

    def standardised(self, columns: np.ndarray) -> np.ndarray:
        """Columns of further patients as the model has them, (..., p)."""
        return (columns - self.centre) @ self.transform

    def hazard_ratio(self, column: int = 0) -> WaldRatio:
        """Of one cohort, from the model-based variance."""
        coef, error = self.coef[column], np.sqrt(self.covariance[column, column])
        low, high = np.exp(coef - Z * error), np.exp(coef + Z * error)
        p_value = 2 * stats.norm.sf(abs(coef / error))
        return WaldRatio(float(np.exp(coef)), float(low), float(high), float(p_value))

    def robust_covariance(self, cluster: ArrayLike | None = None) -> np.ndarray:
        """Lin and Wei's sandwich with the weights taken as known, (q, q).

        Parameters
        ----------
        cluster : array-like of shape (n,), optional
            Labels of what is drawn together, as the rows of one patient; each row by default.

        References
        ----------
        Lin and Wei, JASA 1989;84:1074.
        """
        influence = self.likelihood.weights[:, None] * self.by_weight
        if cluster is not None:
            labels, place = np.unique(np.asarray(cluster), return_inverse=True)
            each = np.zeros((len(labels), influence.shape[1]))
            np.add.at(each, place, influence)
            influence = each
        return influence.T @ influence

    @cached_property
    def by_weight(self) -> np.ndarray:
        """Derivative of the coefficients by each patient's weight: dfbeta without it, (n, q)."""
        return self.score_residuals @ self.covariance

    @cached_property
    def score_residuals(self) -> np.ndarray:
        """Derivative of the score by each patient's weight, (n, q)."""
        residuals = np.zeros_like(self._centred)
        for group in self.likelihood.strata:
            x = self._centred[group.rows]
            _, mean, step = self._rows_of(group, x)
            passed = group.while_at_risk(np.column_stack([step, step[:, None] * mean]))
            own = -np.exp(self._log_hazard[group.rows])[:, None]
            residual = own * (x * passed[:, :1] - passed[:, 1:])
            residual[group.deaths] += x[group.deaths] - group.at_deaths(mean)
            residuals[group.rows] = residual
        return residuals

    @cached_property
    def martingale_residuals(self) -> np.ndarray:
        """Events less what the model expects of each patient while at risk, (n,)."""
        residuals = np.zeros(len(self._centred))
        for group in self.likelihood.strata:
            _, _, step = self._rows_of(group, self._centred[group.rows])
            expected = np.exp(self._log_hazard[group.rows]) * group.while_at_risk(step)
            residuals[group.rows] = self.likelihood.event[group.rows] - expected
        return residuals

    @cached_property
    def leverage(self) -> np.ndarray:
        """Share of the information that comes from each patient, (n,).

        It adds up to the number of columns. A patient's part is the sum over the event times at
        which he is at risk of his hazard times the squared distance of his columns from the mean.
        """
        leverage = np.zeros(len(self._centred))
        for group in self.likelihood.strata:
            x = self._centred[group.rows]
            _, mean, step = self._rows_of(group, x)
            of_mean = _squared(mean, self.covariance)
            passed = group.while_at_risk(
                np.column_stack([step, step * of_mean, step[:, None] * mean])
            )
            own = _squared(x, self.covariance) * passed[:, 0]
            across = np.einsum("ij,jk,ik->i", x, self.covariance, passed[:, 2:])
            leverage[group.rows] = self._risk[group.rows] * (own - 2 * across + passed[:, 1])
        return leverage

    @cached_property
    def schoenfeld(self) -> Schoenfeld:
        """Schoenfeld residuals and what the columns vary by among those at risk."""
        times, residuals, covariances = [], [], []
        for group in self.likelihood.strata:
            x = self._centred[group.rows]
            order = np.argsort(group.death_place, kind="stable")
            total, mean, _ = self._rows_of(group, x)
            squares = self._risk[group.rows][:, None, None] * x[:, :, None] * x[:, None, :]
            square = group.at_risk(squares) / total[:, None, None]
            covariance = square - mean[:, :, None] * mean[:, None, :]
            times.append(group.times[group.death_place][order])
            residuals.append((x[group.deaths] - group.at_deaths(mean))[order])
            covariances.append(group.at_deaths(covariance)[order])
        return Schoenfeld(*(np.concatenate(part) for part in (times, residuals, covariances)))

    @cached_property
    def baseline(self) -> tuple[RiskSets, ...]:
        """Baseline hazard of each stratum, in the order of the sorted labels, at `centre`."""
        found = []
        for group in self.likelihood.strata:
            total, mean, step = self._rows_of(group, self._centred[group.rows])
            # The weight of a row is that of the deaths at its time, shared by its rows.
            rows = np.bincount(group.row_place, minlength=len(group.times))[group.row_place]
            found.append(
                RiskSets(
                    group.times,
                    group.at_times(step),
                    group.at_times(step / total),
                    group.at_times(group.row_share * step / total),
                    group.at_times(1.0 / (rows * total)),
                    group.at_times(step[:, None] * mean),
                )
            )
        return tuple(found)

    @cached_property
    def _centred(self) -> np.ndarray:
        return self.likelihood.columns - self.centre

    @cached_property
    def _log_hazard(self) -> np.ndarray:
        scores: np.ndarray = self._centred @ self.transform @ self.standardised_coef
        return scores

    @cached_property
    def _risk(self) -> np.ndarray:
        risk: np.ndarray = self.likelihood.weights * np.exp(self._log_hazard)
        return risk

    def _rows_of(
        self, group: Stratum, columns: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each row: what is at risk, the mean of the columns there, the step of the hazard."""
        risk = self._risk[group.rows]
        sums = group.at_risk(np.column_stack([risk, risk[:, None] * columns]))
        total = sums[:, 0]
        return total, sums[:, 1:] / total[:, None], group.row_weight / total


def _squared(columns: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("ij,jk,ik->i", columns, matrix, columns))


def _uncorrelating(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean, and matrix that makes the columns uncorrelated with variance 1; none if fewer are."""
    q = columns.shape[1]
    if not len(columns) or not (np.ptp(columns, axis=0) > 0).all():
        return np.zeros(q), np.zeros((q, 0))
    mean = columns.mean(axis=0)
    centred = columns - mean
    scale = np.sqrt((centred**2).mean(axis=0))
    correlation = (centred / scale).T @ (centred / scale) / len(centred)
    variance, direction = np.linalg.eigh(correlation)
    if variance[0] < 1e-10 * variance[-1]:
        return mean, np.zeros((q, 0))
    return mean, direction / np.sqrt(variance) / scale[:, None]


def _informative_directions(likelihood: PartialLikelihood) -> tuple[np.ndarray, np.ndarray]:
    """Mean, and matrix that makes the information of an event at no effect the identity.

    Directions in which nobody at risk differs hold none, at any coefficient, and are left out.
    """
    weight, columns = likelihood.weights, likelihood.columns
    total, deaths = float(weight.sum()), float((weight * likelihood.event).sum())
    q = columns.shape[1]
    if not deaths > 0 or not q:
        return np.zeros(q), np.zeros((q, 0))
    centre = weight @ columns / total
    spread = np.sqrt(weight @ (columns - centre) ** 2 / total)
    used = spread > 1e-12 * np.maximum(np.abs(centre), 1.0)
    scale = np.where(used, spread, 1.0)
    scaled = np.where(used, (columns - centre) / scale, 0.0)
    eigenvalues, vectors = np.linalg.eigh(likelihood.at(np.zeros(q), scaled).information)
    kept = eigenvalues > _ALIKE * max(float(eigenvalues[-1]), 1e-9 * float(weight.max()))
    root = vectors[:, kept] * np.sqrt(deaths / eigenvalues[kept])
    return centre, np.where(used[:, None], root, 0.0) / scale[:, None]
