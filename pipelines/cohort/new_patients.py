"""New patients for a stored model, from whatever source a configuration describes."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from features.columns import plain_columns
from features.covariates import ColumnSource, check_columns, read_covariates, read_dictionary
from features.errors import InputError, Problem, collect
from features.guard import row_numbers_of
from features.inclusion import apply_inclusion
from features.regimens import DrugRecords, RegimenColumn, derive_regimen, derive_regimens
from models.card import ModelCard
from models.patients import Patients
from pipelines.cohort.model_cohort import covariate_problems, for_model
from pipelines.cohort.reading import load_drugs, load_table, with_pooled_ages
from pipelines.config import TrainConfig


def configured_patients(config: TrainConfig, card: ModelCard) -> tuple[Patients, list[str]]:
    """Read the patients of a configuration with its mapping; outcomes are not looked at.

    Parameters
    ----------
    config : TrainConfig
        Its source, inclusion rules, and columns of covariates, regimen and patient identifier.
    card : ModelCard

    Returns
    -------
    Patients
        Those whom the inclusion rules leave and, with drug records, who have a regimen. A covariate
        that is not mapped and has no column of its name is missing.
    list of str
        Who was left out, a sentence each.

    Raises
    ------
    InputError
        When the configuration does not fit the model, or the table cannot be read as it says.
    """
    problems = covariate_problems(config, card)
    if problems:
        raise InputError(problems)
    own = for_model(config, card)
    table, reduced = load_table(own)
    left_out = [f"{finding.what}: {finding.who}." for finding in reduced]
    if own.cohort.inclusion:
        included = apply_inclusion(table, own.cohort.inclusion)
        if not included.mask.all():
            removed = int((~included.mask).sum())
            left_out.append(f"{removed} of {len(table)} patients left out by the inclusion rules.")
        table = table[included.mask]
    rows = row_numbers_of(table.index)
    table = table.reset_index(drop=True)
    columns = own.cohort.columns
    if columns.patient_id:
        check_columns(table, {"patient_id": columns.patient_id})
    given = _given(table, own, card)
    known = read_dictionary(own.dictionary)
    inputs = collect(
        problems, partial(read_covariates, table, [known[name] for name in given], given)
    )
    regimen, kept = None, np.ones(len(table), dtype=bool)
    if card.arms and isinstance(columns.regimen, DrugRecords):
        drugs = load_drugs(own)
        assignment = collect(
            problems,
            partial(
                derive_regimens, table, columns.regimen, drugs, columns.patient_id, every_arm=False
            ),
        )
        if assignment is not None:
            regimen, kept = assignment.regimen, assignment.eligible
    elif card.arms and isinstance(columns.regimen, RegimenColumn):
        regimen = collect(problems, partial(derive_regimen, table, columns.regimen))
    if problems or inputs is None:
        raise InputError(problems)
    if not kept.all():
        left_out.append(
            f"{int((~kept).sum())} of {len(table)} patients left out without a regimen."
        )
    if not kept.any():
        raise InputError(
            Problem(
                what="Nobody has a regimen that the model knows",
                where="cohort.columns.regimen",
                got=f"{len(table)} patients, none of them with venetoclax and a known companion",
                allowed=", ".join(card.arms),
                remedy="check the names and dates of the drugs",
            )
        )
    inputs = with_pooled_ages(own, inputs)
    ids = table[columns.patient_id].to_numpy() if columns.patient_id else None
    return (
        Patients(
            plain_columns(inputs[kept]),
            None if regimen is None else regimen[kept],
            rows[kept],
            None if ids is None else ids[kept],
        ),
        left_out,
    )


def _given(table: pd.DataFrame, config: TrainConfig, card: ModelCard) -> dict[str, ColumnSource]:
    """Where each of the model's inputs stands, of those that are mapped or have their own name."""
    mapped = config.cohort.columns.covariates
    own = {c.name: ColumnSource(column=c.name) for c in card.inputs if c.name in table.columns}
    return {
        c.name: mapped.get(c.name, own.get(c.name))  # type: ignore[misc]
        for c in card.inputs
        if c.name in mapped or c.name in own
    }
