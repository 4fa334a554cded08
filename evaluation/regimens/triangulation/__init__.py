"""Every estimate of one contrast, and what they agree on."""

from evaluation.regimens.triangulation.checks import Checks
from evaluation.regimens.triangulation.paragraph import (
    RANDOMISED,
    Paragraph,
    triangulation_paragraph,
)
from evaluation.regimens.triangulation.reading import Reading
from evaluation.regimens.triangulation.table import (
    EVENT_PROBABILITY,
    FAMILIES,
    FAMILY_LABELS,
    HAZARD_RATIO,
    NOT_RANDOMISED,
    RMST,
    on_one_scale,
    one_table,
    shared_scales,
)

__all__ = [
    "EVENT_PROBABILITY",
    "FAMILIES",
    "FAMILY_LABELS",
    "HAZARD_RATIO",
    "NOT_RANDOMISED",
    "RANDOMISED",
    "RMST",
    "Checks",
    "Paragraph",
    "Reading",
    "on_one_scale",
    "one_table",
    "shared_scales",
    "triangulation_paragraph",
]
