"""Where the patients of a new cohort lie outside what a stored model has seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from features.cohort import Cohort
from features.errors import name_some
from features.guard import Finding, Guard, Severity
from models.card import ModelCard

# The central 95% of training leaves 5% outside; of patients like those of the training, few more.
MANY_OUTSIDE = 0.2
# What the guard finds of a covariate that is to be learned from. Nothing is learned here: how
# severe it then is, why it matters, what to do.
NOT_LEARNED_FROM = {
    "constant_covariate": (
        Severity.NOTE,
        "it cannot tell these patients apart, so that the model is judged by its other covariates",
        "nothing to do where all these patients are so; otherwise check the column and its codes",
    ),
    "empty_covariate": (
        Severity.WARN,
        "the model fills it in as in its training, so that it is judged without what it knows of "
        "this covariate",
        "complete the column, or name the one that holds it under cohort.columns.covariates",
    ),
}


def beyond_training(card: ModelCard, cohort: Cohort, endpoint: str) -> list[str]:
    """Levels that the model never saw or could not tell apart, and values outside its ranges.

    Parameters
    ----------
    card : ModelCard
    cohort : Cohort
        Read for the model: its inputs are those of the card.
    endpoint : str
        Whose patients are looked at.

    Returns
    -------
    list of str
        One sentence a covariate.
    """
    inputs = cohort.inputs[cohort.of_endpoint(endpoint)]
    return [
        *_levels(
            {name: set(known) for name, known in card.levels.items()},
            inputs,
            "a level that the model never saw",
            among_known=False,
        ),
        *_levels(
            {name: set(rare) for name, rare in card.rare.items()},
            inputs,
            "a level that was too rare in the model's training to count for itself",
            among_known=True,
        ),
        *_outside(card, inputs),
    ]


def as_judged(findings: tuple[Finding, ...], guard: Guard) -> tuple[Finding, ...]:
    """The guard's findings for patients who are predicted, not learned from.

    A severity that the configuration states is kept.
    """
    told = []
    for finding in findings:
        if finding.check in NOT_LEARNED_FROM and finding.check not in guard.severity:
            severity, why, remedy = NOT_LEARNED_FROM[finding.check]
            finding = replace(finding, severity=severity, why=why, remedy=remedy)
        told.append(finding)
    return tuple(told)


def _levels(
    named: dict[str, set[str]], inputs: pd.DataFrame, what: str, *, among_known: bool
) -> Iterator[str]:
    for name, levels in named.items():
        if name not in inputs:
            continue
        values = inputs[name].dropna().astype(str)
        concerned = values[values.isin(levels) == among_known]
        if len(concerned):
            counts = concerned.value_counts()
            shown = name_some(f"{level} {count}" for level, count in counts.items())
            yield (
                f"{name}: {len(concerned)} of {len(inputs)} patients hold {what} ({shown}). It "
                "takes them for other levels: their predictions rest on the other covariates."
            )


def _outside(card: ModelCard, inputs: pd.DataFrame) -> Iterator[str]:
    for name, (low, high) in card.ranges.items():
        if name not in inputs:
            continue
        values = inputs[name].dropna()
        outside = int((~values.between(low, high)).sum())
        if outside > MANY_OUTSIDE * len(values):
            yield (
                f"{name}: {outside} of {len(values)} known values lie outside the central 95% of "
                f"the model's training ({low:g} to {high:g})."
            )
