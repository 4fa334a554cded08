"""Propensity to receive the arm, weights from it, and how far the arms overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from evaluation.regimens.adjusted.design import AdjustmentDesign
from evaluation.statistics import LogisticFit, Method, fit_logistic, is_separated

Kind = Literal["IPTW", "stabilised IPTW", "overlap", "matching", "as treated"]
Overlap = Literal["adequate", "thin", "poor"]
# The patients each kind of weight speaks of.
POPULATIONS: dict[str, str] = {
    "IPTW": "ATE",
    "stabilised IPTW": "ATE",
    "overlap": "overlap",
    "matching": "matched",
    "as treated": "as treated",
}
# Outside of these, estimates rest on few patients (Crump et al., Biometrika 2009;96:187). They are
# of the preference score, which is the propensity where the arms are of equal size.
PROPENSITY_RANGE = (0.1, 0.9)
# (share of patients outside the range at most, effective share of the smaller arm at least)
ADEQUATE = (0.05, 0.7)
THIN = (0.20, 0.4)
# A probability this near 0 or 1 has no weight that could be computed.
_SMALLEST = 1e-8


@dataclass(frozen=True)
class Propensity:
    """Probability of the arm given the covariates, of n patients of two arms.

    Attributes
    ----------
    score : ndarray of shape (n,)
        Above 0, below 1.
    treated : ndarray of shape (n,), bool
        True in the arm, False in the reference arm.
    fit : LogisticFit
    terms : tuple of str
        Intercept and columns, in the order of `fit.coef`.
    separated : bool
        The covariates tell the arms apart; the score then comes from Firth's regression.
    case_weights : ndarray of shape (n,)
        How often each patient counts; 1 outside the bootstrap.
    """

    score: np.ndarray
    treated: np.ndarray
    fit: LogisticFit
    terms: tuple[str, ...]
    separated: bool
    case_weights: np.ndarray

    @property
    def note(self) -> str:
        """What has to be said of the model, empty when nothing."""
        if self.separated:
            return "the covariates separate the arms: propensity by Firth's logistic regression"
        return "" if self.fit.method == "maximum likelihood" else f"propensity: {self.fit.method}"


def fit_propensity(
    design: AdjustmentDesign,
    treated: np.ndarray,
    method: Method = "maximum likelihood",
    case_weights: np.ndarray | None = None,
) -> Propensity:
    """Fit the probability of the arm by logistic regression on main effects.

    Parameters
    ----------
    design : AdjustmentDesign of n patients
    treated : ndarray of shape (n,), bool
        True in the arm. Two arms only: take more in pairs with the reference arm.
    method : str
        As for `fit_logistic`; unpenalised where left out, as R's glm.
    case_weights : ndarray of shape (n,), optional
        Bootstrap counts. With them separation is not looked for.

    Raises
    ------
    ValueError
        When `treated` is not two-valued, or an arm is empty.
    """
    values = np.asarray(treated)
    if values.dtype != bool:
        kinds = np.unique(values)
        if len(kinds) > 2 or not np.isin(kinds, (0, 1)).all():
            raise ValueError(
                f"treated must be True/False, one arm against the reference arm; got "
                f"{len(kinds)} distinct values: compare more than two arms in pairs"
            )
    arm = values.astype(bool)
    separated = False
    if case_weights is None:
        case = np.ones(len(arm))
        if method == "maximum likelihood" and design.matrix.shape[1]:
            separated = is_separated(design.matrix, arm)
            method = "Firth" if separated else method
    else:
        case = np.asarray(case_weights, dtype=float)
    fit = fit_logistic(design.matrix, arm, method, case)
    score = np.clip(fit.probability, _SMALLEST, 1 - _SMALLEST)
    return Propensity(score, arm, fit, ("(Intercept)", *design.terms), separated, case)


class Weights(NamedTuple):
    """Balancing weights of n patients.

    Attributes
    ----------
    weight : ndarray of shape (n,)
        Without the case weight; to be normalised within the arms where an estimator needs it.
    slope : ndarray of shape (n, q)
        Derivative by the parameters of the propensity model.
    influence : ndarray of shape (n, q)
        Derivative of these parameters by each patient's case weight.
    kind : str
    """

    weight: np.ndarray
    slope: np.ndarray
    influence: np.ndarray
    kind: Kind

    def influence_of(self, by_weight: np.ndarray) -> np.ndarray:
        """Influence of each patient on an estimate, that through the propensity model included.

        Parameters
        ----------
        by_weight : ndarray of shape (n,) or (n, k)
            Derivative of the estimate by each patient's weight, the weights taken as known.

        Returns
        -------
        ndarray of the same shape
            The sum of its squares is the estimate's variance.
        """
        columns = by_weight.reshape(len(by_weight), -1)
        total = self.weight[:, None] * columns + self.influence @ (self.slope.T @ columns)
        return total.reshape(by_weight.shape)


def balancing_weights(
    propensity: Propensity, kind: Kind, trim: tuple[float, float] | None = None
) -> Weights:
    """Weights that make the arms alike in the covariates.

    ==================  =============================  =========================================
    kind                weight in the arm, reference   population
    ==================  =============================  =========================================
    IPTW                1/e, 1/(1-e)                   everybody (ATE)
    stabilised IPTW     p/e, (1-p)/(1-e)               everybody; p is the share of the arm
    overlap             1-e, e                         those who could have had either
    matching            min(e, 1-e)/e, .../(1-e)       those a pair matching would keep
    as treated          1, e/(1-e)                     those who had the arm (ATT)
    ==================  =============================  =========================================

    Parameters
    ----------
    propensity : Propensity
    kind : str
    trim : (float, float), optional
        Percentiles, such as (1, 99): weights beyond them are set to them. The interval of a
        trimmed estimate has to come from the bootstrap.

    References
    ----------
    Li, Morgan and Zaslavsky, JASA 2018;113:390; Li and Greene, Int J Biostat 2013;9:215; Xu et
    al., Value Health 2010;13:273 (stabilised).
    """
    e, arm = propensity.score, propensity.treated
    share = float(propensity.case_weights @ arm / propensity.case_weights.sum())
    if kind in ("IPTW", "stabilised IPTW"):
        top, bottom = (share, 1 - share) if kind == "stabilised IPTW" else (1.0, 1.0)
        weight = np.where(arm, top / e, bottom / (1 - e))
        by_score = np.where(arm, -top / e**2, bottom / (1 - e) ** 2)
    elif kind == "overlap":
        weight, by_score = np.where(arm, 1 - e, e), np.where(arm, -1.0, 1.0)
    elif kind == "matching":
        weight = np.minimum(e, 1 - e) / np.where(arm, e, 1 - e)
        by_score = np.where(
            arm, np.where(e < 0.5, 0.0, -1 / e**2), np.where(e < 0.5, 1 / (1 - e) ** 2, 0.0)
        )
    elif kind == "as treated":
        weight, by_score = (
            np.where(arm, 1.0, e / (1 - e)),
            np.where(arm, 0.0, 1 / (1 - e) ** 2),
        )
    else:
        raise ValueError(f"kind must be one of {sorted(POPULATIONS)}; got {kind!r}")
    slope = (by_score * e * (1 - e))[:, None] * propensity.fit.columns
    influence = propensity.fit.influence
    if kind == "stabilised IPTW":
        by_share = np.where(arm, 1 / e, -1 / (1 - e))
        own = (arm - share) / propensity.case_weights.sum()
        slope, influence = np.column_stack([slope, by_share]), np.column_stack([influence, own])
    if trim is not None:
        low, high = np.percentile(np.repeat(weight, propensity.case_weights.astype(int)), trim)
        slope = np.where(((weight < low) | (weight > high))[:, None], 0.0, slope)
        weight = np.clip(weight, low, high)
    return Weights(weight, slope, influence, kind)


def effective_sample_size(weights: np.ndarray) -> float:
    """Kish's effective number of patients, (sum w)^2 / sum w^2; 0 without any weight."""
    weights = np.asarray(weights, dtype=float)
    total = float(np.sum(weights**2))
    return float(np.sum(weights)) ** 2 / total if total > 0 else 0.0


