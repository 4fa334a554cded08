"""What is to be known before one patient's answer is believed: by name, the text made last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from models.individual.support import FEWEST_AT_RISK


class Caution(StrEnum):
    """One kind of doubt about an answer."""

    NOT_FOR_PATIENTS = "not_for_patients"
    BEYOND_SUPPORT = "beyond_support"
    BEFORE_FIRST_EVENT = "before_first_event"
    NEVER_SEEN = "never_seen"
    RARE = "rare"
    OUTSIDE_RANGE = "outside_range"
    MANY_MISSING = "many_missing"
    CANNOT_BE_DERIVED = "cannot_be_derived"
    FAR_FROM_TRAINING = "far_from_training"
    THIN_OVERLAP = "thin_overlap"
    NOT_SHOWN_BETTER = "not_shown_better"
    NARROW_RANGE = "narrow_range"
    NO_INTERVAL = "no_interval"


TEXTS: dict[Caution, Callable[[str], str]] = {
    Caution.NOT_FOR_PATIENTS: lambda about: f"not for patients: {about}",
    Caution.BEYOND_SUPPORT: lambda about: (
        f"fewer than {FEWEST_AT_RISK} training patients were followed to {about}"
    ),
    Caution.BEFORE_FIRST_EVENT: lambda about: f"nobody had the event in training by month {about}",
    Caution.NEVER_SEEN: lambda about: f"never seen in training: {about}",
    Caution.RARE: lambda about: f"too rare in training to count for itself: {about}",
    Caution.OUTSIDE_RANGE: lambda about: f"outside the central 95% of training: {about}",
    Caution.MANY_MISSING: lambda about: f"much is missing: {about}",
    Caution.CANNOT_BE_DERIVED: lambda about: f"cannot be derived: {about}",
    Caution.FAR_FROM_TRAINING: lambda about: (
        f"unlike the training patients, all covariates together: {about}"
    ),
    Caution.THIN_OVERLAP: lambda about: (
        f"hardly any patient like this one received it in training: {about}"
    ),
    Caution.NOT_SHOWN_BETTER: lambda about: (
        f"the model was not shown to predict better than Kaplan-Meier: {about}"
    ),
    Caution.NARROW_RANGE: lambda about: (
        f"the range is too narrow, as the cohort does not support the model's covariates: {about}"
    ),
    Caution.NO_INTERVAL: lambda about: f"no interval: {about}",
}


@dataclass(frozen=True)
class Doubt:
    """A caution about one patient.

    Attributes
    ----------
    caution : Caution
    about : str
        What it is about: names, values, months. Only the name `caution` is for programs.
    """

    caution: Caution
    about: str

    @property
    def text(self) -> str:
        """What a person is told."""
        return TEXTS[self.caution](self.about)
