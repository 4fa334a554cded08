"""Every adjusted estimate of one arm against the reference arm, on one table without gaps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from evaluation.estimators import AIPW, BY_ARM, G_COMPUTATION, MULTIVARIABLE, Estimator, of_weights
from evaluation.regimens.adjusted.design import AdjustmentDesign
from evaluation.regimens.adjusted.doubly_robust import doubly_robust
from evaluation.regimens.adjusted.g_computation import g_computation
from evaluation.regimens.adjusted.propensity import (
    POPULATIONS,
    Kind,
    Propensity,
    balancing_weights,
    effective_sample_size,
    fit_propensity,
)
from evaluation.regimens.adjusted.pseudo_values import pseudo_values
from evaluation.regimens.crude import Trend, hazards_trend
from evaluation.remarks import no_interval, not_estimable
from evaluation.statistics import (
    NO_EVENT,
    CoxFit,
    Method,
    WeightedSurvival,
    fit_firth_cox,
    weighted_survival,
)
from features.outcome import Outcome

EVENT_PROBABILITY = "event probability difference"
RMST = "RMST difference"
HAZARD_RATIO = "hazard ratio"
# Below this many events a coefficient, Firth's penalty (Vittinghoff and McCulloch, Am J Epidemiol
# 2007;165:710, see little trouble from 10 on).
EVENTS_PER_COEFFICIENT = 10
_LARGEST_LEVERAGE = 0.9
NO_INTERVAL = no_interval("an arm at 0% or 100%")
# Of each arm, for an interval of a weighted, standardised or doubly robust contrast: with arms of
# 2 to 10 patients the large-sample variances are far too small (a true null is rejected in 10 to
# 30% of samples instead of 5%), and resampling a handful of patients cannot mend it. Effective
# patients count like patients; with fewer than 5 events an arm's curve has hardly an error.
FEWEST_PATIENTS = 10
FEWEST_EFFECTIVE = 10
FEWEST_EVENTS = 5


@dataclass(frozen=True)
class Pair:
    """Patients of one arm and of the reference arm, without a missing covariate.

    Attributes
    ----------
    outcome : Outcome of n patients
    treated : ndarray of shape (n,), bool
        True in the arm.
    design : AdjustmentDesign of n patients
    """

    outcome: Outcome
    treated: np.ndarray
    design: AdjustmentDesign


@dataclass(frozen=True)
class Estimands:
    """What is estimated, and how.

    Attributes
    ----------
    horizons : tuple of float
        Months.
    tau : float
        Months, where the RMST ends.
    kinds : tuple of str
        Kinds of weights.
    trim : (float, float), optional
        Percentiles at which a further row cuts the first kind's weights.
    propensity : str
        Method of the propensity model.
    """

    horizons: tuple[float, ...]
    tau: float
    kinds: tuple[Kind, ...]
    trim: tuple[float, float] | None
    propensity: Method


class Contrast(NamedTuple):
    """One contrast, arm minus reference arm; a hazard ratio as its logarithm.

    Attributes
    ----------
    estimator : Estimator
    part : str
        Of the estimator's rows.
    scale : str
    horizon : float
        NaN for a hazard ratio.
    value, variance : float
        NaN with a `note` where it cannot be estimated.
    known_variance : float
        Of a weighted Cox model, the weights taken as known; NaN of others.
    population : str
    effective_n : float
    least_effective : float
        Effective patients of the arm with fewer; infinite where nothing is weighted.
    degrees : float
        Of freedom, were nothing missing; for pooling.
    trimmed : bool
        The analytical variance does not hold.
    profile : (float, float, float), optional
        Limits and p that stand for those from the variance.
    note : str
    """

    estimator: Estimator
    part: str
    scale: str
    horizon: float
    value: float
    variance: float
    known_variance: float
    population: str
    effective_n: float
    degrees: float
    least_effective: float = np.inf
    trimmed: bool = False
    profile: tuple[float, float, float] | None = None
    note: str = ""


def too_small(pair: Pair, least_effective: float) -> str:
    """Why an arm is too small for an interval that rests on large samples; empty if none is."""
    arms = (pair.treated, ~pair.treated)
    patients = min(int(arm.sum()) for arm in arms)
    events = min(int(pair.outcome.event[arm].sum()) for arm in arms)
    for word, fewest, shown, needed in (
        ("patients", patients, f"{patients}", FEWEST_PATIENTS),
        ("effective patients", least_effective, f"{least_effective:.1f}", FEWEST_EFFECTIVE),
        ("events", events, f"{events}", FEWEST_EVENTS),
    ):
        if fewest < needed:
            return no_interval(f"an arm has {shown} {word}, fewer than {needed}")
    return ""


def adjusted_estimates(
    pair: Pair, estimands: Estimands, case_weights: np.ndarray | None = None
) -> list[Contrast]:
    """Weighted, standardised and doubly robust contrasts, in a fixed order.

    Parameters
    ----------
    pair : Pair of n patients
    estimands : Estimands
    case_weights : ndarray of shape (n,), optional
        Bootstrap counts: how often each patient counts. Every model is refitted under them, the
        propensity model first.

    Returns
    -------
    list of Contrast
        Variances are sums of squared influences, corrected for leverage; that of a weighted
        estimate includes what estimating the propensity adds.
    """
    case = np.ones(len(pair.treated)) if case_weights is None else case_weights
    propensity = fit_propensity(pair.design, pair.treated, estimands.propensity, case_weights)
    found: list[Contrast] = []
    for kind in estimands.kinds:
        found += _weighted(pair, propensity, estimands, kind, None)
    if estimands.trim is not None:
        found += _weighted(pair, propensity, estimands, estimands.kinds[0], estimands.trim)
    for stratified in (False, True):
        found += _standardised(pair, estimands, case, stratified)
    found += _doubly_robust(pair, propensity, estimands)
    return found


def arm_in_cox(pair: Pair, firth: bool) -> Contrast:
    """Hazard ratio of the arm in a multivariable Cox model.

    Efron ties and Wald limits; with `firth`, Breslow ties and profile penalised likelihood limits.
    """
    columns = _arm_and_covariates(pair)
    blank = Contrast(
        MULTIVARIABLE, "Firth" if firth else "",
        HAZARD_RATIO, np.nan, np.nan, np.nan, np.nan, "as treated", len(pair.treated),
        max(pair.outcome.n_events - columns.shape[1], 1),
    )  # fmt: skip
    if firth:
        fit = fit_firth_cox(pair.outcome, columns, (0,))
        limits = (float(fit.ci_low[0]), float(fit.ci_high[0]), float(fit.p_value[0]))
        return blank._replace(
            value=float(fit.coef[0]), variance=float(fit.std_error[0] ** 2), profile=limits,
            note=fit.note,
        )  # fmt: skip
    model = CoxFit.fit(pair.outcome, columns, drop_alike=True)
    note = model.note or (NO_EVENT if np.isnan(model.coef[0]) else "")
    return blank._replace(
        value=float(model.coef[0]), variance=float(model.covariance[0, 0]), note=note
    )


def arm_trend(pair: Pair) -> Trend:
    """Test of the arm's proportional hazards given the covariates (cox.zph, km transform)."""
    outcome = pair.outcome
    model = CoxFit.fit(outcome, _arm_and_covariates(pair))
    if model.note:
        return Trend(np.nan, np.nan, not_estimable("no Cox model without a penalty"))
    return hazards_trend(model, outcome.time[outcome.event], column=0)