class Positivity(NamedTuple):
    """Whether both arms have patients of every kind.

    Attributes
    ----------
    verdict : str
        The overlap in words, with the figures it rests on.
    overlap : {'adequate', 'thin', 'poor'}
    outside : float
        Share of patients with a preference score outside PROPENSITY_RANGE.
    effective_share : float
        The smaller of the two arms' effective over actual size under IPTW.
    c_statistic : float
        Of the propensity for the arm; near 1 the arms hardly overlap.
    """

    verdict: str
    overlap: Overlap
    outside: float
    effective_share: float
    c_statistic: float


def propensity_limits(share: float) -> tuple[float, float]:
    """Propensities at which the preference score leaves PROPENSITY_RANGE.

    The preference score is the propensity were both arms of equal size: its log odds are those of
    the propensity less those of the arm's share. In a randomised cohort it is near 0.5, whatever
    the allocation, while the propensity is near the share.

    Parameters
    ----------
    share : float
        Of the arm, above 0 and below 1; 0.5 gives PROPENSITY_RANGE itself.

    References
    ----------
    Walker et al., Comp Eff Res 2013;3:11, 10.2147/CER.S40357.
    """
    if not 0 < share < 1:
        raise ValueError(f"share must be above 0 and below 1; got {share:g}")
    low, high = (
        share * limit / (share * limit + (1 - share) * (1 - limit)) for limit in PROPENSITY_RANGE
    )
    return low, high


