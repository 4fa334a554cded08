"""Model-based regimen effects: what a fitted model's predictions owe to the regimen.

A SHAP value is a contribution of a covariate to one model's prediction, not the effect of changing
it (10.1186/s41512-025-00213-8); nothing here is causal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evaluation.estimators import SHAP, STANDARDISED
from evaluation.explanation import (
    Background,
    CurveOutputs,
    explain_curve,
    outputs_under,
    step_times,
)
from evaluation.remarks import not_estimable
from features.dataset import REGIMEN
from features.outcome import Outcome
from models.prediction import SurvivalModel

ESTIMATORS = (SHAP, STANDARDISED)
SCALES = {
    "event probability": "event probability difference",
    "RMST": "RMST difference (months)",
}
# Patients explained for a contrast; of more a draw.
MOST_READ = 250
CONTRIBUTION = "contribution of the regimen to this model's prediction"


@dataclass(frozen=True)
class RegimenReading:
    """What one model's predictions for n patients owe to the regimen, in K outputs.

    Attributes
    ----------
    outputs : CurveOutputs
        Event probability at each horizon, then RMST where asked for.
    rows : ndarray of shape (n,), int
        Places in the table of the patients explained: all, or a draw of more than 250.
    regimen : ndarray of shape (n,)
    contribution : ndarray of shape (n, K)
        SHAP value of the regimen for each patient. For event probabilities +.05 means that the
        regimen raises this prediction by five points over the table's average; for RMST months,
        and positive is longer.
    error : ndarray of shape (n, K)
        Standard error where it was sampled; 0 where it is exact.
    under : dict of arm -> ndarray of shape (K,)
        Mean prediction with every patient under the arm.
    method : str
        How the SHAP values were computed.
    """

    outputs: CurveOutputs
    rows: np.ndarray
    regimen: np.ndarray
    contribution: np.ndarray
    error: np.ndarray
    under: dict[str, np.ndarray]
    method: str

    def mean_by_arm(self) -> dict[str, np.ndarray]:
        """Mean contribution among each arm's own patients, shape (K,) an arm."""
        return {arm: self.contribution[self.regimen == arm].mean(axis=0) for arm in self.under}

    def contrasts(self) -> np.ndarray:
        """Both contrasts of every arm with the first, shape (2, n_arms - 1, K)."""
        reference, *others = self.under
        return np.array(
            [
                [mean[arm] - mean[reference] for arm in others]
                for mean in (self.mean_by_arm(), self.under)
            ]
        )

    def contrast_error(self) -> np.ndarray:
        """Standard error that sampling leaves in the SHAP contrasts, shape (n_arms - 1, K)."""
        variance = {}
        for arm in self.under:
            own = self.error[self.regimen == arm]
            variance[arm] = (own**2).sum(axis=0) / len(own) ** 2
        reference, *others = self.under
        return np.sqrt([variance[arm] + variance[reference] for arm in others])


def read_regimen(
    model: SurvivalModel,
    predictors: pd.DataFrame,
    arms: Sequence[str],
    outputs: CurveOutputs,
    seed: int,
) -> RegimenReading:
    """Contribution of the regimen for each patient, and the mean prediction under each arm.

    The covariates before encoding are the players; those outside a coalition take the values of
    another patient of the same table (interventional, or marginal, SHAP: Lundberg and Lee 2017).

    Parameters
    ----------
    model : SurvivalModel
    predictors : DataFrame of shape (n, p)
        With the column 'regimen'. The patients explained are also the background: of more than 250
        a draw is both, since the error of a contrast comes from either side alike. The standardised
        contrast is over all.
    arms : sequence of str
        The reference arm first.
    outputs : CurveOutputs
    seed : int
        Of what is drawn: 250 of more patients, within each regimen, and coalitions of a model that
        has no exact method.

    Returns
    -------
    RegimenReading
        NaN for outputs beyond the model's follow-up; 0 where the model does not see the regimen.
    """
    drawn = Background.of(predictors, seed, most=MOST_READ)
    explained = predictors.iloc[drawn.rows].reset_index(drop=True)
    against = Background(np.arange(len(explained)), drawn.weights)
    explanation = explain_curve(model, explained, outputs, seed, player=REGIMEN, background=against)
    at = explanation.columns.index(REGIMEN) if REGIMEN in explanation.columns else None
    contribution = explanation.of(REGIMEN)
    error = np.zeros(contribution.shape) if at is None else explanation.error[:, at]
    known = outputs.within(model.follow_up)
    wanted = outputs.take(known)
    told = outputs_under(model, predictors, REGIMEN, arms, wanted)
    under = {arm: np.full(len(known), np.nan) for arm in arms}
    for arm, values in zip(arms, told, strict=True):
        under[arm][known] = values.mean(axis=0)
    regimen = explained[REGIMEN].to_numpy(dtype=object)
    return RegimenReading(
        outputs, drawn.rows, regimen, contribution, error, under, explanation.method
    )


