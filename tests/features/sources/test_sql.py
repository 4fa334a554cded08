import sqlite3
import traceback
from contextlib import closing

import pytest
from pydantic import ValidationError

from features.errors import InputError
from features.sources.sql import SqlSource, read_sql

SECRET = "hunter2-very-secret"


@pytest.fixture
def database(tmp_path):
    with closing(sqlite3.connect(tmp_path / "cohort.db")) as connection:
        connection.executescript(
            """
            CREATE TABLE patients (id TEXT, age REAL, wbc REAL, dead BOOLEAN, note TEXT);
            INSERT INTO patients VALUES ('007', 61, 1.4, 1, 'NA'), ('008', NULL, 1e-7, 0, 'a:b %s');
            """
        )
    return tmp_path


def refused(folder, **fields):
    with pytest.raises(InputError) as error:
        read_sql(SqlSource(**fields), folder)
    (problem,) = error.value.problems
    return problem


def test_cells_are_text_or_missing(database):
    table = read_sql(
        SqlSource(url="sqlite:///cohort.db", query="SELECT * FROM patients ORDER BY id"), database
    )
    assert table["id"].tolist() == ["007", "008"]
    assert table["wbc"].tolist() == ["1.4", "1e-07"]
    # A whole number has no '.0'; NULL and a missing word are missing.
    assert table["age"].iloc[0] == "61"
    assert table["age"].isna().tolist() == [False, True]
    assert table["note"].isna().tolist() == [True, False]
    assert set(map(str, table.dtypes)) == {"str"}


def test_a_query_file_is_found_beside_the_configuration(database):
    (database / "q.sql").write_text("-- all of them;\nSELECT id FROM patients;\n")
    table = read_sql(SqlSource(url="sqlite:///cohort.db", query_file="q.sql"), database)
    assert len(table) == 2
    assert refused(database, url="sqlite:///cohort.db", query_file="z.sql").what == "No such table"
    (database / "q.sql").write_bytes("SELECT 'é' AS a".encode("latin-1"))
    problem = refused(database, url="sqlite:///cohort.db", query_file="q.sql")
    assert problem.what == "The table is not UTF-8 text"


def test_colons_and_percent_signs_are_text(database):
    query = "SELECT id FROM patients WHERE note LIKE '%:b %' AND note <> ':x'"
    table = read_sql(SqlSource(url="sqlite:///cohort.db", query=query), database)
    assert table["id"].tolist() == ["008"]


@pytest.mark.parametrize(
    "query",
    [
        "WITH old AS (SELECT * FROM patients WHERE age > 60) SELECT id FROM old",
        "/* delete */ SELECT id FROM patients -- drop table",
        "select id from patients ;\n",
        "SELECT id, 'drop; delete' AS \"update\" FROM patients",
    ],
)
def test_a_command_inside_text_or_a_comment_is_none(database, query):
    assert len(read_sql(SqlSource(url="sqlite:///cohort.db", query=query), database)) >= 1


@pytest.mark.parametrize(
    ("query", "got"),
    [
        ("DELETE FROM patients", "DELETE"),
        ("SELECT 1; SELECT 2", "several statements"),
        ("SELECT * INTO copied FROM patients", "INTO"),
        ("WITH x AS (DELETE FROM patients RETURNING *) SELECT * FROM x", "DELETE"),
        ("PRAGMA table_info(patients)", "PRAGMA"),
        ("", "nothing"),
        ("EXPLAIN SELECT 1", "EXPLAIN"),
    ],
)
def test_only_one_select_runs(database, query, got):
    problem = refused(database, url="sqlite:///cohort.db", query=query)
    assert problem.what == "The query is not one SELECT"
    assert problem.got == got


def test_sqlite_is_opened_read_only(database, monkeypatch):
    monkeypatch.setattr("features.sources.sql._check_query", lambda query: None)
    problem = refused(database, url="sqlite:///cohort.db", query="DELETE FROM patients")
    assert "readonly" in problem.got


def test_a_missing_database_is_not_made(tmp_path):
    problem = refused(tmp_path, url="sqlite:///none.db", query="SELECT 1")
    assert problem.what == "No such table"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fields", [{}, {"query": "SELECT 1", "query_file": "q.sql"}])
def test_exactly_one_query(database, fields):
    problem = refused(database, url="sqlite:///cohort.db", **fields)
    assert problem.what == "An SQL source needs one query"


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("SELECT id FROM nowhere", "The database refused the connection or the query"),
        ("SELECT id, id FROM patients", "Two columns have the same name"),
        ("SELECT id FROM patients WHERE age > 200", "The table holds no patient"),
        ("SELECT x'00ff' AS scan", "A column holds bytes, not text"),
    ],
)
def test_what_the_database_gives_is_checked(database, query, what):
    assert refused(database, url="sqlite:///cohort.db", query=query).what == what


