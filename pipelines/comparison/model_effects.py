"""What fitted learners' predictions owe to the regimen, with the spread over bootstrap refits.

Contributions of single patients stay in memory, for pictures; tables hold averages over arms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from joblib import delayed

from evaluation.displays import FEWEST_AVERAGED
from evaluation.explanation import explain_event_probability
from evaluation.regimens import (
    RegimenReading,
    agreement_table,
    contribution_table,
    course_table,
    curve_outputs,
    heterogeneity_table,
    read_regimen,
    regimen_contribution,
    regimen_effect_table,
    within_arms,
)
from features.dataset import REGIMEN, Dataset
from models.prediction import SurvivalModel
from pipelines.output.processes import in_parallel
from pipelines.training import refit_within_arms, task_seed

if TYPE_CHECKING:
    import shap

COURSE_STEPS = 24
TOO_FEW = f"not shown: fewer than {FEWEST_AVERAGED} patients"


@dataclass(frozen=True)
class EffectQuestion:
    """What is read from every model.

    Attributes
    ----------
    endpoint : str
    arms : tuple of str
        The reference arm first.
    horizons : tuple of float
        Months, increasing.
    tau : float
        Months to which the mean survival time is restricted.
    """

    endpoint: str
    arms: tuple[str, ...]
    horizons: tuple[float, ...]
    tau: float

    @property
    def times(self) -> np.ndarray:
        """Months of the course, every horizon among them, shape (n_times,)."""
        even = np.linspace(0, max(self.horizons), COURSE_STEPS + 1)[1:]
        return np.union1d(np.round(even, 9), self.horizons)

    @property
    def told(self) -> np.ndarray:
        """Which outputs of a reading are of a horizon, or the RMST, shape (n_times + 1,), bool."""
        return np.append(np.isin(self.times, self.horizons), True)

    def read(self, model: SurvivalModel, predictors: pd.DataFrame, seed: int) -> RegimenReading:
        """One explanation for all: the event probability at `times`, then the RMST."""
        outputs = curve_outputs(model, self.times.tolist(), self.tau)
        return read_regimen(model, predictors, self.arms, outputs, seed)

    def course(self, reading: RegimenReading) -> np.ndarray:
        """Mean contribution in each arm over time, shape (n_arms, n_times)."""
        means = reading.mean_by_arm()
        return np.array([means[arm][:-1] for arm in self.arms])

    def at_horizons(self, reading: RegimenReading) -> RegimenReading:
        """The reading at the horizons and of the RMST alone."""
        return replace(
            reading,
            outputs=reading.outputs.take(self.told),
            contribution=reading.contribution[:, self.told],
            error=reading.error[:, self.told],
            under={arm: values[self.told] for arm, values in reading.under.items()},
        )


class RefitEffects(NamedTuple):
    """One refit; NaN where it did not converge.

    Attributes
    ----------
    contrasts : ndarray of shape (2, n_arms - 1, n_horizons + 1)
        Of its own sample, as `model_contrasts` gives them.
    course : ndarray of shape (n_arms, n_times)
        Of its own sample.
    contributions : ndarray of shape (n, n_horizons + 1)
        Of the patients that the model of everybody was read on.
    """

    contrasts: np.ndarray
    course: np.ndarray
    contributions: np.ndarray


@dataclass(frozen=True)
class ShownLearner:
    """A learner whose contributions are drawn, patient by patient.

    Attributes
    ----------
    horizon : float
        Months: the last one within the model's follow-up.
    explanation : shap.Explanation of n patients and p covariates
        On the event probability at the horizon.
    predictors : DataFrame of shape (n, p)
        The same patients.
    regimen : DataFrame
        From `contribution_table`, at that horizon, `row` counting in `predictors`.
    """

    learner: str
    horizon: float
    explanation: shap.Explanation
    predictors: pd.DataFrame
    regimen: pd.DataFrame

    @property
    def covariate(self) -> str:
        """The other covariate with the largest mean absolute contribution; "" if none has any."""
        names = self.explanation.feature_names
        size = pd.Series(np.abs(self.explanation.values).mean(axis=0), names).drop(REGIMEN)
        return str(size.idxmax()) if len(size) and size.max() > 0 else ""


@dataclass(frozen=True)
class LearnerEffects:
    """What one learner's predictions owe to the regimen.

    Attributes
    ----------
    effects : DataFrame with REGIMEN_COLUMNS
    course : DataFrame
        As `course_table` gives it.
    heterogeneity : DataFrame
        As `heterogeneity_table` gives it.
    shown : ShownLearner, or None where nothing is to be drawn
    """

    effects: pd.DataFrame
    course: pd.DataFrame
    heterogeneity: pd.DataFrame
    shown: ShownLearner | None = None


@dataclass(frozen=True)
class ModelEffects:
    """What was found of all learners.

    Attributes
    ----------
    learners : tuple of LearnerEffects
    failures : tuple of str
        Sentences on learners that could not be fitted.
    """

    learners: tuple[LearnerEffects, ...] = ()
    failures: tuple[str, ...] = ()
    agreement: pd.DataFrame = field(init=False)
    course: pd.DataFrame = field(init=False)
    heterogeneity: pd.DataFrame = field(init=False)

    def __post_init__(self) -> None:
        tables = {
            "course": [one.course for one in self.learners],
            "heterogeneity": [one.heterogeneity for one in self.learners],
        }
        for name, parts in tables.items():
            whole = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
            object.__setattr__(self, name, whole)
        agreement = agreement_table(pd.concat(self.effects)) if self.learners else pd.DataFrame()
        object.__setattr__(self, "agreement", agreement)

    @property
    def effects(self) -> list[pd.DataFrame]:
        """Rows for the table of everything, one table a learner."""
        return [one.effects for one in self.learners]

    @property
    def shown(self) -> list[ShownLearner]:
        """The learners that are drawn."""
        return [one.shown for one in self.learners if one.shown is not None]


def learner_effects(
    model: SurvivalModel,
    dataset: Dataset,
    question: EffectQuestion,
    *,
    replicates: int,
    seed: int,
    workers: int,
    advance: Callable[[], None],
    drawn: bool,
) -> LearnerEffects:
    """Read a model and its bootstrap refits, each fitted once for everything.

    Parameters
    ----------
    model : SurvivalModel
        Fitted to all patients of `dataset`.
    replicates : int
    seed : int
        Refits have the samples of `bootstrap_contrasts` with the same seed.
    workers : int
        Processes; the result does not depend on their number.
    advance : callable
        Called after each refit.
    drawn : bool
        Whether to explain every covariate too.
    """
    arms, learner = question.arms, model.learner
    own_seed = task_seed(seed, learner, "contrast")
    whole = question.read(model, dataset.predictors, own_seed)
    refits = []
    tasks = (
        delayed(refit_effects)(model, dataset, question, whole.rows, seed, replicate)
        for replicate in range(replicates)
    )
    for refit in in_parallel(tasks, workers):
        refits.append(refit)
        advance()
    contrasts, courses, contributions = (np.stack(parts) for parts in zip(*refits, strict=True))
    reading = question.at_horizons(whole)
    table = contribution_table(learner, reading, contributions)
    sizes = pd.Series(dataset.regimen).value_counts()
    few = [arm for arm in arms if sizes.get(arm, 0) < FEWEST_AVERAGED]
    return LearnerEffects(
        within_arms(
            regimen_effect_table(
                learner, question.endpoint, arms, question.horizons, reading.contrasts(),
                contrasts, len(dataset), dataset.outcome.n_events, question.tau,
                reading.contrast_error(),
            ),
            dataset.outcome, np.asarray(dataset.regimen),
        ),
        without_few(
            course_table(learner, arms, question.times.tolist(), question.course(whole), courses),
            ("arm", "reference_arm"), few, ("estimate", "ci_low", "ci_high"),
        ),
        without_few(
            heterogeneity_table(table), ("regimen",), few,
            ("mean", "between_sd", "within_sd", "ratio"),
        ),
        _shown(model, dataset, reading, table, own_seed) if drawn else None,
    )  # fmt: skip


def refit_effects(
    model: SurvivalModel,
    dataset: Dataset,
    question: EffectQuestion,
    rows: np.ndarray,
    seed: int,
    replicate: int,
) -> RefitEffects:
    """Refit a model to one bootstrap sample and read it on the sample and on given patients.

    Parameters
    ----------
    rows : ndarray of shape (n,), int
        The patients of `dataset` whose contributions are followed from refit to refit.
    """
    arms, count = question.arms, len(question.horizons) + 1
    refitted, sample, own_seed = refit_within_arms(model, dataset, arms, seed, replicate)
    if refitted is None:
        shapes = (2, len(arms) - 1, count), (len(arms), len(question.times)), (len(rows), count)
        return RefitEffects(*(np.full(shape, np.nan) for shape in shapes))
    whole = question.read(refitted, sample.predictors, own_seed)
    followed = dataset.predictors.iloc[rows].reset_index(drop=True)
    return RefitEffects(
        question.at_horizons(whole).contrasts(),
        question.course(whole),
        regimen_contribution(refitted, followed, question.horizons, own_seed, question.tau),
    )


def without_few(
    table: pd.DataFrame, columns: Sequence[str], few: Sequence[str], numbers: Sequence[str]
) -> pd.DataFrame:
    """Take out numbers where a column names an arm with very few patients; the note says so."""
    rows = table[list(columns)].isin(few).any(axis=1)
    shown = table.copy()
    shown.loc[rows, list(numbers)] = np.nan
    shown.loc[rows, "note"] = TOO_FEW
    return shown


def _shown(
    model: SurvivalModel,
    dataset: Dataset,
    reading: RegimenReading,
    table: pd.DataFrame,
    seed: int,
) -> ShownLearner | None:
    known = table[(table["scale"] == "event probability") & table["contribution"].notna()]
    if known.empty:
        return None
    horizon = float(known["horizon"].max())
    explained = dataset.predictors.iloc[reading.rows].reset_index(drop=True)
    own = known[known["horizon"] == horizon].reset_index(drop=True)
    return ShownLearner(
        model.learner,
        horizon,
        explain_event_probability(model, explained, horizon, seed),
        explained,
        own.assign(row=np.arange(1, len(own) + 1)),
    )
