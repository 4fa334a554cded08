"""An audit file: one line a prediction, which says what was asked of which model, and no covariate.

The input stands there as a keyed hash. Covariates have few possible values, so that a plain hash
could be undone by trying them all; the key lies beside the file, in `NAME.key`, readable by its
owner alone. Who holds both can test a guess; who holds the file alone cannot.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from features.errors import InputError, Problem, first_line

if TYPE_CHECKING:
    from models.card import ModelCard
    from models.patients import Patients

KEY_BYTES = 32
# Seconds that another process may hold the file for.
PATIENCE = 10


class Audit:
    """A file to which lines are added; it is tried when it is opened."""

    def __init__(self, path: Path) -> None:
        """Open the file and its key; either is made where it is not there.

        Raises
        ------
        InputError
            When the file cannot be written, or the key is not one.
        """
        self._path = path
        self._lock = FileLock(f"{path}.lock", timeout=PATIENCE)
        try:
            if not path.parent.is_dir():
                # The lock would make the folder.
                raise FileNotFoundError(f"there is no folder {path.parent}")
            with self._lock:
                self._key = _read_key(path.with_name(path.name + ".key"))
                self._append("")
        except (OSError, ValueError) as error:
            raise InputError(
                Problem(
                    what="The audit file cannot be written",
                    where=f"--audit {path}",
                    got=first_line(error),
                    remedy="name a file in a folder that you may write to; nothing was predicted",
                )
            ) from error

    def write(
        self, inputs: Sequence[Any], horizons: Sequence[float], model: str, digest: str
    ) -> None:
        """Add a line for each patient, on the disk when this returns.

        Parameters
        ----------
        inputs : sequence
            What was asked of each, as plain values for JSON.
        model, digest : str
            Its address, and the SHA-256 of its files.

        Raises
        ------
        OSError
            When it cannot be written.
        """
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        told = {"time": time, "model": model, "digest": digest, "horizons": list(horizons)}
        lines = [json.dumps(told | {"input": self.hashed(one)}) + "\n" for one in inputs]
        with self._lock:
            self._append("".join(lines))

    def hashed(self, value: Any) -> str:
        """Keyed hash of one input: the same for equal values, whatever the order of names."""
        canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hmac.new(self._key, canonical.encode(), hashlib.sha256).hexdigest()

    def _append(self, text: str) -> None:
        with self._path.open("ab+") as file:
            # A line that a kill has cut off is not to swallow the next one.
            if file.tell() and text:
                file.seek(-1, os.SEEK_END)
                text = text if file.read(1) == b"\n" else "\n" + text
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())


def canonical(patients: Patients, card: ModelCard) -> list[dict[str, Any]]:
    """What was asked of each patient: every input in the dictionary's unit, null where unknown."""
    regimen = patients.regimen if card.arms else None
    return [
        {
            "regimen": None if regimen is None else str(regimen[place]),
            "inputs": {one.name: _plain(patients.inputs, one.name, place) for one in card.inputs},
        }
        for place in range(len(patients))
    ]


def _plain(inputs: Any, name: str, place: int) -> float | str | None:
    value = inputs[name][place] if name in inputs else None
    if value is None or value != value:
        return None
    return value if isinstance(value, str) else float(value)


def _read_key(path: Path) -> bytes:
    if not path.exists():
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        handle = os.open(path, flags, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
    key = bytes.fromhex(path.read_text("ascii").strip())
    if len(key) != KEY_BYTES:
        raise ValueError(f"{path.name} is no key of {KEY_BYTES} bytes")
    return key
