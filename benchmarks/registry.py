"""Every benchmark by its name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from benchmarks.measures import MEASURES
from benchmarks.speed import BENCHMARKS
from models.card import software_versions

# Name: module that holds a function of that name. Imported when run, since it compiles and needs
# the baseline's package.
LATER = {"shap_forest": "benchmarks.shap_forest"}


def known() -> dict[str, Callable[[], dict[str, Any]]]:
    """Those of learners, those of measures, then those of explanations."""
    later = {name: _later(module, name) for name, module in LATER.items()}
    return {**BENCHMARKS, **MEASURES, **later}


def _later(module: str, name: str) -> Callable[[], dict[str, Any]]:
    return lambda: getattr(import_module(module), name)()


def measured(name: str) -> dict[str, Any]:
    """Run one benchmark, in the process of the caller."""
    return {"name": name, **known()[name](), "versions": software_versions()}
