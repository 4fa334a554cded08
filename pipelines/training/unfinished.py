"""A training that has not ended: where it goes on after it was killed, and who works on it now."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from models.tuning import is_damaged
from pipelines.tracking.store import UNFINISHED
from pipelines.training.checkpoint import Checkpoint, Kept


@dataclass(frozen=True)
class Unfinished:
    """The folder of one training, held by one process until that ends, however it ends.

    Attributes
    ----------
    folder : Path
        Optuna's journals and the finished tasks. Its name tags the MLflow run.
    lock : FileLock
        The operating system frees it when the process dies.
    """

    folder: Path
    lock: FileLock

    @property
    def name(self) -> str:
        """What the MLflow run is tagged with."""
        return self.folder.name

    @property
    def resumed(self) -> bool:
        """Whether an earlier process left something to go on with."""
        return any(part.exists() for part in (self.journals, self.folder / "tasks"))

    @property
    def checkpoint(self) -> Checkpoint:
        """Where finished tasks are kept."""
        return Checkpoint(self.folder / "tasks")

    @property
    def journals(self) -> Path:
        """Where Optuna keeps its trials."""
        return self.folder / "optuna"

    def damaged(self) -> list[str]:
        """Names of what was left but cannot be believed: it is done anew."""
        tasks = (self.folder / "tasks").glob("*.npz")
        found = [path.stem for path in tasks if Kept(path).is_damaged]
        journals = self.journals.glob("*.journal")
        return sorted({*found, *(path.stem for path in journals if is_damaged(path))})

    def remove(self) -> None:
        """Forget everything, at the end of the training."""
        # Held until it is gone, so that nobody takes over what is being deleted.
        shutil.rmtree(self.folder, ignore_errors=True)
        self.lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)


def training_key(*facts: object) -> str:
    """What must be the same for a training to go on: settings, data, store, versions, code."""
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def claim(store: Path, key: str) -> Unfinished:
    """Take over an unfinished training of the same key that nobody works on, or begin a new one.

    Parameters
    ----------
    store : Path
        The local folder of the MLflow store.
    key : str
        From `training_key`.
    """
    parent = store / UNFINISHED
    parent.mkdir(parents=True, exist_ok=True)
    for folder in sorted(parent.glob(f"{key}-*")):
        taken = _take(folder)
        if taken is not None:
            return taken
    folder = parent / f"{key}-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    taken = _take(folder)
    assert taken is not None, "a folder with a fresh name is free"
    return taken


def _take(folder: Path) -> Unfinished | None:
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return None
    taken = Unfinished(folder, lock)
    for part in (taken.journals, folder / "tasks"):
        if part.is_file():
            part.unlink()  # No folder of ours.
    return taken
