"""Which regimen each patient received."""

from features.regimens.column import RegimenColumn, derive_regimen
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
