import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from features.covariates.dates import DateFormat, Day, read_dates
from features.errors import InputError, collect

DAYS = st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 12, 31))


def read(cells, date_format=""):
    table = pd.DataFrame({"when": cells})
    return read_dates(table, "when", "endpoint OS, death", date_format)


def refused(cells, date_format=""):
    with pytest.raises(InputError) as error:
        read(cells, date_format)
    (problem,) = error.value.problems
    return problem


@pytest.mark.parametrize(
    "cell",
    [
        "2024-02-29", " 2024-02-29 ", "2024-02-29 23:59", "2024-02-29T23:59:59",
        "2024-02-29 23:59:59.123456", "2024-02-29T00:30:00Z", "2024-02-29 00:30:00+08:00",
        datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 23, 59),
    ],
)  # fmt: skip
def test_the_day_is_the_one_written_whatever_the_time(cell):
    days = read([cell, None, ""])
    assert days.dtype == "datetime64[D]"
    assert days[0] == np.datetime64("2024-02-29")
    assert np.isnat(days[1:]).all()


@pytest.mark.parametrize("zone", [None, "Asia/Shanghai"])
def test_columns_of_timestamps_keep_their_own_day(zone):
    stamps = pd.Series(pd.to_datetime(["2024-02-29 00:30", None])).dt.tz_localize(zone)
    days = read(stamps)
    assert days[0] == np.datetime64("2024-02-29")
    assert np.isnat(days[1])


@pytest.mark.parametrize(
    "cell",
    [
        "03/04/2021", "3.4.2021", "2021-4-3", "20210403", "2021/04/03", "44289", 44289, "2021",
        "2021-02-30", "2021-13-01", "1800-01-01", "9999-12-31", "unknown", "2021-04", "0",
        "2021-04-03 noon", "٢٠٢١-٠٤-٠٣", pd.Timestamp("1899-12-30"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_row_column_value_and_remedy(cell):
    problem = refused(["2021-04-03", cell])
    assert problem.what == "A date cannot be read"
    assert problem.where == (
        "endpoint OS, death, column when, 1 patient(s): row 2 (the first patient is row 1)"
    )
    assert problem.got == str(cell).removesuffix(" 00:00:00")
    assert "YYYY-MM-DD" in problem.allowed
    assert '`date_format: "%d/%m/%Y"`' in problem.remedy


def test_a_stated_format_decides_between_day_and_month():
    assert str(read(["03/04/2021"], "%d/%m/%Y")[0]) == "2021-04-03"
    assert str(read(["03/04/2021"], "%m/%d/%Y")[0]) == "2021-03-04"
    assert str(read(["4 Mar 2021"], "%d %b %Y")[0]) == "2021-03-04"
    assert refused(["2021-04-03"], "%d/%m/%Y").allowed.endswith("in the format %d/%m/%Y")
    # 13 is no month.
    assert refused(["13/04/2021", "04/13/2021"], "%d/%m/%Y").got == "04/13/2021"


@pytest.mark.parametrize("text", ["%d/%m/%y", "%m/%Y", "dd/mm/yyyy", "%Y"])
def test_a_format_must_say_where_day_month_and_year_stand(text):
    with pytest.raises(ValidationError, match="does not say where day"):
        TypeAdapter(DateFormat).validate_python(text)


def test_a_day_of_the_configuration_is_a_date_or_its_iso_text():
    day = TypeAdapter(Day)
    assert day.validate_python(datetime.date(2024, 12, 31)) == datetime.date(2024, 12, 31)
    assert day.validate_python("2024-12-31") == datetime.date(2024, 12, 31)
    # YAML reads 2024 as a number, which would be seconds since 1970.
    for value in (2024, "31/12/2024", datetime.datetime(2024, 12, 31, 1), True, "2024-12-32"):
        with pytest.raises(ValidationError):
            day.validate_python(value)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.none() | DAYS, min_size=1), st.sampled_from(["", "%d/%m/%Y", "%m.%d.%Y"]))
def test_written_dates_come_back(days, date_format):
    cells = [d and (d.strftime(date_format) if date_format else d.isoformat()) for d in days]
    found = read(pd.Series(cells, dtype=object), date_format)
    assert found.astype(object).tolist() == days


@settings(derandomize=True, deadline=None)
@given(st.lists(st.none() | st.text() | DAYS.map(str), min_size=1))
def test_any_text_gives_dates_or_an_input_error(cells):
    problems = []
    days = collect(problems, lambda: read(pd.Series(cells, dtype=object)))
    assert (days is None) == bool(problems)
    if days is not None:
        assert len(days) == len(cells)
