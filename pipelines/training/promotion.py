"""Two models on the same patients, before one takes the other's place as champion."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from evaluation.bootstrap import bootstrap_counts
from evaluation.estimates import FIXED
from evaluation.metrics import (
    BRIER,
    IBS,
    UNO_C,
    Metric,
    metric_estimates,
    metric_label,
    version_for,
)
from evaluation.results import format_estimate
from evaluation.validation import learner_differences
from features.errors import InputError, Problem, name_some
from features.outcome import Outcome
from models.artifact import StoredModel
from models.card import ModelCard
from models.prediction import SurvivalModel, SurvivalPrediction
from models.resampling import bootstrap_strata
from models.store import CHAMPION, Registration, Version, champion_of, promote
from pipelines.cohort import ModelCohort, cohort_name, read_for_model
from pipelines.config import TrainConfig
from pipelines.output.files import records, write_csv, write_text
from pipelines.tracking import runs as tracking
from pipelines.tracking.model_address import load_any
from pipelines.training.nested_validation import prediction_times, task_seed

LIMITS = ("ci_low", "ci_high")


@dataclass(frozen=True)
class Rival:
    """The present champion, as the one that a promotion would replace.

    Attributes
    ----------
    version : Version or None
        None when the name has no champion yet.
    stored : StoredModel or None
    given : ModelCohort or None
        The patients on whom both are shown, as the champion reads them.
    why_not : str
        Why the two are not compared; empty when they are.
    """

    version: Version | None = None
    stored: StoredModel | None = None
    given: ModelCohort | None = None
    why_not: str = ""


@dataclass(frozen=True)
class Promotion:
    """Champion and candidate on the same patients, and what flatters one of them.

    Attributes
    ----------
    replaces : Version or None
        The champion until now.
    table : DataFrame or None
        One row a metric: estimates with limits of both, and their paired difference, candidate
        minus champion. None where they were not compared.
    on : str
        Which patients.
    cautions : tuple of str
        What makes the comparison unfair, and why there is none.
    """

    replaces: Version | None
    table: pd.DataFrame | None = None
    on: str = ""
    cautions: tuple[str, ...] = ()

    def write(self, folder: Path) -> None:
        """Write promotion.csv into a folder, where there was something to compare."""
        if self.table is not None:
            write_csv(folder / "promotion.csv", self.table)

    @property
    def summary(self) -> dict[str, object]:
        """For other programs."""
        return {
            "replaces": None if self.replaces is None else self.replaces.identity,
            "compared_on": self.on or None,
            "comparison": None if self.table is None else records(self.table),
            "cautions": list(self.cautions),
        }


def find_rival(config: TrainConfig, model_name: str, flag: str, *, anyway: bool) -> Rival:
    """The champion of a name, and the configured patients as it reads them.

    Parameters
    ----------
    flag : str
        What asked for the promotion, for the message.
    anyway : bool
        Go on where the two cannot be compared.

    Raises
    ------
    InputError
        When the champion cannot be used on these patients, with every reason.
    """
    version = champion_of(model_name)
    if version is None:
        return Rival()
    stored = None
    try:
        stored = load_any(version.uri)
        return Rival(version, stored, read_for_model(config, stored.card, may_have_seen=True))
    except InputError as error:
        if not anyway:
            raise _incomparable(version, flag, error) from error
        return Rival(version, stored, why_not=reasons(error))


def _incomparable(version: Version, flag: str, error: InputError) -> InputError:
    return InputError(
        [
            Problem(
                what="The champion cannot be shown beside the candidate on these patients",
                where=flag,
                got=f"{version.uri}, {version.told}",
                allowed="the same endpoint, units, regimens and covariates",
                remedy="name a cohort that both can read, or give --anyway to promote unseen; "
                "why it cannot:",
            ),
            *error.problems,
        ]
    )


def reasons(error: InputError) -> str:
    """Every problem of an error in one sentence."""
    return "; ".join(
        f"{p.what} ({', '.join(filter(None, (p.where, p.got and f'got {p.got}')))})"
        for p in error.problems
    )


# -- the two side by side -------------------------------------------------------------------


@dataclass(frozen=True)
class Contender:
    """What is promoted: its predictions of the patients, one a repeat, and how they came about.

    Attributes
    ----------
    card : ModelCard
    predictions : sequence of SurvivalPrediction
    folds : sequence of ndarray
        The fold of each patient in each repeat.
    times : ndarray
        Months of the predictions.
    counts : ndarray of shape (B, n)
        Of the bootstrap.
    out_of_fold : bool
        Whether nobody was predicted by a model that saw the patient.
    """

    card: ModelCard
    predictions: Sequence[SurvivalPrediction]
    folds: Sequence[np.ndarray]
    times: np.ndarray
    counts: np.ndarray
    out_of_fold: bool = False


def contender(model: SurvivalModel, card: ModelCard, given: ModelCohort) -> Contender:
    """A fixed model as a contender on the patients of its own reading."""
    config, dataset = given.config, given.dataset
    times = prediction_times(config.evaluation.horizons, dataset.outcome)
    counts = bootstrap_counts(
        len(dataset),
        config.evaluation.bootstrap,
        task_seed(config.seed, "bootstrap"),
        strata=bootstrap_strata(dataset),
    )
    return Contender(
        card,
        [model.predict(dataset.predictors, times)],
        [np.zeros(len(dataset), dtype=int)],
        times,
        counts,
    )


def show_both(
    rival: Rival, own: Contender, outcome: Outcome, horizons: Sequence[float]
) -> Promotion:
    """Judge champion and candidate on the same patients, replicates and folds.

    Parameters
    ----------
    outcome : Outcome of n patients
        As the candidate reads them.
    horizons : sequence of float
        Months; those beyond either model's follow-up are left out.

    Raises
    ------
    InputError
        When the two do not read the same patients and outcomes, or share no horizon.
    """
    if rival.version is None:
        return Promotion(None)
    if rival.given is None or rival.stored is None:
        told = f"Not compared, as asked for by --anyway: {rival.why_not}."
        return Promotion(rival.version, cautions=(told,))
    dataset, card = rival.given.dataset, rival.stored.card
    shared = shared_horizons(rival, outcome, horizons, own.card.follow_up)
    base = rival.stored.model.predict(dataset.predictors, own.times)
    predictions = {
        "champion": [base] * len(own.predictions),
        "candidate": list(own.predictions),
    }
    name = cohort_name(rival.given.config)
    return Promotion(
        rival.version,
        _table(outcome, predictions, own, promotion_metrics(outcome, shared)),
        f"{name}: {len(outcome)} patients, {outcome.n_events} {card.endpoint} events",
        _flattered(rival.stored.card, own, rival.given),
    )


def promotion_metrics(outcome: Outcome, horizons: Sequence[float]) -> list[Metric]:
    """What both are judged by: C and IBS up to the last horizon, Brier score at each."""
    tau = max(horizons)
    order, error, brier = (version_for(outcome, metric) for metric in (UNO_C, IBS, BRIER))
    return [order.at(tau), error.at(tau), *(brier.at(h) for h in horizons)]


def shared_horizons(
    rival: Rival, outcome: Outcome, horizons: Sequence[float], follow_up: float
) -> list[float]:
    """Horizons within both follow-ups, where both read the same patients.

    Parameters
    ----------
    outcome, follow_up
        The patients as the candidate reads them; months up to which it predicts.

    Raises
    ------
    InputError
        When there is none, or the patients or their outcomes differ.
    """
    assert rival.given is not None
    assert rival.stored is not None
    theirs = rival.given.dataset.outcome
    same = len(outcome) == len(theirs) and bool(
        np.allclose(outcome.time, theirs.time) and (outcome.event == theirs.event).all()
    )
    if not same:
        raise InputError(
            Problem(
                what="Champion and candidate do not read the same patients from this cohort",
                where="the patient table",
                got=f"{len(theirs)} patients with {theirs.n_events} events for the champion, "
                f"{len(outcome)} with {outcome.n_events} for the candidate",
                remedy="name another cohort, or give --anyway to promote unseen",
            )
        )
    reach = min(rival.stored.card.follow_up, follow_up)
    shared = [h for h in horizons if h <= reach]
    if not shared:
        raise InputError(
            Problem(
                what="Champion and candidate share no horizon",
                where="evaluation.horizons",
                got=name_some(f"{h:g}" for h in horizons),
                allowed=f"up to {reach:.1f} months, the shorter of the two follow-ups",
                remedy="ask for earlier horizons, or give --anyway to promote unseen",
            )
        )
    return shared


def _table(
    outcome: Outcome,
    predictions: Mapping[str, Sequence[SurvivalPrediction]],
    own: Contender,
    metrics: Sequence[Metric],
) -> pd.DataFrame:
    each = {
        name: metric_estimates(name, outcome, made, own.folds, metrics, own.counts, FIXED)
        for name, made in predictions.items()
    }
    both = learner_differences(outcome, predictions, own.folds, metrics, own.counts)
    # Two rows a metric: the first by the bootstrap over patients, both models held fixed; the
    # second, by a test over folds, is about learners that were trained in each fold.
    difference = both.iloc[::2].reset_index(drop=True)
    table = each["champion"][["metric", "horizon", "n", "events"]].copy()
    for name, found in each.items():
        table[name] = found["estimate"]
        for limit in LIMITS:
            table[f"{name}_{limit}"] = found[limit]
    table["difference"] = difference["estimate"]
    for column in (*LIMITS, "note"):
        table[f"difference_{column}"] = difference[column]
    return table


def _flattered(champion: ModelCard, own: Contender, given: ModelCohort) -> tuple[str, ...]:
    """Whom this comparison flatters, because it was made from these very patients."""
    found = []
    if given.was_seen_by(champion):
        found.append(
            "The champion was trained, or recalibrated, on these very patients: the comparison "
            "flatters it."
        )
    if own.out_of_fold:
        found.append(
            "The candidate's predictions are out-of-fold: no patient is predicted by a model that "
            "saw the patient."
        )
    elif given.was_seen_by(own.card):
        found.append(
            "The candidate was trained, or recalibrated, on these very patients: the comparison "
            "flatters it."
        )
    if not found:
        found.append(
            "Neither was made from this cohort; whether single patients of it were in a training "
            "cannot be seen from here."
        )
    return tuple(found)


def readable(promotion: Promotion) -> pd.DataFrame:
    """The comparison as a person reads it, one row a metric."""
    table = promotion.table
    assert table is not None
    shown = {"": [metric_label(r.metric, r.horizon) for r in table.itertuples()]}
    for name in ("champion", "candidate", "difference"):
        limits = [table[f"{name}_{limit}"] for limit in LIMITS]
        shown[name] = [
            format_estimate(estimate, low, high, 3)
            for estimate, low, high in zip(table[name], *limits, strict=True)
        ]
    return pd.DataFrame(shown)


# -- the command ----------------------------------------------------------------------------


def prepare(own: Version, config: TrainConfig | None, *, anyway: bool) -> Promotion:
    """Show a registered version beside the champion of its name.

    Parameters
    ----------
    config : TrainConfig, optional
        Of the patients; without one there is nothing to show both on.

    Raises
    ------
    InputError
        When the version is champion already, or the two cannot be compared.
    """
    champion = champion_of(own.name)
    if champion is not None and champion.version == own.version:
        raise InputError(
            Problem(
                what="This version is the champion already",
                where=f"models:/{own.name}@{CHAMPION}",
                got=own.told,
                remedy="name another version by --to",
            )
        )
    if champion is None:
        return Promotion(None)
    if config is None:
        if anyway:
            return Promotion(champion, cautions=("Not compared, as asked for by --anyway.",))
        raise InputError(
            Problem(
                what="Champion and candidate are to be seen on the same patients first",
                where="--config",
                got="nothing",
                allowed="a configuration of a cohort, as a training takes it",
                remedy="give --config FILE, or --anyway to promote unseen",
            )
        )
    with tracking.quiet():
        candidate = load_any(own.uri)
    rival = find_rival(config, own.name, "--config", anyway=anyway)
    try:
        given = read_for_model(config, candidate.card, may_have_seen=True)
        shown = contender(candidate.model, candidate.card, given)
        return show_both(rival, shown, given.dataset.outcome, given.config.evaluation.horizons)
    except InputError as error:
        if not anyway:
            raise
        told = f"Not compared, as asked for by --anyway: {reasons(error)}."
        return Promotion(champion, cautions=(told,))


def write_promotion(folder: Path, own: Version, promotion: Promotion, *, moved: bool) -> None:
    """Write promotion.csv and summary.json into a folder."""
    promotion.write(folder)
    summary = {
        "promoted" if moved else "would_promote": own.identity,
        **promotion.summary,
    }
    write_text(folder / "summary.json", json.dumps(summary, indent=2) + "\n")


def became_text(registration: Registration, promotion: Promotion | None) -> str:
    """What a person is told of what a model became, by its registration or a promotion after it."""
    if promotion is None or registration.is_champion:
        return registration.told
    start = f"registered as version {registration.version.version} and promoted to champion"
    return start if promotion.replaces is None else f"{start}; replaces {promotion.replaces.told}"


def make_champion(own: Version, promotion: Promotion) -> None:
    """Move the alias, unless another version has become champion meanwhile."""
    with tracking.quiet():
        promote(own, promotion.replaces)
