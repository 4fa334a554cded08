"""Kill -9 at many points of every command that writes, then run it again and look at what is there.

python -m benchmarks.kills [--points 20] [--made 10] [--only train]

By hand; on Linux, because it looks for orphans in /proc. Prints a table, a row a kill, and ends
with status 1 when anything is not as it should be. The points are shares of the processor time that
the command and its workers take, so that what else the machine does moves none of them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import yaml

PROJECT = Path(__file__).resolve().parents[1]
ORPHAN_SECONDS = 5.0
EARLIER = 0.9
# A training in seconds, in which every kind of task still occurs.
SMALL = {
    "cohort": {
        "path": "patients.csv",
        "columns": {
            "regimen": {
                "column": "regimen",
                "values": {"HMA": "HMA", "LDAC": "LDAC"},
                "reference_arm": "LDAC",
            },
            "endpoints": {
                "os": {"label": "OS", "time": "os_months", "event": "os_event", "unit": "months"}
            },
        },
    },
    "endpoint": "os",
    "covariates": ["age_years", "ecog"],
    "learners": ["kaplan_meier", "cox", "xgboost_cox", "stack"],
    "resampling": {"folds": 3, "repeats": 1, "inner_folds": 2},
    "tuning": {"trials": 4},
    "evaluation": {
        "horizons": [6, 12],
        "bootstrap": 50,
        "regimen_refits": 20,
        "instability": "off",
    },
    "tracking": {"experiment": "kills", "model_name": "kills"},
}
COMMANDS: dict[str, list[str]] = {
    "train": ["pipelines.train", "--workers", "2"],
    "compare": ["pipelines.compare", "--workers", "2"],
    "evaluate": [
        "pipelines.evaluate", "--cohort", "others.csv", "--model", "models:/kills/1",
        "--recalibrate", "slope",
    ],
}  # fmt: skip
TABLES = ("metrics.csv", "regimen_effects.csv", "comparison.csv", "recalibration.csv")
COLUMNS = ("command", "killed at", "s", "store", "again", "bytes", "RUNNING", "READY", "versions",
           "orphans")  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A folder with tables, configuration, store and results of its own."""

    folder: Path

    def start(
        self, command: str, mark: str = "", printed: IO[str] | int = subprocess.DEVNULL
    ) -> subprocess.Popen[str]:
        """Start a command in this place; all its processes carry the mark."""
        store = self.folder / "mlruns" / "mlflow.db"
        marked = {"MLFLOW_TRACKING_URI": f"sqlite:///{store}", "VENSURV_KILLS": mark}
        paths = os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])
        return subprocess.Popen(
            [sys.executable, "-m", *COMMANDS[command], "--config", "config.yaml",
             "--out", f"out-{command}"],
            cwd=self.folder, env=os.environ | marked | {"PYTHONPATH": paths},
            stdout=printed, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def run(self, command: str) -> tuple[float, str]:
        """Run a command to its end; returns processor seconds, and what it said if it failed."""
        with tempfile.TemporaryFile("w+") as printed:
            process = self.start(command, printed=printed)
            seconds = 0.0
            while process.poll() is None:
                seconds = max(seconds, processor_seconds(process.pid))
                time.sleep(0.02)
            printed.seek(0)
            said = " / ".join(printed.read().split("\n"))[-500:]
        return seconds, "" if process.returncode == 0 else said

    def results(self, command: str) -> dict[str, bytes]:
        """The tables that a command wrote."""
        out = self.folder / f"out-{command}"
        return {name: (out / name).read_bytes() for name in TABLES if (out / name).is_file()}

    def count(self, query: str) -> int:
        """One number from the store."""
        with closing(sqlite3.connect(self.folder / "mlruns" / "mlflow.db")) as connection:
            return int(connection.execute(query).fetchone()[0])

    @property
    def left(self) -> dict[str, int]:
        """What of a killed command may still be in the store."""
        return {
            "RUNNING": self.count("select count(*) from runs where status = 'RUNNING'"),
            "READY": self.count(
                "select count(*) from logged_models where status = 2 and lifecycle_stage = 'active'"
            ),
            "versions": self.count("select count(*) from model_versions"),
        }

    def copied(self, name: str) -> Place:
        """The same at another place, where its store has to find its own files."""
        shutil.copytree(self.folder, self.folder.parent / name)
        return Place(self.folder.parent / name)


def marked_processes(mark: str) -> list[int]:
    """Processes of a command that are alive."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
            state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if f"VENSURV_KILLS={mark}".encode() in environment and state != "Z":
            found.append(int(folder.name))
    return found


def processor_seconds(pid: int) -> float:
    """What a process and its workers have taken so far; 0 when it has ended."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        each = [
            Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
            for one in (str(pid), *children)
        ]
    except OSError:
        return 0.0
    # User and system time stand 12 and 13 fields after the name.
    return sum(int(stat[11]) + int(stat[12]) for stat in each) / os.sysconf("SC_CLK_TCK")


def orphans(mark: str) -> int:
    """How many processes outlive their parent by five seconds."""
    give_up = time.monotonic() + ORPHAN_SECONDS
    while (found := marked_processes(mark)) and time.monotonic() < give_up:
        time.sleep(0.05)
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    return len(found)