def needs_firth(pair: Pair) -> bool:
    """Whether events are few for the coefficients, or separated by a covariate or by the arm."""
    columns = _arm_and_covariates(pair)
    if pair.outcome.n_events < EVENTS_PER_COEFFICIENT * columns.shape[1]:
        return True
    return bool(CoxFit.fit(pair.outcome, columns, drop_alike=True).note)


def _arm_and_covariates(pair: Pair) -> np.ndarray:
    """The arm as 0 and 1, and the covariates in SD: the arm's coefficient is the same."""
    X = pair.design.matrix
    return np.column_stack([pair.treated.astype(float), (X - X.mean(axis=0)) / X.std(axis=0)])


def _flat(curve: WeightedSurvival) -> np.ndarray:
    """Where one arm's curve says nothing of its own error: survival of 0 or 1, no event at all."""
    return np.append(np.isin(curve.survival, (0.0, 1.0)), not np.any(curve.rmst_by_weight))


def _variance(influence: np.ndarray, leverage: np.ndarray) -> np.ndarray:
    """Sum over the patients of squared influences, each enlarged by what it has of the fit.

    Dividing by one minus the leverage turns the derivative into about the change when the patient
    is left out, as HC3 does in linear regression (MacKinnon and White, J Econom 1985;29:305): the
    plain sandwich is too small in small samples (Fay and Graubard, Biometrics 2001;57:1198).
    """
    kept = 1 - np.clip(leverage, 0, _LARGEST_LEVERAGE)
    enlarged = influence / (kept if influence.ndim == 1 else kept[:, None])
    return np.sum(enlarged**2, axis=0)


