"""Predicting for patients as they come: checked, with what is missing or unusual said aloud."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.covariates import (
    DERIVATIONS,
    ColumnSource,
    Covariate,
    derive_covariates,
    merged,
    read_covariates,
)
from features.dataset import as_predictors
from features.errors import InputError, Problem, collect, did_you_mean, name_some
from features.errors.wrong_cells import rows_of
from features.regimens import RegimenColumn, derive_regimen
from features.tables import ROW_NAMES
from features.times import one_time
from models.card import ModelCard
from models.prediction import SurvivalModel, median_survival

PATIENT_ID = "patient_id"
MEDIAN_STEP = 0.1  # months


@dataclass(frozen=True)
class Patients:
    """Patients as a stored model takes them.

    Attributes
    ----------
    inputs : DataFrame of shape (n, any)
        The model's inputs that are at hand, in the dictionary's units; other columns are not read.
    regimen : ndarray of shape (n,), object, or None
    rows : ndarray of shape (n,), int
        Each patient's row in the user's table, from 1.
    ids : ndarray of shape (n,), or None
        As the user calls them.
    """

    inputs: pd.DataFrame
    regimen: np.ndarray | None
    rows: np.ndarray
    ids: np.ndarray | None = None


def predict_patients(
    model: SurvivalModel,
    card: ModelCard,
    table: pd.DataFrame,
    horizons: Sequence[float],
    *,
    ignore_extra: bool = False,
) -> pd.DataFrame:
    """Predict event probability, median event-free time and risk score for each patient.

    Parameters
    ----------
    table : DataFrame of shape (n, any)
        Columns in the dictionary's names and units, or as the training table named and coded
        them. A covariate may be missing, in a cell or as a whole column; the regimen may not.
    horizons : sequence of float
        Months, within the model's follow-up.
    ignore_extra : bool
        Leave out columns that the model does not know, instead of refusing them.

    Returns
    -------
    DataFrame
        `patient_id` where given, `row`, `risk_score` (unscaled, higher is worse),
        `event_probability_<horizon>m`, `median_months` (NaN when not reached within the
        follow-up) and `note`: what was missing, outside the training range or never seen there.

    Raises
    ------
    InputError
        For an unknown column, a wrong type, an impossible value, an unknown regimen, a patient
        without a single covariate, or a horizon beyond the follow-up.
    """
    problems: list[Problem] = []
    months = collect(problems, lambda: _check_horizons(horizons, card))
    patients = collect(problems, lambda: read_patients(table, card, ignore_extra=ignore_extra))
    if problems or patients is None or months is None:
        raise InputError(problems)
    return predict_for(model, card, patients, months)


def read_patients(table: pd.DataFrame, card: ModelCard, *, ignore_extra: bool = False) -> Patients:
    """Read a table in the model's own names, or in those of its training table.

    Raises
    ------
    InputError
        As `predict_patients`, the horizons aside.
    """
    problems: list[Problem] = []
    columns = {c.name: _column_of(c, table, card) for c in card.inputs}
    given = {name: source for name, source in columns.items() if source is not None}
    regimen_column = collect(problems, lambda: _regimen_column(table, card))
    collect(problems, lambda: _check_extra(table, card, given, regimen_column, ignore_extra))
    known = [c for c in card.inputs if c.name in given]
    inputs = collect(problems, lambda: read_covariates(table, known, given))
    regimen = None
    if regimen_column is not None:
        source = _regimen_source(card, regimen_column)
        regimen = collect(problems, lambda: derive_regimen(table, source))
    if problems or inputs is None:
        raise InputError(problems)
    ids = table[PATIENT_ID].to_numpy() if PATIENT_ID in table else None
    return Patients(inputs, regimen, np.arange(1, len(table) + 1), ids)


def predict_for(
    model: SurvivalModel, card: ModelCard, patients: Patients, horizons: Sequence[float]
) -> pd.DataFrame:
    """Predict for patients who are read already; returns and raises as `predict_patients`."""
    months = _check_horizons(horizons, card)
    inputs = pd.DataFrame(
        {
            c.name: patients.inputs.get(c.name, np.nan if c.is_numeric else None)
            for c in card.inputs
        },
        index=range(len(patients.rows)),
    )
    covariates = derive_covariates(inputs, card.covariates, {c.name: c for c in card.inputs})
    _check_some_known(covariates, inputs, patients.rows)
    regimen = patients.regimen if card.arms else None
    predictors = as_predictors(covariates, regimen)
    prediction = model.predict(predictors, months)
    grid = np.arange(MEDIAN_STEP, card.follow_up, MEDIAN_STEP)
    survival = model.predict(predictors, grid).survival
    result = pd.DataFrame({"row": patients.rows})
    if patients.ids is not None:
        result.insert(0, PATIENT_ID, patients.ids)
    if regimen is not None:
        result["regimen"] = regimen
    result["risk_score"] = prediction.risk_score
    for month, probability in zip(months, prediction.event_probability.T, strict=True):
        result[f"event_probability_{month:g}m"] = probability
    result["median_months"] = np.round(median_survival(survival, grid), 1)
    result["note"] = _notes(inputs, covariates, card, months)
    return result


def known_codes(card: ModelCard) -> dict[str, frozenset[str]]:
    """Codes of a patients' table, by column: a word that is one is no missing cell."""
    parts: list[Mapping[str, Iterable[str]]] = [{c.name: c.vocabulary} for c in card.inputs]
    for covariate in card.inputs:
        source = card.sources.get(covariate.name)
        if source is not None:
            parts.append({source.column: tuple(source.values) or covariate.vocabulary})
    if card.arms:
        codes = (*(card.regimen.values if card.regimen else ()), *card.arms)
        parts += [{name: codes} for name in _regimen_names(card)]
    return merged(parts)


