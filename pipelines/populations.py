"""Endpoints of different populations: compared among their own patients, and said so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evaluation.regimen_comparison import compare_regimens
from features.cohort import Cohort

# What Kaplan-Meier cannot estimate where a competing event is possible.
INCIDENCES = ("median", "event probability", "Kaplan-Meier difference")


def compare_in_populations(
    cohort: Cohort, reference_arm: str, horizons: Sequence[float]
) -> pd.DataFrame:
    """Compare the regimens for every endpoint among the patients whom it is about.

    Parameters
    ----------
    cohort : Cohort with a regimen
    reference_arm : str
    horizons : sequence of float
        Months.

    Returns
    -------
    DataFrame
        As `evaluation.regimen_comparison.compare_regimens`. An endpoint whose patients are not of
        two arms, the reference arm among them, has no row. One with competing events keeps the
        log-rank test and the hazard ratio, which are cause-specific, and loses what Kaplan-Meier
        would overstate.
    """
    regimen = cohort.regimen
    assert regimen is not None
    of_all = {k: o for k, o in cohort.outcomes.items() if cohort.of_endpoint(k).all()}
    table = compare_regimens(
        of_all, regimen, reference_arm, horizons, cohort.responder, cohort.adverse_events
    )
    adverse = table["estimator"].str.startswith("adverse event")
    parts = [table[~adverse]]
    for label, outcome in cohort.outcomes.items():
        among = regimen[cohort.of_endpoint(label)]
        if label not in of_all and is_comparable(cohort, label, reference_arm):
            parts.append(compare_regimens({label: outcome}, among, reference_arm, horizons))
    parts.append(table[adverse])
    compared = pd.concat([part for part in parts if len(part)], ignore_index=True)
    return _cause_specific(compared, cohort)


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
                "as censored there. Hazard ratios and models are cause-specific; no probability of "
                f"{label} is read from a Kaplan-Meier curve, which would overstate it."
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


def _cause_specific(table: pd.DataFrame, cohort: Cohort) -> pd.DataFrame:
    competing = {
        k: int(o.competing.sum()) for k, o in cohort.outcomes.items() if o.competing is not None
    }
    if not competing:
        return table
    theirs = table["endpoint"].isin(competing)
    table = table[~(theirs & table["estimator"].isin(INCIDENCES))].reset_index(drop=True)
    said = table["endpoint"].map(
        lambda label: (
            f"cause-specific: {competing[label]} competing event(s) count as censored"
            if label in competing
            else ""
        )
    )
    note = table["note"].fillna("")
    joint = np.where((note != "") & (said != ""), "; ", "")
    return table.assign(note=note + joint + said)
