"""Cox regression under weights, with Efron or Breslow ties and robust variance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from features.outcome import Outcome

Ties = Literal["efron", "breslow"]
_ITERATIONS = 40
_TOLERANCE = 1e-12
# Where less than this share of the information at no effect is left in some direction, the
# coefficients have run away: the likelihood has no maximum.
_RUNAWAY = 1e-6
_NO_EVENT = "not estimable: no event while patients of both kinds are at risk"


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


@dataclass(frozen=True)
class RobustCox:
    """A Cox model of n patients on q columns.

    Attributes
    ----------
    coef : ndarray of shape (q,)
        Log hazard ratios, higher is worse; NaN where there is no estimate.
    model_variance : ndarray of shape (q, q)
        Inverse information, the weights taken as numbers of patients.
    by_weight : ndarray of shape (n, q)
        Derivative of the coefficients by each patient's weight (dfbeta without the weight).
    leverage : ndarray of shape (n,)
        Share of the information that comes from each patient; adds up to the rank of the columns.
    weights : ndarray of shape (n,)
    centre : ndarray of shape (q,)
        What the columns are centred at in `strata`.
    strata : tuple of RiskSets
        In the order of the sorted stratum labels.
    note : str
        Why there is no estimate; empty when there is one.
    """

    coef: np.ndarray
    model_variance: np.ndarray
    by_weight: np.ndarray
    leverage: np.ndarray
    weights: np.ndarray
    centre: np.ndarray
    strata: tuple[RiskSets, ...]
    note: str = ""

    @property
    def robust_variance(self) -> np.ndarray:
        """Lin and Wei's sandwich with the weights taken as known, shape (q, q)."""
        influence = self.weights[:, None] * self.by_weight
        return influence.T @ influence


@dataclass(frozen=True)
class _Stratum:
    """The patients of one stratum in order of time, and the rows of the partial likelihood."""

    rows: np.ndarray
    weight: np.ndarray
    event: np.ndarray
    times: np.ndarray
    first: np.ndarray
    last_event: np.ndarray
    death_rows: np.ndarray
    death_place: np.ndarray
    row_place: np.ndarray
    row_share: np.ndarray
    row_weight: np.ndarray
    own_share: np.ndarray


def fit_robust_cox(
    outcome: Outcome,
    columns: np.ndarray,
    weights: np.ndarray | None = None,
    ties: Ties = "efron",
    strata: np.ndarray | None = None,
) -> RobustCox:
    """Maximise the weighted partial likelihood by Newton's method.

    Under weights Efron's correction takes the mean weight of the tied events, as R's coxph does.

    Parameters
    ----------
    outcome : Outcome of n patients
    columns : ndarray of shape (n, q)
    weights : ndarray of shape (n,), optional
        At least 0; 1 where left out.
    ties : {"efron", "breslow"}
    strata : ndarray of shape (n,), optional
        Labels; each stratum has its own baseline hazard.

    Returns
    -------
    RobustCox
        Coefficients NaN, with a note, where no event is informative or the likelihood has no
        maximum.

    References
    ----------
    Binder, Biometrika 1992;79:139; Lin and Wei, JASA 1989;84:1074; Therneau and Grambsch, Modeling
    Survival Data, 2000.
    """
    columns = np.asarray(columns, dtype=float)
    n, q = columns.shape
    weight = np.ones(n) if weights is None else np.asarray(weights, dtype=float)
    labels = np.zeros(n, dtype=int) if strata is None else np.asarray(strata)
    undefined = RobustCox(
        np.full(q, np.nan), np.full((q, q), np.nan), np.full((n, q), np.nan),
        np.full(n, np.nan), weight, np.zeros(q), (), _NO_EVENT,
    )  # fmt: skip
    if not (weight * outcome.event > 0).any():
        return undefined
    centre = weight @ columns / weight.sum()
    spread = np.sqrt(weight @ (columns - centre) ** 2 / weight.sum())
    used = spread > 1e-12 * np.maximum(np.abs(centre), 1.0)
    scale = np.where(used, spread, 1.0)
    X = (columns - centre) / scale
    X[:, ~used] = 0.0
    groups = [
        _stratum(outcome, weight, np.flatnonzero((labels == label) & (weight > 0)), ties)
        for label in np.unique(labels)
    ]

    beta = np.zeros(q)
    value, score, information = _likelihood(groups, X, beta)
    at_none = information
    converged = False
    for _ in range(_ITERATIONS):
        step = np.linalg.pinv(information, rcond=1e-11, hermitian=True) @ score
        if float(score @ step) < _TOLERANCE * max(weight.max(), 1e-300):
            # The last step costs little and squares what error is left.
            beta = beta + step
            _, _, information = _likelihood(groups, X, beta)
            converged = True
            break
        new = beta
        for _ in range(20):
            new = beta + step
            new_value, new_score, new_information = _likelihood(groups, X, new)
            if new_value >= value - 1e-9 * abs(value):
                break
            step /= 2
        beta, value, score, information = new, new_value, new_score, new_information
    if q:
        left = _share_left(at_none, information, 1e-9 * float(weight.max()))
        if np.isnan(left):
            return undefined
        if not converged or left < _RUNAWAY:
            reason = "not estimable: a column separates the events, the likelihood has no maximum"
            return replace(undefined, note=reason)
    inverse = np.linalg.pinv(information, rcond=1e-11, hermitian=True)
    residuals, leverage = _residuals(groups, X, beta, inverse)
    return RobustCox(
        np.where(used, beta / scale, np.nan),
        inverse / np.outer(scale, scale),
        residuals @ inverse / scale,
        leverage,
        weight,
        centre,
        tuple(_risk_sets(group, X * scale, X @ beta) for group in groups),
    )


