"""A user's mistake, told so that it can be mended without reading code."""

from features.errors.plain import LONGEST_NAME, one_line, shown
from features.errors.problem import (
    InputError,
    Problem,
    collect,
    did_you_mean,
    first_line,
    name_some,
    refuse,
    wrong_names,
)
from features.errors.wrong_cells import (
    name_cells,
    name_values,
    rows_of,
    table_rows,
    words_at,
    wrong_cells,
)

__all__ = [
    "LONGEST_NAME",
    "InputError",
    "Problem",
    "collect",
    "did_you_mean",
    "first_line",
    "name_cells",
    "name_some",
    "name_values",
    "one_line",
    "refuse",
    "rows_of",
    "shown",
    "table_rows",
    "words_at",
    "wrong_cells",
    "wrong_names",
]
