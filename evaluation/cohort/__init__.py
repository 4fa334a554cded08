"""Who the patients are, and what is not known of them."""

from evaluation.cohort.attrition import AttritionDisplay
from evaluation.cohort.dictionary_page import dictionary_table
from evaluation.cohort.endpoint_summary import endpoint_summary, readable_endpoints
from evaluation.cohort.missingness import (
    STRUCTURAL,
    UNKNOWN,
    MissingnessDisplay,
    missingness_counts,
)
from evaluation.cohort.small_cells import HIDDEN, cells_to_hide
from evaluation.cohort.table_one import table_one

__all__ = [
    "HIDDEN",
    "STRUCTURAL",
    "UNKNOWN",
    "AttritionDisplay",
    "MissingnessDisplay",
    "cells_to_hide",
    "dictionary_table",
    "endpoint_summary",
    "missingness_counts",
    "readable_endpoints",
    "table_one",
]
