"""What is wrong with a table or a cohort, before anybody reads a number."""

from features.guard.checks.reading import ReadingEvidence
from features.guard.evidence import inputs_of
from features.guard.findings import (
    Finding,
    as_configured,
    by_severity,
    finding_of_files,
    findings_frame,
    raise_failures,
    without_small_counts,
)
from features.guard.index_date import entry_column, from_index_date
from features.guard.privacy import check_no_identifiers, pool_ages
from features.guard.run import (
    guard_as_read,
    guard_cohort,
    guard_inclusion_rules,
    guard_table,
    knowing,
    row_numbers_of,
)
from features.guard.settings import Guard, Severity

__all__ = [
    "Finding",
    "Guard",
    "ReadingEvidence",
    "Severity",
    "as_configured",
    "by_severity",
    "check_no_identifiers",
    "entry_column",
    "finding_of_files",
    "findings_frame",
    "from_index_date",
    "guard_as_read",
    "guard_cohort",
    "guard_inclusion_rules",
    "guard_table",
    "inputs_of",
    "knowing",
    "pool_ages",
    "raise_failures",
    "row_numbers_of",
    "without_small_counts",
]
