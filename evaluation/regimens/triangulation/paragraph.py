"""What the estimates of one contrast agree on, where they differ and why, in one paragraph.

The paragraph is written from the table by rules, each of which is one function: the same table
gives the same words. A contrast says how arms differ; who was given which arm was not drawn,
unless the cohort is a randomised one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from evaluation.estimators import (
    INCIDENCE_DIFFERENCE,
    OVERLAP,
    STABILISED,
    parts_of,
    rows_of,
)
from evaluation.regimens.triangulation.adjustment import say_adjustment, say_conditional
from evaluation.regimens.triangulation.in_time import say_time
from evaluation.regimens.triangulation.reading import (
    Reading,
    and_list,
    competing_difference,
    excludes_equal_arms,
    favours_arm,
    figures_of,
    has_interval,
    points,
    shows_nothing,
)
from evaluation.regimens.triangulation.table import EVENT_PROBABILITY, FAMILIES, HAZARD_RATIO, RMST
from evaluation.results import MODEL_BASED
from features.text import fixed

FEW_EVENTS = 10
# A model-based contrast below this share of the adjusted one is called shrunk.
SHRUNK = 0.6
# Below this an E-value prints as 1.0 or says as little.
SMALL_E_VALUE = 1.05
# An effective share of patients from here on is not worth a word.
NEARLY_ALL = 0.8
SAME_PATIENTS = "The rows are of the same patients: they are not independent evidence."
RANDOMISED = (
    "The regimen was drawn at random: the crude and the adjusted rows both compare the arms as "
    "they were drawn, and what they differ in is chance."
)


class Paragraph(str):
    """A paragraph: a text that knows what leads it, and the rest.

    Attributes
    ----------
    lead : str
        Direction and precision; a single estimate leads by its direction alone, and nothing leads
        where nothing could be estimated.
    rest : str
    """

    lead: str
    rest: str

    def __new__(cls, lead: str, rest: str) -> Paragraph:  # noqa: D102
        found = super().__new__(cls, " ".join(filter(None, (lead, rest))))
        found.lead, found.rest = lead, rest
        return found

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return self.lead, self.rest


def triangulation_paragraph(reading: Reading) -> Paragraph:
    """What the estimates agree on, where they differ, and the likely reason; by rules.

    Parameters
    ----------
    reading : Reading

    Returns
    -------
    Paragraph
        Every figure in it stands in the table or in the checks.
    """
    if not reading.scales:
        return Paragraph(
            "",
            f"{reading.endpoint}, {reading.arm} against {reading.reference_arm}: nothing could be "
            "estimated on a shared scale.",
        )
    leading: list[Callable[[Reading], str]] = [say_direction]
    rules: list[Callable[[Reading], str]] = [
        say_dependence,
        say_no_events,
        say_competing,
        say_unadjusted,
        say_adjustment,
        say_conditional,
        say_time,
        say_overlap,
        say_shrinkage,
        say_size,
        say_unmeasured,
    ]
    # Of a single estimate the precision is no finding of its own.
    (leading if sum(map(len, reading.scales.values())) > 1 else rules).insert(1, say_precision)
    lead, rest = (
        " ".join(filter(None, (rule(reading) for rule in some))) for some in (leading, rules)
    )
    return Paragraph(lead, rest)


def say_direction(reading: Reading) -> str:
    """Whether all estimates lie on the same side, and their range on each scale.

    An estimate without an interval says nothing of chance, and is not counted.
    """
    about = f"{reading.endpoint}, {reading.arm} against {reading.reference_arm}"
    bounded = {key: own[has_interval(own)] for key, own in reading.scales.items()}
    bounded = {key: own for key, own in bounded.items() if len(own)}
    without = sum(map(len, reading.scales.values())) - sum(map(len, bounded.values()))
    uncounted = ""
    if without:
        these, are = ("estimate has", "is") if without == 1 else ("estimates have", "are")
        uncounted = f" {without} {these} no interval and {are} not counted."
    ranges = "; ".join(_range(key, own) for key, own in (bounded or reading.scales).items())
    if not bounded:
        return (
            f"{about}: no estimate has an interval ({ranges}), so that none speaks for either arm."
        )
    every = pd.concat(list(bounded.values()), ignore_index=True)
    none = shows_nothing(every)
    rows = every[~none]
    better = favours_arm(rows)
    if rows.empty:
        if len(every) == 1:
            return f"{about}: the one estimate is exactly no difference ({ranges}).{uncounted}"
        return (
            f"{about}: all {len(every)} estimates are exactly no difference ({ranges}).{uncounted}"
        )
    zeros = int((none & (every["family"] == MODEL_BASED).to_numpy()).sum())
    left_out = (
        f" {zeros} model-based estimates are 0: those models left the regimen out."
        if zeros > 1
        else " 1 model-based estimate is 0: that model left the regimen out."
        if zeros
        else ""
    )
    left_out += uncounted
    most = reading.arm if better.mean() >= 0.5 else reading.reference_arm
    favour, but = "favour", _competing_against(reading, most)
    if but:
        favour, but = "are of fewer of this event under", f", but {but}"
    if len(rows) == 1:
        alone = "is of fewer of this event under" if but else "favours"
        return f"{about}: the one estimate {alone} {most} ({ranges}){but}.{left_out}"
    if better.all() or not better.any():
        return f"{about}: all {len(rows)} estimates {favour} {most} ({ranges}){but}.{left_out}"
    odd = rows[better != (most == reading.arm)]
    named = ", ".join(dict.fromkeys(_name(row) for row in odd.head(3).to_dict("records")))
    more = f" and {len(odd) - 3} more" if len(odd) > 3 else ""
    return (
        f"{about}: {len(rows) - len(odd)} of {len(rows)} estimates {favour} {most} ({ranges}); "
        f"against: {named}{more}{but}.{left_out}"
    )


def say_precision(reading: Reading) -> str:
    """How often, by family, the interval excludes that the arms are equal."""
    rows = pd.concat(list(reading.scales.values()), ignore_index=True)
    # An interval over refits of a shrunken model is too narrow to exclude anything.
    bounded = has_interval(rows) & (rows["family"] != MODEL_BASED).to_numpy()
    excluded = excludes_equal_arms(rows) & bounded
    parts = []
    for family in FAMILIES:
        own = (rows["family"] == family).to_numpy() & bounded
        if own.any():
            parts.append(f"{int(excluded[own].sum())} of {int(own.sum())} {family}")
    if not parts:
        return ""
    if bounded.sum() == 1:
        verb = "excludes equal arms" if excluded.any() else "holds equal arms"
        return f"The one 95% interval {verb}."
    if not excluded.any():
        return (
            f"None of the {int(bounded.sum())} 95% intervals excludes equal arms: on which side "
            "the estimates lie may be chance."
        )
    return f"The 95% interval excludes equal arms in {and_list(parts)} rows."


def say_dependence(reading: Reading) -> str:
    """That the rows are not so many findings."""
    return SAME_PATIENTS if sum(map(len, reading.scales.values())) > 1 else ""


def say_no_events(reading: Reading) -> str:
    """That an arm without events has no hazard ratio."""
    names = (reading.arm, reading.reference_arm)
    without = [n for n, k in zip(names, reading.checks.arm_events, strict=True) if k == 0]
    if not without:
        return ""
    return (
        f"No event in {and_list(without)}: hazard ratios do not exist, since the likelihood has no "
        "maximum; a penalised one is the penalty's."
    )


def say_competing(reading: Reading) -> str:
    """That ratios and probabilities answer different questions where another event comes first."""
    rows = [own for own in reading.probabilities().values() if len(own)]
    if not any(rows_of(own["estimator"], INCIDENCE_DIFFERENCE).any() for own in rows):
        return ""
    found = competing_difference(reading)
    figures = ""
    if found is not None:
        fewer = reading.arm if favours_arm(found)[0] else reading.reference_arm
        row = found.iloc[0]
        figures = f" {row['endpoint']} is less frequent under {fewer} ({figures_of(row)})."
    return (
        "Hazard ratios are cause-specific and probabilities are cumulative incidences: an arm can "
        f"have fewer events because more of its patients had the competing event before.{figures}"
    )


def say_unadjusted(reading: Reading) -> str:
    """That nothing could be adjusted, and why."""
    if not reading.unadjusted:
        return ""
    return f"Nothing could be adjusted ({reading.unadjusted}): the crude rows " + (
        "stand alone; the arms were drawn at random."
        if reading.checks.randomised
        else "cannot be told from confounding."
    )


def say_overlap(reading: Reading) -> str:
    """Whom the rows about everybody rest on."""
    word = reading.checks.overlap
    if word not in ("thin", "poor"):
        return ""
    rows = pd.concat(list(reading.scales.values()), ignore_index=True)
    weighted = rows[rows_of(rows["estimator"], STABILISED)]
    share, rest = reading.checks.effective_share, ""
    if len(weighted) and np.isfinite(share):
        if share < NEARLY_ALL:
            rest = f" (down to an effective {share:.0%} of the patients of an arm)"
    elif len(weighted):
        kept = weighted["effective_n"].min() / reading.checks.n
        if kept < NEARLY_ALL:
            rest = f" (on an effective {kept:.0%} of {reading.checks.n} patients)"
    who = "some" if word == "thin" else "many"
    return (
        f"Overlap is {word}: for {who} patients few in the other arm are like them. Inverse "
        f"probability weighting{rest} and AIPW then lean on few patients; overlap and matching "
        "weights speak of those who could have had either."
    )


def say_shrinkage(reading: Reading) -> str:
    """Whether models show less than adjustment does, where adjustment shows something."""
    found = []
    for months, rows in reading.probabilities().items():
        adjusted = rows[rows["family"] == "adjusted"]
        modelled = rows[rows["family"] == MODEL_BASED]
        if len(adjusted) and len(modelled):
            medians = [
                float(own["estimate"].astype(float).median()) for own in (adjusted, modelled)
            ]
            found.append((abs(medians[0]), months, medians, adjusted))
    if not found:
        return ""
    _, months, (adjusted_size, modelled_size), rows = max(found, key=lambda one: one[0])
    bounded = rows["ci_low"].notna().to_numpy()
    # Where most intervals hold 0 there is no contrast to be a share of.
    if not bounded.any() or excludes_equal_arms(rows)[bounded].mean() < 0.5:
        return ""
    shown = (
        f"{points(modelled_size)} against {points(adjusted_size)} percentage points by "
        f"{months:g} months, medians"
    )
    if adjusted_size * modelled_size < 0:
        return f"The model-based contrasts have the opposite sign of the adjusted ones ({shown})."
    share = modelled_size / adjusted_size
    if share < SHRUNK:
        return (
            f"The model-based contrasts are smaller ({shown}): penalised and tree models shrink "
            "the regimen, so that their intervals are too narrow as well."
        )
    size = "larger than" if share > 1 / SHRUNK else "of the size of"
    return (
        f"The model-based contrasts are {size} the adjusted ones ({shown}); they are readings of "
        "fitted models, not further evidence."
    )


def say_size(reading: Reading) -> str:
    """How much of the disagreement the intervals can hold."""
    adjusted = reading.ratios[reading.ratios["family"] == "adjusted"]
    few = reading.checks.events_per_coefficient < FEW_EVENTS
    parts = []
    if few:
        parts.append(
            f"{reading.checks.events} events are {reading.checks.events_per_coefficient:.1f} a "
            "coefficient"
        )
    bounded = adjusted[has_interval(adjusted)]
    if len(adjusted) > 1 and len(bounded):
        # The spread is that of all of them, with an interval or without.
        spread = float(np.ptp(np.log(adjusted["estimate"].astype(float))))
        limits = np.log(bounded[["ci_low", "ci_high"]].to_numpy(dtype=float))
        if spread < float(np.diff(limits, axis=1).min()) / 2:
            parts.append(
                "the adjusted ratios differ from each other by less than half of any one's interval"
            )
        else:
            parts.append(
                "the adjusted ratios differ from each other by more than half of an interval: what "
                "is adjusted for how matters"
            )
    if not parts:
        return ""
    text = ", and ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def say_unmeasured(reading: Reading) -> str:
    """What no row can check."""
    if reading.checks.randomised:
        return RANDOMISED
    rows = reading.e_values
    preferred = rows[rows_of(parts_of(rows["estimator"]), OVERLAP)]
    if len(preferred) or len(rows):
        row = (preferred if len(preferred) else rows).iloc[0]
        of = row["estimator"].part
        limit = row["ci_low"]
        if row["estimate"] < SMALL_E_VALUE:
            return (
                f"No row knows what was not recorded: the {of} estimate is hardly a "
                "difference, which leaves nothing to explain away, and an unmeasured confounder "
                "can also hide one."
            )
        interval = (
            "none is needed for its interval, which holds 1"
            if limit == 1
            else "its interval is not known"
            if not np.isfinite(limit)
            else "next to none for its interval, which hardly excludes 1"
            if limit < SMALL_E_VALUE
            else f"{limit:.1f} for the limit of its interval"
        )
        return (
            f"No row knows what was not recorded: a confounder with a risk ratio of "
            f"{row['estimate']:.1f} with both regimen and outcome would explain the {of} estimate "
            f"away ({interval})."
        )
    return "No row knows what was not recorded."


def _competing_against(reading: Reading, side: str) -> str:
    """That the competing event is more frequent under a side, with figures; else empty."""
    found = competing_difference(reading)
    if found is None or favours_arm(found)[0] == (side == reading.arm):
        return ""
    row = found.iloc[0]
    return f"more of {row['endpoint']} ({figures_of(row)})"


def _range(key: tuple[str, float], rows: pd.DataFrame) -> str:
    scale, months = key
    values = rows["estimate"].astype(float)
    digits, unit = {
        HAZARD_RATIO: (2, ""),
        RMST: (1, " months"),
        EVENT_PROBABILITY: (0, " percentage points"),
    }[scale]
    if scale == EVENT_PROBABILITY:
        values = 100 * values
    signed = scale != HAZARD_RATIO
    ends = (fixed(value, digits, signed) for value in (values.min(), values.max()))
    limits = list(dict.fromkeys(ends))
    name = {HAZARD_RATIO: "hazard ratio", RMST: f"RMST to {months:g} months"}
    return f"{name.get(scale, f'event by {months:g} months')} {' to '.join(limits)}{unit}"


def _name(row: Mapping[str, object]) -> str:
    months = row["horizon"]
    at = f" at {months:g} months" if isinstance(months, float) and np.isfinite(months) else ""
    return f"{row['estimator']}{at}"
