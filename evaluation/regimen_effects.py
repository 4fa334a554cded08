"""Model-based regimen effects: what a fitted model's predictions owe to the regimen.

A SHAP value is a contribution of a covariate to one model's prediction, not the effect of changing
it (10.1186/s41512-025-00213-8); nothing here is causal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evaluation.bootstrap import percentile_interval
from evaluation.results import regimen_table
from features.dataset import REGIMEN
from models.prediction import SurvivalModel

DRAWS = 32


def regimen_contribution(
    model: SurvivalModel,
    predictors: pd.DataFrame,
    horizons: Sequence[float],
    seed: int,
    draws: int = DRAWS,
) -> np.ndarray:
    """Shapley value of the regimen for each patient, on the event probability.

    The covariates are the players; those outside a coalition take the values of another patient of
    the same table (interventional, or marginal, SHAP: Lundberg and Lee 2017; Strumbelj and
    Kononenko 2014). Coalitions are drawn in antithetic pairs. Another patient with the same regimen
    contributes exactly nothing, so only patients of other regimens are drawn and weighted by
    their share.

    Parameters
    ----------
    model : SurvivalModel
    predictors : DataFrame of shape (n, p)
        With the column 'regimen'; the patients explained are also the background.
    horizons : sequence of float
        Months, increasing, within the model's follow-up.
    seed : int
    draws : int
        Antithetic pairs of coalitions for each patient.

    Returns
    -------
    ndarray of shape (n, n_horizons)
        In probability: +0.05 means that the regimen raises this prediction by five points over the
        table's average.
    """
    rng = np.random.default_rng(seed)
    regimen = predictors[REGIMEN].to_numpy(dtype=object)
    others = [name for name in predictors.columns if name != REGIMEN]
    n = len(predictors)
    different = regimen[:, None] != regimen[None, :]
    explained = different.any(axis=1)
    contribution = np.zeros((n, len(horizons)))
    if not explained.any():
        return contribution

    patient = np.repeat(np.flatnonzero(explained), draws)
    background = _draw_one_true(rng, different[patient])
    # Position of the regimen in a random order of the players, then that many of the others.
    rank = rng.random((len(patient), len(others))).argsort(axis=1).argsort(axis=1)
    inside = rank < rng.integers(0, len(others) + 1, len(patient))[:, None]
    coalitions = [
        _mix(predictors, others, patient, background, mask) for mask in (inside, ~inside)
    ]  # fmt: skip
    rows = pd.concat(
        [
            coalition.assign(**{REGIMEN: regimen[who]})
            for coalition in coalitions
            for who in (patient, background)
        ],
        ignore_index=True,
    )
    probability = model.predict(rows, horizons).event_probability
    with_own, with_other, with_own_too, with_other_too = np.split(probability, 4)
    difference = (with_own - with_other + with_own_too - with_other_too) / 2
    mean = difference.reshape(-1, draws, len(horizons)).mean(axis=1)
    contribution[explained] = mean * different[explained].mean(axis=1)[:, None]
    return contribution


def _draw_one_true(rng: np.random.Generator, allowed: np.ndarray) -> np.ndarray:
    """For each row of a boolean matrix, the column of a randomly drawn True."""
    nth = (rng.random(len(allowed)) * allowed.sum(axis=1)).astype(int)
    return (allowed.cumsum(axis=1) > nth[:, None]).argmax(axis=1)


def _mix(
    predictors: pd.DataFrame,
    others: list[str],
    patient: np.ndarray,
    background: np.ndarray,
    inside: np.ndarray,
) -> pd.DataFrame:
    """Rows whose covariates come from the patient inside the coalition, else from the other."""
    mixed = {}
    for column, name in enumerate(others):
        values = predictors[name].to_numpy()
        mixed[name] = np.where(inside[:, column], values[patient], values[background])
    return pd.DataFrame(mixed)


def model_contrasts(
    model: SurvivalModel,
    predictors: pd.DataFrame,
    arms: Sequence[str],
    horizons: Sequence[float],
    seed: int,
) -> np.ndarray:
    """Contrast of each arm with the reference arm in one model.

    Parameters
    ----------
    arms : sequence of str
        The reference arm first.

    Returns
    -------
    ndarray of shape (2, n_arms - 1, n_horizons)
        First the SHAP contrast: mean contribution of the regimen among the arm's patients minus
        that among the reference arm's. Then the standardised contrast: mean event probability with
        every patient under the arm minus the same under the reference arm. In probability;
        negative means fewer events under the arm.
    """
    contribution = regimen_contribution(model, predictors, horizons, seed)
    regimen = predictors[REGIMEN].to_numpy(dtype=object)
    shap_mean = {arm: contribution[regimen == arm].mean(axis=0) for arm in arms}
    under = {
        arm: model.predict(
            predictors.assign(**{REGIMEN: np.full(len(regimen), arm, dtype=object)}), horizons
        ).event_probability.mean(axis=0)
        for arm in arms
    }
    return np.array(
        [[mean[arm] - mean[arms[0]] for arm in arms[1:]] for mean in (shap_mean, under)]
    )


def regimen_effect_table(
    learner: str,
    endpoint: str,
    arms: Sequence[str],
    horizons: Sequence[float],
    estimate: np.ndarray,
    replicates: np.ndarray,
    n: int,
    events: int,
) -> pd.DataFrame:
    """Tabulate a learner's contrasts with their bootstrap intervals.

    Parameters
    ----------
    estimate : ndarray of shape (2, n_arms - 1, n_horizons)
        From the model fitted to all patients, as `model_contrasts` returns it.
    replicates : ndarray of shape (n_replicates, 2, n_arms - 1, n_horizons)
        The same from models refitted to bootstrap samples with the same parameters.

    Returns
    -------
    DataFrame
        With REGIMEN_COLUMNS.
    """
    method = f"percentiles over {len(replicates)} bootstrap refits, parameters fixed"
    notes = (
        "contribution of the regimen to this model's prediction; not causal",
        "mean prediction with everyone under each regimen; not causal",
    )
    rows = []
    for which, (estimator, note) in enumerate(
        zip(("SHAP contrast", "standardised contrast"), notes, strict=True)
    ):
        for a, arm in enumerate(arms[1:]):
            for h, horizon in enumerate(horizons):
                refits = replicates[:, which, a, h]
                low, high = percentile_interval(refits)
                without = float(np.mean(refits == 0))
                rows.append(
                    {
                        "family": "model-based",
                        "estimator": f"{estimator}, {learner}",
                        "endpoint": endpoint,
                        "scale": "event probability difference",
                        "horizon": horizon,
                        "arm": arm,
                        "reference_arm": arms[0],
                        "estimate": estimate[which, a, h],
                        "ci_low": low,
                        "ci_high": high,
                        "ci_method": method,
                        "n": n,
                        "events": events,
                        "note": note
                        + (
                            f"; the regimen left the model in {without:.0%} of refits"
                            if without
                            else ""
                        ),
                    }
                )
    return regimen_table(rows)


def covariate_contributions(
    model: SurvivalModel,
    predictors: pd.DataFrame,
    horizon: float,
    seed: int,
    background: int = 30,
) -> pd.DataFrame:
    """SHAP values of every covariate on the event probability at one horizon.

    Computed by shap's PermutationExplainer with the covariates, before encoding, as players and a
    random part of the same patients as background.

    Returns
    -------
    DataFrame of shape (n, p)
        Contributions in probability, one column a covariate.
    """
    import shap

    levels = [pd.unique(predictors[name]) for name in predictors]
    codes = np.column_stack(
        [
            pd.Categorical(predictors[name], categories=known[pd.notna(known)]).codes
            for name, known in zip(predictors, levels, strict=True)
        ]
    ).astype(float)
    kept = [known[pd.notna(known)] for known in levels]

    def event_probability(coded: np.ndarray) -> np.ndarray:
        # Code -1 stands for missing, so the missing value is put last.
        columns = {}
        for column, (name, known) in enumerate(zip(predictors, kept, strict=True)):
            numeric = predictors[name].dtype != object
            missing = np.array([np.nan if numeric else None], dtype=float if numeric else object)
            columns[name] = np.concatenate([known, missing])[coded[:, column].astype(int)]
        return model.predict(pd.DataFrame(columns), [horizon]).event_probability[:, 0]

    rng = np.random.default_rng(seed)
    rows = rng.choice(len(codes), size=min(background, len(codes)), replace=False)
    explainer = shap.PermutationExplainer(
        event_probability, shap.maskers.Independent(codes[rows]), seed=seed
    )
    explanation = explainer(codes, max_evals=4 * codes.shape[1] + 2, silent=True)
    return pd.DataFrame(explanation.values, columns=predictors.columns)
