"""What a stored model knows of its training patients: summaries that one patient is held against.

No row of a patient is kept, no minimum and no maximum, and no quantile that fewer than five
patients stand behind.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from features.columns import Columns, is_known

# Patients at risk that a horizon needs.
FEWEST_AT_RISK = 10
# Patients between two stored quantiles of the training risks.
PATIENTS_A_QUANTILE = 5
MOST_QUANTILES = 19
# Below so many no groups are cut.
FEWEST_FOR_GROUPS = 30
GROUPS = ("low", "intermediate", "high")
# The preference score, beyond which hardly anybody like the patient received the other regimen
# (Walker et al., Comp Eff Res 2013, 10.2147/CER.S40357).
PREFERENCE = (0.1, 0.9)
# Events a feature below which the range of a patient's probability holds the truth too rarely: it
# did with 3 of them, and with 9 did not (docs/individual.md).
FEWEST_EVENTS = 5
# How far covariates hang together is drawn this much towards not at all.
SHRUNK = 0.1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Term(_Part):
    """One column of a design: a number as it is, or whether a category is this level."""

    covariate: str
    level: str | None = None


class Terms(_Part):
    """Covariates as numbers, each against its training mean.

    Attributes
    ----------
    terms : tuple of Term
    mean, scale : tuple of float
        Of the training patients who have a value; scale above 0.
    """

    terms: tuple[Term, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]

    @model_validator(mode="after")
    def _fits(self) -> Terms:
        if not len(self.terms) == len(self.mean) == len(self.scale):
            raise ValueError("one mean and one scale a term")
        if any(scale <= 0 for scale in self.scale):
            raise ValueError("a scale is above 0")
        return self

    @classmethod
    def of(cls, columns: Columns, fewest: int) -> Terms:
        """Terms of training patients; a level needs so many of them, a column two values."""
        terms, mean, scale = [], [], []
        for name, values in columns.items():
            for level in _levels(values, fewest):
                column = _column(values, level)
                known = column[~np.isnan(column)]
                if len(known) > 1 and known.std() > 0:
                    terms.append(Term(covariate=name, level=level))
                    mean.append(_digits(known.mean(), 4))
                    scale.append(_digits(known.std(), 4))
        return cls(terms=tuple(terms), mean=tuple(mean), scale=tuple(scale))

    def of_patients(self, columns: Columns) -> np.ndarray:
        """Standardised, shape (n, n_terms); what is missing counts as the mean, 0."""
        n = len(next(iter(columns.values()))) if columns else 0
        found = np.zeros((n, len(self.terms)))
        for place, term in enumerate(self.terms):
            column = _column(columns[term.covariate], term.level)
            found[:, place] = (column - self.mean[place]) / self.scale[place]
        return np.nan_to_num(found, nan=0.0)


class Distance(_Part):
    """How far a patient is from the training patients, all covariates together.

    Attributes
    ----------
    inverse : tuple of tuple of float
        Of the terms' correlation, shrunk towards no correlation.
    cutoff : float
        Distance that one in a hundred training patients exceeded, rounded up.
    """

    inverse: tuple[tuple[float, ...], ...]
    cutoff: float

    @classmethod
    def of(cls, standardised: np.ndarray) -> Distance:
        """From the standardised terms of the training patients, (n, n_terms), n_terms above 0."""
        correlation = standardised.T @ standardised / len(standardised)
        shrunk = (1 - SHRUNK) * correlation + SHRUNK * np.eye(len(correlation))
        inverse = np.linalg.inv(shrunk).round(4)
        far = np.quantile(_mahalanobis(standardised, inverse), 0.99)
        return cls(
            inverse=tuple(tuple(row) for row in inverse.tolist()),
            cutoff=float(np.ceil(10 * far) / 10),
        )

    def of_patients(self, standardised: np.ndarray) -> np.ndarray:
        """Mahalanobis distance of each patient, shape (n,)."""
        return _mahalanobis(standardised, np.array(self.inverse))


class Overlap(_Part):
    """Who received one arm rather than the reference arm: a ridge logistic regression.

    Attributes
    ----------
    arm, reference_arm : str
    share : float
        Of the arm among the patients of the two.
    intercept, coefficients
        Log odds, by standardised term.
    """

    arm: str
    reference_arm: str
    share: float
    intercept: float
    coefficients: tuple[float, ...]

    def propensity(self, standardised: np.ndarray) -> np.ndarray:
        """Probability of the arm, shape (n,)."""
        log_odds = self.intercept + standardised @ np.array(self.coefficients)
        return np.asarray(1 / (1 + np.exp(-log_odds)))

    def preference(self, standardised: np.ndarray) -> np.ndarray:
        """The propensity were both arms of equal size: near 0.5 either was as likely."""
        log_odds = self.intercept + standardised @ np.array(self.coefficients)
        return np.asarray(1 / (1 + np.exp(-(log_odds - np.log(self.share / (1 - self.share))))))


class Risks(_Part):
    """Event probabilities that the model gives its own training patients at one horizon.

    Attributes
    ----------
    month : float
    levels, values : tuple of float
        Quantiles with five patients or more between them, neither minimum nor maximum; empty for a
        cohort too small for them.
    cutoffs : tuple of float
        Tertiles, which cut three groups; empty below 30 patients.
    """

    month: float
    levels: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    cutoffs: tuple[float, ...] = ()

    @classmethod
    def of(cls, month: float, probabilities: np.ndarray) -> Risks:
        """Summarise the probabilities of n training patients."""
        known = probabilities[~np.isnan(probabilities)]
        parts = min(MOST_QUANTILES + 1, len(known) // PATIENTS_A_QUANTILE)
        levels = np.arange(1, parts) / parts if parts > 1 else np.empty(0)
        cut = np.array([1 / 3, 2 / 3]) if len(known) >= FEWEST_FOR_GROUPS else np.empty(0)
        return cls(
            month=month,
            levels=tuple(levels.round(4).tolist()),
            values=_quantiles(known, levels),
            cutoffs=_quantiles(known, cut),
        )

    def percentile(self, probability: float) -> float | None:
        """Percent of training patients with a lower risk, read between the stored quantiles.

        Below the first quantile and above the last it is that quantile's: no more is stored.
        """
        if not self.values or np.isnan(probability):
            return None
        return float(100 * np.interp(probability, self.values, self.levels))

    def group(self, probability: float) -> str | None:
        """Low, intermediate or high by the cut-offs; a value on one is in the upper group."""
        if not self.cutoffs or np.isnan(probability):
            return None
        return GROUPS[int(np.searchsorted(self.cutoffs, probability, side="right"))]


class Better(_Part):
    """Whether the learner was shown to predict better than Kaplan-Meier: its out-of-fold IPA.

    Attributes
    ----------
    month, estimate, low, high : float
        Index of prediction accuracy, 0 for Kaplan-Meier, with its 95% interval.
    """

    month: float
    estimate: float
    low: float
    high: float

    @property
    def shown(self) -> bool:
        """The whole interval is above 0."""
        return self.low > 0


class Support(BaseModel):
    """Summaries of the training patients, stored beside the model.

    Attributes
    ----------
    event : str
        What is predicted, in words: 'death'.
    until : float
        Months up to which at least FEWEST_AT_RISK training patients were at risk.
    events_per_feature : float
        Of the training, the features as a Cox model encodes them.
    months, average : tuple of float
        Mean predicted survival of the training patients.
    typical : mapping of predictor -> value
        Medians, to three significant digits, and commonest categories: the regimen is one of them.
    fills : mapping of predictor -> value or None
        What stands for a missing value; None where the model takes the gap as it is.
    labels : mapping of predictor -> its name in words, with the unit
    terms, distance, overlaps, risks, better
        Distance is None without any term.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    event: str
    until: float
    events_per_feature: float
    months: tuple[float, ...]
    average: tuple[float, ...]
    typical: dict[str, float | str]
    fills: dict[str, float | str | None]
    labels: dict[str, str] = {}
    terms: Terms
    distance: Distance | None = None
    overlaps: tuple[Overlap, ...] = ()
    risks: Risks
    better: Better | None = None

    @model_validator(mode="after")
    def _fits(self) -> Support:
        count = len(self.terms.terms)
        square = self.distance is None or (
            len(self.distance.inverse) == count
            and all(len(row) == count for row in self.distance.inverse)
        )
        if not square or any(len(one.coefficients) != count for one in self.overlaps):
            raise ValueError("distance and overlap have one number a term")
        if len(self.months) != len(self.average) or list(self.months) != sorted(set(self.months)):
            raise ValueError("one average a month, the months increasing")
        return self

    def without_risks(self) -> Support:
        """The same without what depends on the model's probabilities."""
        risks = Risks(month=self.risks.month)
        return self.model_copy(update={"months": (), "average": (), "risks": risks})

    def average_at(self, months: Any) -> np.ndarray:
        """Mean predicted survival of the training patients; NaN beyond what is stored."""
        at = np.asarray(months, dtype=float)
        known = np.interp(at, (0.0, *self.months), (1.0, *self.average))
        beyond = at > (self.months[-1] if self.months else 0.0)
        return np.where(beyond, np.nan, known)


