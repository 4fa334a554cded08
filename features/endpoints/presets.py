"""Endpoints that are named instead of described: configs/endpoints.yaml."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any

from features.covariates import CONFIGS
from features.errors import did_you_mean
from features.yaml_files import read_shipped

# Keys whose value is a column, and keys whose value maps columns to codes.
_COLUMN = {
    "date", "origin", "response", "response_date", "relapse_date", "death_date",
    "last_assessment_date",
}  # fmt: skip
_CONDITION = {"when", "population"}


@cache
def read_presets() -> dict[str, dict[str, Any]]:
    """Every preset, by name."""
    presets: dict[str, dict[str, Any]] = read_shipped(CONFIGS / "endpoints.yaml")
    return presets


def expand_preset(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Put a preset in the place of its name.

    Parameters
    ----------
    stated : mapping
        With `preset`, a name; optionally `columns`, the preset's columns -> the table's; every
        other key replaces the preset's.

    Raises
    ------
    ValueError
        For an unknown preset, or a column that the preset does not read.
    """
    name, presets = stated["preset"], read_presets()
    if not isinstance(name, str) or name not in presets:
        raise ValueError(
            f"no preset {name!r}; {did_you_mean(str(name), presets)}"
            f"configs/endpoints.yaml holds {', '.join(presets)}"
        )
    preset = copy.deepcopy(presets[name])
    renamed = stated.get("columns", {})
    if not isinstance(renamed, Mapping) or not all(isinstance(c, str) for c in renamed.values()):
        raise ValueError("`columns` maps columns of the preset to columns of your table")
    known = sorted(set(_columns(preset)))
    unknown = [str(column) for column in renamed if column not in known]
    if unknown:
        raise ValueError(
            f"preset {name} reads no column {', '.join(unknown)}; "
            f"{did_you_mean(unknown[0], known)}it reads {', '.join(known)}"
        )
    own = {key: value for key, value in stated.items() if key not in ("preset", "columns")}
    return {**_rename(preset, renamed), **own}


def _columns(part: Any) -> list[str]:
    if isinstance(part, list):
        return [column for item in part for column in _columns(item)]
    if not isinstance(part, dict):
        return []
    found = []
    for key, value in part.items():
        if key in _COLUMN:
            found.append(value)
        else:
            found += list(value) if key in _CONDITION else _columns(value)
    return found


def _rename(part: Any, names: Mapping[str, str]) -> Any:
    if isinstance(part, list):
        return [_rename(item, names) for item in part]
    if not isinstance(part, dict):
        return part
    renamed: dict[str, Any] = {}
    for key, value in part.items():
        if key in _COLUMN:
            renamed[key] = names.get(value, value)
        elif key in _CONDITION:
            renamed[key] = {names.get(column, column): codes for column, codes in value.items()}
        else:
            renamed[key] = _rename(value, names)
    return renamed
