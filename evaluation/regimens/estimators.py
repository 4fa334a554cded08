"""Every estimator of a regimen contrast: what its rows are called, and what is true of them.

A row of a table of regimens carries the name of its estimator, and of the part it is about where
there is one: a subgroup, a learner, an estimate. Names are made here and read back here, nowhere
else, so that a label can change without changing what any program does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

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

    def named(self, part: str = "") -> str:
        """The name of a row of this estimator.

        >>> COX.named(), COX.named("age: above 65")
        ('Cox hazard ratio', 'Cox hazard ratio, age: above 65')
        """
        return f"{self.label}{self.before_part}{part}" if part else self.label


class Named(NamedTuple):
    """An estimator, and the part that a row of it is about; empty without one."""

    estimator: Estimator
    part: str


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
    MULTIVARIABLE, *WEIGHTED, G_COMPUTATION, AIPW, E_VALUE, SHAP, STANDARDISED,
)  # fmt: skip


@cache
def read_name(name: str) -> Named:
    """The estimator of a row, and its part.

    >>> read_name("E-value of overlap Cox")[1]
    'overlap Cox'

    Raises
    ------
    KeyError
        When no estimator is called so.
    """
    for estimator in sorted(ESTIMATORS, key=lambda one: -len(one.label)):
        if name == estimator.label:
            return Named(estimator, "")
        start = estimator.label + estimator.before_part
        if estimator.before_part and name.startswith(start):
            return Named(estimator, name[len(start) :])
    raise KeyError(f"no estimator is called {name!r}")


def rows_of(names: Iterable[object], *wanted: Estimator) -> np.ndarray:
    """Which rows are of one of these estimators, by their names; (n,) of bool."""
    return np.array([read_name(str(name)).estimator in wanted for name in names], dtype=bool)


def rows_in(names: Iterable[object], group: str) -> np.ndarray:
    """Which rows are of an estimator of a group; (n,) of bool."""
    return np.array([read_name(str(name)).estimator.group == group for name in names], dtype=bool)


def parts_of(names: Iterable[object]) -> list[str]:
    """The part that each row is about."""
    return [read_name(str(name)).part for name in names]
