"""What is said of one patient."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from models.individual.cautions import Doubt
from models.individual.words import percent, percent_range

# What a difference between the regimens of one patient is, and is not.
ONE_MODEL = (
    "The same patient as the model sees each regimen: a difference of one model's predictions, "
    "not a treatment effect; who received which regimen was not decided by chance."
)


@dataclass(frozen=True)
class Given:
    """One input as it was given.

    Attributes
    ----------
    name, label, unit : str
        As in the dictionary.
    value : float, str or None
        None where missing.
    """

    name: str
    label: str
    value: float | str | None
    unit: str = ""

    @property
    def told(self) -> str:
        """As a person reads it: '61 years', 'unknown'."""
        if self.value is None:
            return "unknown"
        value = f"{self.value:g}" if isinstance(self.value, float) else self.value
        return f"{value} {self.unit}".rstrip()


@dataclass(frozen=True)
class Filled:
    """A predictor that was missing, and what stood for it.

    Attributes
    ----------
    value : float, str or None
        None where the model took the gap as it is.
    by : str
        How, in words.
    """

    name: str
    value: float | str | None
    by: str

    @property
    def told(self) -> str:
        """As a person reads it: 'ecog, taken as 1 (the median of the training patients)'."""
        if self.value is None:
            return f"{self.name}, {self.by}"
        value = f"{self.value:g}" if isinstance(self.value, float) else self.value
        return f"{self.name}, taken as {value} ({self.by})"


@dataclass(frozen=True)
class AtHorizon:
    """Probability of the event by a time.

    Attributes
    ----------
    month : float
        Since the index date.
    probability : float
    low, high : float or None
        Its limits, by the answer's `interval`; None without any.
    average : float or None
        The mean of the model's predictions for its training patients.
    """

    month: float
    probability: float
    low: float | None
    high: float | None
    average: float | None

    @property
    def told(self) -> str:
        """As a person reads it: '43% (31% to 55%)'."""
        limits = percent_range(self.low, self.high)
        return percent(self.probability) + (f" ({limits})" if limits else "")


@dataclass(frozen=True)
class Band:
    """How the limits were made, and what they are worth.

    Attributes
    ----------
    name : str
        As it may be printed beside the limits.
    refits : int
    widened : float
        How many times as wide as a normal interval by the spread of the refits.
    told : str
        One sentence or two.
    """

    name: str
    refits: int
    widened: float
    told: str


@dataclass(frozen=True)
class Curve:
    """Event-free probability over time, one entry a month of `months`."""

    months: tuple[float, ...]
    survival: tuple[float, ...]
    low: tuple[float, ...] | None
    high: tuple[float, ...] | None
    average: tuple[float | None, ...]
    steps: bool


@dataclass(frozen=True)
class GivenAlive:
    """Probability of the event from a time on, of those without it until then."""

    since: float
    horizons: tuple[AtHorizon, ...]


@dataclass(frozen=True)
class Part:
    """What one predictor adds to the probability of the event, in probability."""

    name: str
    label: str
    value: float | str | None
    typical: float | str | None
    amount: float


@dataclass(frozen=True)
class Contributions:
    """From the typical patient's probability to this one's: start + the amounts = end.

    Attributes
    ----------
    month : float
    start, end : float
    parts : tuple of Part
        The largest first.
    method : str
    """

    month: float
    start: float
    end: float
    parts: tuple[Part, ...]
    method: str


@dataclass(frozen=True)
class Standing:
    """The patient among the training patients, by the model's risk at one horizon.

    Attributes
    ----------
    month : float
    percentile : float or None
        Percent of them with a lower risk.
    lowest, highest : bool
        It lies below the first, or above the last quantile that is stored.
    group : str or None
        'low', 'intermediate' or 'high', by tertiles of training risk.
    cutoffs : tuple of float
    """

    month: float
    percentile: float | None
    lowest: bool
    highest: bool
    group: str | None
    cutoffs: tuple[float, ...]

    @property
    def told(self) -> str:
        """As a person reads it."""
        parts = [] if self.group is None else [f"{self.group} risk group"]
        if self.percentile is not None:
            whole = f"{self.percentile:.0f}%"
            if self.highest:
                parts.append(f"higher than more than {whole} of the training patients")
            elif self.lowest:
                parts.append(f"higher than fewer than {whole} of the training patients")
            else:
                parts.append(f"higher than about {whole} of the training patients")
        return ", ".join(parts)


@dataclass(frozen=True)
class UnderRegimen:
    """The same patient under one regimen.

    Attributes
    ----------
    regimen : str
    given : bool
        Whether it is the one that the patient's row names.
    horizons : tuple of AtHorizon
    median : float or None
    propensity : float or None
        Probability that a training patient like this one received it, rather than the reference
        regimen; None for the reference of more than two, or where nothing is stored.
    overlaps : bool or None
        Whether enough patients like this one received either; None where nothing is stored.
    """

    regimen: str
    given: bool
    horizons: tuple[AtHorizon, ...]
    median: float | None
    propensity: float | None
    overlaps: bool | None


@dataclass(frozen=True)
class Answer:
    """Everything that is said of one patient. Numbers are numbers; words are made from them last.

    Attributes
    ----------
    patient_id : str or None
    row : int
        In the user's table, from 1.
    event : str
        What is predicted, in words: 'death'.
    regimen : str or None
    horizons : tuple of AtHorizon
    interval : Band or None
        None where the model was stored without refits.
    median : float or None
        Months to which half of such patients are event-free; None when not reached by `until`.
    median_low, median_high : float or None
        Where the curve's limits reach one half.
    restricted_mean : float
        Mean event-free months up to `until`.
    until : float
        Months up to which the model's follow-up supports it.
    standing : Standing or None
    alive_at : GivenAlive or None
    contributions : Contributions or None
    regimens : tuple of UnderRegimen
        Empty unless asked for.
    curve : Curve or None
    inputs : tuple of Given
    filled : tuple of Filled
    doubts : tuple of Doubt
    risk_score : float
        Unscaled, higher is worse, comparable within this model only.
    """

    patient_id: str | None
    row: int
    event: str
    regimen: str | None
    risk_score: float
    horizons: tuple[AtHorizon, ...]
    interval: Band | None
    median: float | None
    median_low: float | None
    median_high: float | None
    restricted_mean: float
    until: float
    standing: Standing | None
    inputs: tuple[Given, ...]
    filled: tuple[Filled, ...]
    doubts: tuple[Doubt, ...]
    alive_at: GivenAlive | None = None
    contributions: Contributions | None = None
    regimens: tuple[UnderRegimen, ...] = ()
    curve: Curve | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON: numbers as numbers, null where there is none, each doubt with its text."""
        found: dict[str, Any] = _plain(self)
        if self.regimens:
            found["regimens_are"] = ONE_MODEL
        return found


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        plain = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        return plain | {"text": value.text} if isinstance(value, Doubt) else plain
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    return str(value) if isinstance(value, str) else value
