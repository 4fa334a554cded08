"""Patients who were read, as a question about each of them is asked."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from features.columns import is_known
from features.covariates import DERIVATIONS
from features.dataset import REGIMEN
from models.card import ModelCard
from models.individual import Answer, Asked, Columns, Engine, Question, answers
from models.patients import Patients, covariates_of


def ask(engine: Engine, patients: Patients, question: Question) -> tuple[Answer, ...]:
    """Answer about each patient, in order.

    Raises
    ------
    InputError
        For a patient without a single covariate, and when the model cannot be asked that.
    """
    return answers(engine, asked_of(patients, engine.card), question)


def asked_of(patients: Patients, card: ModelCard) -> Asked:
    """Patients in plain columns, what the model sees derived from what is known.

    Raises
    ------
    InputError
        For a patient without a single covariate.
    """
    inputs, covariates = covariates_of(card, patients)
    predictors = dict(covariates)
    if card.arms and patients.regimen is not None:
        predictors[REGIMEN] = patients.regimen
    return Asked(
        predictors=predictors,
        inputs=inputs,
        rows=patients.rows,
        ids=None if patients.ids is None else list(patients.ids),
        unclear=_unclear(inputs, covariates, patients.rows),
    )


def _unclear(
    inputs: Columns, covariates: Columns, rows: np.ndarray
) -> Mapping[int, tuple[str, ...]]:
    """Covariates of each row that its inputs, all of them known, do not determine."""
    known = {name: is_known(column) for name, column in inputs.items()}
    found: dict[int, tuple[str, ...]] = {}
    for name, column in covariates.items():
        needed = [name] if name in inputs else list(DERIVATIONS[name].inputs)
        open_ = ~is_known(column) & np.all([known[one] for one in needed], axis=0)
        for row in rows[open_]:
            found[int(row)] = (*found.get(int(row), ()), name)
    return found
