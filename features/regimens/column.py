"""Which regimen a patient received, and which arm the others are compared with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, field_validator

from features.covariates import Code, check_columns, code_text, read_codes
from features.errors import refuse
from features.errors.wrong_cells import wrong_cells
from features.specs import coded

if TYPE_CHECKING:
    import pandas as pd


class RegimenColumn(BaseModel):
    """The column that holds the regimen.

    Attributes
    ----------
    column : str
        Name in the user's table.
    values : mapping of code in the table -> regimen
        Every code must be listed; the regimens are the distinct targets. Numbers may be written
        without quotes; true and false may not.
    reference_arm : str
        The regimen that the others are compared with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    values: dict[str, str]
    reference_arm: Code

    @field_validator("values", mode="before")
    @classmethod
    def _as_text(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {code: code_text(regimen) for code, regimen in coded(values).items()}

    @field_validator("reference_arm")
    @classmethod
    def _is_an_arm(cls, arm: str, info: object) -> str:
        values = getattr(info, "data", {}).get("values", {})
        if values and arm not in values.values():
            raise ValueError(f"{arm!r} is not among the regimens {sorted(set(values.values()))}")
        return arm

    @property
    def arms(self) -> tuple[str, ...]:
        """Regimens, the reference arm first."""
        return reference_first(self.values.values(), self.reference_arm)

    @property
    def arm_of(self) -> dict[str, str]:
        """Code in the table -> regimen; a name that is already a regimen's is taken as it is."""
        return {**{arm: arm for arm in self.arms}, **self.values}


def reference_first(arms: Iterable[str], reference_arm: str) -> tuple[str, ...]:
    """Each arm once, in the order given, but the reference arm first."""
    return (reference_arm, *(arm for arm in dict.fromkeys(arms) if arm != reference_arm))


def derive_regimen(table: pd.DataFrame, source: RegimenColumn) -> np.ndarray:
    """Derive the regimen of every patient.

    Returns
    -------
    ndarray of shape (n,), object
        One of `source.arms`.

    Raises
    ------
    InputError
        When the column is absent, or a value is missing or not a listed code.
    """
    check_columns(table, {"regimen": source.column})
    code = read_codes(table[source.column])
    mapping = source.arm_of
    regimen = code.map(mapping, na_action="ignore")
    wrong = regimen.isna().to_numpy(dtype=bool)
    refuse(
        wrong_cells(
            code,
            wrong,
            "regimen",
            "Unknown regimen",
            "correct it; these models know no other regimen, and none is assumed for a patient "
            "whose regimen is unknown",
            ", ".join(mapping),
        )
    )
    return regimen.to_numpy(dtype=object)
