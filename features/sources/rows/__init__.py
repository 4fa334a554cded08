"""Several rows, or several tables, made one row a patient."""

from features.sources.rows.joined_tables import JoinedTable, codes_of_long
from features.sources.rows.long_rows import LongRows
from features.sources.rows.one_row import OneRow
from features.sources.rows.patient_table import join_tables, one_row_a_patient

__all__ = [
    "JoinedTable",
    "LongRows",
    "OneRow",
    "codes_of_long",
    "join_tables",
    "one_row_a_patient",
]
