"""What happened to each patient: time to the event or to censoring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Outcome:
    """Right-censored survival outcome of n patients.

    Attributes
    ----------
    time : ndarray of shape (n,), float
        Months from the index date to the event or to censoring, >= 0.
    event : ndarray of shape (n,), bool
        True when the event was observed at `time`, False when censored.
        Not a status code: 1/2 codings are mapped on reading.
    """

    time: np.ndarray
    event: np.ndarray

    def __post_init__(self) -> None:
        time = np.array(self.time, dtype=float)
        event = np.array(self.event)
        if time.ndim != 1 or time.shape != event.shape:
            raise ValueError(
                f"time and event must be one-dimensional and equally long; got shapes "
                f"{time.shape} and {event.shape}"
            )
        if event.dtype != bool and not np.isin(event, (0, 1)).all():
            raise ValueError("event must hold only True/False (or 1/0); recode it on reading")
        if not np.isfinite(time).all() or (time < 0).any():
            raise ValueError("time must be finite and >= 0 months for every patient")
        event = event.astype(bool)
        time.flags.writeable = False
        event.flags.writeable = False
        object.__setattr__(self, "time", time)
        object.__setattr__(self, "event", event)

    def __len__(self) -> int:
        return len(self.time)

    @property
    def n_events(self) -> int:
        """Number of observed events."""
        return int(self.event.sum())

    @property
    def follow_up(self) -> float:
        """Longest observed time, in months; nothing is known beyond it."""
        return float(self.time.max()) if len(self) else 0.0

    def take(self, rows: ArrayLike) -> Outcome:
        """Return the outcome of the selected patients (integer positions or a mask)."""
        rows = np.asarray(rows)
        return Outcome(self.time[rows], self.event[rows])
