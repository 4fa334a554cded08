"""Every benchmark by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.measures import MEASURES
from benchmarks.speed import BENCHMARKS
from models.card import software_versions


def known() -> dict[str, Callable[[], dict[str, Any]]]:
    """Those of learners, then those of measures."""
    return {**BENCHMARKS, **MEASURES}


def measured(name: str) -> dict[str, Any]:
    """Run one benchmark, in the process of the caller."""
    return {"name": name, **known()[name](), "versions": software_versions()}
