"""Patients who were read, as a question about each of them is asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.covariates import DERIVATIONS, derive_covariates
from features.dataset import as_predictors
from features.errors import InputError, Problem, name_some
from models.card import ModelCard
from models.individual import Answer, Asked, Engine, Question, answers
from models.patients import Patients


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
    inputs = pd.DataFrame(
        {
            c.name: patients.inputs.get(c.name, np.nan if c.is_numeric else None)
            for c in card.inputs
        },
        index=range(len(patients.rows)),
    )
    covariates = derive_covariates(inputs, card.covariates, {c.name: c for c in card.inputs})
    _check_known(covariates, list(inputs), patients.rows)
    predictors = as_predictors(covariates, patients.regimen if card.arms else None)
    return Asked(
        predictors={str(name): predictors[name].to_numpy() for name in predictors},
        inputs={str(name): inputs[name].to_numpy() for name in inputs},
        rows=patients.rows,
        ids=None if patients.ids is None else list(patients.ids),
        unclear=_unclear(inputs, covariates, patients.rows),
    )


def _unclear(
    inputs: pd.DataFrame, covariates: pd.DataFrame, rows: np.ndarray
) -> dict[int, tuple[str, ...]]:
    """Covariates of each row that its inputs, all of them known, do not determine."""
    found: dict[int, tuple[str, ...]] = {}
    for name in covariates:
        needed = [str(name)] if name in inputs else list(DERIVATIONS[str(name)].inputs)
        open_ = covariates[name].isna() & inputs[needed].notna().all(axis=1)
        for row in rows[open_.to_numpy()]:
            found[int(row)] = (*found.get(int(row), ()), str(name))
    return found


def _check_known(covariates: pd.DataFrame, names: Sequence[str], rows: np.ndarray) -> None:
    empty = covariates.isna().all(axis=1).to_numpy()
    if empty.any():
        raise InputError(
            Problem(
                what="Nothing is known of this patient",
                where=f"row {name_some(rows[empty])} (the first patient is row 1)",
                allowed="at least one of " + name_some(names, 40),
                remedy="give some covariates; without any, the answer would be an average",
            )
        )
