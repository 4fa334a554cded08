"""Exact SHAP of a survival forest against shap's PermutationExplainer, in the same run."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.speed import SEED, measurement, timed, weibull_cohort
from evaluation.explanation import Sides, interventional_shap
from models.learners import SurvivalForest

PATIENTS, BACKGROUND, HORIZONS = 200, 100, np.linspace(3.0, 30.0, 10)
# PermutationExplainer explains these patients; its time grows with their number.
MEASURED = 3


def _forest() -> tuple[SurvivalForest, np.ndarray, Sides]:
    X, _, outcome = weibull_cohort(PATIENTS)
    forest = SurvivalForest(n_estimators=100, seed=SEED).fit(X, outcome)
    columns = tuple(f"x{place}" for place in range(X.shape[1]))
    background = X[:BACKGROUND]
    weights = np.full(BACKGROUND, 1 / BACKGROUND)
    sides = Sides(X, background, weights, np.arange(X.shape[1]), columns)
    # Compiles.
    few = Sides(X[:2], background, weights, sides.owner, columns)
    interventional_shap(forest.inside().at(HORIZONS), few)
    return forest, X, sides


def _permutation(forest: SurvivalForest, X: np.ndarray, sides: Sides) -> tuple[float, np.ndarray]:
    """Seconds of PermutationExplainer for all patients, scaled up, and its values for a few."""
    import shap

    explainer = shap.PermutationExplainer(
        lambda rows: forest.survival(rows, HORIZONS),
        shap.maskers.Independent(sides.background, max_samples=BACKGROUND),
        seed=SEED,
    )
    explainer(X[:1], silent=True)
    seconds, found = timed(lambda: explainer(X[:MEASURED], silent=True))
    return seconds * PATIENTS / MEASURED, found.values


def shap_forest() -> dict[str, Any]:
    """Interventional SHAP of S(t) at 10 horizons for 200 patients, 100 of them the background."""
    forest, X, sides = _forest()
    ours, exact = timed(lambda: interventional_shap(forest.inside().at(HORIZONS), sides))
    theirs, sampled = _permutation(forest, X, sides)
    off = np.abs(exact.values.sum(axis=1) + exact.base - forest.survival(X, HORIZONS)).max()
    agreement = np.corrcoef(exact.values[:MEASURED].ravel(), sampled.ravel())[0, 1]
    row = measurement(
        f"SHAP of S(t), 100 trees, {PATIENTS} patients, {len(HORIZONS)} horizons, "
        f"interventional, {BACKGROUND} background",
        ours,
        theirs,
        f"shap PermutationExplainer, {MEASURED} patients scaled up",
    )
    return row | {"additivity": float(off), "correlation": float(agreement)}
