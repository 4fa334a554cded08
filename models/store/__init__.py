"""Models in files and in the MLflow registry, without pickle."""

from models.store.loading import REGISTERED, load, resolve
from models.store.registry import RegisteredModel, Registration, promote, register
from models.store.version import CANDIDATE, CHAMPION, Version, champion_of

__all__ = [
    "CANDIDATE",
    "CHAMPION",
    "REGISTERED",
    "RegisteredModel",
    "Registration",
    "Version",
    "champion_of",
    "load",
    "promote",
    "register",
    "resolve",
]
