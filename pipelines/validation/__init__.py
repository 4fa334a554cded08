"""A stored model on new patients."""

from pipelines.validation.external_validation import (
    Kept,
    Validation,
    beside_champion,
    keep,
    registered_name,
    validate_externally,
)

__all__ = [
    "Kept",
    "Validation",
    "beside_champion",
    "keep",
    "registered_name",
    "validate_externally",
]
