"""A model in a folder: plain values bound by a manifest, read without loading anything heavy."""

from models.artifact.asking import ask, asked_of
from models.artifact.engine import engine_of
from models.artifact.folder import (
    digest_of,
    load_beside,
    load_card,
    load_model,
    packed,
    save_model,
    unpacked,
)
from models.artifact.stored import SHORT, Beside, StoredModel

__all__ = [
    "SHORT",
    "Beside",
    "StoredModel",
    "ask",
    "asked_of",
    "digest_of",
    "engine_of",
    "load_beside",
    "load_card",
    "load_model",
    "packed",
    "save_model",
    "unpacked",
]
