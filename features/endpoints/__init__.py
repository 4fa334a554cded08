"""From columns or dates to what happened to each patient, and when."""

from features.endpoints.dated import DatedEndpoint
from features.endpoints.death import Death
from features.endpoints.efs_eln2022 import EfsEln2022
from features.endpoints.forms import (
    AnyEndpoint,
    Derived,
    Endpoint,
    check_deaths,
    death_key,
    derive_endpoint,
)
from features.endpoints.landmark import landmark
from features.endpoints.transplant import TransplantColumn, derive_transplant, transplant_caution

__all__ = [
    "AnyEndpoint",
    "DatedEndpoint",
    "Death",
    "Derived",
    "EfsEln2022",
    "Endpoint",
    "TransplantColumn",
    "check_deaths",
    "death_key",
    "derive_endpoint",
    "derive_transplant",
    "landmark",
    "transplant_caution",
]
