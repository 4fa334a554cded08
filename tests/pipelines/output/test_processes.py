"""What a kill leaves: no worker, and no run that seems to be running."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import mlflow
import pytest

from pipelines.output import processes
from pipelines.output.processes import is_over, own_mark
from pipelines.tracking import runs as tracking

PARENT = textwrap.dedent(
    """
    import os, sys, time
    from joblib import delayed
    from pipelines.command import run_command
    from pipelines.output.processes import in_parallel

    def task(number):
        print(os.getpid(), flush=True)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            pass  # as compiled code does, it takes no notice of anything

    def work():
        for _ in in_parallel([delayed(task)(i) for i in range(2)], 2):
            pass

    if __name__ == "__main__":
        run_command(work)
    """
)
HOLDER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from pipelines.output.processes import own_mark
    print(own_mark(Path(sys.argv[1])), flush=True)
    sys.stdin.read()
    """
)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return state != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("stop", "to_all", "status", "told"),
    [
        (signal.SIGKILL, False, -signal.SIGKILL, ""),
        (signal.SIGTERM, False, 143, ""),
        # Ctrl-C reaches the workers too; `kill -INT` does not.
        (signal.SIGINT, True, 130, "Stopped.\n"),
        (signal.SIGINT, False, 130, "Stopped.\n"),
    ],
)
def test_workers_end_with_their_parent(stop, to_all, status, told, tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path])}
    # As every command that has workers.
    environment["PYTHONWARNINGS"] = "ignore"
    with (
        open(tmp_path / "said", "w") as said,
        subprocess.Popen(
            [sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE, text=True,
            stderr=said, env=environment, start_new_session=True,
        ) as parent,
    ):  # fmt: skip
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        assert all(map(alive, workers))
        (os.killpg if to_all else os.kill)(parent.pid, stop)
        assert parent.wait(timeout=30) == status
        give_up = time.monotonic() + 5
        while any(map(alive, workers)) and time.monotonic() < give_up:
            time.sleep(0.02)
    assert not any(map(alive, workers))
    assert (tmp_path / "said").read_text() == told


SERVING = textwrap.dedent(
    """
    import sys
    from pipelines.ui import _run_until_stopped
    child = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    _run_until_stopped([sys.executable, "-c", "import os, subprocess, sys;"
                        "print(os.getpid(), flush=True);"
                        f"subprocess.run([sys.executable, '-c', {child!r}])"])
    """
)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_server_and_its_processes_end_with_the_command_that_serves():
    with subprocess.Popen([sys.executable, "-c", SERVING], stdout=subprocess.PIPE) as command:
        serving = [int(command.stdout.readline()) for _ in range(2)]
        assert all(map(alive, serving))
        command.send_signal(signal.SIGKILL)
        give_up = time.monotonic() + 5
        while any(map(alive, serving)) and time.monotonic() < give_up:
            time.sleep(0.02)
    assert not any(map(alive, serving))


def test_an_orphan_ends_where_no_kernel_sees_to_it(monkeypatch):
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    processes._end_if_orphan(os.getppid())
    assert ended == []
    processes._end_if_orphan(os.getpid())
    assert ended == [1]


@pytest.fixture
def other(tmp_path):
    """A process that holds its mark, which is told, until it is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "running"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        process.mark = process.stdout.readline()
        yield process
        process.kill()


def test_a_mark_is_over_when_its_process_was_killed(other, tmp_path):
    assert not is_over(other.mark)
    other.kill()
    other.wait()
    assert is_over(other.mark)
    # The lock that it left is tidied up, and over it stays.
    assert not list((tmp_path / "running").iterdir())
    assert is_over(other.mark)


def test_nothing_is_said_of_other_machines_and_of_what_is_no_mark(tmp_path):
    here = json.loads(own_mark(tmp_path))
    assert not is_over(json.dumps(here))
    assert not is_over(json.dumps(here | {"host": "elsewhere", "lock": "/gone"}))
    assert is_over(json.dumps(here | {"lock": str(tmp_path / "gone")}))
    assert not any(map(is_over, ("", "null", "{", '{"host": 1}', "[]")))


def test_runs_of_killed_processes_are_ended_and_no_others(other, mlflow_store):
    tracking.connect()
    experiment = tracking.open_experiment("killed runs")
    own, killed, elsewhere, done = (
        tracking.start_run(experiment, name, {}) for name in ("own", "killed", "else", "done")
    )
    client = mlflow.MlflowClient()
    tracking.finish_run(done)
    for run_id in (killed, done):
        client.set_tag(run_id, tracking.PROCESS, other.mark)
    far = json.dumps(json.loads(other.mark) | {"host": "elsewhere"})
    client.set_tag(elsewhere, tracking.PROCESS, far)

    def status():
        return [mlflow.get_run(r).info.status for r in (own, killed, elsewhere, done)]

    tracking.connect()
    assert status() == ["RUNNING", "RUNNING", "RUNNING", "FINISHED"]
    other.kill()
    other.wait()
    tracking.connect(writes=False)
    assert status() == ["RUNNING", "RUNNING", "RUNNING", "FINISHED"]
    tracking.connect()
    assert status() == ["RUNNING", "KILLED", "RUNNING", "FINISHED"]
    tracking.reopen_run(killed)
    tracking.connect()
    assert status()[1] == "RUNNING"
    for run_id in (own, killed, elsewhere):
        tracking.finish_run(run_id)


@pytest.mark.parametrize("stop", [ValueError("no"), KeyboardInterrupt(), SystemExit(143)])
def test_a_run_is_finished_or_failed_whatever_stops_it(stop, mlflow_store):
    tracking.connect()
    run_id = tracking.start_run(tracking.open_experiment("killed runs"), "run", {})
    with pytest.raises(type(stop)), tracking.finishing(run_id):
        raise stop
    assert mlflow.get_run(run_id).info.status == "FAILED"
    tracking.reopen_run(run_id)
    with tracking.finishing(run_id):
        pass
    assert mlflow.get_run(run_id).info.status == "FINISHED"
