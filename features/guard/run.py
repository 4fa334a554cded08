"""The cohort guard: what is wrong with a cohort, before anybody reads a number.

It changes nothing. `guard_table` looks at the table as handed over, before reading refuses
impossible values; `guard_cohort` looks at the cohort as read. configs/guard.yaml says of every
check how severe it is, why it matters and what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from features.cohort import Cohort, CohortColumns
from features.covariates import Covariate, check_columns, derive_covariates
from features.guard.checks import columns as guard_columns
from features.guard.checks import events as guard_events
from features.guard.checks import immortal_time as guard_immortal
from features.guard.checks import inclusion as guard_inclusion
from features.guard.checks import later_than_baseline as guard_later
from features.guard.checks import leakage as guard_leakage
from features.guard.checks import patients as guard_patients
from features.guard.checks import reading as guard_reading
from features.guard.checks import regimens as guard_regimens
from features.guard.checks import times as guard_times
from features.guard.checks import units as guard_units
from features.guard.checks.reading import ReadingEvidence
from features.guard.evidence import CohortEvidence, Followed, TableEvidence
from features.guard.findings import Check, Finding, Observation, run_checks
from features.guard.settings import Guard
from features.inclusion import Inclusion, InclusionRule

A_DAY = 12 / 365.25  # months; less is rounding


def zero_time(evidence: CohortEvidence) -> Iterator[Observation]:
    """An event, or censoring, on the index date."""
    for label, outcome in evidence.outcomes.items():
        if (outcome.time == 0).any():
            yield Observation(f"Times of {label} are 0", outcome.time == 0, names=(label,))


def endpoint_order(evidence: CohortEvidence) -> Iterator[Observation]:
    """Another endpoint that is followed longer than life was."""
    survival = evidence.outcomes.get("OS")
    if survival is None:
        return
    for label, outcome in evidence.outcomes.items():
        # Endpoints of some patients alone start later and are not compared row by row.
        if label != "OS" and len(outcome.time) == len(survival.time):
            later = outcome.time > survival.time + A_DAY
            if later.any():
                yield Observation(f"{label} runs longer than OS", later, names=(label,))


TABLE_CHECKS: tuple[Check[TableEvidence], ...] = (
    *guard_units.CHECKS,
    *guard_patients.CHECKS,
    *guard_times.CHECKS,
    *guard_immortal.CHECKS,
    *guard_events.TABLE_CHECKS,
    *guard_columns.TABLE_CHECKS,
)
COHORT_CHECKS: tuple[Check[CohortEvidence], ...] = (
    zero_time,
    endpoint_order,
    *guard_events.COHORT_CHECKS,
    *guard_columns.COHORT_CHECKS,
    *guard_leakage.CHECKS,
    *guard_later.CHECKS,
    *guard_regimens.CHECKS,
)


def guard_table(
    table: pd.DataFrame,
    columns: CohortColumns,
    covariates: Sequence[str],
    dictionary: Mapping[str, Covariate],
    guard: Guard | None = None,
) -> list[Finding]:
    """Look at a table as handed over, before `read_cohort`.

    Parameters
    ----------
    table : DataFrame of shape (n, any)
        One row a patient. Its index, when whole numbers, says which row of the user's table each
        was, from 0; so a table that inclusion rules have thinned keeps its row numbers.
        `table.attrs["time_origin"]` may be 'diagnosis' (cBioPortal months).
    columns : CohortColumns
    covariates : sequence of str
        The predictors.
    dictionary : mapping of name -> Covariate
    guard : Guard, optional
        Severities, thresholds and columns that only the guard reads.

    Returns
    -------
    list of Finding
        The most severe first. Stop on failures with `guard_findings.raise_failures`.

    Raises
    ------
    InputError
        When a column that `guard` names is not in the table.
    """
    guard = knowing(columns, guard)
    check_columns(table, guard.named_columns)
    rows = row_numbers_of(table.index)
    attrs, table = table.attrs, table.reset_index(drop=True)
    table.attrs = attrs
    evidence = TableEvidence(table, columns, tuple(covariates), dictionary, guard)
    return run_checks(TABLE_CHECKS, evidence, guard, rows)


def guard_inclusion_rules(
    table: pd.DataFrame,
    rules: Sequence[InclusionRule],
    included: Inclusion,
    columns: CohortColumns,
    guard: Guard | None = None,
) -> list[Finding]:
    """Look at whom the inclusion rules removed.

    Parameters
    ----------
    table : DataFrame of shape (n, any)
        As handed over, before the rules.
    included : Inclusion
        What `apply_inclusion` made of `table` and `rules`.
    """
    guard = guard or Guard()
    evidence = guard_inclusion.InclusionEvidence(
        table, columns, guard, tuple(zip(rules, included.removed, strict=True)), included.mask
    )
    return run_checks(guard_inclusion.CHECKS, evidence, guard, row_numbers_of(table.index))


def guard_cohort(
    cohort: Cohort,
    endpoints: Mapping[str, str],
    covariates: Sequence[str],
    guard: Guard | None = None,
    row_numbers: ArrayLike | None = None,
) -> list[Finding]:
    """Look at a cohort as read.

    Parameters
    ----------
    cohort : Cohort
    endpoints : mapping of label -> key
        The endpoints that are looked at; the key is that of the configuration.
    covariates : sequence of str
        The predictors.
    guard : Guard, optional
    row_numbers : array-like of shape (n,), int, optional
        Row of the user's table, from 1; 1..n when not given. To be given when inclusion rules, or
        drug records without a regimen, left patients out.

    Returns
    -------
    list of Finding
        The most severe first.
    """
    guard = guard or Guard()
    evidence = CohortEvidence(
        predictors=derive_covariates(cohort.inputs, covariates, cohort.dictionary),
        inputs=cohort.inputs,
        dictionary=cohort.dictionary,
        outcomes={
            label: Followed.of(cohort.outcomes[label], cohort.of_endpoint(label))
            for label in endpoints
        },
        regimen=cohort.regimen,
        center=cohort.center,
        guard=guard,
        endpoint_keys=endpoints,
        responder=cohort.responder,
    )
    rows = np.arange(1, len(cohort) + 1) if row_numbers is None else np.asarray(row_numbers)
    return run_checks(COHORT_CHECKS, evidence, guard, rows)


def guard_as_read(evidence: ReadingEvidence, row_numbers: np.ndarray) -> list[Finding]:
    """Look at a table beside the cohort as read from it.

    Parameters
    ----------
    evidence : ReadingEvidence
    row_numbers : ndarray of shape (n,), int
        As for `guard_cohort`.
    """
    return run_checks(guard_reading.CHECKS, evidence, evidence.guard, row_numbers)


def knowing(columns: CohortColumns, guard: Guard | None = None) -> Guard:
    """The guard's settings, with the covariates whose columns are said to be of baseline."""
    known = [name for name, source in columns.covariates.items() if source.known]
    return (guard or Guard()).knowing(known)


def row_numbers_of(index: pd.Index) -> np.ndarray:
    """Rows of the user's table, from 1, by the index that a table has before it is reset."""
    if pd.api.types.is_integer_dtype(index.dtype):
        return index.to_numpy() + 1
    return np.arange(1, len(index) + 1)
