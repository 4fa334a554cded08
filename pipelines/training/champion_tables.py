"""What is told of the champion beyond its metrics: groups, centers, what it adds, how stable it is.

Everything rests on the out-of-fold predictions and on seeded refits; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from evaluation.displays import (
    CalibrationInstabilityDisplay,
    ClassificationInstabilityDisplay,
    PredictionInstabilityDisplay,
)
from evaluation.estimates import NEAR_1, is_by_construction
from evaluation.metrics import (
    HARRELL_C,
    IBS,
    OBSERVED_EXPECTED,
    SLOPE,
    metric_label,
    rows_of,
    standard_metrics,
)
from evaluation.report import Assessment, Judged, assess, center_forest, subgroup_metric_forest
from evaluation.validation import (
    Refits,
    calibration_instability,
    center_table,
    classification_instability,
    incremental_value,
    instability_table,
    optimism_table,
    prediction_instability,
    refitted_probabilities,
    split_variation,
    subgroup_table,
)
from models.learners import STACK
from models.tuning import Search
from pipelines.training.checkpoint import Checkpoint
from pipelines.training.nested_validation import FINAL, LearnerFit, task_seed
from pipelines.training.plan import TrainingPlan
from pipelines.training.refits import refit_to_bootstrap

# What a model is asked to improve on, where it was trained beside it.
REFERENCES = ("cox_clinical", "genetic_risk", "kaplan_meier")


def subgroups(judged: Judged, learner: str, groups: Mapping[str, np.ndarray]) -> Assessment:
    """C and O/E by subgroup, as a table and as forest plots; nothing without groupings."""
    found = Assessment()
    if not groups or judged.outcome.has_competing:
        return found
    table = subgroup_table(
        learner,
        judged.outcome,
        judged.learners[learner],
        judged.folds,
        groups,
        judged.horizons,
        judged.counts,
    )
    found.tables["subgroups"] = table
    for metric in (HARRELL_C, OBSERVED_EXPECTED.at(judged.tau)):
        horizon = metric.horizon
        # What is suppressed stands in the table.
        shown = table[table["estimate"].notna()]
        there = shown["horizon"].isna() if np.isnan(horizon) else shown["horizon"] == horizon
        shown = shown[there & (shown["metric"] == metric.name)]
        if (shown["variable"] != "all").sum() < 2:
            continue
        display = subgroup_metric_forest(shown, metric.name, horizon)
        if display.frame["estimate"].notna().any():
            words = "Harrell's C" if metric is HARRELL_C else f"O/E at {judged.tau:g} months"
            if metric.near_1_out_of_fold and is_by_construction(judged.metrics):
                words += f" (of all patients together {NEAR_1})"
            found.draw("subgroups", f"{words} by subgroup; suppressed where unstable",
                       display.plot())  # fmt: skip
    return found


def about_champion(
    plan: TrainingPlan,
    judged: Judged,
    fits: Mapping[str, LearnerFit],
    learner: str,
    reference: str,
    search: Search,
    checkpoint: Checkpoint,
    workers: int,
    advance: Callable[[str, int], None],
) -> tuple[Assessment, Refits | None]:
    """Everything about the champion that the report shows beside the metrics, and its refits.

    Parameters
    ----------
    reference : str
        The Cox model that it is drawn beside.
    search : Search
        How parameters are searched anew in every refit that measures the optimism.

    Returns
    -------
    found : Assessment
    refits : Refits, or None
        Those with the parameters kept, the models included; None where none were asked for.
    """
    found = assess(judged, learner, [_beside(judged, learner, reference)])
    if judged.outcome.has_competing:
        return found, None
    if len(judged.folds) > 1:
        found.tables["split_variation"] = split_variation(
            learner,
            judged.outcome,
            judged.learners[learner],
            judged.folds,
            [HARRELL_C, IBS.at(judged.tau)],
            judged.counts,
        )
    found.join(subgroups(judged, learner, plan.subgroups))
    found.join(_centers(plan, judged, learner))
    added = [name for name in REFERENCES if name in judged.learners and name != learner]
    if added:
        found.tables["incremental_value"] = pd.concat(
            [
                incremental_value(
                    judged.outcome,
                    (name, judged.learners[name]),
                    (learner, judged.learners[learner]),
                    judged.folds,
                    judged.horizons,
                    judged.thresholds,
                    judged.counts,
                ).assign(reference=name)
                for name in added
            ],
            ignore_index=True,
        )
    more, refits = _refitted(plan, fits, learner, search, checkpoint, workers, advance)
    found.join(more)
    return found, refits


def _beside(judged: Judged, learner: str, reference: str) -> str:
    """The Cox model; where that is the champion, the best of the other learners."""
    if learner != reference:
        return reference
    rows = judged.metrics[rows_of(judged.metrics["metric"], IBS)]
    rows = rows[(rows["learner"] != learner) & rows["learner"].isin(list(judged.learners))]
    rows = rows.dropna(subset="estimate")
    return learner if rows.empty else str(rows.loc[rows["estimate"].idxmin(), "learner"])


def _centers(plan: TrainingPlan, judged: Judged, learner: str) -> Assessment:
    found = Assessment()
    if plan.resampling.kind != "leave_one_center_out" or plan.dataset.center is None:
        return found
    table = center_table(
        learner,
        judged.outcome,
        judged.learners[learner][0],
        plan.dataset.center,
        judged.horizons,
        seed=task_seed(plan.config.seed, "centers"),
    )
    found.tables["centers"] = table
    for metric in (HARRELL_C, OBSERVED_EXPECTED.at(judged.tau), SLOPE.at(judged.tau)):
        display = center_forest(table, metric.name, metric.horizon)
        if display.frame["estimate"].notna().any():
            words = metric_label(metric.name, metric.horizon)
            found.draw("centers", f"{words}: each center left out, and pooled", display.plot())
    return found


def _refitted(
    plan: TrainingPlan,
    fits: Mapping[str, LearnerFit],
    learner: str,
    search: Search,
    checkpoint: Checkpoint,
    workers: int,
    advance: Callable[[str, int], None],
) -> tuple[Assessment, Refits | None]:
    """Optimism of the whole pipeline, and instability, where asked for."""
    found, kept = Assessment(), None
    wanted, fit = plan.config.evaluation, fits[learner]
    thresholds = wanted.thresholds
    members = None
    if learner == STACK:
        able = [name for name in plan.config.stacked if name in fits]
        members = {name: fits[name].params[FINAL] for name in able}
    settings = (fit.model, plan.view(learner), plan.times, search)
    if wanted.optimism:
        refits = refit_to_bootstrap(
            *settings,
            replicates=wanted.optimism,
            tuned=True,
            workers=workers,
            advance=lambda: advance(f"{learner}: optimism", 1),
            checkpoint=checkpoint,
            members=members,
        )
        metrics = standard_metrics(plan.horizons, max(plan.horizons))
        refits = replace(refits, outcome=plan.judged)
        found.tables["optimism"] = optimism_table(learner, refits, metrics)
    if wanted.instability:
        refits = refit_to_bootstrap(
            *settings,
            replicates=wanted.instability,
            tuned=False,
            workers=workers,
            advance=lambda: advance(f"{learner}: instability", 1),
            checkpoint=checkpoint,
        )
        refits = kept = replace(refits, outcome=plan.judged)
        table = instability_table(learner, refits, plan.horizons, thresholds)
        found.tables["instability"] = table
        for horizon in plan.horizons:
            caption = f"{horizon:g} months, {len(refits.fitted)} bootstrap refits"
            display = PredictionInstabilityDisplay(
                prediction_instability(refits, horizon),
                refitted_probabilities(refits, horizon),
                horizon,
            )
            if display.frame["mape"].isna().all():
                continue
            found.draw("instability", f"Predictions of refits, {caption}", display.plot())
            calibration = CalibrationInstabilityDisplay(
                calibration_instability(refits, horizon), horizon
            )
            if not calibration.frame.empty:
                found.draw("instability", f"Calibration of refits, {caption}", calibration.plot())
            if thresholds:
                threshold = thresholds[len(thresholds) // 2]
                table = classification_instability(refits, horizon, threshold)
                classes = ClassificationInstabilityDisplay(table, horizon, threshold)
                found.draw("instability", f"Classification of refits, {caption}", classes.plot())
    return found, kept