def curve_outputs(
    model: SurvivalModel, horizons: Sequence[float], tau: float | None = None
) -> CurveOutputs:
    """Event probability at horizons and RMST to tau, in months, on the steps of this model."""
    return CurveOutputs.read(horizons, tau, step_times(model))


def regimen_contribution(
    model: SurvivalModel,
    predictors: pd.DataFrame,
    horizons: Sequence[float],
    seed: int,
    tau: float | None = None,
) -> np.ndarray:
    """Shapley value of the regimen for each patient, on the event probability and the RMST.

    Parameters as `read_regimen`; horizons and tau in months.

    Returns
    -------
    ndarray of shape (n, n_horizons), or (n, n_horizons + 1) with tau
        In probability; the last column with tau in months.
    """
    outputs = curve_outputs(model, horizons, tau)
    return explain_curve(model, predictors, outputs, seed, player=REGIMEN).of(REGIMEN)


def model_contrasts(
    model: SurvivalModel,
    predictors: pd.DataFrame,
    arms: Sequence[str],
    horizons: Sequence[float],
    seed: int,
    tau: float | None = None,
) -> np.ndarray:
    """Contrast of each arm with the reference arm in one model.

    Parameters
    ----------
    arms : sequence of str
        The reference arm first.
    tau : float, optional
        Months; adds the restricted mean survival time up to it as one more output.

    Returns
    -------
    ndarray of shape (2, n_arms - 1, n_horizons), or one more output with tau
        First the SHAP contrast: mean contribution of the regimen among the arm's patients minus
        that among the reference arm's. Then the standardised contrast: mean prediction with
        every patient under the arm minus the same under the reference arm. In probability, where
        negative means fewer events under the arm; RMST in months, where positive is longer.
    """
    outputs = curve_outputs(model, horizons, tau)
    return read_regimen(model, predictors, arms, outputs, seed).contrasts()


def within_arms(table: pd.DataFrame, outcome: Outcome, regimen: np.ndarray) -> pd.DataFrame:
    """Take back the contrasts beyond the follow-up of an arm: the model goes on along the other's.

    Parameters
    ----------
    table : DataFrame with REGIMEN_COLUMNS
    outcome : Outcome of n patients
    regimen : ndarray of shape (n,)
    """
    reach = {arm: float(outcome.time[regimen == arm].max()) for arm in np.unique(regimen)}
    numbers = ["estimate", "ci_low", "ci_high"]
    found = table.copy()
    for row in table.index:
        horizon = table.loc[row, "horizon"]
        short = [
            whose
            for whose, column in (("the arm", "arm"), ("the reference arm", "reference_arm"))
            if horizon > reach.get(table.loc[row, column], np.inf)
        ]
        if short:
            whose = "both arms" if len(short) == 2 else short[0]
            found.loc[row, numbers] = np.nan
            found.loc[row, "note"] = not_estimable(f"beyond the follow-up of {whose}")
    return found
