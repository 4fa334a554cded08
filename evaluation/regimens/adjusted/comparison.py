"""Adjusted comparison of regimens: weights, standardisation, doubly robust, E-values, in one table.

Adjusted for what was recorded, and for nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from evaluation.regimens.adjusted.one_arm import ArmAgainstReference
from evaluation.regimens.adjusted.settings import AdjustedSettings
from evaluation.results import Estimate, adjusted_table
from features.covariates import Covariate, multiply_impute
from features.outcome import Outcome


@dataclass(frozen=True)
class AdjustedComparison:
    """The table of adjusted estimates and the numbers behind its pictures.

    Attributes
    ----------
    table : DataFrame
        ADJUSTED_COLUMNS, family "adjusted".
    overlap : DataFrame
        One row a patient of each pair: arm, reference_arm, regimen, propensity (probability of the
        arm). No identifier.
    balance : DataFrame
        `balance_table` of each pair: arm, reference_arm, term, weighting, smd, balanced.
    positivity : DataFrame
        `positivity` of each pair: arm, reference_arm, verdict, overlap, outside, effective_share,
        c_statistic, and of its multivariable Cox model trend_p (cox.zph of the arm) and
        events_per_coefficient.
    curves : DataFrame
        `weighted_kaplan_meier` of each pair, kind of weight and regimen: arm, reference_arm,
        weighting, regimen, time, survival, n_risk, n_event, n_censor.
    """

    table: pd.DataFrame
    overlap: pd.DataFrame
    balance: pd.DataFrame
    positivity: pd.DataFrame
    curves: pd.DataFrame


def compare_adjusted(
    outcome: Outcome,
    regimen: ArrayLike,
    covariates: pd.DataFrame,
    settings: AdjustedSettings,
    dictionary: Mapping[str, Covariate] | None = None,
) -> AdjustedComparison:
    """Every adjusted comparison of each arm with the reference arm.

    Parameters
    ----------
    outcome : Outcome of n patients
        A competing event counts as censored: a contrast is then of the cause-specific kind.
    regimen : array-like of shape (n,), str
        Complete. Of more than two arms each is compared with the reference arm on its own.
    covariates : DataFrame of shape (n, p)
        The pre-specified adjustment set: baseline only, main effects, few for the events at hand.
    settings : AdjustedSettings
    dictionary : mapping of name -> Covariate, optional
        For the imputation; the project's where left out.

    Returns
    -------
    AdjustedComparison
        Differences are arm minus reference arm; an event probability difference above 0 and a
        hazard ratio above 1 are worse than the reference arm, an RMST difference above 0 better.
        Arms too small for a large-sample interval (`too_small`) leave every row but that of the
        multivariable Cox model without interval and p, with the reason in its note.

        =============================  =====================================  ================
        estimator                      scales                                 population
        =============================  =====================================  ================
        multivariable Cox (Firth)      hazard ratio, given the covariates     as treated
        KIND Kaplan-Meier              event probability, RMST difference     of the weights
        KIND Cox                       marginal hazard ratio                  of the weights
        g-computation, Cox             event probability, RMST difference     ATE
        AIPW of pseudo-values          event probability, RMST difference     ATE
        E-value of a Cox row           risk ratio; ci_low is that of the      as of the row
                                       limit
        =============================  =====================================  ================

        With multiple imputation, checks and pictures are of all completed tables: standardised
        differences, curves and propensities are means over them; effective sizes, overlap and the
        p-value of proportional hazards medians; Firth's penalty where any table needs it.

    Raises
    ------
    ValueError
        For inputs of different lengths, fewer than two arms, a missing regimen, an unknown
        reference arm, or no covariate.
    InputError
        From the imputation, when it cannot be told whether a missing value exists.
    """
    given = np.asarray(regimen, dtype=object)
    arms = _arms(given, settings.reference_arm)
    if not len(outcome) == len(given) == len(covariates):
        raise ValueError(
            f"outcome, regimen and covariates must hold the same patients; got {len(outcome)}, "
            f"{len(given)} and {len(covariates)}"
        )
    if not covariates.shape[1]:
        raise ValueError("covariates holds no column; an unadjusted comparison is compare_regimens")
    covariates = covariates.reset_index(drop=True)
    notes = []
    empty = [name for name in covariates if covariates[name].isna().all()]
    if empty:
        covariates = covariates.drop(columns=empty)
        notes.append(f"left out, no value at all: {', '.join(map(str, empty))}")
        if not covariates.shape[1]:
            raise ValueError(f"covariates holds no value at all in {', '.join(map(str, empty))}")
    if settings.missing == "complete":
        kept = ~covariates.isna().any(axis=1).to_numpy()
        if not kept.all():
            notes.append(f"{(~kept).sum()} with a missing covariate left out")
        outcome, given = outcome.take(kept), given[kept]
        covariates = covariates[kept].reset_index(drop=True)
    tables = [covariates]
    if settings.missing == "impute" and covariates.isna().to_numpy().any():
        tables = multiply_impute(
            covariates, outcome, given, settings.imputations, settings.seed, dictionary
        )
    rows: list[Estimate] = []
    pictures: dict[str, list[pd.DataFrame]] = {
        "overlap": [], "balance": [], "positivity": [], "curves": [],
    }  # fmt: skip
    for arm in arms:
        members = np.flatnonzero((given == arm) | (given == settings.reference_arm))
        pairs = ArmAgainstReference(
            arm, settings, outcome.take(members), given[members] == arm,
            [table.iloc[members].reset_index(drop=True) for table in tables], notes,
        )  # fmt: skip
        rows += pairs.rows()
        for name, frame in pairs.pictures().items():
            frame.insert(0, "arm", arm)
            frame.insert(1, "reference_arm", settings.reference_arm)
            pictures[name].append(frame)
    frames = {
        name: pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
        for name, parts in pictures.items()
    }
    return AdjustedComparison(adjusted_table(rows), **frames)


def _arms(regimen: np.ndarray, reference_arm: str) -> list[str]:
    """The arms other than the reference arm, in alphabetical order."""
    if pd.isna(regimen).any():
        missing = int(pd.isna(regimen).sum())
        raise ValueError(f"regimen is missing for {missing} patients; leave them out first")
    arms = sorted(set(regimen))
    if reference_arm not in arms or len(arms) < 2:
        raise ValueError(
            f"regimen must hold the reference arm {reference_arm!r} and another one; got {arms}"
        )
    return [arm for arm in arms if arm != reference_arm]
