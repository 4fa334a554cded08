"""Endpoints of different populations: compared among their own patients, and said so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from evaluation.methods import NORMAL
from evaluation.regimens import (
    ADVERSE_EVENT,
    FLEMING_HARRINGTON,
    MEDIAN_DIFFERENCE,
    RATIOS_AND_TESTS,
    RESPONSE,
    RMST_DIFFERENCE,
    RMST_RATIO,
    TREND,
    of_rates,
    rows_in,
    rows_of,
)
from evaluation.regimens.crude import FurtherComparisons, compare_regimens
from features.cohort import Cohort

# What pipelines.compare shows and a training's report leaves out: it has the figures already, or
# they are another reading of a row that stays.
_LEFT_TO_COMPARE = (
    *(of_rates(RESPONSE, what) for what in RATIOS_AND_TESTS),
    MEDIAN_DIFFERENCE,
    FLEMING_HARRINGTON,
    RMST_RATIO,
    TREND,
)


def compare_in_populations(
    cohort: Cohort,
    reference_arm: str,
    horizons: Sequence[float],
    further: FurtherComparisons | None = None,
) -> pd.DataFrame:
    """Compare the regimens for every endpoint among the patients whom it is about.

    Parameters
    ----------
    cohort : Cohort with a regimen
    reference_arm : str
    horizons : sequence of float
        Months.
    further : FurtherComparisons, optional
        Of the whole cohort, strata included. Left out: those with their defaults, without the rows
        that a training's report has no room for.

    Returns
    -------
    DataFrame
        As `evaluation.regimens.crude.comparison.compare_regimens`. An endpoint whose patients are
        not of two arms, the reference arm among them, has no row. One with competing events has
        cumulative incidences in place of what Kaplan-Meier would overstate; its log-rank test and
        hazard ratio are cause-specific.
    """
    regimen = cohort.regimen
    assert regimen is not None
    brief, further = further is None, further or FurtherComparisons()
    of_all = {k: o for k, o in cohort.outcomes.items() if cohort.of_endpoint(k).all()}
    table = compare_regimens(
        of_all, regimen, reference_arm, horizons, cohort.responder, cohort.adverse_events, further
    )
    adverse = rows_in(table["estimator"], ADVERSE_EVENT)
    parts = [table[~adverse]]
    for label, outcome in cohort.outcomes.items():
        rows = cohort.of_endpoint(label)
        if label not in of_all and is_comparable(cohort, label, reference_arm):
            strata = None if further.strata is None else np.asarray(further.strata)[rows]
            own = replace(further, strata=strata)
            parts.append(
                compare_regimens(
                    {label: outcome}, regimen[rows], reference_arm, horizons, further=own
                )
            )
    parts.append(table[adverse])
    compared = pd.concat([part for part in parts if len(part)], ignore_index=True)
    if brief:
        left_out = rows_of(compared["estimator"], *_LEFT_TO_COMPARE)
        # Of the two intervals of an RMST difference the one that holds in small samples.
        normal = rows_of(compared["estimator"], RMST_DIFFERENCE) & compared["ci_method"].eq(NORMAL)
        compared = compared[~left_out & ~normal]
        compared = compared.reset_index(drop=True)
    return compared


def is_comparable(cohort: Cohort, endpoint: str, reference_arm: str) -> bool:
    """Whether the reference arm and another one are among the endpoint's patients."""
    if cohort.regimen is None:
        return False
    arms = set(cohort.regimen[cohort.of_endpoint(endpoint)])
    return reference_arm in arms and len(arms) > 1


def population_cautions(cohort: Cohort, reference_arm: str | None) -> list[str]:
    """Who is in the cohort and in each endpoint, in sentences for summary, report and card."""
    found = _regimen_cautions(cohort.regimen_counts)
    for label, outcome in cohort.outcomes.items():
        if len(outcome) < len(cohort):
            found.append(
                f"{label} is about {len(outcome)} of {len(cohort)} patients: its population, or "
                "those still at risk at its landmark."
            )
            if reference_arm and not is_comparable(cohort, label, reference_arm):
                found.append(
                    f"{label}: the regimens are not compared, since its patients are not of two "
                    f"arms with {reference_arm} among them."
                )
        if outcome.competing is not None:
            found.append(
                f"{label}: {int(outcome.competing.sum())} patients had a competing event and count "
                "as censored in hazard ratios and models, which are cause-specific. Probabilities "
                f"of {label} are cumulative incidences; a Kaplan-Meier curve would overstate them."
            )
    return found


def _regimen_cautions(counts: pd.DataFrame | None) -> list[str]:
    if counts is None:
        return []
    found = []
    left_out = counts[counts["regimen"] == ""]
    if len(left_out):
        why = ", ".join(f"{row.reason} {row.patients}" for row in left_out.itertuples())
        found.append(
            f"{left_out['patients'].sum()} of {counts['patients'].sum()} patients of the table "
            f"received none of the regimens and are left out: {why}."
        )
    switched = counts.loc[counts["switched"], "patients"].sum()
    if switched:
        found.append(
            f"{switched} patient(s) started a drug of another arm later and are kept in their "
            "first regimen."
        )
    return found
