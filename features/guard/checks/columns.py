"""Columns that are no baseline covariates, or tell a model nothing."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import numpy as np
import pandas as pd

from features.covariates import read_dictionary
from features.errors import name_some
from features.guard.evidence import CohortEvidence, TableEvidence
from features.guard.findings import Check, Observation
from features.guard.privacy import direct_identifiers
from features.guard.settings import read_rules
from features.text import as_text, words

# Up to so many distinct values, two columns are the same when one is a recoding of the other.
RECODED = 20


def post_baseline_predictor(evidence: TableEvidence) -> Iterator[Observation]:
    """A predictor that the dictionary, by name or synonym, knows as post-baseline or outcome."""
    later = {
        name.lower(): covariate
        for covariate in evidence.dictionary.values()
        if covariate.timing != "baseline"
        for name in (covariate.name, *covariate.synonyms)
    }
    for name in evidence.inputs:
        column = evidence.source(name)
        covariate = later.get(name.lower()) or later.get(column.lower())
        if covariate is not None:
            timing = covariate.timing.replace("_", "-")
            yield Observation(f"Predictor {name} is {timing}", _known(evidence, column))


def outcome_predictor(evidence: TableEvidence) -> Iterator[Observation]:
    """A predictor that is read from an endpoint's column."""
    outcomes = set(evidence.outcome_columns)
    if evidence.columns.response is not None:
        outcomes.add(evidence.columns.response.column)
    for name in evidence.inputs:
        if evidence.source(name) in outcomes:
            yield Observation(
                f"Predictor {name} is read from column {evidence.source(name)}, an outcome",
                _known(evidence, evidence.source(name)),
            )


def outcome_name(evidence: TableEvidence) -> Iterator[Observation]:
    """A predictor whose column is named like an outcome."""
    outcomes = evidence.outcome_columns
    suspicious = set(read_rules().outcome_words)
    for name in evidence.inputs:
        column = evidence.source(name)
        if column not in outcomes and suspicious & {*words(name), *words(column)}:
            yield Observation(
                f"Predictor {name} (column {column}) is named like an outcome",
                _known(evidence, column),
                names=(name,),
            )


def later_name(evidence: TableEvidence) -> Iterator[Observation]:
    """A predictor named like what happens after the first dose, such as a response.

    A covariate of the project's own dictionary is of baseline by its name; its column may not be.
    """
    rules = read_rules().later
    shipped = read_dictionary()
    own = {name for name, c in shipped.items() if c.timing == "baseline"}
    # These are told by post_baseline_predictor.
    told_before = {c.name for c in evidence.dictionary.values() if c.timing != "baseline"}
    for name in evidence.inputs:
        column = evidence.source(name)
        covariate = evidence.dictionary.get(name)
        if {name, column} & told_before:
            continue
        names = [column] if name in own else [name, column]
        if covariate is not None and name not in own:
            names.append(covariate.label)
        for told in (words(n) for n in names):
            later = [w for w in told if w in rules.words]
            if later and not set(told) & set(rules.unless) and column not in own:
                yield Observation(
                    f"Predictor {name} (column {column}) is named like what happens later: "
                    f"{later[0]}",
                    _known(evidence, column),
                    names=(name,),
                )
                break


def direct_identifier(evidence: CohortEvidence) -> Iterator[Observation]:
    """A covariate that points at a person."""
    for found in direct_identifiers(evidence.predictors):
        yield Observation(
            f"Covariate {found.column} looks like an identifier: {found.why}",
            evidence.predictors[found.column].notna().to_numpy(),
        )


def empty_covariate(evidence: CohortEvidence) -> Iterator[Observation]:
    """Nearly every value is missing."""
    limit = evidence.guard.limit("empty_covariate", "missing")
    for name, code in evidence.codes.items():
        missing = code < 0
        if missing.mean() > limit:
            yield Observation(f"Covariate {name} is known for almost nobody", missing)


def constant_covariate(evidence: CohortEvidence) -> Iterator[Observation]:
    """The same for everybody in whom it is known."""
    limit = evidence.guard.limit("empty_covariate", "missing")
    for name, code in evidence.codes.items():
        known = code >= 0
        if code.max(initial=-1) < 1 and (~known).mean() <= limit:
            yield Observation(f"Covariate {name} is the same for everybody", known, known)


def identical_covariates(evidence: CohortEvidence) -> Iterator[Observation]:
    """Covariates that are equal, or a recoding of each other."""
    groups: dict[tuple[object, ...], list[str]] = {}
    for name, code in evidence.codes.items():
        most = code.max(initial=-1)
        if most < 1:
            continue
        # Distinct numbers of two unrelated measurements have the same order of appearance; so have
        # those of a small cohort in which hardly any value comes twice.
        levels = most < RECODED and 2 * (most + 1) <= (code >= 0).sum()
        values = code if levels else evidence.predictors[name].to_numpy()
        kind = "recoded" if levels else str(values.dtype)
        groups.setdefault((kind, _digest(values)), []).append(name)
    for names in groups.values():
        if len(names) > 1:
            known = evidence.codes[names[0]] >= 0
            yield Observation(f"Covariates {name_some(names)} are the same", known, known)


def unusual_value(evidence: CohortEvidence) -> Iterator[Observation]:
    """Values outside the dictionary's usual range, inside its limits."""
    for name in evidence.inputs:
        covariate = evidence.dictionary.get(name)
        if covariate is None or covariate.unusual is None or not covariate.is_numeric:
            continue
        values = evidence.inputs[name].to_numpy(dtype=float, na_value=np.nan)
        low, high = covariate.unusual
        unusual = (values < low) | (values > high)
        if unusual.any():
            yield Observation(
                f"Values of {name} lie outside {low:g} to {high:g} {covariate.unit}".rstrip(),
                unusual,
                ~np.isnan(values),
            )


TABLE_CHECKS: tuple[Check[TableEvidence], ...] = (
    post_baseline_predictor,
    outcome_predictor,
    outcome_name,
    later_name,
)
COHORT_CHECKS: tuple[Check[CohortEvidence], ...] = (
    direct_identifier,
    empty_covariate,
    constant_covariate,
    identical_covariates,
    unusual_value,
)


def _known(evidence: TableEvidence, column: str) -> np.ndarray:
    if column not in evidence.table.columns:
        return evidence.everybody
    return as_text(evidence.table[column]).notna().to_numpy(dtype=bool)


def _digest(values: np.ndarray) -> bytes:
    return sha256(pd.util.hash_array(values).tobytes()).digest()
