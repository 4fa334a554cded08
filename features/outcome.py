"""What happened to each patient: time to the event or to censoring, and why it ended there."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from features.times import one_time_each

# A month is a twelfth of a Julian year, so that 12 months are 365.25 days.
MONTHS = {"days": 12 / 365.25, "months": 1.0, "years": 12.0}


class PerPatient(Protocol):
    """Something that holds a part for each patient."""

    def take(self, rows: ArrayLike) -> PerPatient:
        """That of the selected patients."""
        ...


@dataclass(frozen=True)
class Outcome:
    """Right-censored survival outcome of n patients.

    Attributes
    ----------
    time : ndarray of shape (n,), float
        Months from the index date to the event or to censoring, >= 0. Times that differ by
        round-off are one time: see `features.times`.
    event : ndarray of shape (n,), bool
        True when the event was observed at `time`, False when censored.
        Not a status code: 1/2 codings are mapped on reading.
    reason : ndarray of shape (n,), object, or None
        What ended each patient's follow-up, in words: 'relapse', 'last contact', 'cut-off'.
    source : ndarray of shape (n,), object, or None
        The column, or the rule, that said so.
    competing : ndarray of shape (n,), bool, or None
        True when a competing event ended follow-up at `time`; `event` is False there. None when
        the endpoint knows none. An estimator that ignores it treats these patients as censored:
        right for a cause-specific hazard, wrong for a cumulative incidence.
    censoring : PerPatient, or None
        How likely each patient was still followed at a time, where that depends on the patient: a
        `ConditionalCensoring`. The measures weigh by it; None: by Kaplan-Meier of these patients.

    Examples
    --------
    >>> outcome = Outcome(time=[2.0, 5.0, 9.0], event=[True, False, True])
    >>> len(outcome), outcome.n_events
    (3, 2)
    >>> outcome.take([0, 2]).time
    array([2., 9.])
    """

    time: np.ndarray
    event: np.ndarray
    reason: np.ndarray | None = None
    source: np.ndarray | None = None
    competing: np.ndarray | None = None
    censoring: PerPatient | None = None

    def __post_init__(self) -> None:
        time = np.array(self.time, dtype=float)
        event = _flags(self.event, "event")
        if time.ndim != 1 or time.shape != event.shape:
            raise ValueError(
                f"time and event must be one-dimensional and equally long; got shapes "
                f"{time.shape} and {event.shape}"
            )
        if not np.isfinite(time).all() or (time < 0).any():
            raise ValueError("time must be finite and >= 0 months for every patient")
        parts: dict[str, np.ndarray] = {"time": one_time_each(time), "event": event}
        if self.competing is not None:
            parts["competing"] = _flags(self.competing, "competing")
        for name in ("reason", "source"):
            if getattr(self, name) is not None:
                parts[name] = np.array(getattr(self, name), dtype=object)
        for name, values in parts.items():
            if values.shape != time.shape:
                raise ValueError(
                    f"{name} must be as long as time; got shapes {values.shape} and {time.shape}"
                )
            values.flags.writeable = False
            object.__setattr__(self, name, values)
        if self.competing is not None and (self.event & self.competing).any():
            raise ValueError("a patient's follow-up ends with the event or with a competing one")

    def __len__(self) -> int:
        return len(self.time)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over times and events, whatever the order of the patients; it reveals none."""
        rows = sorted(zip(self.time.round(6).tolist(), self.event.tolist(), strict=True))
        return hashlib.sha256(repr(rows).encode()).hexdigest()

    @property
    def n_events(self) -> int:
        """Number of observed events."""
        return int(self.event.sum())

    @property
    def has_competing(self) -> bool:
        """Whether some patient's follow-up ended with a competing event."""
        return self.competing is not None and bool(self.competing.any())

    @property
    def follow_up(self) -> float:
        """Longest observed time, in months; nothing is known beyond it."""
        return float(self.time.max()) if len(self) else 0.0

    @property
    def first_event(self) -> float:
        """Time of the earliest observed event, in months; infinite without one."""
        return float(self.time[self.event].min()) if self.n_events else math.inf

    @property
    def cause_specific(self) -> Outcome:
        """The outcome with competing events taken for censorings, as a hazard of the event is."""
        return replace(self, competing=None) if self.has_competing else self

    def take(self, rows: ArrayLike) -> Outcome:
        """Return the outcome of the selected patients (integer positions or a mask)."""
        rows = np.atleast_1d(rows)
        # What was checked stays right: a bootstrap takes thousands of times.
        taken = object.__new__(Outcome)
        for name in ("time", "event", "reason", "source", "competing"):
            part = getattr(self, name)
            if part is not None:
                part = part[rows]
                part.flags.writeable = False
            object.__setattr__(taken, name, part)
        followed = None if self.censoring is None else self.censoring.take(rows)
        object.__setattr__(taken, "censoring", followed)
        return taken


def _flags(values: ArrayLike, name: str) -> np.ndarray:
    flags = np.array(values)
    if flags.dtype != bool and not np.isin(flags, (0, 1)).all():
        raise ValueError(f"{name} must hold only True/False (or 1/0); recode it on reading")
    return flags.astype(bool)
