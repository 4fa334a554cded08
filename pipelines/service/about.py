"""What is told of the model that is served: in words, and as numbers where they are numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from features.covariates import Covariate, describe_covariates
from models.artifact import SHORT, StoredModel, engine_of
from models.individual import Engine

SCALES = {
    "OS": "Overall survival",
    "EFS": "Event-free survival",
    "PFS": "Progression-free survival",
    "RFS": "Relapse-free survival",
}
NOT_FOR_CARE = "A research tool: not validated for care, and not a medical device."


@dataclass(frozen=True)
class Served:
    """A stored model, ready to be asked.

    Attributes
    ----------
    stored : StoredModel
        Loaded with its refits.
    """

    stored: StoredModel

    @cached_property
    def engine(self) -> Engine:
        """What answers are made from."""
        return engine_of(self.stored)

    @property
    def event(self) -> str:
        """What is predicted, in words."""
        support = self.engine.support
        return f"{self.stored.card.endpoint} event" if support is None else support.event

    @property
    def scale(self) -> str:
        """What the curve shows."""
        return SCALES.get(self.stored.card.endpoint, f"Without {self.event}")

    @property
    def identity(self) -> dict[str, str]:
        """Which model it is; it stands with every answer."""
        return self.stored.identity | {"model_digest": self.stored.digest}

    @property
    def cautions(self) -> list[str]:
        """What holds of every answer."""
        provenance = self.stored.card.training.get("provenance")
        real = [f"not for patients: {provenance}"] if provenance else []
        return [NOT_FOR_CARE, *real, *self.stored.card.cautions]

    @cached_property
    def flags(self) -> frozenset[str]:
        """Names whose values are yes or no: inputs, and what is derived from them."""
        card = self.stored.card
        known = {one.name: one for one in card.inputs}
        seen = describe_covariates(card.covariates, known)
        return frozenset(n for n, one in {**known, **seen}.items() if one.kind == "flag")

    @property
    def trained_on(self) -> str:
        """One clause: cohort, patients, events."""
        training = self.stored.card.training
        return (
            f"{training.get('cohort', 'a cohort')}, {training.get('patients', '?')} patients, "
            f"{training.get('events', '?')} events"
        )

    @property
    def version(self) -> str:
        """The name and number that a person reads."""
        stored = self.stored
        if stored.name:
            return f"{stored.name} version {stored.version}"
        # Of a folder its name alone: where it lies on this machine is nobody's business.
        return (
            stored.uri if stored.run_id else f"folder {stored.uri.rstrip('/').rpartition('/')[2]}"
        )

    @property
    def short_digest(self) -> str:
        """The first letters of the digest, where a person compares it."""
        return self.stored.digest[:SHORT]

    def described(self) -> dict[str, Any]:
        """The card for GET /model."""
        card = self.stored.card
        return {
            **self.identity,
            "learner": card.learner_label,
            "endpoint": card.endpoint,
            "event": self.event,
            "follow_up_months": card.follow_up,
            "supported_until_months": None
            if self.engine.support is None
            else self.engine.support.until,
            "horizons": list(card.horizons),
            "regimens": list(card.arms),
            "covariates": list(card.covariates),
            "inputs": [_input(one, card.ranges.get(one.name)) for one in card.inputs],
            "training": {
                "told": self.trained_on,
                **{
                    name: card.training[name]
                    for name in ("cohort", "patients", "events", "provenance")
                    if name in card.training
                },
            },
            "performance": card.performance,
            "measured": card.measured,
            "recalibration": card.recalibration.get("statement", ""),
            "interval": None if self.engine.band is None else self.engine.band.told,
            "cautions": self.cautions,
        }


def _input(one: Covariate, central: tuple[float, float] | None) -> dict[str, Any]:
    return {
        "name": one.name,
        "label": one.label,
        "kind": one.kind,
        "unit": one.unit,
        "allowed": one.allowed,
        "limits": None if one.limits is None else list(one.limits),
        "vocabulary": list(one.vocabulary),
        "other_units": dict(one.units),
        "central_95_percent_of_training": None if central is None else list(central),
    }