def kill(place: Place, command: str, is_time: Callable[[int], bool]) -> tuple[bool, int]:
    """Start a command and kill it -9 when it is time; whether it was alive then, and orphans."""
    mark = uuid.uuid4().hex
    process = place.start(command, mark)
    while process.poll() is None and not is_time(process.pid):
        time.sleep(0.005)
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    left = orphans(mark)
    process.wait()
    return alive, left


def row(
    place: Place, command: str, point: str, seconds: float, left: int,
    whole: dict[str, bytes], expected: dict[str, int],
) -> tuple[tuple[str, ...], bool]:  # fmt: skip
    """Run a killed command again, and say what is there."""
    store = place.folder / "mlruns" / "mlflow.db"
    there = "none yet"
    if store.exists():
        with closing(sqlite3.connect(store)) as connection:
            there = str(connection.execute("pragma integrity_check").fetchone()[0])
    _, failed = place.run(command)
    same = place.results(command) == whole
    found = {} if failed else place.left
    good = not failed and same and found == expected and not left
    good = good and there in ("ok", "none yet")
    cells = (
        command, point, f"{seconds:.1f}", there, failed or "ok", "same" if same else "OTHER",
        *(str(found.get(name, "?")) for name in ("RUNNING", "READY", "versions")),
        str(left),
    )  # fmt: skip
    return cells, good


def after(seconds: float) -> Callable[[int], bool]:
    """Whether a process has taken so many processor seconds."""
    return lambda pid: processor_seconds(pid) >= seconds


def making_for(folder: Path, seconds: float) -> Callable[[int], bool]:
    """Whether a process has been making the store for so many processor seconds."""
    first: list[float] = []

    def is_time(pid: int) -> bool:
        if not first and any(folder.glob("mlruns/.making-*")):
            first.append(processor_seconds(pid))
        return bool(first) and processor_seconds(pid) - first[0] >= seconds

    return is_time


def making_takes(place: Place) -> float:
    """Processor seconds in which the store is made."""
    process = place.start("train")
    begun = making_for(place.folder, 0)
    while not begun(process.pid):
        time.sleep(0.002)
    started = now = processor_seconds(process.pid)
    while not (place.folder / "mlruns" / "mlflow.db").exists():
        now = processor_seconds(process.pid)
        time.sleep(0.002)
    process.kill()
    process.wait()
    return now - started


def prepare(folder: Path) -> Place:
    """Two simulated cohorts and a configuration."""
    folder.mkdir()
    for seed, name in ((1, "patients.csv"), (2, "others.csv")):
        subprocess.run(
            [sys.executable, "-m", "pipelines.simulate", "cohort", "--n", "150", "--seed",
             str(seed), "--out", str(folder / name)],
            cwd=PROJECT, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump(SMALL))
    return Place(folder)


def main() -> int:
    """Kill, run again, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=20, help="kills of each command")
    parser.add_argument("--made", type=int, default=10, help="kills while the store is made")
    parser.add_argument("--only", choices=list(COMMANDS), action="append")
    given = parser.parse_args()
    all_good = True
    with tempfile.TemporaryDirectory() as temporary:
        empty = prepare(Path(temporary) / "empty")
        trained = empty.copied("trained")
        lasts = {"train": trained.run("train")}
        assert not lasts["train"][1], lasts["train"][1]
        starts, wholes, expected = {"train": empty}, {"train": trained.results("train")}, {}
        expected["train"] = trained.left
        for command in ("compare", "evaluate"):
            starts[command] = trained
            ended = trained.copied(f"whole-{command}")
            lasts[command] = ended.run(command)
            assert not lasts[command][1], lasts[command][1]
            wholes[command], expected[command] = ended.results(command), ended.left
        print(" | ".join(COLUMNS), flush=True)

        def tell(
            command: str, point: str, seconds: float,
            until: Callable[[Path, float], Callable[[int], bool]],
        ) -> bool:  # fmt: skip
            """One row; a command that ended before its point is killed a little earlier."""
            while True:
                place = starts[command].copied(f"{command}-{uuid.uuid4().hex[:8]}")
                alive, left = kill(place, command, until(place.folder, seconds))
                if alive:
                    break
                shutil.rmtree(place.folder)
                seconds *= EARLIER
            whole, known = wholes[command], expected[command]
            cells, good = row(place, command, point, seconds, left, whole, known)
            print(" | ".join([*cells, "" if good else "<-- NOT AS IT SHOULD BE"]), flush=True)
            shutil.rmtree(place.folder)
            return good

        if given.made and "train" in (given.only or COMMANDS):
            takes = making_takes(empty.copied("made"))
            for number in range(given.made):
                seconds = takes * number / given.made
                all_good &= tell("train", f"making {number + 1}", seconds, making_for)
        for command in given.only or COMMANDS:
            for number in range(given.points):
                share = (number + 1) / (given.points + 1)
                seconds = lasts[command][0] * share
                all_good &= tell(command, f"{share:.0%}", seconds, lambda _, s: after(s))
    return 0 if all_good else 1


if __name__ == "__main__":
    raise SystemExit(main())
