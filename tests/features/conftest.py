"""A throwaway PostgreSQL server, where Debian's binaries are installed."""

import glob
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

PASSWORD = "s3cr/t@pass%wörd"


@pytest.fixture(scope="session")
def postgres():
    """Parts of the URL of an empty server: user, password, host, port, database."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if not found:
        pytest.skip("needs PostgreSQL's server binaries")
    # PostgreSQL refuses to run as root; Debian's package brings the user postgres.
    as_root = os.geteuid() == 0
    if as_root and not shutil.which("runuser"):
        pytest.skip("needs runuser, as root cannot run PostgreSQL")
    prefix = ["runuser", "-u", "postgres", "--"] if as_root else []
    folder = Path(tempfile.mkdtemp(prefix="vensurv-pg-"))
    (folder / "password").write_text(PASSWORD, encoding="utf-8")
    if as_root:
        shutil.chown(folder, "postgres")
        shutil.chown(folder / "password", "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bins, data = Path(found[-1]).parent, folder / "data"

    def run(program, *arguments):
        subprocess.run(
            [*prefix, str(bins / program), "-D", str(data), *arguments],
            check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=120,
        )  # fmt: skip

    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        run("initdb", "-U", "reader", "-E", "UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256",
            f"--pwfile={folder / 'password'}")  # fmt: skip
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
    except (subprocess.SubprocessError, OSError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL does not start here: {error}")
    try:
        yield {"user": "reader", "password": PASSWORD, "host": "127.0.0.1", "port": port,
               "database": "postgres"}  # fmt: skip
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
