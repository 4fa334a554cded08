"""What a cohort cannot support, said before anybody reads a number."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.metrics import IPA, SLOPE, UNO_C, metric_of, rows_of
from evaluation.results import excludes
from features.cohort import Cohort
from pipelines.cohort.reading import endpoint_label
from pipelines.config import TrainConfig

FEW_AT_RISK = 10
FEW_EVENTS = 10
MANY_MISSING = 0.2
TOO_GOOD = 0.9


def cautions(
    config: TrainConfig, cohort: Cohort, resampling: str | None = "repeated_kfold"
) -> list[str]:
    """Sentences for the summary, the report and the model card.

    Parameters
    ----------
    resampling : str, or None where nobody is predicted
        Its kind: what it mixes it does not measure.
    """
    dataset = cohort.dataset(config.covariates, endpoint_label(config))
    outcome = dataset.outcome
    found = []
    if cohort.provenance:
        found.append(f"The patients are not real: {cohort.provenance}.")
    if outcome.competing is not None and outcome.has_competing:
        label = endpoint_label(config)
        found.append(
            f"{int(outcome.competing.sum())} patients had a competing event, which the learners "
            f"take for a censoring: a predicted probability of {label} is higher than its "
            "cumulative incidence, the more so the longer the horizon. The metrics judge it as a "
            "cumulative incidence and O/E shows by how much; do not tell it to a patient. "
            "Subgroups, centers, incremental value, decision curves and instability are left out."
        )
    for horizon in config.evaluation.horizons:
        at_risk = int((outcome.time >= horizon).sum())
        if at_risk < FEW_AT_RISK:
            found.append(
                f"Only {at_risk} patients were followed to {horizon:g} months: estimates at that "
                "horizon rest on very few."
            )
        events = int((outcome.event & (outcome.time <= horizon)).sum())
        if events < FEW_EVENTS:
            found.append(
                f"Only {events} events by {horizon:g} months: estimates at that horizon rest on "
                "very few."
            )
    if outcome.event.all():
        found.append(
            "Everybody had the event. Right where follow-up is complete; where only patients "
            "whose event is known were put into the table, every risk is too high."
        )
    missing = dataset.covariates.isna().mean()
    many = missing[missing > MANY_MISSING]
    if len(many):
        found.append(
            "More than a fifth missing: "
            + ", ".join(f"{name} {share:.0%}" for name, share in many.items())
            + ". What is imputed is not known."
        )
    if cohort.regimen is not None and not config.cohort.randomised:
        found.append(
            "Patients were not randomised: a difference between regimens may come from who "
            "received them."
        )
    zero = int((outcome.time == 0).sum())
    if zero:
        found.append(f"{zero} patient(s) have time 0; they are kept, as events or censored there.")
    several = cohort.center is not None and len(np.unique(cohort.center)) > 1
    if resampling is None:
        return found
    if several and resampling == "leave_one_center_out":
        found.append(
            "Each center is predicted by models of the others; with few centers the spread "
            "between them is hardly known."
        )
    elif several:
        found.append("Folds mix the centers: performance in a new hospital is not measured here.")
    return found


def performance_cautions(learner: str, metrics: pd.DataFrame) -> list[str]:
    """What a learner's out-of-fold metrics do not show.

    Parameters
    ----------
    metrics : DataFrame with METRIC_COLUMNS
        Rows of other learners are left aside.
    """
    own = metrics[(metrics["learner"] == learner) & metrics["estimate"].notna()]
    found = []
    c_index = own[rows_of(own["metric"], UNO_C)]
    if (c_index["ci_low"] <= 0.5).any():
        found.append(
            f"{learner} does not order patients better than chance: the interval of C holds 0.5."
        )
    if (c_index["estimate"] > TOO_GOOD).any():
        found.append(
            f"{learner} has a C above {TOO_GOOD}: no honest prognosis is that good. Look for a "
            "covariate that knows the outcome."
        )
    competing = any(metric_of(name).is_competing for name in own["metric"])
    null = "Aalen-Johansen" if competing else "Kaplan-Meier"
    for metric, holds, words in (
        (IPA, own["ci_low"] <= 0, f"is not shown to predict better than {null}"),
        (
            SLOPE,
            excludes(-np.inf, own["ci_high"], 1.0),
            "gives predictions that are too extreme",
        ),
    ):
        at = own.loc[rows_of(own["metric"], metric) & holds, "horizon"]
        if len(at):
            months = ", ".join(f"{horizon:g}" for horizon in at)
            found.append(f"{learner} {words} at {months} months.")
    return found
