"""Dates of a table, read strictly: ISO, or the one format that the configuration states."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import AfterValidator, BeforeValidator

from features.errors import refuse
from features.errors.wrong_cells import wrong_cells

if TYPE_CHECKING:
    import pandas as pd

# A time of day, with or without zone, is tolerated and dropped: the day is the one written.
ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?( ?(Z|[+-]\d{2}:?\d{2}))?)?")
# Outside, a date is a placeholder such as 1800-01-01 or 9999-12-31.
YEARS = (1900, 2100)


def _complete_format(text: str) -> str:
    parts = set(re.findall(r"%[a-zA-Z]", text))
    if text and not ({"%d", "%Y"} <= parts and parts & {"%m", "%b", "%B"}):
        raise ValueError(
            f"{text!r} does not say where day (%d), month (%m, or %b for Jan) and four-digit year "
            '(%Y) stand; 03/04/2021 is "%d/%m/%Y" or "%m/%d/%Y"'
        )
    return text


def _iso_day(value: Any) -> Any:
    if value is None or type(value) is datetime.date:
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value.strip()):
        return value.strip()
    raise ValueError("write a day as YYYY-MM-DD, such as 2024-12-31")


DateFormat = Annotated[str, AfterValidator(_complete_format)]
Day = Annotated[datetime.date, BeforeValidator(_iso_day)]


def read_dates(table: pd.DataFrame, column: str, where: str, date_format: str = "") -> np.ndarray:
    """Read one column of dates.

    Parameters
    ----------
    table : DataFrame of shape (n, any), index the patient's position in the whole table
    column : str
    where : str
        What wants the dates, for messages.
    date_format : str
        In the notation of strptime. Empty: ISO, YYYY-MM-DD, with a tolerated time part.

    Returns
    -------
    ndarray of shape (n,), datetime64[D]
        NaT where the cell is empty.

    Raises
    ------
    InputError
        Naming row, column and value of what is no date, no day of the calendar, in another
        format, or outside 1900 to 2100. A date that can be read two ways is never guessed.
    """
    import pandas as pd

    values = table[column]
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = values.dt.tz_localize(None)
    if pd.api.types.is_datetime64_dtype(values.dtype):
        days = values.to_numpy().astype("datetime64[D]")
        wrong = ~np.isnat(days) & ~_plausible(days)
    else:
        # Few dates are distinct: each is parsed once.
        number, texts = pd.factorize(values.astype("string"))
        texts = pd.Series(texts, dtype="string").str.strip()
        parsed = _parse(texts, date_format)
        unreadable = ((texts != "") & ~_plausible(parsed)).to_numpy(dtype=bool)
        days = np.append(parsed, np.datetime64("NaT", "D"))[number]
        wrong = np.append(unreadable, False)[number]
    refuse(
        wrong_cells(
            values,
            wrong,
            where,
            "A date cannot be read",
            "rewrite these dates, state a word or date that means none under `missing:` beside the "
            'file\'s `path:`, or state the order with `date_format: "%d/%m/%Y"` (day first) or '
            '"%m/%d/%Y" (month first): 03/04/2021 is never guessed',
            f"dates of {YEARS[0]} to {YEARS[1]} in the format {date_format}"
            if date_format
            else f"YYYY-MM-DD, such as 2021-04-03, of {YEARS[0]} to {YEARS[1]}",
        )
    )
    return days


def _parse(texts: pd.Series, date_format: str) -> np.ndarray:
    import pandas as pd

    if not date_format:
        texts = texts.where([bool(ISO.fullmatch(text)) for text in texts]).str[:10]
    parsed = pd.to_datetime(texts, format=date_format or "%Y-%m-%d", errors="coerce")
    if isinstance(parsed.dtype, pd.DatetimeTZDtype):
        parsed = parsed.dt.tz_localize(None)
    return parsed.to_numpy().astype("datetime64[D]")


def _plausible(days: np.ndarray) -> np.ndarray:
    low, high = (np.datetime64(f"{year}-01-01") for year in (YEARS[0], YEARS[1] + 1))
    return (days >= low) & (days < high)
