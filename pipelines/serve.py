"""Serve a stored model on this machine: a page for one patient at /, POST /predict for programs.

python -m pipelines.serve [--model models:/vensurv@champion] [--port 8000]
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from features.errors import InputError, Problem, first_line
from pipelines.command import program, run_command
from pipelines.output.flags import AuditOption
from pipelines.tracking.model_address import DEFAULT_MODEL, load_any

LAST_PORT = 65_535
# Connections at once; more are turned away with 503.
MOST_CONNECTIONS = 1_000
# Seconds that an idle connection is kept, and that running answers have when the service ends.
IDLE, LAST = 5, 10
BACKLOG = 1_024
LONGEST_HEADER = 16 * 1024

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def serve(
    model: Annotated[
        str,
        typer.Option(
            help="models:/NAME@champion, models:/NAME/VERSION, runs:/RUN/model, or a folder."
        ),
    ] = DEFAULT_MODEL,
    host: Annotated[
        str, typer.Option(help="Address to listen on; other than this machine's own, with a token.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=LAST_PORT, help="Port; 0 for any that is free.")
    ] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the token that everybody has to give; else VENSURV_TOKEN, where set."
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Another name under which the service is asked; may be repeated."),
    ] = None,
    audit: AuditOption = None,
) -> None:
    """Serve the page for one patient and the interface for programs, until Ctrl-C."""
    run_command(lambda: _serve(model, (host, port), token_file, allow_host or [], audit))


def _serve(
    model: str,
    address: tuple[str, int],
    token_file: Path | None,
    names: list[str],
    audit: Path | None,
) -> None:
    from pipelines.output.audit import Audit
    from pipelines.service import Limits, is_loopback, make_app, read_token

    token = read_token(token_file, os.environ.get("VENSURV_TOKEN"))
    host = address[0]
    if not is_loopback(host) and not token:
        raise InputError(
            Problem(
                what="A service that others can reach needs a token",
                where=f"--host {host}",
                allowed="127.0.0.1, or another address with --token-file FILE or VENSURV_TOKEN",
                remedy="put a token into a file: "
                "python -c 'import secrets; print(secrets.token_urlsafe(32))'",
            )
        )
    limits = Limits(token=token)
    if names or not is_loopback(host):
        # Whoever has the token may use any name, unless some are given.
        own = (*limits.hosts, host, *(name.lower() for name in names))
        limits = Limits(hosts=own if names else (), token=token)
    with _listening(*address) as listener:
        noted = None if audit is None else Audit(audit)
        service = make_app(load_any(model, refits=True), limits, noted)
        _run(service, listener)


def _listening(host: str, port: int) -> socket.socket:
    """The socket, before the model is loaded: a port in use is told at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, UnicodeError) as error:
        listener.close()
        raise InputError(
            Problem(
                what="The service cannot listen there",
                where=f"--host {host} --port {port}",
                got=first_line(error),
                remedy="close the program that uses the port, or name another: --port "
                f"{port + 1 if port < LAST_PORT else 8000}",
            )
        ) from error
    return listener


def _run(service: object, listener: socket.socket) -> None:
    import uvicorn

    name, port = listener.getsockname()[:2]
    shown = f"[{name}]" if ":" in name else name
    config = uvicorn.Config(
        service,  # type: ignore[arg-type]
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=LAST,
        backlog=BACKLOG,
        h11_max_incomplete_event_size=LONGEST_HEADER,
    )
    # From here on who connects is answered, if only once everything is up.
    listener.listen(BACKLOG)
    print(f"Serving on http://{shown}:{port}; Ctrl-C ends it.", flush=True)
    uvicorn.Server(config).run(sockets=[listener])


def main(argv: list[str] | None = None) -> None:
    """Run the command with the given arguments."""
    app(args=argv, prog_name=program("serve"))


if __name__ == "__main__":
    main()
