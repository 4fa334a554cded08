"""Every estimator of a regimen contrast: what its rows are called, and what is true of them.

A cell of a table prints as the name of an estimate and knows what it is of: no name is read, so
that a label can change without changing what any program does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Family = Literal["classical", "adjusted", "model-based"]
Assumes = Literal["", "hazards", "subdistribution hazards", "power", "no shape"]


@dataclass(frozen=True)
class Estimator:
    """One way of comparing arms, or of describing one.

    Attributes
    ----------
    key : str
        What a program asks for.
    label : str
        What its rows are called.
    family : {'classical', 'adjusted', 'model-based'}
    before_part : str
        What stands between the label and the part; empty where rows have no part.
    group : str
        Estimators that readers show together: a kind of event, weights, tests of curves.
    conditional : bool
        A ratio given the covariates, which is another one than that of the population.
    assumes : str
        What is proportional, or how the test relates to that; empty where nothing is.
    """

    key: str
    label: str
    family: Family = "classical"
    before_part: str = ""
    group: str = ""
    conditional: bool = False
    assumes: Assumes = ""

    def named(self, part: str = "") -> Named:
        """What a row of this estimator is called.

        >>> print(COX.named("age: above 65"))
        Cox hazard ratio, age: above 65
        """
        return Named(self, part)


class Named(str):
    """What an estimate is called: a text that knows its estimator, and the part it is about.

    Attributes
    ----------
    estimator : Estimator
    part : str
        A subgroup, a learner, an estimate; empty without one.
    """

    estimator: Estimator
    part: str

    def __new__(cls, estimator: Estimator, part: str = "") -> Named:  # noqa: D102
        found = super().__new__(cls, estimator.label + (estimator.before_part + part) * bool(part))
        found.estimator, found.part = estimator, part
        return found

    def __getnewargs__(self) -> tuple[Estimator, str]:  # type: ignore[override]
        return self.estimator, self.part


MEDIAN = Estimator("median", "median")
MEDIAN_DIFFERENCE = Estimator("median_difference", "median difference")
EVENT_PROBABILITY = Estimator("event_probability", "event probability")
KAPLAN_MEIER = Estimator("kaplan_meier", "Kaplan-Meier difference")
RMST = Estimator("rmst", "RMST")
RMST_DIFFERENCE = Estimator("rmst_difference", "RMST difference")
RMST_RATIO = Estimator("rmst_ratio", "RMST ratio")
LOG_RANK = Estimator("log_rank", "log-rank", group="rank tests", assumes="power")
STRATIFIED = Estimator(
    "stratified_log_rank", "stratified log-rank", group="rank tests", assumes="power"
)
FLEMING_HARRINGTON = Estimator(
    "fleming_harrington",
    "Fleming-Harrington",
    before_part=" ",
    group="rank tests",
    assumes="no shape",
)
MAX_COMBO = Estimator("max_combo", "MaxCombo", group="rank tests", assumes="no shape")
COX = Estimator("cox", "Cox hazard ratio", before_part=", ", assumes="hazards")
TREND = Estimator("proportional_hazards", "proportional hazards test")
INTERACTION = Estimator("interaction", "interaction test")
GRAY = Estimator("gray", "Gray test")
FINE_GRAY = Estimator("fine_gray", "Fine-Gray hazard ratio", assumes="subdistribution hazards")
INCIDENCE = Estimator("incidence", "cumulative incidence")
INCIDENCE_DIFFERENCE = Estimator("incidence_difference", "cumulative incidence difference")

_KINDS = RESPONSE, ADVERSE_EVENT, EARLY_DEATH = "response", "adverse event", "early death"
RATE = "rate"
RATIOS_AND_TESTS = (
    *("rate ratio", "odds ratio"),
    *("chi-square test", "Fisher test", "Boschloo test"),
)
_OF_RATES = (RATE, "rate difference", *RATIOS_AND_TESTS)


def of_rates(kind: str, what: str = RATE) -> Estimator:
    """What is estimated of the shares of an arm with an event yes or no."""
    return Estimator(f"{kind}, {what}", f"{kind} {what}", group=kind)


NOTHING_ADJUSTED = Estimator("nothing_adjusted", "adjusted comparison", "adjusted")
MULTIVARIABLE = Estimator(
    "multivariable", "multivariable Cox", "adjusted", before_part=", ", conditional=True
)
STABILISED = Estimator(
    "stabilised_iptw", "stabilised IPTW", "adjusted", before_part=" ", group="stabilised IPTW"
)
IPTW = Estimator("iptw", "IPTW", "adjusted", before_part=" ", group="IPTW")
OVERLAP = Estimator("overlap", "overlap", "adjusted", before_part=" ", group="overlap")
MATCHING = Estimator("matching", "matching", "adjusted", before_part=" ", group="matching")
WEIGHTED = (STABILISED, IPTW, OVERLAP, MATCHING)


def of_weights(kind: str) -> Estimator:
    """What is estimated under a kind of weights."""
    return next(estimator for estimator in WEIGHTED if estimator.group == kind)


G_COMPUTATION = Estimator("g_computation", "g-computation, Cox", "adjusted", before_part=" ")
BY_ARM = "stratified by arm"
AIPW = Estimator("aipw", "AIPW of pseudo-values", "adjusted")
E_VALUE = Estimator("e_value", "E-value", "adjusted", before_part=" of ")
SHAP = Estimator("shap", "SHAP contrast", "model-based", before_part=", ")
STANDARDISED = Estimator("standardised", "standardised contrast", "model-based", before_part=", ")

ESTIMATORS: tuple[Estimator, ...] = (
    MEDIAN, MEDIAN_DIFFERENCE, EVENT_PROBABILITY, KAPLAN_MEIER, RMST, RMST_DIFFERENCE, RMST_RATIO,
    LOG_RANK, STRATIFIED, FLEMING_HARRINGTON, MAX_COMBO, COX, TREND, INTERACTION, GRAY, FINE_GRAY,
    INCIDENCE, INCIDENCE_DIFFERENCE,
    *(of_rates(kind, what) for kind in _KINDS for what in _OF_RATES),
    NOTHING_ADJUSTED, MULTIVARIABLE, *WEIGHTED, G_COMPUTATION, AIPW, E_VALUE, SHAP, STANDARDISED,
)  # fmt: skip


def rows_of(names: Iterable[Named], *wanted: Estimator) -> np.ndarray:
    """Which rows are of one of these estimators; (n,) of bool.

    >>> rows_of([COX.named("age: above 65"), OVERLAP.named("Cox")], COX)
    array([ True, False])
    """
    return np.array([name.estimator in wanted for name in names], dtype=bool)


def rows_in(names: Iterable[Named], group: str) -> np.ndarray:
    """Which rows are of an estimator of a group; (n,) of bool."""
    return np.array([name.estimator.group == group for name in names], dtype=bool)


def parts_of(names: Iterable[Named]) -> list[Any]:
    """The part that each row is about: a text, or the name of another estimate."""
    return [name.part for name in names]