def test_variables_fill_each_part_of_the_url(database, monkeypatch):
    monkeypatch.setenv("COHORT_FILE", "cohort.db")
    source = SqlSource(url="sqlite:///${COHORT_FILE}", query="SELECT id FROM patients")
    assert len(read_sql(source, database)) == 2
    monkeypatch.setenv("COHORT_URL", "sqlite:///cohort.db")
    source = SqlSource(url="${COHORT_URL}", query="SELECT id FROM patients")
    assert len(read_sql(source, database)) == 2


def test_an_unset_variable_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("NOT_SET_HERE", raising=False)
    problem = refused(tmp_path, url="postgresql://u:${NOT_SET_HERE}@h/d", query="SELECT 1")
    assert (problem.what, problem.got) == ("An environment variable is not set", "NOT_SET_HERE")


@pytest.mark.parametrize(
    ("url", "what"),
    [
        (f"postgresql+psycopg://u:{SECRET}@h/d", "A password stands in the configuration"),
        (f"postgresql+psycopg://h/d?password={SECRET}", "A password stands in the configuration"),
        (f"nonsense {SECRET}", "The database URL cannot be read"),
        ("oracle+nodriver://u:${SQL_SECRET}@h/d", "No driver for this database"),
        # Port 1 is closed.
        ("postgresql+psycopg://u:${SQL_SECRET}@127.0.0.1:1/d",
         "The database refused the connection or the query"),
    ],
)  # fmt: skip
def test_no_error_holds_the_password(tmp_path, monkeypatch, url, what):
    monkeypatch.setenv("SQL_SECRET", SECRET)
    with pytest.raises(InputError) as error:
        read_sql(SqlSource(url=url, query="SELECT 1"), tmp_path)
    assert error.value.problems[0].what == what
    assert SECRET not in "".join(traceback.format_exception(error.value))


def test_a_wrong_key_does_not_show_the_url():
    with pytest.raises(ValidationError) as error:
        SqlSource(url=f"postgresql://u:{SECRET}@h/d", qury="SELECT 1")
    assert SECRET not in str(error.value)


@pytest.fixture
def postgres_url(postgres, monkeypatch):
    monkeypatch.setenv("COHORT_PASSWORD", postgres["password"])
    monkeypatch.setenv("COHORT_USER", postgres["user"])
    return (
        f"postgresql+psycopg://${{COHORT_USER}}:${{COHORT_PASSWORD}}@{postgres['host']}:"
        f"{postgres['port']}/{postgres['database']}"
    )


def test_postgresql_types_become_text(postgres_url, tmp_path):
    query = """
        SELECT '007'::text AS id, 61::numeric(5, 2) AS age, 0.1::float8 AS wbc, true AS dead,
               DATE '2024-02-29' AS start_date, TIMESTAMP '2024-02-29 12:30' AS seen,
               NULL::int AS ecog, 12345678901234567890::numeric AS big, '50%' AS share
        WHERE 'a:b' LIKE '%:b'
    """
    (row,) = read_sql(SqlSource(url=postgres_url, query=query), tmp_path).to_dict("records")
    assert row.pop("ecog") != row  # missing
    assert row == {
        "id": "007", "age": "61.00", "wbc": "0.1", "dead": "TRUE", "start_date": "2024-02-29",
        "seen": "2024-02-29 12:30:00", "big": "12345678901234567890", "share": "50%",
    }  # fmt: skip


def test_postgresql_is_read_only(postgres_url, tmp_path, monkeypatch):
    monkeypatch.setattr("features.sources.sql._check_query", lambda query: None)
    problem = refused(tmp_path, url=postgres_url, query="CREATE TABLE t (a int)")
    assert "read-only transaction" in problem.got


def test_a_wrong_password_is_not_repeated(postgres, postgres_url, tmp_path, monkeypatch):
    monkeypatch.setenv("COHORT_PASSWORD", SECRET)
    problem = refused(tmp_path, url=postgres_url, query="SELECT 1 AS a")
    assert "password authentication failed" in problem.got
    assert SECRET not in str(problem)
    assert postgres["password"] not in str(problem)


def test_postgresql_names_the_mistake(postgres_url, tmp_path):
    problem = refused(tmp_path, url=postgres_url, query="SELECT age FROM nowhere")
    assert '"nowhere" does not exist' in problem.got
    assert "***" in problem.where