def _regimen_names(card: ModelCard) -> list[str]:
    return ["regimen", *([card.regimen.column] if card.regimen else [])]


def _check_horizons(horizons: Sequence[float], card: ModelCard) -> list[float]:
    values = sorted({float(one_time(h)) for h in horizons})
    wrong = [h for h in values if not 0 < h <= card.follow_up]
    if not values or wrong:
        raise InputError(
            Problem(
                what="No prediction at this horizon",
                where="horizons",
                got=name_some([f"{h:g}" for h in wrong]) or "none",
                allowed=f"above 0 and up to {card.follow_up:.1f} months, the longest follow-up in "
                "training",
                remedy="ask for earlier horizons; nothing is known beyond",
            )
        )
    return values


def _column_of(covariate: Covariate, table: pd.DataFrame, card: ModelCard) -> ColumnSource | None:
    """Where a covariate stands in this table: under its own name, else the training table's.

    Where both are the same name, the training table's unit holds, and either's codes are known.
    """
    source = card.sources.get(covariate.name)
    if source is not None and source.column == covariate.name and source.values:
        own = {value: value for value in covariate.vocabulary}
        source = source.model_copy(update={"values": {**own, **source.values}})
    elif covariate.name in table.columns and (source is None or source.column != covariate.name):
        return ColumnSource(column=covariate.name)
    return source if source is not None and source.column in table.columns else None


def _regimen_column(table: pd.DataFrame, card: ModelCard) -> str | None:
    if not card.arms:
        return None
    candidates = _regimen_names(card)
    present = [name for name in candidates if name in table.columns]
    if present:
        return present[0]
    raise InputError(
        Problem(
            what="The regimen is missing",
            where=f"column {candidates[0]}",
            allowed=", ".join(card.arms),
            remedy="add the column: the regimen is never assumed",
        )
    )


def _regimen_source(card: ModelCard, column: str | None) -> RegimenColumn:
    values = card.regimen.values if card.regimen else {arm: arm for arm in card.arms}
    return RegimenColumn(column=column or "regimen", values=values, reference_arm=card.arms[0])


def _check_extra(
    table: pd.DataFrame,
    card: ModelCard,
    given: dict[str, ColumnSource],
    regimen_column: str | None,
    ignore_extra: bool,
) -> None:
    used = {source.column for source in given.values()}
    extra = [c for c in table.columns if c not in used | {PATIENT_ID, regimen_column, ROW_NAMES}]
    if not extra or ignore_extra:
        return
    known = [c.name for c in card.inputs] + (["regimen"] if card.arms else []) + [PATIENT_ID]
    raise InputError(
        Problem(
            what="The model does not know this column",
            where="the patients' table",
            got=name_some(extra),
            allowed=name_some(known, 40),
            remedy=did_you_mean(extra[0], known)
            + "take it out, or leave such columns unread with --ignore-extra",
        )
    )


def _check_some_known(covariates: pd.DataFrame, inputs: pd.DataFrame, numbers: np.ndarray) -> None:
    empty = covariates.isna().all(axis=1).to_numpy()
    if empty.any():
        raise InputError(
            Problem(
                what="Nothing is known of this patient",
                where=rows_of(covariates.set_axis(numbers - 1), empty),
                allowed="at least one of " + name_some(inputs.columns, 40),
                remedy="give some covariates; without any, the answer would be an average",
            )
        )


def _notes(
    inputs: pd.DataFrame, covariates: pd.DataFrame, card: ModelCard, months: Sequence[float]
) -> list[str]:
    """What was filled in for each patient, and what lies outside the training range."""
    needed = {
        name: [name] if name in inputs else list(DERIVATIONS[name].inputs) for name in covariates
    }
    # A derived covariate may be known although an input is not: refractory disease has no CR1.
    missing = pd.DataFrame(
        {
            column: inputs[column].isna()
            & covariates[[n for n, columns in needed.items() if column in columns]]
            .isna()
            .any(axis=1)
            for column in inputs
        }
    )
    outside = pd.DataFrame(
        {
            name: (inputs[name] < low) | (inputs[name] > high)
            for name, (low, high) in card.ranges.items()
            if name in inputs
        },
        index=inputs.index,
    )

    # A probability of 0 there says that nobody was seen, not that nothing can happen.
    early = ", ".join(f"{month:g}" for month in months if month < (card.first_event or 0))

    def describe(row: int) -> str:
        absent, unusual = missing.columns[missing.iloc[row]], outside.columns[outside.iloc[row]]
        parts = ["missing: " + ", ".join(absent)] if len(absent) else []
        # Known inputs may not determine a covariate, as a risk that is defined for AML alone.
        unclear = [
            name
            for name, columns in needed.items()
            if pd.isna(covariates[name].iloc[row]) and not missing.loc[row, columns].any()
        ]
        if unclear:
            parts.append("cannot be derived: " + ", ".join(unclear))
        if len(unusual):
            parts.append("outside the central 95% of training: " + ", ".join(unusual))
        parts += [
            f"never seen in training: {name} {inputs[name].iloc[row]}"
            for name, known in card.levels.items()
            if pd.notna(inputs[name].iloc[row]) and inputs[name].iloc[row] not in known
        ]
        parts += [
            f"too rare in training to count for itself: {name} {inputs[name].iloc[row]}"
            for name, rare in card.rare.items()
            if inputs[name].iloc[row] in rare
        ]
        if early:
            parts.append("nobody had the event in training by month " + early)
        return "; ".join(parts)

    return [describe(row) for row in range(len(inputs))]
