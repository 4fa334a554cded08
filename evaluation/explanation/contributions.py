"""SHAP values of a fitted model in its covariates, by the best method that its kind has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.polynomial import chebyshev

from evaluation.explanation.coalitions import (
    Predict,
    every_coalition_fits,
    every_coalition_shap,
    sampled_player_shap,
    sampled_shap,
)
from evaluation.explanation.scores import additive_shap
from evaluation.explanation.trees import interventional_shap
from evaluation.explanation.values import CurveOutputs, ShapValues, Sides
from features.dataset import REGIMEN
from models.prediction import (
    LinkedScore,
    OpenedModel,
    SurvivalModel,
    SurvivalTrees,
    WeightedModels,
)

if TYPE_CHECKING:
    import shap

# Pairs of an explained and a background patient; fewer background patients where there are more.
MOST_PAIRS = 62_500
FEWEST_BACKGROUND = 32
# Beyond twice as many distinct scores, curves are read at so many and interpolated.
SCORES_READ = 256
# Points of survival curves in memory at once, where all patients are predicted.
POINTS_AT_ONCE = 5_000_000


@dataclass(frozen=True)
class Background:
    """Patients whose values stand in for those of the covariates outside a coalition.

    Attributes
    ----------
    rows : ndarray of shape (m,), int
        Their places in the table.
    weights : ndarray of shape (m,)
        How much each counts, adding up to 1.
    """

    rows: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, predictors: pd.DataFrame, seed: int, most: int | None = None) -> Background:
        """All patients of a table up to 250; of more, a draw within each regimen.

        Parameters
        ----------
        predictors : DataFrame of shape (n, p)
        seed : int
            Of the draw.
        most : int, optional
            Patients at most; by default as many as make 62,500 pairs with the table, at least 32.
            Each regimen keeps its share by weight, and at least one patient.
        """
        n = len(predictors)
        if most is None:
            most = n if n * n <= MOST_PAIRS else max(MOST_PAIRS // n, FEWEST_BACKGROUND)
        if n <= most:
            return cls(np.arange(n), np.full(n, 1 / n))
        rng = np.random.default_rng(seed)
        labels = pd.factorize(predictors[REGIMEN])[0] if REGIMEN in predictors else np.zeros(n)
        rows, weights = [], []
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            drawn = max(round(most * len(members) / n), 1)
            rows.append(np.sort(rng.choice(members, drawn, replace=False)))
            weights.append(np.full(drawn, len(members) / n / drawn))
        return cls(np.concatenate(rows), np.concatenate(weights))


def explain_curve(
    model: SurvivalModel,
    predictors: pd.DataFrame,
    outputs: CurveOutputs,
    seed: int,
    *,
    player: str | None = None,
    background: Background | None = None,
) -> ShapValues:
    """SHAP values of every covariate, or of one, on numbers read from the survival curve.

    Forests, Cox models and boosted stumps are explained exactly, and stacks of them. Other models
    are, when all coalitions of the covariates that they look at can be counted out; else random
    orders of the covariates are drawn and `error` is not 0.

    Parameters
    ----------
    model : SurvivalModel
    predictors : DataFrame of shape (n, p)
        The patients explained.
    outputs : CurveOutputs
    seed : int
        Of what is drawn.
    player : str, optional
        Compute this covariate alone where that is quicker; others may then be NaN.
    background : Background, optional
        Rows of the same table; by default all patients, or a draw of a large table.

    Returns
    -------
    ShapValues
        Columns are the model's; NaN for outputs beyond its follow-up.

    Raises
    ------
    ArithmeticError
        When values do not add up to the prediction.
    """
    background = background or Background.of(predictors, seed)
    known = outputs.within(model.follow_up)
    wanted = outputs.take(known)
    opened = open_model(model, predictors)
    if isinstance(opened, WeightedModels):
        parts = [
            explain_curve(
                member, predictors, wanted, seed,
                player=player, background=background,
            )
            for member in opened.models
        ]  # fmt: skip
        return _weighted(opened.weights, parts).spread(known)
    if not known.any() or not len(opened.columns):
        values = np.zeros((len(predictors), len(opened.columns), len(wanted.names)))
        base = wanted.of(_survival(model, predictors.iloc[:1], wanted.times))[0]
        return ShapValues.exact(values, base, opened.columns, "no covariate").spread(known)
    X = opened.encode(predictors)
    sides = Sides(X, X[background.rows], background.weights, opened.owner, opened.columns)
    job = _Job(opened, sides, wanted, seed)
    place = opened.columns.index(player) if player in opened.columns else None
    if isinstance(opened.inside, SurvivalTrees):
        found = _explain_trees(opened.inside, job, place)
    elif isinstance(opened.inside, LinkedScore):
        found = _explain_score(opened.inside, job, place)
    else:
        found = _explain_by_predictions(job.predict, job, place, list(range(len(opened.columns))))
    if not np.isnan(found.values).any():
        predicted = job.predict(X)
        if isinstance(opened.inside, LinkedScore) and opened.inside.single:
            found = found.share_rounding(predicted, wanted.size)
        found.check(predicted, wanted.size)
    return found.spread(known)


def explain_event_probability(
    model: SurvivalModel,
    predictors: pd.DataFrame,
    horizon: float,
    seed: int,
    background: int = 30,
) -> shap.Explanation:
    """SHAP values of every covariate on the event probability at one horizon.

    Parameters
    ----------
    background : int
        For a model that has no exact method: so many of the same patients, drawn within each
        regimen, stand in for covariates outside a coalition. An exact method takes all of them.

    Returns
    -------
    shap.Explanation of n patients and p covariates
        In probability; 0 for a covariate the model does not see, NaN beyond the follow-up.
    """
    against = None if is_exact(model) else Background.of(predictors, seed, most=background)
    outputs = CurveOutputs.read([horizon])
    found = explain_curve(model, predictors, outputs, seed, background=against)
    return found.explanation(predictors)


@dataclass(frozen=True)
class _Job:
    """What is explained, of whom, and against whom."""

    opened: OpenedModel
    sides: Sides
    outputs: CurveOutputs
    seed: int

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.outputs.of(self.opened.predict(X, self.outputs.times).survival)


def _explain_trees(inside: SurvivalTrees, job: _Job, player: int | None) -> ShapValues:
    # The constant is the same for everybody, and enters the base value alone.
    trees = tuple(
        replace(tree, value=tree.value @ job.outputs.weights)
        for tree in inside.at(job.outputs.times)
    )
    found = interventional_shap(trees, job.sides, player)
    return replace(found, base=found.base + job.outputs.constant)


def _explain_score(inside: LinkedScore, job: _Job, player: int | None) -> ShapValues:
    count = len(job.sides.columns)
    used = list(range(count))
    if inside.used is not None:
        used = sorted({int(job.sides.owner[feature]) for feature in inside.used})

    def read(score: np.ndarray) -> np.ndarray:
        return job.outputs.of(inside.survival(score, job.outputs.times))

    def predict(X: np.ndarray) -> np.ndarray:
        # Mixed patients often have the same score, and a curve costs more than a comparison.
        score, place = np.unique(inside.score(X), return_inverse=True)
        return _read_many(read, score)[place]

    if not used or (player is not None and player not in used):
        values = np.full((len(job.sides.X), count, len(job.outputs.names)), np.nan)
        values[:, [place for place in range(count) if place not in used]] = 0.0
        base = job.sides.weights @ predict(job.sides.background)
        method = "exact: the model does not look at it"
        return ShapValues.exact(values, base, job.sides.columns, method)
    if inside.terms is not None:
        found = _explain_sum(inside, job, player)
        if found is not None:
            return found
    return _explain_by_predictions(predict, job, player, used)


def _read_many(read: Callable[[np.ndarray], np.ndarray], score: np.ndarray) -> np.ndarray:
    """Outputs at many scores, by a polynomial where one meets them to 1e-10 of their range."""
    few = SCORES_READ
    if len(score) <= 2 * few:
        return read(score)
    low, high = float(score.min()), float(score.max())
    middle, half = (low + high) / 2, (high - low) / 2
    nodes = chebyshev.chebpts1(few)
    wanted = read(middle + half * nodes)
    coefficients = chebyshev.chebvander(nodes, few - 1).T @ wanted * (2 / few)
    coefficients[0] /= 2
    between = np.linspace(-1, 1, few)
    off = np.abs(chebyshev.chebval(between, coefficients).T - read(middle + half * between))
    if (off.max(axis=0) > 1e-10 * np.maximum(np.ptp(wanted, axis=0), 1e-3)).any():
        return np.concatenate([read(part) for part in np.array_split(score, len(score) // few)])
    return chebyshev.chebval((score - middle) / half, coefficients).T


def _explain_by_predictions(
    predict: Predict, job: _Job, player: int | None, used: list[int]
) -> ShapValues:
    if every_coalition_fits(len(job.sides.X), len(job.sides.background), len(used)):
        return every_coalition_shap(predict, job.sides, used)
    if player is None:
        return sampled_shap(predict, job.sides, job.seed)
    return sampled_player_shap(predict, job.sides, job.seed, player=player)


def _explain_sum(inside: LinkedScore, job: _Job, player: int | None) -> ShapValues | None:
    assert inside.terms is not None
    columns, owner = job.sides.columns, job.sides.owner
    terms, background = (
        by_covariate(inside.terms(X), owner, len(columns))
        for X in (job.sides.X, job.sides.background)
    )
    offset = float((inside.score(job.sides.X) - terms.sum(axis=1)).mean())

    def outputs(score: np.ndarray) -> np.ndarray:
        return job.outputs.of(inside.survival(score + offset, job.outputs.times))

    return additive_shap(terms, background, job.sides.weights, outputs, columns, player)


def open_model(model: SurvivalModel, predictors: pd.DataFrame) -> OpenedModel | WeightedModels:
    """Take a model apart; one that cannot be is known by its predictions alone."""
    opened = getattr(model, "opened", None)
    return opened() if opened is not None else _closed_model(model, predictors)


def step_times(model: SurvivalModel) -> np.ndarray | None:
    """Where the survival curves of a model step, in months; None where it is not known."""
    opened = getattr(model, "opened", None)
    parts = opened() if opened is not None else None
    if isinstance(parts, WeightedModels):
        found = [step_times(member) for member in parts.models]
        known = [one for one in found if one is not None]
        return np.unique(np.concatenate(known)) if len(known) == len(found) else None
    return None if parts is None else parts.jumps


def outputs_under(
    model: SurvivalModel,
    predictors: pd.DataFrame,
    column: str,
    levels: Sequence[str],
    outputs: CurveOutputs,
) -> list[np.ndarray]:
    """Outputs of every patient with one covariate set to each level, (n, n_outputs) a level.

    A feature is made from one covariate, so that setting a covariate changes its features alone.
    """
    opened = open_model(model, predictors)
    if isinstance(opened, WeightedModels):
        members = [outputs_under(m, predictors, column, levels, outputs) for m in opened.models]
        return [
            np.asarray(sum(w * one for w, one in zip(opened.weights, values, strict=True)))
            for values in zip(*members, strict=True)
        ]
    n, step = len(predictors), max(POINTS_AT_ONCE // max(len(outputs.times), 1), 1)
    parts = [slice(start, start + step) for start in range(0, n, step)]
    if not hasattr(model, "opened"):
        tables = [
            predictors.assign(**{column: np.full(n, level, dtype=object)}) for level in levels
        ]
        return [
            np.concatenate(
                [outputs.of(_survival(model, table.iloc[rows], outputs.times)) for rows in parts]
            )
            for table in tables
        ]
    # Encoding takes longer than predicting: all at once, the levels as one patient each.
    first = predictors.iloc[[0]]
    ones = [first.assign(**{column: np.array([level], dtype=object)}) for level in levels]
    X = opened.encode(pd.concat([predictors, *ones], ignore_index=True))
    own = np.array([opened.columns[place] == column for place in opened.owner], dtype=bool)
    found = []
    for place in range(len(levels)):
        set_to = X[:n].copy()
        set_to[:, own] = X[n + place, own]
        told = [outputs.of(opened.predict(set_to[rows], outputs.times).survival) for rows in parts]
        found.append(np.concatenate(told))
    return found


def is_exact(model: SurvivalModel) -> bool:
    """Whether the model is explained exactly on any table: a forest, a function of a sum."""
    opened = getattr(model, "opened", None)
    parts = opened() if opened is not None else None
    if isinstance(parts, WeightedModels):
        return all(is_exact(member) for member in parts.models)
    inside = None if parts is None else parts.inside
    return isinstance(inside, SurvivalTrees) or (
        isinstance(inside, LinkedScore) and inside.terms is not None
    )


def by_covariate(values: np.ndarray, owner: np.ndarray, count: int) -> np.ndarray:
    """Add up values of features, shape (n, n_features), over each covariate, shape (n, count)."""
    grouped = np.zeros((len(values), count))
    np.add.at(grouped.T, owner, values.T)
    return grouped


def _closed_model(model: SurvivalModel, predictors: pd.DataFrame) -> OpenedModel:
    """Each predictor's values as places in a list of those in the table."""
    columns = tuple(getattr(model, "columns", predictors.columns))
    levels = {}
    for name in columns:
        known = pd.unique(predictors[name])
        missing = np.array([np.nan if predictors[name].dtype != object else None])
        levels[name] = np.concatenate([known[pd.notna(known)], missing])

    def encode(table: pd.DataFrame) -> np.ndarray:
        codes = [pd.Categorical(table[name], levels[name][:-1]).codes for name in columns]
        return np.column_stack(codes).astype(float)

    def predict(X: np.ndarray, times: np.ndarray) -> Any:
        # Code -1, the last of the list, stands for missing.
        values = {name: levels[name][X[:, c].astype(int)] for c, name in enumerate(columns)}
        return model.predict(pd.DataFrame(values), times)

    return OpenedModel(columns, np.arange(len(columns)), encode, predict, None, None)


def _survival(model: SurvivalModel, predictors: pd.DataFrame, times: np.ndarray) -> np.ndarray:
    return model.predict(predictors, times).survival


def _weighted(weights: tuple[float, ...], parts: list[ShapValues]) -> ShapValues:
    error = np.sqrt(sum((w * part.error) ** 2 for w, part in zip(weights, parts, strict=True)))
    return ShapValues(
        np.asarray(sum(w * part.values for w, part in zip(weights, parts, strict=True))),
        np.asarray(sum(w * part.base for w, part in zip(weights, parts, strict=True))),
        parts[0].columns,
        "; ".join(dict.fromkeys(part.method for part in parts)),
        error,
    )
