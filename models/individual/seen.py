"""One patient as the model sees it: the curve with its limits, and what is read from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.columns import Columns
from models.individual.answer import AtHorizon, Curve
from models.individual.curve import curve_grid, given_alive, median_time, restricted_mean
from models.individual.interval import along_curve, limits
from models.individual.support import Support

# Plain columns of n patients and months -> risk score (n,) and survival (n, n_times).
Predict = Callable[[Columns, np.ndarray], tuple[np.ndarray, np.ndarray]]
# Of the printed median, in months: as `predict_patients` gives it.
MEDIAN_STEP = 0.1


@dataclass(frozen=True)
class Model:
    """What predicts: the model, where its curves step, and how far they may be off.

    Attributes
    ----------
    predict : callable
    follow_up : float
        Months; it predicts NaN beyond.
    jumps : ndarray, optional
        Where survival steps, months; None where it falls continuously.
    refits : sequence of callable
        The same model refitted to bootstrap samples; empty for no limits.
    widened : float
        As for `limits`.
    """

    predict: Predict
    follow_up: float
    jumps: np.ndarray | None = None
    refits: Sequence[Predict] = ()
    widened: float = 1.0


@dataclass(frozen=True)
class Seen:
    """Predictions of one patient.

    Attributes
    ----------
    times : ndarray of shape (n_times,)
        Every horizon, every step of the curve, the end; months.
    survival : ndarray of shape (n_times,)
    refits : ndarray of shape (B, n_times)
    reach : float
        Months up to which the curve is drawn and averaged.
    """

    model: Model
    support: Support | None
    risk_score: float
    times: np.ndarray
    survival: np.ndarray
    refits: np.ndarray
    reach: float

    @classmethod
    def of(
        cls,
        model: Model,
        support: Support | None,
        patient: Columns,
        months: Sequence[float],
        reach: float,
    ) -> Seen:
        """Predict for a patient, columns of shape (1,), at horizons and along the curve."""
        grid = curve_grid(model.jumps, model.follow_up)
        times = np.union1d(grid, [*months, reach])
        risk_score, survival = model.predict(patient, times)
        refits = [refit(patient, times)[1][0] for refit in model.refits]
        return cls(
            model, support, float(risk_score[0]), times, survival[0],
            np.array(refits).reshape(len(refits), len(times)), reach,
        )  # fmt: skip

    def at(self, months: Sequence[float]) -> tuple[AtHorizon, ...]:
        """Probability of the event by each of the horizons that were predicted."""
        places = np.searchsorted(self.times, months)
        average = None if self.support is None else self.support.average_at(months)
        low, high = self.limits
        return _told(months, self.survival[places], (low[places], high[places]), average)

    def given_alive(self, since: float, months: Sequence[float]) -> tuple[AtHorizon, ...]:
        """The same of those without the event until a time; horizons up to it are left out."""
        later = [month for month in months if month > since]
        places = np.searchsorted(self.times, later)
        start = np.searchsorted(self.times, since)
        average = None
        if self.support is not None:
            known = self.support.average_at([since, *later])
            average = given_alive(known[1:], known[0])
        survival = given_alive(self.survival[places], self.survival[start])
        refits = given_alive(self.refits[:, places], self.refits[:, start])
        either = along_curve(*limits(survival, refits, self.model.widened))
        return _told(later, survival, either, average)

    @cached_property
    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper limit of survival at every time."""
        return along_curve(*limits(self.survival, self.refits, self.model.widened))

    @property
    def medians(self) -> tuple[float | None, float | None, float | None]:
        """Median event-free months, then where the curve's limits reach one half."""
        low, high = self.limits
        return self._median(self.survival), self._median(low), self._median(high)

    def _median(self, curve: np.ndarray) -> float | None:
        found = median_time(curve, self.times)
        if found is None:
            return None
        # Up to the next tenth of a month, the step at which it is printed.
        return float(np.round(np.ceil(np.round(found / MEDIAN_STEP, 6)) * MEDIAN_STEP, 1))

    @property
    def restricted_mean(self) -> float:
        """Mean event-free months up to `reach`."""
        steps = self.model.jumps is not None
        return float(restricted_mean(self.survival, self.times, self.reach, steps=steps))

    def curve(self) -> Curve:
        """Event-free probability up to `reach`, month 0 included."""
        inside = self.times <= self.reach
        low, high = self.limits
        months = (0.0, *self.times[inside].tolist())
        known = not np.isnan(low[inside]).all()
        average: tuple[float | None, ...] = (None,) * len(months)
        if self.support is not None:
            average = tuple(_number(value) for value in self.support.average_at(months))
        return Curve(
            months=months,
            survival=(1.0, *self.survival[inside].tolist()),
            low=(1.0, *low[inside].tolist()) if known else None,
            high=(1.0, *high[inside].tolist()) if known else None,
            average=average,
            steps=self.model.jumps is not None,
        )


def _told(
    months: Sequence[float],
    survival: np.ndarray,
    either: tuple[np.ndarray, np.ndarray],
    average: np.ndarray | None,
) -> tuple[AtHorizon, ...]:
    low, high = either
    beside = np.full(len(survival), np.nan) if average is None else 1 - average
    # The survival's upper limit is the event's lower one.
    return tuple(
        AtHorizon(float(month), float(p), _number(least), _number(most), _number(mean))
        for month, p, least, most, mean in zip(
            months, 1 - survival, 1 - high, 1 - low, beside, strict=True
        )
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
