"""The trials of one search in a file that is believed only as far as it is whole."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend


class TrialJournal(BaseJournalBackend):
    """What Optuna keeps, a line an entry, each sealed with all that stands before it.

    From the first line on that is torn, changed, missing or of another search, nothing is read, and
    it is cut off: the search repeats those trials, and draws the same ones.

    Not for several processes at once: whoever searches holds the task.

    Parameters
    ----------
    path : Path
        Made with its folder where it is not there.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        found = _read(path)
        if found.damaged:
            os.truncate(path, found.size)
        self._path, self._entries, self._seal = path, found.entries, found.seal

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """The entries from a number on."""
        return self._entries[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add entries; they are on the disk when this returns."""
        seal, lines = self._seal, []
        for log in logs:
            text = json.dumps(log, separators=(",", ":"))
            seal = _sealed(seal, text)
            lines.append(f"{seal} {text}\n")
        with self._path.open("ab") as file:
            file.write("".join(lines).encode())
            file.flush()
            os.fsync(file.fileno())
        self._seal = seal
        # As another process would read them.
        self._entries += [json.loads(line.split(" ", 1)[1]) for line in lines]


def is_damaged(path: Path) -> bool:
    """Whether a part of a journal would be cut off."""
    return _read(path).damaged


@dataclass(frozen=True)
class _Read:
    """Entries up to the first line that is not whole, their last seal, their bytes."""

    entries: list[dict[str, Any]]
    seal: str
    size: int
    damaged: bool


def _read(path: Path) -> _Read:
    entries: list[dict[str, Any]] = []
    # A journal that was given another search's name is not this search's.
    seal, size = _sealed("", path.stem), 0
    data = path.read_bytes()
    for line in data.splitlines(keepends=True):
        told, _, text = line.partition(b" ")
        following = _sealed(seal, text.rstrip(b"\n").decode("utf-8", "replace"))
        if not line.endswith(b"\n") or told != following.encode():
            break
        entries.append(json.loads(text))
        seal, size = following, size + len(line)
    return _Read(entries, seal, size, damaged=size < len(data))


def _sealed(before: str, text: str) -> str:
    return hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()[:16]
