"""The audit file: one line a prediction, no value in it, refused before anything is predicted."""

import json
import multiprocessing
import stat

import pytest

from features.errors import InputError
from pipelines.output.audit import Audit

PATIENT = {"regimen": "HMA", "inputs": {"age_years": 61.0, "disease": None}}


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_says_when_which_model_and_which_horizons(tmp_path):
    path = tmp_path / "audit.jsonl"
    Audit(path).write([PATIENT], [6.0, 12.0], "models:/vensurv/3", "abc")
    (line,) = lines_of(path)
    assert (line["model"], line["digest"], line["horizons"]) == (
        "models:/vensurv/3", "abc", [6.0, 12.0],
    )  # fmt: skip
    assert line["time"].endswith("+00:00")
    assert len(line["input"]) == 64
    assert "61" not in path.read_text().replace(line["input"], "").replace(line["time"], "")


def test_equal_inputs_have_one_hash_under_one_key(tmp_path):
    audit = Audit(tmp_path / "one")
    reordered = {"inputs": {"disease": None, "age_years": 61.0}, "regimen": "HMA"}
    assert (
        audit.hashed(PATIENT) == audit.hashed(reordered) == Audit(tmp_path / "one").hashed(PATIENT)
    )
    assert audit.hashed(PATIENT) != audit.hashed(PATIENT | {"regimen": "LDAC"})
    # Another file has another key, so that its lines cannot be told to be of the same patient.
    assert Audit(tmp_path / "other").hashed(PATIENT) != audit.hashed(PATIENT)


def test_the_key_is_its_owners_alone(tmp_path):
    Audit(tmp_path / "audit")
    assert stat.S_IMODE((tmp_path / "audit.key").stat().st_mode) == 0o600


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path):
    path = tmp_path / "audit"
    audit = Audit(path)
    path.write_bytes(b'{"time": "2026')
    audit.write([PATIENT], [6.0], "m", "d")
    assert [line.startswith("{") for line in path.read_text().splitlines()] == [True, True]
    assert json.loads(path.read_text().splitlines()[1])["model"] == "m"


def _write(path):
    audit = Audit(path)
    for _ in range(20):
        audit.write([PATIENT], [6.0], "m", "d")


def test_several_processes_write_whole_lines(tmp_path):
    path = tmp_path / "audit"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write, args=(path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    lines = lines_of(path)
    assert len(lines) == 60
    assert len({line["input"] for line in lines}) == 1


@pytest.mark.parametrize("place", ["folder", "missing/audit", "bad_key"])
def test_what_cannot_be_written_is_refused_at_once(tmp_path, place):
    (tmp_path / "folder").mkdir()
    (tmp_path / "bad_key.key").write_text("not hexadecimal")
    with pytest.raises(InputError, match="nothing was predicted"):
        Audit(tmp_path / place)


def test_a_protected_folder_is_refused(tmp_path, protected):
    folder = tmp_path / "f"
    folder.mkdir()
    with protected(folder), pytest.raises(InputError, match="cannot be written"):
        Audit(folder / "audit")