def _share_left(at_none: np.ndarray, information: np.ndarray, smallest: float) -> float:
    """Smallest share of the information at no effect that is left; NaN if there was none."""
    eigenvalues, vectors = np.linalg.eigh(at_none)
    kept = eigenvalues > 1e-11 * max(float(eigenvalues[-1]), smallest)
    if not kept.any():
        return np.nan
    root = vectors[:, kept] / np.sqrt(eigenvalues[kept])
    return float(np.linalg.eigvalsh(root.T @ information @ root)[0])


def _stratum(outcome: Outcome, weight: np.ndarray, rows: np.ndarray, ties: Ties) -> _Stratum:
    rows = rows[np.argsort(outcome.time[rows], kind="stable")]
    time, event, w = outcome.time[rows], outcome.event[rows], weight[rows]
    times = np.unique(time[event])
    first = np.searchsorted(time, times, side="left")
    death_rows = np.flatnonzero(event)
    death_place = np.searchsorted(times, time[death_rows])
    count = np.bincount(death_place, minlength=len(times))
    total = np.bincount(death_place, weights=w[death_rows], minlength=len(times))
    own_share = np.zeros(len(rows))
    if ties == "efron":
        place: np.ndarray = np.repeat(np.arange(len(times)), count)
        rank = np.arange(len(place)) - np.repeat(np.cumsum(count) - count, count)
        share = rank / count[place]
        row_weight = (total / np.maximum(count, 1))[place]
        own_share[death_rows] = 1.0
    else:
        place, share, row_weight = np.arange(len(times)), np.zeros(len(times)), total
    return _Stratum(
        rows, w, event, times, first,
        # Event times a patient has been at risk at, his own included.
        np.searchsorted(times, time, side="right"),
        death_rows, death_place, place, share, row_weight, own_share,
    )  # fmt: skip