def typical_values(columns: Columns) -> dict[str, float | str]:
    """Median of each number, three significant digits, and commonest category of training patients.

    A column without any value is left out. Of categories as common, the first of the alphabet.
    """
    found: dict[str, float | str] = {}
    for name, values in columns.items():
        if values.dtype != object:
            known = values[~np.isnan(values)]
            if len(known):
                found[name] = _digits(float(np.median(known)), 3)
            continue
        words, counts = np.unique(_words(values), return_counts=True)
        if len(words):
            found[name] = str(words[counts.argmax()])
    return found


def supported_until(time: np.ndarray, fewest: int = FEWEST_AT_RISK) -> float:
    """Months up to which so many patients were at risk, a tenth rounded down; 0 with fewer."""
    if len(time) < fewest:
        return 0.0
    last = np.sort(time)[::-1][fewest - 1]
    return float(np.floor(10 * last) / 10)


def _quantiles(known: np.ndarray, levels: np.ndarray) -> tuple[float, ...]:
    return tuple(np.quantile(known, levels).round(3).tolist()) if len(levels) else ()


def _levels(values: np.ndarray, fewest: int) -> list[str | None]:
    if values.dtype != object:
        return [None]
    words, counts = np.unique(_words(values), return_counts=True)
    # The commonest is what the others are held against.
    others = [place for place in range(len(words)) if place != counts.argmax()]
    return [str(words[place]) for place in others if counts[place] >= fewest]


def _column(values: np.ndarray, level: str | None) -> np.ndarray:
    if level is None:
        return np.asarray(values, dtype=float)
    return np.where(is_known(values), (values == level).astype(float), np.nan)


def _words(values: np.ndarray) -> np.ndarray:
    return np.array([str(value) for value in values if value is not None], dtype=str)


def _mahalanobis(standardised: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    squared = ((standardised @ inverse) * standardised).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(squared, 0.0) / max(standardised.shape[1], 1)))


def _digits(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
