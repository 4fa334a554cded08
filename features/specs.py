"""What every description of data in a configuration has in common: unknown keys are named."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from features.errors import did_you_mean


class Spec(BaseModel):
    """A frozen description that names its own keys when one is unknown.

    For forms that share their place in a configuration with another form, where the keys at that
    place alone do not tell which are meant.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any) -> Any:
        if isinstance(value, dict):
            unknown = [str(key) for key in value if key not in cls.model_fields]
            if unknown:
                near = did_you_mean(unknown[0], cls.model_fields)
                raise ValueError(
                    f"unknown key {', '.join(unknown)}; {near}the keys here are "
                    + ", ".join(cls.model_fields)
                )
        return value
