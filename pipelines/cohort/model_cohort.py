"""A new cohort read for a stored model: its covariates, its endpoint, its regimens, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from features.covariates import Covariate, read_dictionary
from features.dataset import Dataset
from features.errors import InputError, Problem, name_some, refuse, wrong_names
from features.guard import raise_failures
from models.card import ModelCard
from pipelines.cohort.beyond_training import as_judged
from pipelines.cohort.reading import CheckedCohort, check_cohort, endpoint_label
from pipelines.config import TrainConfig


@dataclass(frozen=True)
class ModelCohort:
    """Patients whom a stored model can predict, and the configuration they were read with.

    Attributes
    ----------
    config : TrainConfig
        With the model's covariates in place of the configured ones.
    checked : CheckedCohort
    dataset : Dataset
        What the model sees, and what happened.
    """

    config: TrainConfig
    checked: CheckedCohort
    dataset: Dataset

    def was_seen_by(self, card: ModelCard) -> bool:
        """Whether the model was trained, or recalibrated, on this very cohort."""
        own = {self.dataset.outcome.fingerprint, self.checked.cohort.fingerprint}
        return not own.isdisjoint(_seen_cohorts(card))


def read_for_model(
    config: TrainConfig, card: ModelCard, *, may_have_seen: bool = False
) -> ModelCohort:
    """Read and guard a cohort as a training does, with the covariates of a model card.

    Parameters
    ----------
    may_have_seen : bool
        Take a cohort that the model was made from too, for a comparison that says so.

    Raises
    ------
    InputError
        With every way in which the configuration does not fit the model, before the table is read;
        then as `check_cohort`; and when the model was trained on this very cohort.
    """
    _check_fits(config, card)
    own = for_model(config, card)
    checked = check_cohort(own)
    checked = replace(checked, findings=as_judged(checked.findings, own.cohort.guard))
    raise_failures(checked.findings)
    cohort, label = checked.cohort, endpoint_label(own)
    dataset = cohort.dataset(card.covariates, label)
    problems = []
    given = ModelCohort(own, checked, dataset)
    if given.was_seen_by(card) and not may_have_seen:
        problems.append(
            Problem(
                what="The model was trained, or recalibrated, on this very cohort",
                where="the patient table",
                got=f"data fingerprint {cohort.fingerprint[:16]}, times and events of that cohort",
                allowed="other patients than those whom the model has seen",
                remedy="the report of the training has its out-of-fold performance",
            )
        )
    if not dataset.outcome.n_events:
        problems.append(
            Problem(
                what="Nobody had the event, so that nothing can be judged",
                where=f"endpoint {label}",
                got=f"0 events among {len(dataset)} patients",
            )
        )
    unknown = sorted(set(_arms_seen(dataset)) - set(card.arms)) if card.arms else []
    problems += wrong_names(
        unknown,
        "The model does not know this regimen",
        "the patient table",
        "leave those patients out by `cohort.inclusion`, or map their regimen",
        ", ".join(card.arms),
    )
    refuse(problems)
    return given


def for_model(config: TrainConfig, card: ModelCard) -> TrainConfig:
    """A configuration with a model's covariates, and its horizons unless others are stated."""
    horizons = config.evaluation.horizons
    if "horizons" not in config.evaluation.model_fields_set:
        horizons = card.horizons
    known = read_dictionary(config.dictionary)
    added = tuple(c.model_dump() for c in card.inputs if c.name not in known)
    return config.model_copy(
        update={
            "covariates": card.covariates,
            "learners": ("cox",),
            "clinical": (),
            "genetic_risk": "",
            "dictionary": (*config.dictionary, *added),
            "evaluation": config.evaluation.model_copy(update={"horizons": horizons}),
        }
    )


def covariate_problems(config: TrainConfig, card: ModelCard) -> list[Problem]:
    """Where the configuration knows the model's regimens or covariates otherwise; empty if not."""
    known = read_dictionary(config.dictionary)
    return [
        *(_regimen_problems(config, card) if card.arms else []),
        *(
            problem
            for own in card.inputs
            if own.name in known
            for problem in _covariate_problems(own, known[own.name])
        ),
    ]


def _seen_cohorts(card: ModelCard) -> set[str]:
    """Fingerprints of the cohorts that made the model what it is, by data and by outcome."""
    made: list[Mapping[str, Any]] = [card.training]
    before: Mapping[str, Any] | None = card.recalibration
    while before:
        made.append(before)
        before = before.get("before")
    names = ("data_fingerprint", "outcome_fingerprint")
    return {str(one[name]) for one in made for name in names if one.get(name)}


def _arms_seen(dataset: Dataset) -> list[str]:
    return [] if dataset.regimen is None else list(map(str, np.unique(dataset.regimen.astype(str))))


def _check_fits(config: TrainConfig, card: ModelCard) -> None:
    problems = []
    label = endpoint_label(config)
    if label != card.endpoint:
        problems.append(
            Problem(
                what="The model predicts another endpoint",
                where=f"endpoint: {config.endpoint}",
                got=label,
                allowed=card.endpoint,
                remedy="name the endpoint that the model was trained for; one that is defined "
                "differently is another endpoint, whatever its label",
            )
        )
    problems += covariate_problems(config, card)
    horizons = config.evaluation.horizons
    if "horizons" in config.evaluation.model_fields_set and min(horizons) > card.follow_up:
        problems.append(
            Problem(
                what="Every horizon lies beyond the model's follow-up",
                where="evaluation.horizons",
                got=name_some(f"{h:g}" for h in horizons),
                allowed=f"up to {card.follow_up:.1f} months",
                remedy="ask for earlier horizons; nothing is predicted beyond",
            )
        )
    if problems:
        raise InputError(problems)


def _regimen_problems(config: TrainConfig, card: ModelCard) -> list[Problem]:
    column = config.cohort.columns.regimen
    if column is None:
        return [
            Problem(
                what="The model needs the regimen, and none is configured",
                where="cohort.columns.regimen",
                allowed=", ".join(card.arms),
                remedy="say which column holds it: the regimen is never assumed",
            )
        ]
    unknown = [arm for arm in column.arms if arm not in card.arms]
    return wrong_names(
        unknown,
        "The model does not know a configured regimen",
        "cohort.columns.regimen",
        "map the codes of the table to the model's regimens",
        ", ".join(card.arms),
    )


def _covariate_problems(own: Covariate, theirs: Covariate) -> list[Problem]:
    """Where the dictionary of the configuration reads a covariate otherwise than the model."""
    return [
        Problem(
            what=f"A covariate has another {what} in the configuration than in the model",
            where=f"dictionary: {own.name}",
            got=str(got) or "none",
            allowed=str(wanted) or "none",
            remedy="take the entry out of `dictionary`, and state the table's unit under "
            "cohort.columns.covariates instead",
        )
        for what, got, wanted in (
            ("unit", theirs.unit, own.unit),
            ("kind", theirs.kind, own.kind),
        )
        if got != wanted
    ]
