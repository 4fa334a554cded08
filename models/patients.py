"""Predicting for patients as they come: checked, with what is missing or unusual said aloud."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from features.columns import Columns, is_known, plain_columns
from features.covariates import (
    ColumnSource,
    Covariate,
    convert_cells,
    derive_columns,
    merged,
    read_covariates,
)
from features.dataset import REGIMEN
from features.errors import InputError, Problem, collect, did_you_mean, name_some
from features.errors.wrong_cells import patients_at
from features.regimens import RegimenColumn, derive_regimen
from features.tables import ROW_NAMES
from features.times import one_time
from models.card import ModelCard
from models.individual import Support
from models.notes import cautions_of, notes_of
from models.prediction import SurvivalModel, median_on_grid

if TYPE_CHECKING:
    import pandas as pd

PATIENT_ID = "patient_id"
MEDIAN_STEP = 0.1  # months


@dataclass(frozen=True)
class Patients:
    """Patients as a stored model takes them.

    Attributes
    ----------
    inputs : Columns of shape (n,)
        The model's inputs that are at hand, in the dictionary's units; other columns are not read.
    regimen : ndarray of shape (n,), object, or None
    rows : ndarray of shape (n,), int
        Each patient's row in the user's table, from 1.
    ids : ndarray of shape (n,), or None
        As the user calls them.
    """

    inputs: Columns
    regimen: np.ndarray | None
    rows: np.ndarray
    ids: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.rows)


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
    months = collect(problems, lambda: check_horizons(horizons, card))
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
    names = [str(name) for name in table.columns]
    given = _given(names, card)
    regimen_column = collect(problems, lambda: _regimen_column(names, card))
    collect(problems, lambda: _check_extra(names, card, given, regimen_column, ignore_extra))
    known = [c for c in card.inputs if c.name in given]
    inputs = collect(problems, lambda: read_covariates(table, known, given))
    regimen = None
    if regimen_column is not None:
        source = _regimen_source(card, regimen_column)
        regimen = collect(problems, lambda: derive_regimen(table, source))
    if problems or inputs is None:
        raise InputError(problems)
    ids = table[PATIENT_ID].to_numpy(dtype=object, na_value=None) if PATIENT_ID in names else None
    return Patients(plain_columns(inputs), regimen, np.arange(1, len(table) + 1), ids)


def plain_patients(
    cells: Mapping[str, Sequence[str | None]], card: ModelCard, *, ignore_extra: bool = False
) -> Patients | None:
    """Read plain cells without pandas, as one patient comes; equal to `read_patients`.

    Parameters
    ----------
    cells : mapping of column -> n cells of text
        As `features.tables.read_plain` gives them, None where missing.

    Returns
    -------
    Patients or None
        None where a cell is not understood or not possible: `read_patients` then says which.

    Raises
    ------
    InputError
        For an unknown column, and a regimen that is not given.
    """
    problems: list[Problem] = []
    given = _given(cells, card)
    column = collect(problems, lambda: _regimen_column(cells, card))
    collect(problems, lambda: _check_extra(cells, card, given, column, ignore_extra))
    if problems:
        return None
    inputs, codes = {}, {name: [_stripped(cell) for cell in cells[name]] for name in cells}
    for covariate in card.inputs:
        source = given.get(covariate.name)
        if source is None:
            continue
        converted = convert_cells(codes[source.column], covariate, source)
        possible = covariate.admits(converted.values).all()
        if not (converted.is_clean and possible) or np.isnan(source.factor_to(covariate)):
            return None
        inputs[covariate.name] = converted.values
    n = len(next(iter(cells.values())))
    regimen = None
    if column is not None:
        arms = _regimen_source(card, column).arm_of
        regimen = np.full(n, None, dtype=object)
        regimen[:] = [None if code is None else arms.get(code) for code in codes[column]]
        if not is_known(regimen).all():
            return None
    ids = None
    if PATIENT_ID in cells:
        ids = np.full(n, None, dtype=object)
        ids[:] = cells[PATIENT_ID]
    return Patients(inputs, regimen, np.arange(1, n + 1), ids)


def _stripped(cell: str | None) -> str | None:
    return (cell.strip() or None) if cell is not None else None


def predict_for(
    model: SurvivalModel, card: ModelCard, patients: Patients, horizons: Sequence[float]
) -> pd.DataFrame:
    """Predict for patients who are read already; returns and raises as `predict_patients`."""
    import pandas as pd

    return pd.DataFrame(predictions_of(model, card, patients, horizons))


def predictions_of(
    model: SurvivalModel,
    card: ModelCard,
    patients: Patients,
    horizons: Sequence[float],
    support: Support | None = None,
) -> dict[str, np.ndarray]:
    """The columns of `predict_for`, plain, and each patient's doubts by name (`cautions`)."""
    months = check_horizons(horizons, card)
    inputs, covariates = covariates_of(card, patients)
    regimen = patients.regimen if card.arms else None
    predictors = dict(covariates) if regimen is None else {**covariates, REGIMEN: regimen}
    if not predictors:
        # A model that looks at nothing must still be told of how many.
        predictors = {"": np.zeros(len(patients))}
    prediction = model.predict(predictors, months)
    grid = np.arange(MEDIAN_STEP, card.follow_up, MEDIAN_STEP)
    median = median_on_grid(
        lambda rows, times: (
            model.predict(
                {name: column[rows] for name, column in predictors.items()}, times
            ).survival
        ),
        len(patients),
        grid,
    )
    result = {} if patients.ids is None else {PATIENT_ID: patients.ids}
    result["row"] = patients.rows
    if regimen is not None:
        result[REGIMEN] = regimen
    result["risk_score"] = prediction.risk_score
    for month, probability in zip(months, prediction.event_probability.T, strict=True):
        result[f"event_probability_{month:g}m"] = probability
    result["median_months"] = np.round(median, 1)
    result["cautions"] = cautions_of(inputs, covariates, regimen, card, support, months)
    result["note"] = notes_of(inputs, covariates, card, months)
    return result


