"""Models in files and in the MLflow registry, without pickle."""

from models.store.artifact import digest_of, load_beside, load_model, packed, unpacked
from models.store.asking import ask, asked_of
from models.store.engine import engine_of
from models.store.loading import REGISTERED, load, resolve
from models.store.registry import RegisteredModel, Registration, promote, register
from models.store.stored import SHORT, Beside, StoredModel
from models.store.version import CANDIDATE, CHAMPION, Version, champion_of

__all__ = [
    "CANDIDATE",
    "CHAMPION",
    "REGISTERED",
    "SHORT",
    "Beside",
    "RegisteredModel",
    "Registration",
    "StoredModel",
    "Version",
    "ask",
    "asked_of",
    "champion_of",
    "digest_of",
    "engine_of",
    "load",
    "load_beside",
    "load_model",
    "packed",
    "promote",
    "register",
    "resolve",
    "unpacked",
]
