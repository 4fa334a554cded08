"""One file, in whatever form, into a table of text."""

from features.tables.decimal_commas import with_decimal_points
from features.tables.delimited import read_delimited
from features.tables.encodings import as_utf8, check_text
from features.tables.parts import read_parts
from features.tables.plain import Cells, plain_kind, read_plain
from features.tables.table_checks import (
    MAX_CELLS,
    ROW_NAMES,
    check_cells,
    check_names,
    check_size,
    check_table,
    read_bytes,
)
from features.tables.table_file import read_stdin, read_table
from features.tables.table_format import UTF_8, Encoding, MissingList, Separator, TableFormat

__all__ = [
    "MAX_CELLS",
    "ROW_NAMES",
    "UTF_8",
    "Cells",
    "Encoding",
    "MissingList",
    "Separator",
    "TableFormat",
    "as_utf8",
    "check_cells",
    "check_names",
    "check_size",
    "check_table",
    "check_text",
    "plain_kind",
    "read_bytes",
    "read_delimited",
    "read_parts",
    "read_plain",
    "read_stdin",
    "read_table",
    "with_decimal_points",
]
