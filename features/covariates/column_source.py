"""Where a value stands in a user's table, and what its cells there mean in the dictionary's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from features.covariates.dictionary import Covariate
from features.specs import coded

FLAG_WORDS = {"false": "0", "true": "1"}
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)


class ColumnSource(BaseModel):
    """Where a value comes from. A bare column name stands for `{column: name}`.

    Attributes
    ----------
    column : str
        Name in the user's table.
    unit : str
        Its unit there, when it is not the dictionary's.
    values : mapping
        Its codes there -> the dictionary's values, e.g. `{male: M, female: F}`.
    known : bool
        True: the value was known at the first dose, whatever the column's name or the patients'
        outcomes suggest. The guard's doubts about that become notes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    unit: str = ""
    values: dict[str, Any] = {}
    known: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: object) -> object:
        if isinstance(value, str):
            return {"column": value}
        if isinstance(value, dict) and isinstance(value.get("values"), dict):
            return {**value, "values": coded(value["values"])}
        return value

    def factor_to(self, covariate: Covariate) -> float:
        """Factor to the dictionary's unit; NaN where the unit is unknown."""
        if not self.unit or self.unit == covariate.unit:
            return 1.0
        return covariate.units.get(self.unit, float("nan"))


@dataclass(frozen=True)
class Converted:
    """Cells of one column in the dictionary's codes and units.

    Attributes
    ----------
    values : ndarray of shape (n,)
        Numbers and flags as float with NaN, categories as text with None.
    uncoded, unnumbered : ndarray of shape (n,), bool
        Cells whose code has no meaning, and those that are no number; neither has a value.
    """

    values: np.ndarray
    uncoded: np.ndarray
    unnumbered: np.ndarray

    @property
    def is_clean(self) -> bool:
        """Whether every cell was understood."""
        return not (self.uncoded.any() or self.unnumbered.any())


def convert_cells(
    texts: Sequence[str | None], covariate: Covariate, source: ColumnSource
) -> Converted:
    """Bring cells into the dictionary's codes and units; which values are possible is not asked.

    Parameters
    ----------
    texts : sequence of n str or None
        Stripped; None where the cell is empty.
    """
    uncoded = np.zeros(len(texts), dtype=bool)
    if source.values:
        uncoded = np.array([t is not None and t not in source.values for t in texts], dtype=bool)
        texts = [_meaning(source.values.get(t)) if t is not None else None for t in texts]
    if not covariate.is_numeric:
        words = np.empty(len(texts), dtype=object)
        words[:] = texts
        return Converted(words, uncoded, np.zeros(len(texts), dtype=bool))
    if covariate.kind == "flag":
        texts = [None if t is None else FLAG_WORDS.get(t.lower(), t) for t in texts]
    numbers = np.array(
        [float(t) if t is not None and NUMBER.fullmatch(t) else np.nan for t in texts], dtype=float
    )
    # Too large for a float is no number.
    numbers[np.isinf(numbers)] = np.nan
    unnumbered = np.array([t is not None for t in texts], dtype=bool) & np.isnan(numbers)
    return Converted(in_unit(numbers, covariate, source), uncoded, unnumbered)


def in_unit(numbers: np.ndarray, covariate: Covariate, source: ColumnSource) -> np.ndarray:
    """Numbers of a column in the dictionary's unit."""
    factor = source.factor_to(covariate)
    # Rounded, so that 1400 per uL is 1.4e9/L and not 1.4000000000000001e9/L.
    return numbers if factor == 1.0 else np.round(numbers * factor, 9)


def _meaning(value: object) -> str | None:
    return None if value is None or value != value else str(value)
