"""The target trial sheet, filled from the configuration and the cohort."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evaluation.regimens import target_trial_sheet
from features.cohort import Cohort
from features.endpoints import Endpoint
from features.guard import entry_column
from features.regimens import DrugRecords
from pipelines.cohort import CheckedCohort
from pipelines.config import TrainConfig

NOT_STATED = "not stated in the configuration"


def describe_target_trial(
    config: TrainConfig, checked: CheckedCohort, overlap: Sequence[str] = ()
) -> pd.DataFrame:
    """Fill the sheet.

    Parameters
    ----------
    config : TrainConfig
        What `comparison.target_trial` states goes before what is derived.
    checked : CheckedCohort
    overlap : sequence of str
        Verdicts on the overlap of the arms, one a pair.

    Returns
    -------
    DataFrame with TARGET_COLUMNS
    """
    cohort, stated = checked.cohort, config.comparison.target_trial
    drawn = config.cohort.randomised
    labels = [config.cohort.columns.endpoints[key].label for key in config.compared_endpoints]
    adjusted = ", ".join(config.adjustment_set)
    arms = _arms(config)
    horizons = ", ".join(f"{h:g}" for h in config.evaluation.horizons)
    tau = config.comparison.tau
    months = f"{tau:g} months" if tau else "the last horizon within the follow-up of every arm"
    trial = {
        "eligibility": "the same rules, applied before assignment",
        "strategies": f"start {' or '.join(arms)}; later treatment as clinicians see fit",
        "assignment": "drawn at random, known to all",
        "time_zero": "assignment, which is the first dose",
        "follow_up": "from time zero to the event, loss to follow-up or the end of the study",
        "outcome": f"{', '.join(labels)}, assessed alike in the arms",
        "contrast": "intention to treat: regimen first started",
        "assumptions": "none beyond those of randomisation and uninformative loss to follow-up",
        "analysis": "unadjusted comparison of the arms",
    }
    here = {
        "eligibility": _eligibility(config, checked),
        "strategies": _strategies(config, cohort),
        "assignment": f"{'drawn at random' if drawn else 'as clinicians chose'}; adjusted for "
        f"{adjusted}",
        "time_zero": _time_zero(config, checked.table),
        "follow_up": _follow_up(config, cohort, labels),
        "outcome": "; ".join(_outcome(cohort, label) for label in labels),
        "contrast": "by the regimen first recorded, arm against "
        f"{config.cohort.columns.regimen.reference_arm}: hazard ratio, difference in event "  # type: ignore[union-attr]
        f"probability at {horizons} months, RMST difference to {months}",
        "assumptions": "; ".join(
            [
                "the arms were drawn at random (cohort.randomised)"
                if drawn
                else "nothing unmeasured decided on both regimen and outcome (cannot be checked)",
                "the versions of a regimen are alike",
                *(overlap or ["both regimens were possible for everybody"]),
            ]
        ),
        "analysis": "crude; multivariable Cox; inverse probability, overlap and matching weights; "
        "g-computation; AIPW of pseudo-values; missing covariates: "
        f"{config.comparison.missing}",
        "departures": _departures(cohort, drawn),
    }
    own = stated.model_dump()
    departures = own.pop("departures")
    trial |= {key: text.strip() for key, text in own.items() if text}
    if departures:
        here["departures"] = f"{departures.strip()} {here['departures']}"
    return target_trial_sheet(trial, here)


def _arms(config: TrainConfig) -> tuple[str, ...]:
    regimen = config.cohort.columns.regimen
    return regimen.arms if regimen else ()


def _eligibility(config: TrainConfig, checked: CheckedCohort) -> str:
    rules = "; ".join(f"{rule.name} ({rule.criterion})" for rule in config.cohort.inclusion)
    n = len(checked.cohort)
    if checked.attrition is None:
        return f"everybody in the table; no inclusion rule is configured: {n} patients"
    removed = int(checked.attrition["removed"].sum())
    return f"{rules}: {removed} removed, {n} patients left"


def _strategies(config: TrainConfig, cohort: Cohort) -> str:
    source = config.cohort.columns.regimen
    assert source is not None
    assert cohort.regimen is not None
    sizes = pd.Series(cohort.regimen).value_counts()
    counts = ", ".join(f"{arm} {sizes.get(arm, 0)}" for arm in source.arms)
    if isinstance(source, DrugRecords):
        first, last = source.window_days
        drugs = "; ".join(
            f"{arm}: {' or '.join(names)}" for arm, names in source.companions.items()
        )
        return (
            f"{source.index} with a companion started from day {first} to {last} ({drugs}); what "
            f"starts later is a switch and changes nothing: {counts}"
        )
    codes: dict[str, list[str]] = {}
    for code, arm in source.values.items():
        codes.setdefault(arm, []).append(code)
    told = "; ".join(f"{arm}: {', '.join(names)}" for arm, names in codes.items())
    return f"column {source.column} ({told}): {counts}"


def _time_zero(config: TrainConfig, table: pd.DataFrame) -> str:
    endpoint = config.cohort.columns.endpoints[config.endpoint]
    entry = entry_column(table, config.cohort.guard)
    if isinstance(endpoint, Endpoint):
        shifted = f", less column {entry}" if entry else ""
        return (
            f"where the times of column {endpoint.time} start{shifted}; that this is the first "
            "dose is taken from the table's maker"
        )
    origin = str(getattr(endpoint, "origin", "") or NOT_STATED)
    return f"column {origin}"


def _follow_up(config: TrainConfig, cohort: Cohort, labels: Sequence[str]) -> str:
    parts = []
    for key, label in zip(config.compared_endpoints, labels, strict=True):
        endpoint, outcome = config.cohort.columns.endpoints[key], cohort.outcomes[label]
        censored = len(outcome) - outcome.n_events
        if outcome.competing is not None:
            censored -= int(outcome.competing.sum())
        text = f"{label}: to {outcome.follow_up:.1f} months, {censored} censored"
        sources = [s.name for k in ("censors", "censor_at") for s in getattr(endpoint, k, ())]
        if sources:
            text += f" ({', '.join(sources)})"
        if getattr(endpoint, "cutoff", None):
            text += f", cut-off {endpoint.cutoff}"  # type: ignore[attr-defined]
        if getattr(endpoint, "landmark_months", None):
            text += f", from month {endpoint.landmark_months:g}"
        parts.append(text)
    return "; ".join(parts)


def _outcome(cohort: Cohort, label: str) -> str:
    outcome = cohort.outcomes[label]
    text = f"{label}: {outcome.n_events} events in {len(outcome)} patients"
    if outcome.competing is not None and outcome.competing.any():
        text += f", {int(outcome.competing.sum())} competing events"
    return text


def _departures(cohort: Cohort, drawn: bool) -> str:
    parts = [] if drawn else ["Nobody was assigned at random."]
    counts = cohort.regimen_counts
    if counts is not None:
        left_out = int(counts.loc[counts["regimen"] == "", "patients"].sum())
        switched = int(counts.loc[counts["switched"], "patients"].sum())
        if left_out:
            parts.append(f"{left_out} patients had none of the regimens and are left out.")
        if switched:
            parts.append(f"{switched} patients switched later and stay in their first regimen.")
    if cohort.transplant_months is not None:
        transplanted = int(np.isfinite(cohort.transplant_months).sum())
        parts.append(f"{transplanted} patients were transplanted later: see the sensitivity table.")
    if cohort.center is not None and len(set(cohort.center)) > 1:
        parts.append(f"{len(set(cohort.center))} centers may choose and assess differently.")
    return " ".join(parts)
