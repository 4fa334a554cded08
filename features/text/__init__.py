"""Text and numbers of cells: compared, shown, made harmless."""

from features.text.cells import as_number, as_text, text_cell, words
from features.text.numbers import fixed, months_text, significant

__all__ = [
    "as_number",
    "as_text",
    "fixed",
    "months_text",
    "significant",
    "text_cell",
    "words",
]
