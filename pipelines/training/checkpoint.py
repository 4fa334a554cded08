"""What a training has finished, kept until its end so that a killed one does not start anew."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

# The form of the files; another form is not read.
FORM = b"vensurv task 1\n"


@dataclass(frozen=True)
class Kept:
    """One finished task: arrays and facts in one file, or nothing where nothing is kept."""

    path: Path | None

    @property
    def is_damaged(self) -> bool:
        """Whether something stands there that is not what was kept of this task."""
        return self.path is not None and self.path.exists() and self.load() is None

    def load(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """What `save` was given, to the last bit; None where nothing, or nothing whole, is kept."""
        if self.path is None or not self.path.is_file():
            return None
        form, seal, data = _split(self.path.read_bytes())
        if form != FORM or seal != self._sealed(data):
            return None
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files if name != "facts"}
            return arrays, json.loads(str(stored["facts"]))

    def _sealed(self, data: bytes) -> bytes:
        """Of content and place: the result of another task or training is not this one's."""
        assert self.path is not None
        place = f"{self.path.parent.parent.name}/{self.path.stem}\n"
        return hashlib.sha256(place.encode() + data).digest()

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
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, facts=np.array(json.dumps(facts)), **arrays)
        data = buffer.getvalue()
        partial = self.path.with_suffix(f".{os.getpid()}.partial")
        try:
            partial.write_bytes(FORM + self._sealed(data) + data)
            partial.replace(self.path)
        except BaseException:
            # A half of it would only take the room that is missing.
            partial.unlink(missing_ok=True)
            raise


def _split(content: bytes) -> tuple[bytes, bytes, bytes]:
    start, end = len(FORM), len(FORM) + hashlib.sha256().digest_size
    return content[:start], content[start:end], content[end:]


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
