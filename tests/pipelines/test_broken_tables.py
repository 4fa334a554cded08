"""Every broken table is refused or reported with what, where and remedy (tests/broken_tables)."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from features.guard.settings import read_rules
from pipelines import check

HERE = Path(__file__).parents[1] / "broken_tables"
TABLES = HERE / "tables"
BASE = yaml.safe_load((HERE / "base.yaml").read_text("utf-8"))
EXPECTED = yaml.safe_load((HERE / "expected.yaml").read_text("utf-8"))
UNUSUAL = [name for name in EXPECTED if name.startswith("fine_")]


def merged(base, changes):
    """A configuration with the changes of one table, mapping by mapping; null takes a key out."""
    both = dict(base)
    for key, value in changes.items():
        if value is None:
            del both[key]
            continue
        inner = both.get(key)
        if isinstance(value, dict) and isinstance(inner, dict):
            value = merged(inner, value)
        both[key] = value
    return both


def one_line(text):
    """Text without the line breaks that a terminal's width makes."""
    return " ".join(text.split())


@pytest.fixture
def no_pictures(monkeypatch):
    """Spare most of the time; tests/pipelines/test_check.py looks at whole reports."""
    monkeypatch.setattr("pipelines.cohort.data_check._pictures", lambda *_: {})


@pytest.fixture(scope="module")
def checks():
    """What a check gave, by file and changes, so that none runs twice."""
    return {}


@pytest.fixture
def checked(tmp_path, capsys, no_pictures, checks):
    """Check a file; returns the exit status, both streams and the report's folder."""

    def once(path, changes=None):
        key = path, repr(changes or {})
        if key not in checks:
            checks[key] = run(path, changes)
        return checks[key]

    def run(path, changes):
        config = merged(BASE, changes or {})
        config["cohort"] = {**config["cohort"], "path": str(path)}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
        out = tmp_path / f"out{len(checks)}"
        with pytest.raises(SystemExit) as end:
            check.main(["--config", str(tmp_path / "config.yaml"), "--out", str(out)])
        printed = capsys.readouterr()
        return end.value.code, printed.out, printed.err, out

    return once


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_said(checked, name):
    expected, path = EXPECTED[name], TABLES / name
    before = path.read_bytes()
    status, out, err, _ = checked(path, expected.get("config"))
    assert "Traceback" not in out + err
    assert status == expected["status"], out + err
    for stream, said in (("stdout", out), ("stderr", err)):
        for part in expected.get(stream, []):
            assert part in one_line(said)
    # Refused on reading, or read and reported: never half of both.
    assert bool(err) == ("stderr" in expected)
    assert path.read_bytes() == before


def what_was_read(checked, path):
    status, _, _, out = checked(path)
    fingerprint = re.search(r"\b[0-9a-f]{64}\b", (out / "data_report.html").read_text("utf-8"))
    return status, fingerprint.group(), (out / "table_one.csv").read_bytes()


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_form_changes_no_value(checked, name):
    assert what_was_read(checked, TABLES / name) == what_was_read(checked, HERE / "clean.csv")


def test_the_fingerprint_sees_a_changed_value(checked, tmp_path):
    changed = (HERE / "clean.csv").read_text("utf-8").replace(",22.6,", ",22.7,")
    (tmp_path / "changed.csv").write_text(changed, "utf-8")
    clean = what_was_read(checked, HERE / "clean.csv")
    assert what_was_read(checked, tmp_path / "changed.csv")[1] != clean[1]


def test_every_table_has_its_expectation():
    assert sorted(EXPECTED) == sorted(path.name for path in TABLES.iterdir())
    assert len(EXPECTED) >= 40
    for name, expected in EXPECTED.items():
        assert expected["wrong"].endswith("."), name
        assert len(expected.get("stderr") or expected["stdout"]) >= (1 if name in UNUSUAL else 2)
        assert ("stdout" in expected) != ("stderr" in expected), name


def test_every_check_has_its_table():
    told = [
        part for e in EXPECTED.values() for part in (*e.get("stdout", []), *e.get("stderr", []))
    ]
    lacking = {check for check in read_rules().checks if f"[{check}]" not in told}
    # Reading refuses the first three itself; a further file is another table than these.
    own_message = {"negative_time", "duplicate_identifier", "direct_identifier"}
    assert lacking == {*own_message, "joined_table"}


def test_the_script_writes_the_stored_tables():
    path = HERE / "make_broken_tables.py"
    spec = importlib.util.spec_from_file_location("make_broken_tables", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    made = script.broken_tables()
    assert sorted(made) == sorted(path.name for path in TABLES.iterdir())
    # A workbook's or Parquet file's bytes depend on the version of the library that wrote it.
    plain = [name for name, data in made.items() if data[:4] not in (b"PK\x03\x04", b"PAR1")]
    assert [name for name in plain if made[name] != (TABLES / name).read_bytes()] == []