def positivity(*propensities: Propensity) -> Positivity:
    """Judge the overlap of the arms by a stated rule.

    Of several completed tables of the same patients: by the medians of their figures, and as
    separated where more than half of the tables are.

    Adequate: at most 5% of patients with a preference score outside 0.1 to 0.9 and in both arms an
    effective size under IPTW of 70% or more of the actual one. Thin: at most 20%, and 40% or more.
    Poor otherwise, or where the covariates separate the arms: then only overlap or matching
    weights can be read, of a narrow group.
    """
    figures = np.array([_overlap(propensity) for propensity in propensities])
    outside, share, c_statistic = (float(figure) for figure in np.median(figures, axis=0))
    separated = 2 * sum(propensity.separated for propensity in propensities) > len(propensities)
    overlap: Overlap = "poor"
    if not separated and outside <= ADEQUATE[0] and share >= ADEQUATE[1]:
        overlap = "adequate"
    elif not separated and outside <= THIN[0] and share >= THIN[1]:
        overlap = "thin"
    low, high = PROPENSITY_RANGE
    verdict = (
        f"overlap {overlap}{' (arms separated)' * separated}: {outside:.0%} of patients outside "
        f"preference score {low:g}-{high:g}, effective size under IPTW at least {share:.0%} of "
        "each arm"
    )
    return Positivity(verdict, overlap, outside, share, c_statistic)


def _overlap(propensity: Propensity) -> tuple[float, float, float]:
    """Share outside the range, effective share of the arm with less of it, c-statistic."""
    e, arm = propensity.score, propensity.treated
    low, high = propensity_limits(float(arm.mean()))
    outside = float(np.mean((e < low) | (e > high)))
    weight = balancing_weights(propensity, "IPTW").weight
    share = min(effective_sample_size(weight[a]) / a.sum() for a in (arm, ~arm))
    return outside, share, _c_statistic(e, arm)


def propensity_note(propensities: Sequence[Propensity]) -> str:
    """What has to be said of the models of several completed tables, empty when nothing."""
    notes = [propensity.note for propensity in propensities]
    said = dict.fromkeys(note for note in notes if note)
    return "; ".join(
        note + ("" if (k := notes.count(note)) == len(notes) else f" ({k} of {len(notes)} tables)")
        for note in said
    )


def _c_statistic(score: np.ndarray, arm: np.ndarray) -> float:
    """Share of pairs, one of each arm, ordered rightly; ties count half."""
    order = np.sort(score[~arm])
    below = np.searchsorted(order, score[arm], side="left")
    up_to = np.searchsorted(order, score[arm], side="right")
    return float((below + up_to).sum() / (2 * arm.sum() * (~arm).sum()))
