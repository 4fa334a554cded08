"""What a training stores beside its model for the answer to one patient: summaries and refits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from evaluation.metrics import IPA, rows_of
from evaluation.statistics import fit_logistic
from evaluation.validation import Refits
from features.columns import Columns, plain_columns
from features.covariates import describe_covariates
from features.dataset import REGIMEN, Dataset
from features.outcome import Outcome
from models.artifact import Beside, packed
from models.fitted import encode
from models.individual import (
    FEWEST_REFITS,
    Better,
    Distance,
    Overlap,
    Risks,
    Support,
    Terms,
    supported_until,
    typical_values,
)
from models.learners import LEARNERS, STACK
from models.prediction import SurvivalModel
from models.preprocessing.fitting import RARE_LEVEL
from pipelines.training.plan import TrainingPlan

# Together, before compression.
MOST_BYTES = 64_000_000
# Points of the average curve.
POINTS = 48
# The event in words, where the endpoint is ready columns: by its label.
EVENTS = {
    "OS": "death",
    "EFS": "relapse, refractory disease or death",
    "PFS": "progression or death",
    "RFS": "relapse or death",
}
MOST_REASONS = 3


def beside(
    plan: TrainingPlan, model: SurvivalModel, metrics: pd.DataFrame, refits: Refits | None
) -> Beside:
    """Summaries of the training patients, and as many refits as there is room for.

    Parameters
    ----------
    metrics : DataFrame with METRIC_COLUMNS
        Out-of-fold, of the model's learner.
    refits : Refits, optional
        With the models; None for none.
    """
    models = () if refits is None else refits.models
    return Beside(support_of(plan, model, metrics), models[: _room(models)])


def support_of(plan: TrainingPlan, model: SurvivalModel, metrics: pd.DataFrame) -> Support:
    """Summarise the training patients; parameters as `beside`."""
    dataset, horizon = plan.view(model.learner), max(plan.horizons)
    predictors = dataset.predictors[list(model.columns)]
    columns = plain_columns(predictors)
    covariates = {name: column for name, column in columns.items() if name != REGIMEN}
    terms = Terms.of(covariates, RARE_LEVEL)
    standardised = terms.of_patients(covariates)
    months = np.unique([*np.linspace(0, model.follow_up, POINTS + 1)[1:].round(2), horizon])
    months = months[months <= model.follow_up]
    survival = model.predict(predictors, months).survival
    typical = typical_values(columns)
    described = describe_covariates(covariates, plan.cohort.dictionary)
    labels = {
        name: one.label + (f" ({one.unit})" if one.unit else "") for name, one in described.items()
    }
    return Support(
        event=event_in_words(plan.endpoint, dataset.outcome),
        until=min(supported_until(dataset.outcome.time), model.follow_up),
        events_per_feature=_events_per_feature(dataset),
        months=tuple(months.tolist()),
        average=tuple(survival.mean(axis=0).round(4).tolist()),
        typical=typical,
        fills=_fills(model, typical, columns),
        labels=labels | ({REGIMEN: "Regimen"} if REGIMEN in columns else {}),
        terms=terms,
        distance=Distance.of(standardised) if terms.terms else None,
        overlaps=_overlaps(standardised, dataset, plan.arms_of(model.learner)),
        risks=Risks.of(horizon, 1 - model.predict(predictors, [horizon]).survival[:, 0]),
        better=_better(metrics, horizon),
    )


def event_in_words(endpoint: str, outcome: Outcome) -> str:
    """What is predicted, in words: the endpoint's reasons, else what its label stands for."""
    if outcome.reason is not None:
        words, counts = np.unique(outcome.reason[outcome.event].astype(str), return_counts=True)
        named = [str(words[place]) for place in np.argsort(-counts, kind="stable")]
        # Ready columns give a column and its code for a reason.
        if 0 < len(named) <= MOST_REASONS and not any("=" in word for word in named):
            return " or ".join(filter(None, (", ".join(named[:-1]), named[-1])))
    return EVENTS.get(endpoint, f"{endpoint} event")


def _events_per_feature(dataset: Dataset) -> float:
    # As a Cox model counts them, whatever the learner: it is what the width was measured by.
    features = encode(LEARNERS["cox"], dataset).X.shape[1]
    return round(dataset.outcome.n_events / max(features, 1), 2)


def _fills(
    model: SurvivalModel, typical: Mapping[str, float | str], columns: Columns
) -> dict[str, float | str | None]:
    """What stands for a missing value, as the learner's preprocessing has it.

    A stack's members fill in differently: what no single value says is left open.
    """
    learner = LEARNERS[model.learner]
    found: dict[str, float | str | None] = {}
    for name, column in columns.items():
        number = column.dtype != object
        left = learner.handles_missing if number else learner.handles_categories
        is_filled = not left and model.learner != STACK
        found[name] = typical.get(name) if is_filled else None
    return found


def _overlaps(
    standardised: np.ndarray, dataset: Dataset, arms: Sequence[str]
) -> tuple[Overlap, ...]:
    if len(arms) < 2 or dataset.regimen is None:
        return ()
    found, reference = [], arms[0]
    for arm in arms[1:]:
        both = np.isin(dataset.regimen, [arm, reference])
        own = dataset.regimen[both] == arm
        if not 0 < own.sum() < len(own):
            continue
        fit = fit_logistic(standardised[both], own, "ridge")
        intercept, *coefficients = fit.coef.round(6).tolist()
        found.append(
            Overlap(
                arm=arm,
                reference_arm=reference,
                share=float(own.mean()),
                intercept=intercept,
                coefficients=tuple(coefficients),
            )
        )
    return tuple(found)


def _better(metrics: pd.DataFrame, horizon: float) -> Better | None:
    at = metrics[rows_of(metrics["metric"], IPA) & (metrics["horizon"] == horizon)]
    at = at.dropna(subset=["estimate", "ci_low", "ci_high"])
    if at.empty:
        return None
    row = at.iloc[0]
    limits = (float(row["estimate"]), float(row["ci_low"]), float(row["ci_high"]))
    return Better(month=horizon, estimate=limits[0], low=limits[1], high=limits[2])


def _room(models: Sequence[SurvivalModel]) -> int:
    """How many refits may be stored; none rather than too few for limits."""
    if len(models) < FEWEST_REFITS:
        return 0
    fits = MOST_BYTES // max(len(packed(models[0])), 1)
    return min(len(models), fits) if fits >= FEWEST_REFITS else 0