def _arm_share(arm: np.ndarray, combined: np.ndarray) -> np.ndarray:
    """Each patient's share of the weight of his arm."""
    total = np.where(arm, combined[arm].sum(), combined[~arm].sum())
    return np.divide(combined, total, out=np.zeros(len(arm)), where=total > 0)


def _weighted(
    pair: Pair,
    propensity: Propensity,
    estimands: Estimands,
    kind: Kind,
    trim: tuple[float, float] | None,
) -> Iterator[Contrast]:
    arm, case = pair.treated, propensity.case_weights
    weights = balancing_weights(propensity, kind, trim)
    combined = weights.weight * case
    sizes = [effective_sample_size(combined[a]) for a in (arm, ~arm)]
    trimmed = "" if trim is None else f"trimmed at {trim[0]:g}-{trim[1]:g}% "
    blank = Contrast(
        of_weights(kind), f"{trimmed}Kaplan-Meier", "",
        np.nan, np.nan, np.nan, np.nan, POPULATIONS[kind], sum(sizes),
        max(len(arm) - len(propensity.terms) - 1, 1), min(sizes), trim is not None,
    )  # fmt: skip
    k = len(estimands.horizons)
    value = np.zeros(k + 1)
    by_weight = np.zeros((len(arm), k + 1))
    missing: list[np.ndarray] = []
    flat = np.zeros(k + 1, dtype=bool)
    for rows, sign in ((arm, 1.0), (~arm, -1.0)):
        curve = weighted_survival(
            pair.outcome.take(rows), combined[rows], estimands.horizons, estimands.tau
        )
        own = np.append(curve.survival, curve.rmst)
        missing.append(np.isnan(own))
        flat |= _flat(curve)
        value += sign * own
        by_weight[rows] = sign * np.column_stack([curve.survival_by_weight, curve.rmst_by_weight])
    influence = case[:, None] * weights.influence_of(np.nan_to_num(by_weight))
    leverage = propensity.fit.leverage + _arm_share(arm, combined)
    variance = _variance(influence, leverage)
    notes = [_beyond(in_arm, in_reference) for in_arm, in_reference in zip(*missing, strict=True)]
    variance[flat] = np.nan
    yield from _contrasts(blank, estimands, (value, variance), notes)
    cox = CoxFit.fit(pair.outcome, arm[:, None].astype(float), combined, drop_alike=True)
    through = case * weights.influence_of(np.nan_to_num(cox.by_weight[:, 0]))
    yield blank._replace(
        part=f"{trimmed}Cox",
        scale=HAZARD_RATIO,
        value=float(cox.coef[0]),
        variance=np.nan if cox.note else float(_variance(through, leverage)),
        known_variance=float(cox.robust_covariance()[0, 0]),
        note=cox.note,
    )


