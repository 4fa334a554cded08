"""Which regimen each patient received."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from features.regimens.column import RegimenColumn, derive_regimen

if TYPE_CHECKING:
    from features.regimens.drug_regimens import DrugRecords, RegimenAssignment, derive_regimens
    from features.regimens.drug_tables import DRUG_NAMES, LongRecords

__all__ = [
    "DRUG_NAMES",
    "DrugRecords",
    "LongRecords",
    "RegimenAssignment",
    "RegimenColumn",
    "derive_regimen",
    "derive_regimens",
]

# Loaded when asked for: a stored model knows its regimens without the forms of drug records, whose
# classes take longer to make than one patient to predict.
_LATER = {
    "DRUG_NAMES": "drug_tables",
    "DrugRecords": "drug_regimens",
    "LongRecords": "drug_tables",
    "RegimenAssignment": "drug_regimens",
    "derive_regimens": "drug_regimens",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