def covariates_of(card: ModelCard, patients: Patients) -> tuple[Columns, Columns]:
    """Every input of the model, and what it sees of them, for patients who are read.

    Raises
    ------
    InputError
        For a patient without a single covariate.
    """
    inputs = {c.name: patients.inputs.get(c.name, _nothing(c, len(patients))) for c in card.inputs}
    covariates = derive_columns(inputs, card.covariates, {c.name: c for c in card.inputs})
    _check_some_known(covariates, inputs, patients.rows)
    return inputs, covariates


def _nothing(covariate: Covariate, n: int) -> np.ndarray:
    return np.full(n, np.nan) if covariate.is_numeric else np.full(n, None, dtype=object)


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


def check_horizons(horizons: Sequence[float], card: ModelCard) -> list[float]:
    """Months of the horizons, each once and in order; raises as `predict_patients`."""
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


def _given(names: Container[str], card: ModelCard) -> dict[str, ColumnSource]:
    """Where each input stands, of those that are in a table with these columns."""
    found = {c.name: _column_of(c, names, card) for c in card.inputs}
    return {name: source for name, source in found.items() if source is not None}


def _column_of(covariate: Covariate, names: Container[str], card: ModelCard) -> ColumnSource | None:
    """Where a covariate stands in this table: under its own name, else the training table's.

    Where both are the same name, the training table's unit holds, and either's codes are known.
    """
    source = card.sources.get(covariate.name)
    if source is not None and source.column == covariate.name and source.values:
        own = {value: value for value in covariate.vocabulary}
        source = source.model_copy(update={"values": {**own, **source.values}})
    elif covariate.name in names and (source is None or source.column != covariate.name):
        return ColumnSource(column=covariate.name)
    return source if source is not None and source.column in names else None


def _regimen_column(names: Container[str], card: ModelCard) -> str | None:
    if not card.arms:
        return None
    candidates = _regimen_names(card)
    present = [name for name in candidates if name in names]
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
    names: Iterable[str],
    card: ModelCard,
    given: dict[str, ColumnSource],
    regimen_column: str | None,
    ignore_extra: bool,
) -> None:
    used = {source.column for source in given.values()}
    extra = [c for c in names if c not in used | {PATIENT_ID, regimen_column, ROW_NAMES}]
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


def _check_some_known(covariates: Columns, inputs: Columns, numbers: np.ndarray) -> None:
    empty = np.ones(len(numbers), dtype=bool)
    for column in covariates.values():
        empty &= ~is_known(column)
    if empty.any():
        raise InputError(
            Problem(
                what="Nothing is known of this patient",
                where=patients_at(numbers[empty]),
                allowed="at least one of " + name_some(inputs, 40),
                remedy="give some covariates; without any, the answer would be an average",
                rows=tuple(np.flatnonzero(empty).tolist()),
            )
        )
