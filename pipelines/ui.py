"""The MLflow UI on the store that the trainings write to.

python -m pipelines.ui [--port 5000]
"""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from pipelines.command import UI_PORT, program, run_command

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = UI_PORT,
) -> None:
    """Serve the MLflow UI on this machine only, until Ctrl-C."""
    run_command(lambda: _serve(port))


def _serve(port: int) -> None:
    from pipelines.tracking import artifact_location, connect, experiment_page, experiments

    uri = connect(writes=False)
    if uri.startswith("http"):
        print(f"MLFLOW_TRACKING_URI names a server: open {uri} in a browser instead.")
        return
    print(f"MLflow UI on {uri}; Ctrl-C ends it. Model-training pages:")
    for name, experiment_id in experiments().items():
        print(f"  {name}: {experiment_page(experiment_id, port)}", flush=True)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", uri]
    place = artifact_location(uri)
    command += ["--default-artifact-root", place] if place else []
    subprocess.run(command, check=False)


def main(argv: list[str] | None = None) -> None:
    """Run the command with the given arguments."""
    app(args=argv, prog_name=program("ui"))


if __name__ == "__main__":
    main()
