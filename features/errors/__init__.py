"""A user's mistake, told so that it can be mended without reading code.

`wrong_cells`, which needs pandas, is entered by itself: a command's help is to be quick.
"""

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

__all__ = [
    "LONGEST_NAME",
    "InputError",
    "Problem",
    "collect",
    "did_you_mean",
    "first_line",
    "name_some",
    "one_line",
    "refuse",
    "shown",
    "wrong_names",
]
