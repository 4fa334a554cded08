"""The MLflow UI on the store that the trainings write to.

python -m pipelines.ui [--port 5000]
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from typing import Annotated

import typer

from features.errors import InputError, Problem, first_line
from pipelines.command import program, run_command
from pipelines.tracking.views import UI_PORT

HOST = "127.0.0.1"
LAST_PORT = 65_535

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def ui(
    port: Annotated[
        int, typer.Option(min=1, max=LAST_PORT, help="Port on this machine.")
    ] = UI_PORT,
) -> None:
    """Serve the MLflow UI on this machine only, until Ctrl-C."""
    run_command(lambda: _serve(port))


def _serve(port: int) -> None:
    from features.sources import shown_address
    from pipelines.tracking.runs import (
        artifact_location,
        connect,
        experiment_page,
        experiments,
    )

    uri = connect(writes=False)
    if uri.startswith("http"):
        address = shown_address(uri)
        print(f"MLFLOW_TRACKING_URI names a server: open {address} in a browser instead.")
        return
    check_free(port)
    print(f"MLflow UI on {shown_address(uri)}; Ctrl-C ends it. Model-training pages:")
    for name, experiment_id in experiments().items():
        print(f"  {name}: {experiment_page(experiment_id, port)}", flush=True)
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST]
    command += ["--port", str(port), "--workers", "1"]
    place = artifact_location(uri)
    command += ["--default-artifact-root", place] if place else []
    # In the environment, because every user of the machine sees the arguments.
    _run_until_stopped(command, MLFLOW_BACKEND_STORE_URI=uri)


def check_free(port: int) -> None:
    """Try a port of this machine, before the server takes seconds to fail on it.

    Raises
    ------
    InputError
        When another program listens there, or the system does not allow it.
    """
    with socket.socket() as probe:
        # As the server does, so that a port whose last user has just ended counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(
                Problem(
                    what="The port cannot be used",
                    where=f"--port {port}",
                    got=first_line(error),
                    remedy="close the program that uses it, perhaps another make ui, or name "
                    f"another: --port {port + 1 if port < LAST_PORT else UI_PORT}",
                )
            ) from error


def _run_until_stopped(command: list[str], **settings: str) -> None:
    """Run a server, and end it with all of its processes however this command ends."""
    from pipelines.output.processes import end_group_with_this

    own_group = os.name == "posix"
    environment = {**os.environ, **settings}
    with subprocess.Popen(command, env=environment, start_new_session=own_group) as server:
        try:
            with end_group_with_this(server.pid) if own_group else contextlib.nullcontext():
                status = server.wait()
        finally:
            with contextlib.suppress(OSError):
                if own_group:
                    os.killpg(server.pid, signal.SIGTERM)
                else:
                    server.terminate()
    if status:
        raise InputError(
            Problem(
                what="The MLflow server ended by itself",
                where="python -m mlflow server",
                got=f"exit status {status}; what it said stands above",
                remedy="look whether the store is usable: MLFLOW_TRACKING_URI, or mlruns/",
            )
        )


def main(argv: list[str] | None = None) -> None:
    """Run the command with the given arguments."""
    app(args=argv, prog_name=program("ui"))


if __name__ == "__main__":
    main()