def _rows_of(
    group: _Stratum, X: np.ndarray, eta: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Exp(eta) times weight of each patient; denominator and mean of each row."""
    risk = group.weight * np.exp(eta)
    if not len(group.times):
        return risk, np.empty(0), np.empty((0, X.shape[1]))
    both = np.column_stack([risk, risk[:, None] * X])
    at_risk = np.cumsum(both[::-1], axis=0)[::-1][group.first]
    place = group.row_place
    sums = at_risk[place]
    if group.row_share.any():
        dying = np.zeros_like(at_risk)
        np.add.at(dying, group.death_place, both[group.death_rows])
        sums = sums - group.row_share[:, None] * dying[place]
    return risk, sums[:, 0], sums[:, 1:] / sums[:, :1]


def _cumulative(group: _Stratum, by_row: np.ndarray) -> np.ndarray:
    """Sum of a value of the rows up to each patient's time, less Efron's share at his own event."""
    m = len(group.times)
    at_time = np.zeros((m + 1, by_row.shape[1]))
    tied = np.zeros((m, by_row.shape[1]))
    np.add.at(at_time, group.row_place + 1, by_row)
    np.add.at(tied, group.row_place, by_row * group.row_share[:, None])
    total: np.ndarray = np.cumsum(at_time, axis=0)[group.last_event]
    if m:
        own = np.zeros_like(total)
        own[group.death_rows] = tied[group.death_place]
        total = total - own * group.own_share[:, None]
    return total


def _likelihood(
    groups: list[_Stratum], X: np.ndarray, beta: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    q = X.shape[1]
    value, score, information = 0.0, np.zeros(q), np.zeros((q, q))
    for group in groups:
        x = X[group.rows]
        eta = np.clip(x @ beta, -500, 500)
        risk, denominator, mean = _rows_of(group, x, eta)
        if not len(group.times):
            continue
        dead = group.weight * group.event
        value += float(dead @ eta - group.row_weight @ np.log(denominator))
        score += dead @ x - group.row_weight @ mean
        hazard = _cumulative(group, (group.row_weight / denominator)[:, None])
        information += (x * (risk * hazard[:, 0])[:, None]).T @ x
        information -= (mean * group.row_weight[:, None]).T @ mean
    return value, score, information


def _residuals(
    groups: list[_Stratum], X: np.ndarray, beta: np.ndarray, inverse: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Derivative of the score by each patient's weight, (n, q), and each patient's leverage, (n,).

    A patient's part of the information is the sum over the event times at which he is at risk of
    his hazard times the squared distance of his columns from the mean of those at risk.
    """
    residuals, leverage = np.zeros_like(X), np.zeros(len(X))
    for group in groups:
        x = X[group.rows]
        eta = x @ beta
        risk, denominator, mean = _rows_of(group, x, eta)
        if not len(group.times):
            continue
        hazard = (group.row_weight / denominator)[:, None]
        of_mean = np.einsum("ij,jk,ik->i", mean, inverse, mean)[:, None]
        total = _cumulative(group, np.column_stack([hazard, hazard * of_mean, hazard * mean]))
        own = np.einsum("ij,jk,ik->i", x, inverse, x)
        across = np.einsum("ij,jk,ik->i", x, inverse, total[:, 2:])
        leverage[group.rows] = risk * (own * total[:, 0] - 2 * across + total[:, 1])
        residual = -np.exp(eta)[:, None] * (x * total[:, :1] - total[:, 2:])
        sums = np.zeros((len(group.times), X.shape[1]))
        np.add.at(sums, group.row_place, mean)
        rows_at = np.bincount(group.row_place, minlength=len(group.times))[:, None]
        at_death = (sums / rows_at)[group.death_place]
        residual[group.death_rows] += x[group.death_rows] - at_death
        residuals[group.rows] = residual
    return residuals, leverage


def _risk_sets(group: _Stratum, centred: np.ndarray, eta: np.ndarray) -> RiskSets:
    _, denominator, mean = _rows_of(group, centred[group.rows], eta[group.rows])
    m = len(group.times)

    def at_times(by_row: np.ndarray) -> np.ndarray:
        total = np.zeros((m, *by_row.shape[1:]))
        np.add.at(total, group.row_place, by_row)
        return total

    step = group.row_weight / denominator
    # The weight of a row is that of the deaths at its time, shared by its rows.
    rows = np.bincount(group.row_place, minlength=m)[group.row_place]
    return RiskSets(
        group.times,
        at_times(step),
        at_times(step / denominator),
        at_times(group.row_share * step / denominator),
        at_times(1.0 / (rows * denominator)),
        at_times(step[:, None] * mean),
    )
