"""How every command ends: one block and a status, whatever the machine refuses."""

import errno
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from features.errors import InputError, Problem
from pipelines.command import guarded, run_command

PROJECT = Path(__file__).parents[2]
# A command of its own process, since it is about standard streams, signals and exits.
COMMAND = """
import sys, os, signal, time
from pipelines.command import run_command
def work():
    {work}
run_command(work)
"""


def ended(command):
    with pytest.raises(SystemExit) as end:
        run_command(command)
    return end.value.code


def fail(error):
    def command():
        raise error

    return command


def outside(work, **streams):
    code = COMMAND.format(work=work)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": None} | streams
    return subprocess.Popen([sys.executable, "-c", code], env=environment, text=True, **streams)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/full/file"), "No space left"),
        (OSError(errno.EFBIG, os.strerror(errno.EFBIG)), "too large"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES), "x"), "denied"),
        (IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), "x"), "directory"),
        (MemoryError(), "not enough memory"),
        (InputError([Problem("a \x1b[2J"), Problem("b")]), "2 errors:\na \\x1b[2J\n\nb"),
    ],
)
def test_what_is_refused_is_one_block_and_status_2(capsys, error, told):
    assert ended(fail(error)) == 2
    said = capsys.readouterr().err
    assert told in said
    assert "Traceback" not in said
    assert "\x1b" not in said


def test_the_store_that_fails_is_told(capsys, mlflow_store):
    from mlflow.exceptions import MlflowException
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import OperationalError

    locked = OperationalError("SELECT 1", {}, sqlite3.OperationalError("database is locked"))
    locked.__cause__ = locked.orig
    of_the_store = MlflowException("gone\nsecond line")
    of_the_store.__cause__ = locked
    for error, told in (
        (MlflowException("gone\nsecond line"), "The MLflow store cannot be used"),
        (of_the_store, "got:     database is locked"),
        (locked, "A database failed"),
        (StorageInternalError("gone\nsecond line"), "where:   tuning.storage"),
    ):
        assert ended(fail(error)) == 2
        said = capsys.readouterr().err
        assert told in said
        assert "second line" not in said


def test_a_fault_of_the_program_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: 1 // 0)


def test_ctrl_c_ends_with_130(capsys):
    assert ended(fail(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "Stopped.\n"


def test_a_guarded_command_keeps_its_arguments(capsys):
    @guarded
    def command(path: str, *, count: int = 1) -> None:
        raise InputError(Problem(f"{path} {count}"))

    with pytest.raises(SystemExit) as end:
        command("x", count=2)
    assert end.value.code == 2
    assert "x 2" in capsys.readouterr().err


def test_being_asked_to_end_runs_what_is_to_be_done_at_the_end(tmp_path):
    mark = tmp_path / "cleaned"
    work = f"""
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        open({str(mark)!r}, "w").close()
    """.strip()
    process = outside(work)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert mark.exists()
    assert "Traceback" not in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_standard_output_is_told():
    with open("/dev/full", "w") as full:
        process = outside("print('x')", stdout=full)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.startswith("Error:\nThe system refused to read or write")
    assert "Exception ignored" not in said
    with open("/dev/full", "w") as full:
        process = outside("print('x')", stdout=full, stderr=full)
        process.communicate(timeout=60)
    assert process.returncode == 2


def test_nobody_reads_the_output():
    with outside("time.sleep(.2); print('x' * 100_000)") as process:
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 141


def test_text_that_the_terminal_lacks_is_escaped():
    code = COMMAND.format(work="print('≥ é'); print('\\udcff')")
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"\\u2265 \xe9\n\\udcff\n"
