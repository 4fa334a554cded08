"""A Parquet file into columns of plain values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.covariates import MissingWords
from features.errors import InputError, Problem, refuse, wrong_names
from features.tables.decimal_commas import with_decimal_points
from features.tables.table_checks import (
    MAX_FILE,
    check_cells,
    check_names,
    check_size,
    check_table,
    too_large,
    unreadable,
)
from features.tables.table_format import TableFormat
from features.text import text_cell

if TYPE_CHECKING:
    import pandas as pd

INDEX = "__index_level_"


def read_parquet(path: Path, form: TableFormat, words: MissingWords) -> pd.DataFrame:
    """Read a Parquet file. Numbers, dates and truth values keep their types.

    Missing words and decimal commas are those of its text. An index that pandas stored is a column
    when it has a name, and dropped otherwise.

    Raises
    ------
    InputError
        When it is damaged or too large, or a column holds lists, records, bytes, durations, or
        moments in a time zone of which the day is not plain.
    """
    (table,) = (part for part, _ in parquet_parts(path, form, words, None))
    return table


def parquet_parts(
    path: Path, form: TableFormat, words: MissingWords, rows: int | None
) -> Iterator[tuple[pd.DataFrame, int]]:
    """Read a Parquet file in parts of so many rows, or as one; each with the rows of the whole.

    Raises
    ------
    InputError
        As `read_parquet`; of parts, the size of the file has no limit.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    where = str(path)
    try:
        with pq.ParquetFile(path) as file:
            text = [field.name for field in file.schema_arrow if _is_text(field.type)]
        # As dictionaries: a word of a megabyte in a million rows is stored once, and so read.
        with pq.ParquetFile(path, read_dictionary=text) as file:
            facts, schema = file.metadata, file.schema_arrow
            names = [name for name in schema.names if not name.startswith(INDEX)]
            check_names(names, where)
            check_size(min(facts.num_rows, rows or facts.num_rows), len(names), where)
            _check_types(schema, names, where)
            if rows is None or not names or not facts.num_rows:
                size = sum(facts.row_group(i).total_byte_size for i in range(facts.num_row_groups))
                if size > MAX_FILE:
                    raise too_large(f"{where}, unpacked", size, MAX_FILE)
                stored = file.read(columns=names) if names else file.read()
                yield _as_frame(stored, names, where, form, words), facts.num_rows
                return
            for batch in file.iter_batches(rows, columns=names):
                stored = pa.Table.from_batches([batch])
                yield _as_frame(stored, names, where, form, words), facts.num_rows
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise unreadable(where, error) from error


def _as_frame(
    stored: Any, names: list[str], where: str, form: TableFormat, words: MissingWords
) -> pd.DataFrame:
    table = _plain(stored, where).to_pandas(ignore_metadata=True, integer_object_nulls=True)
    # Whole numbers stay whole beside missing cells: a float cannot hold a long identifier.
    table = table.astype({c: "Int64" for c in names if _is_whole(stored.schema.field(c).type)
                          and table[c].dtype == object})  # fmt: skip
    written = [i for i, kind in enumerate(stored.schema.types) if _is_text(kind)]
    table = _with_text(table, written, where, form, words)
    return check_table(_without_numbers(table, words), where)


def _check_types(schema: Any, names: list[str], where: str) -> None:
    import pyarrow.types as kinds

    plain = (
        kinds.is_boolean, kinds.is_integer, kinds.is_floating, kinds.is_decimal, kinds.is_string,
        kinds.is_large_string, kinds.is_string_view, kinds.is_date, kinds.is_timestamp,
        kinds.is_time, kinds.is_null,
    )  # fmt: skip
    wrong = {}
    for name in names:
        kind = schema.field(name).type
        value = kind.value_type if kinds.is_dictionary(kind) else kind
        if not any(is_kind(value) for is_kind in plain):
            wrong[name] = str(kind)
    refuse(
        wrong_names(
            (f"{name}: {kind[:60]}" for name, kind in wrong.items()),
            "A column holds no single numbers, words or dates",
            where,
            "leave these columns out of the file, or give each part a column of its own",
        )
    )


def _plain(stored: Any, where: str) -> Any:
    """Categories as their words, decimals as text, the day of a moment only where it is plain."""
    import pyarrow as pa
    import pyarrow.types as kinds

    for at, field in enumerate(stored.schema):
        column, kind = stored.column(at), field.type
        if kinds.is_dictionary(kind):
            _check_words(column, f"{where}, column {field.name}")
            column = column.cast(kind.value_type)
            kind = kind.value_type
        if kinds.is_decimal(kind):
            text = [text_cell(v.normalize()) if v is not None else None for v in column.to_pylist()]
            column = pa.chunked_array([pa.array(text, pa.string())])
        elif kinds.is_timestamp(kind) and kind.tz is not None:
            column = _days(column, f"{where}, column {field.name}")
        elif kinds.is_time(kind) or kinds.is_null(kind):
            column = column.cast(pa.string())
        stored = stored.set_column(at, field.name, column)
    return stored


def _check_words(column: Any, where: str) -> None:
    """Raise before a dictionary's words are written out into cells that no memory holds."""
    import pyarrow.compute as pc
    import pyarrow.types as kinds

    value = column.type.value_type
    if not (kinds.is_string(value) or kinds.is_large_string(value)):
        return
    size = 0
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary)
        size += pc.sum(lengths.take(chunk.indices)).as_py() or 0
    if size > MAX_FILE:
        raise too_large(f"{where}, unpacked", size, MAX_FILE)


def _days(column: Any, where: str) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    local = pc.local_timestamp(column)
    days = local.cast(pa.date32(), safe=False)
    moments = pc.not_equal(days.cast(local.type), local)
    if pc.any(moments).as_py():
        raise InputError(
            Problem(
                what="Moments in a time zone do not say which day they mean",
                where=where,
                got=f"{column.type}, with times other than midnight",
                remedy="write the day of the hospital's own calendar as a date",
            )
        )
    return days


def _is_whole(kind: Any) -> bool:
    import pyarrow.types as kinds

    return bool(kinds.is_integer(kind))


def _is_text(kind: Any) -> bool:
    import pyarrow.types as kinds

    value = kind.value_type if kinds.is_dictionary(kind) else kind
    return bool(kinds.is_string(value) or kinds.is_large_string(value))


def _with_text(
    table: pd.DataFrame, text: list[int], where: str, form: TableFormat, words: MissingWords
) -> pd.DataFrame:
    """The table with its columns of text read as those of any other file."""
    if not text:
        return table
    cells = table.iloc[:, text]
    if form.decimal == ",":
        cells = with_decimal_points(cells, where, words)
    cells = words.mask(cells)
    check_cells(cells, where)
    return table.assign(**{name: cells[name] for name in cells.columns})


def _without_numbers(table: pd.DataFrame, words: MissingWords) -> pd.DataFrame:
    """A number that was stated as missing, such as -999, is missing where it is one."""
    import pandas as pd

    numbers = pd.to_numeric(pd.Series(words.extra, dtype="string"), errors="coerce").dropna()
    columns = table.select_dtypes("number").columns
    if not len(numbers) or not len(columns):
        return table
    return table.assign(**{c: table[c].mask(table[c].isin(numbers)) for c in columns})
