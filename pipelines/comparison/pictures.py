"""The pictures of a comparison, by section of its report."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from evaluation.displays import (
    CONTRAST,
    CourseDisplay,
    DependenceDisplay,
    LoveDisplay,
    OverlapDisplay,
)
from evaluation.regimens import COX, rows_of
from evaluation.regimens.adjusted import NEGLIGIBLE, propensity_limits
from evaluation.regimens.crude import competing_as_event
from evaluation.regimens.triangulation import HAZARD_RATIO, on_one_scale, shared_scales
from evaluation.report import (
    axes_figure,
    contribution_pictures,
    hazard_ratio_display,
    incidence_display,
    kaplan_meier_figure,
    subgroup_forest,
    triangulation_forest,
    weighted_display,
)
from evaluation.results import MODEL_BASED
from features.covariates import describe_covariates
from features.dataset import REGIMEN
from pipelines.comparison.plan import as_groups
from pipelines.comparison.run import Comparison

Pictures = dict[str, dict[str, Figure]]
WEIGHTING = "overlap"


def comparison_pictures(found: Comparison) -> Pictures:
    """Draw everything: section -> caption -> figure."""
    return {
        "forest": _forests(found),
        "curves": _curves(found),
        "incidence": _incidences(found),
        "time": _over_time(found),
        "balance": _balance(found),
        "subgroups": _subgroups(found),
        "course": _courses(found),
        "contributions": _contributions(found),
    }


def _forests(found: Comparison) -> dict[str, Figure]:
    figures = {}
    endpoint = found.plan.endpoint
    for arm in found.plan.arms:
        for scale, months in shared_scales(found.table, endpoint, arm):
            rows = on_one_scale(found.table, endpoint, arm, scale, months)
            at = "" if scale == HAZARD_RATIO else f", {months:g} months"
            pair = f"{arm} against {found.plan.reference_arm}"
            limits = "95% intervals"
            if (rows["family"] == MODEL_BASED).any():
                limits += "; model-based: range over refits"
            caption = f"{endpoint}, {pair}: {scale}{at}, {limits}"
            figures[caption] = axes_figure(triangulation_forest(rows, endpoint).plot())
    return figures


def _curves(found: Comparison) -> dict[str, Figure]:
    figures = {}
    for label in found.plan.endpoints:
        outcome, regimen = found.plan.outcome(label)
        # With competing events a Kaplan-Meier curve would overstate the probability.
        if outcome.competing is None:
            caption = f"Kaplan-Meier, {label}, with 95% log-log intervals"
            figures[caption] = kaplan_meier_figure(outcome, regimen, label)
    return figures


def _incidences(found: Comparison) -> dict[str, Figure]:
    figures = {}
    named = found.plan.competing_names
    for label in found.plan.endpoints:
        outcome, regimen = found.plan.outcome(label)
        if outcome.competing is None or not outcome.competing.any():
            continue
        # An arm can have fewer events because more of its patients had the other one before.
        for counted, event, other in (
            (outcome, label, named[label]),
            (competing_as_event(outcome), named[label], label),
        ):
            shown = incidence_display(counted, regimen, event, other)
            caption = f"Cumulative incidence of {event}, Aalen-Johansen, with 95% intervals"
            figures[caption] = axes_figure(shown.plot())
    return figures


def _over_time(found: Comparison) -> dict[str, Figure]:
    figures = {}
    for label in found.plan.endpoints:
        outcome, regimen = found.plan.outcome(label)
        for arm in (arm for arm in found.plan.arms if arm in regimen):
            pair = (arm, found.plan.reference_arm)
            mine, base = (outcome.take(regimen == name) for name in pair)
            display = hazard_ratio_display(mine, base, pair)
            figures[f"{label}: hazard ratio, {arm} over {pair[1]}"] = axes_figure(display.plot())
    return figures


def _balance(found: Comparison) -> dict[str, Figure]:
    plan = found.plan
    adjusted = found.adjusted[plan.endpoint]
    figures = {}
    for row in adjusted.positivity.itertuples():
        arm = str(row.arm)
        pair = f"{arm} against {plan.reference_arm}"
        overlap = adjusted.overlap[adjusted.overlap["arm"] == arm]
        share = float((overlap["regimen"] == arm).mean())
        limits = propensity_limits(share) if 0 < share < 1 else ()
        shown = OverlapDisplay(overlap, str(row.verdict), limits)
        figures[f"Propensity, {pair}"] = axes_figure(shown.plot())
        balance = adjusted.balance[adjusted.balance["arm"] == arm].copy()
        named = [_term(found, term) for term in balance["term"]]
        if len(set(named)) == balance["term"].nunique():  # two covariates may share a label
            balance["term"] = named
        columns = ["term", "weighting", "smd"]
        figures[f"Balance before and after weighting, {pair}"] = axes_figure(
            LoveDisplay(balance[columns], NEGLIGIBLE).plot()
        )
        outcome, _ = plan.outcome(plan.endpoint)
        curves = adjusted.curves[adjusted.curves["arm"] == arm]
        if outcome.competing is None and WEIGHTING in set(curves["weighting"]):
            display = weighted_display(curves, WEIGHTING, plan.endpoint)
            figures[f"{plan.endpoint} under overlap weights, {pair}"] = axes_figure(display.plot())
    return figures


def _term(found: Comparison, term: str) -> str:
    """A covariate under its clinical name, with the level where it has one."""
    name, equals, level = term.partition("=")
    covariate = found.plan.described.get(name)
    if covariate is None:
        return term
    return covariate.label + (f": {level}" if equals else "")


def _subgroups(found: Comparison) -> dict[str, Figure]:
    table = found.subgroups
    if table is None:
        return {}
    figures = {}
    for arm in found.plan.arms:
        own = table[(table["arm"] == arm) & rows_of(table["estimator"], COX)]
        if not np.isfinite(own["estimate"].astype(float)).any():
            continue
        caption = f"{found.plan.endpoint}: hazard ratio by subgroup, unadjusted"
        figures[f"{caption}, {arm}"] = axes_figure(subgroup_forest(table, arm).plot())
    return figures


def _courses(found: Comparison) -> dict[str, Figure]:
    if found.effects is None or found.effects.course.empty:
        return {}
    figures = {}
    for learner, course in found.effects.course.groupby("learner", sort=False):
        # A line at 0 is no picture.
        contrasts = course.loc[course["kind"] == CONTRAST, "estimate"]
        if contrasts.fillna(0).abs().max() > 0:
            caption = (
                f"{learner}: contribution of the regimen over time, SHAP contrast, 95% of refits"
            )
            figures[caption] = axes_figure(CourseDisplay(course, CONTRAST).plot())
    return figures


def _contributions(found: Comparison) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    for one in [] if found.effects is None else found.effects.shown:
        names = [name for name in one.predictors if name != REGIMEN]
        described = describe_covariates(names, found.plan.checked.cohort.dictionary)
        labels = {
            name: own.label + (f" ({own.unit})" if own.unit else "")
            for name, own in described.items()
        }
        named = {**labels, REGIMEN: "Regimen"}
        figures |= contribution_pictures(one.explanation, one.horizon, one.learner, named)
        at = f"event probability at {one.horizon:g} months"
        if one.covariate and one.regimen["contribution"].abs().max() > 0:
            values = one.predictors[one.covariate]
            if described[one.covariate].kind == "flag":
                values = as_groups(values, described[one.covariate], ())
            dependence = DependenceDisplay.from_contributions(
                one.regimen, values, one.horizon, labels[one.covariate]
            )
            by = described[one.covariate].label
            caption = f"{one.learner}: contribution of the regimen to {at}, by {by}"
            figures[caption] = axes_figure(dependence.plot())
    return figures
