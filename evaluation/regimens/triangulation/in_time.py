"""How a difference runs over follow-up, in words."""

from __future__ import annotations

import itertools

import numpy as np

from evaluation.estimators import BY_ARM, G_COMPUTATION
from evaluation.regimens.triangulation.reading import Reading, excludes_equal_arms, points
from evaluation.results import p_text

CHANGES = 0.05
# Two ways of g-computation further apart than this disagree, in probability.
APART = 0.1


def say_time(reading: Reading) -> str:
    """Whether one hazard ratio can stand for the whole follow-up."""
    checks = reading.checks
    tests = {"crude": checks.trend_p, "multivariable": checks.adjusted_trend_p}
    tests = {name: p for name, p in tests.items() if np.isfinite(p)}
    shown = ", ".join(f"{name} {p_text(p)}" for name, p in tests.items())
    changing = any(p < CHANGES for p in tests.values())
    crude_test = f"crude {p_text(checks.trend_p)}" if "crude" in tests else "crude: not tested"
    shape, figures = _shape(reading)
    parts = []
    if changing:
        parts.append(
            f"The hazard ratio changes with time (proportional hazards: {shown}): it is an average "
            "over this follow-up; read probabilities and RMST instead."
        )
    if shape == "crossing":
        parts.append(
            f"The difference turns round ({figures}, both intervals exclude 0): no one hazard "
            f"ratio shows that (proportional hazards: {crude_test})."
        )
    elif shape == "early":
        unseen = "crude" in tests and checks.trend_p >= CHANGES
        by_whom = "crude test" if changing else "test"
        parts.append(
            f"The difference is one of the first months ({figures}); one hazard ratio hides that"
            f"{f', though the {by_whom} does not see it' if unseen else ''} (proportional hazards: "
            f"{crude_test})."
        )
    elif shape == "late":
        parts.append(
            f"The difference is seen only later ({figures}), as by a late effect or by few events "
            f"until then; the test of proportional hazards: {crude_test}."
        )
    elif tests and not changing:
        many = "event" if checks.events == 1 else "events"
        parts.append(
            f"No sign that the hazard ratio changes with time (proportional hazards: {shown}), "
            f"which {checks.events} {many} cannot exclude."
        )
    parts.append(_g_computation_apart(reading))
    return " ".join(part for part in parts if part)


def _shape(reading: Reading) -> tuple[str, str]:
    """How the crude difference in event probability goes, with its figures.

    Returns
    -------
    shape : str
        "crossing": both signs, each excluding 0. "early": the first excludes 0, the last does not
        and is less than half of it. "late": the other way round. Else empty.
    figures : str
    """
    crude = []
    for months, rows in reading.probabilities().items():
        own = rows[rows["family"] == "classical"]
        if len(own):
            crude.append((months, float(own["estimate"].iloc[0]), excludes_equal_arms(own)[0]))
    sure = [(months, value) for months, value, excludes in crude if excludes]
    for (first, before), (last, after) in itertools.pairwise(sure):
        if before * after < 0:
            return "crossing", _points(before, first, after, last)
    if len(crude) < 2:
        return "", ""
    (first, before, was), (last, after, is_now) = crude[0], crude[-1]
    figures = _points(before, first, after, last)
    if was and not is_now and abs(after) < abs(before) / 2:
        return "early", figures
    if is_now and not was and abs(before) < abs(after) / 2:
        return "late", figures
    return "", ""


def _points(before: float, first: float, after: float, last: float) -> str:
    return (
        f"crude {points(before)} percentage points by {first:g} months, {points(after)} by {last:g}"
    )


def _g_computation_apart(reading: Reading) -> str:
    found = []
    for months, rows in reading.probabilities().items():
        by_name = rows.set_index("estimator")["estimate"]
        pair = [
            float(by_name[name])
            for name in (G_COMPUTATION.named(), G_COMPUTATION.named(BY_ARM))
            if name in by_name.index
        ]
        if len(pair) == 2:
            found.append((abs(pair[0] - pair[1]), months, pair))
    if not found or max(found)[0] <= APART:
        return ""
    _, months, (constant, stratified) = max(found)
    return (
        f"By {months:g} months g-computation differs between one hazard ratio for all times "
        f"({points(constant)} points) and a baseline hazard of each arm "
        f"({points(stratified)}): the first cannot show a difference that comes and goes."
    )
