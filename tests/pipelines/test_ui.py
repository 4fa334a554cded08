"""The pages: a busy port is told at once, and the server ends with the command."""

import socket
import sys
import time

import pytest

from features.errors import InputError
from pipelines import ui


def test_a_busy_port_is_refused_before_the_server_starts(capsys, mlflow_store, monkeypatch):
    monkeypatch.setattr(ui.subprocess, "Popen", lambda *_: pytest.fail("the server was started"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as end:
            ui.main(["--port", str(port)])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert f"--port {port}" in said
    assert "Traceback" not in said
    ui.check_free(port)  # It is free again.


def test_the_server_and_its_children_end_with_the_command(tmp_path, monkeypatch):
    alive = tmp_path / "alive"
    tick = f"open({str(alive)!r}, 'w').write(str(time.time())); time.sleep(.05)"
    child = f"import time\nwhile True: {tick}"
    server = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"

    def stop(self, timeout=None):
        while not alive.exists():
            time.sleep(0.02)
        raise KeyboardInterrupt

    wait = ui.subprocess.Popen.wait
    calls = []

    def wait_once(self, timeout=None):
        calls.append(timeout)
        return stop(self) if len(calls) == 1 else wait(self, timeout)

    monkeypatch.setattr(ui.subprocess.Popen, "wait", wait_once)
    with pytest.raises(KeyboardInterrupt):
        ui._run_until_stopped([sys.executable, "-c", server])
    time.sleep(0.2)
    last = alive.read_text()
    time.sleep(0.3)
    assert alive.read_text() == last


def test_a_server_that_ends_by_itself_is_told():
    with pytest.raises(InputError, match="exit status 3"):
        ui._run_until_stopped([sys.executable, "-c", "raise SystemExit(3)"])
