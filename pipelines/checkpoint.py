"""What a training has finished, kept until its end so that a killed one does not start anew."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock


@dataclass(frozen=True)
class Kept:
    """One finished task: arrays and facts in one file, or nothing where nothing is kept."""

    path: Path | None

    @property
    def exists(self) -> bool:
        """Whether the task was finished before."""
        return self.path is not None and self.path.is_file()

    def load(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """What `save` was given, to the last bit."""
        assert self.path is not None
        with np.load(self.path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files if name != "facts"}
            return arrays, json.loads(str(stored["facts"]))

    def held(self) -> AbstractContextManager[object]:
        """Hold the task while it is done.

        The workers of a killed training may still be at it: whoever goes on waits for them, and
        then finds it finished.
        """
        if self.path is None:
            return nullcontext()
        self.path.parent.mkdir(exist_ok=True)
        return FileLock(self.path.with_suffix(".lock"))

    def save(self, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
        """Write at once or not at all, whenever the process is killed."""
        if self.path is None:
            return
        # Not its parents: a training that is over is not to come back.
        self.path.parent.mkdir(exist_ok=True)
        partial = self.path.with_suffix(f".{os.getpid()}.partial")
        with partial.open("wb") as file:
            np.savez(file, allow_pickle=False, facts=np.array(json.dumps(facts)), **arrays)
        partial.replace(self.path)


NOTHING_KEPT = Kept(None)


@dataclass(frozen=True)
class Checkpoint:
    """The finished tasks of one training.

    They hold predictions by the position of a patient, no covariate and no outcome, and are deleted
    when the training ends.
    """

    folder: Path | None = None

    def open(self, name: str) -> Kept:
        """The place of one task."""
        return Kept(None if self.folder is None else self.folder / f"{name}.npz")