def _standardised(
    pair: Pair, estimands: Estimands, case: np.ndarray, stratified: bool
) -> Iterator[Contrast]:
    found = g_computation(
        pair.outcome, pair.treated, pair.design.matrix, estimands.horizons, estimands.tau, case,
        stratified=stratified,
    )  # fmt: skip
    q = pair.design.matrix.shape[1]
    blank = Contrast(
        G_COMPUTATION, BY_ARM if stratified else "",
        "", np.nan, np.nan, np.nan, np.nan, "ATE", len(case),
        max(pair.outcome.n_events - q - 1, 1),
    )  # fmt: skip
    both = np.column_stack([found.survival, found.rmst])
    value = both[1] - both[0]
    notes = [found.cox.note or _beyond(bool(np.isnan(a)), bool(np.isnan(r))) for r, a in both.T]
    leverage = found.cox.leverage if not found.cox.note else np.zeros(len(case))
    variance = _variance(found.influence, leverage + case / case.sum())
    # An arm without an event before the time has no error of its own.
    full = np.append(np.ones(len(estimands.horizons)), estimands.tau)
    variance[np.isclose(both, full, rtol=1e-12, atol=0).any(axis=0)] = np.nan
    yield from _contrasts(blank, estimands, (value, variance), notes)


def _doubly_robust(pair: Pair, propensity: Propensity, estimands: Estimands) -> Iterator[Contrast]:
    case, arm = propensity.case_weights, pair.treated
    # Within the arms, so that censoring may differ between them.
    pseudo = pseudo_values(pair.outcome, estimands.horizons, estimands.tau, arm, case)
    values = np.column_stack([pseudo.survival, pseudo.rmst])
    found = doubly_robust(np.nan_to_num(values), pair.design.matrix, propensity)
    unknown = [np.isnan(values[(case > 0) & rows]).any(axis=0) for rows in (arm, ~arm)]
    lost = unknown[0] | unknown[1]
    weight = balancing_weights(propensity, "IPTW").weight * case
    sizes = [effective_sample_size(weight[a]) for a in (arm, ~arm)]
    blank = Contrast(
        AIPW, "", "", np.nan, np.nan, np.nan, np.nan, "ATE",
        sum(sizes), max(len(arm) - 2 * len(propensity.terms), 1), min(sizes),
    )  # fmt: skip
    flat = np.zeros(values.shape[1], dtype=bool)
    for rows in (arm, ~arm):
        flat |= _flat(
            weighted_survival(
                pair.outcome.take(rows), case[rows], estimands.horizons, estimands.tau
            )
        )
    value = np.where(lost, np.nan, found.difference)
    notes = [_beyond(bool(a), bool(r)) for a, r in zip(*unknown, strict=True)]
    leverage = propensity.fit.leverage + _arm_share(arm, weight)
    variance = np.where(flat, np.nan, _variance(found.influence, leverage))
    yield from _contrasts(blank, estimands, (value, variance), notes)


def _contrasts(
    blank: Contrast,
    estimands: Estimands,
    found: tuple[np.ndarray, np.ndarray],
    notes: list[str],
) -> Iterator[Contrast]:
    """Survival differences turned into event probability differences, then the RMST difference."""
    value, variance = found
    for at, horizon in enumerate((*estimands.horizons, estimands.tau)):
        last = at == len(estimands.horizons)
        note = notes[at]
        if not note and not variance[at] > 0:
            note = NO_INTERVAL
        yield blank._replace(
            scale=RMST if last else EVENT_PROBABILITY,
            horizon=horizon,
            value=float(value[at] if last else 0.0 - value[at]),
            variance=float(variance[at]) if variance[at] > 0 else np.nan,
            note=note,
        )


def _beyond(in_arm: bool, in_reference: bool) -> str:
    if not (in_arm or in_reference):
        return ""
    whose = "both arms" if in_arm and in_reference else "the arm" if in_arm else "the reference arm"
    return not_estimable(f"beyond the follow-up of {whose}")


def wald(value: float, variance: float, degrees: float = np.inf) -> tuple[float, float, float]:
    """95% limits and two-sided p of a value with its variance; t with finite degrees."""
    error = np.sqrt(variance)
    if not np.isfinite(value) or not error > 0:
        return np.nan, np.nan, np.nan
    quantile = stats.t.ppf(0.975, degrees)
    p_value = 2 * stats.t.sf(abs(value) / error, degrees)
    return float(value - quantile * error), float(value + quantile * error), float(p_value)
