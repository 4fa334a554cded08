import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.errors import InputError
from features.tables import TableFormat, parts, read_parts, read_table

CELLS = st.one_of(
    st.text(alphabet='ab1,\n" ', max_size=8), st.sampled_from(["", "NA", "12.5", " x ", '"'])
)


def quoted(cell):
    return '"' + cell.replace('"', '""') + '"' if set(cell) & set(',\n"') else cell


@settings(
    derandomize=True,
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=40), size=st.integers(1, 80))
def test_parts_of_text_are_the_whole(tmp_path, rows, size):
    path = tmp_path / "table.csv"
    lines = ["first,second", *(f"k{quoted(a)},{quoted(b)}" for a, b in rows)]
    lines = [line if not line.startswith('k"') else f'"k{line[2:]}' for line in lines]
    path.write_text("\n".join(lines) + "\n", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "BYTES", size)
        found = [table for table, _ in read_parts(path, TableFormat(), {})]
    whole = read_table(path)
    pd.testing.assert_frame_equal(pd.concat(found, ignore_index=True), whole)


def test_rows_of_separators_alone_are_rows_but_at_the_end(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n,\n,\n3,4\n,\n,\n")
    for size in range(1, 20):
        monkeypatch.setattr(parts, "BYTES", size)
        found = pd.concat([t for t, _ in read_parts(path, TableFormat(), {})], ignore_index=True)
        assert found["a"].fillna("").tolist() == ["1", "", "", "3"]


def test_a_table_of_names_alone_is_refused_as_whole(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n")
    with pytest.raises(InputError, match="no patient"):
        list(read_parts(path, TableFormat(), {}))
