"""Models in files and in the MLflow registry, without pickle."""

from models.store.artifact import load_beside, load_model, packed, unpacked
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
    "champion_of",
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
