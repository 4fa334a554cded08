"""Files of a stored model: plain ones of a bearable size, each named by its hash."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from pathlib import Path

MANIFEST = "manifest.json"
FORMAT = 1
# Largest files that are read, in bytes: words, and arrays as they are packed.
LARGEST_TEXT = 64 << 20
LARGEST_ARRAYS = 1 << 30
_NAME = re.compile(r"[a-z]+\.(json|npz)")
_HASH = re.compile(r"[0-9a-f]{64}")


class NewerError(ValueError):
    """The folder was written by a later version."""


def read_file(path: Path, largest: int = 0) -> bytes:
    """A plain file's bytes; no link, pipe or device is followed.

    Raises
    ------
    ValueError
        When it is no plain file, or larger than is read.
    OSError
        When it cannot be read.
    """
    largest = largest or (LARGEST_ARRAYS if path.suffix == ".npz" else LARGEST_TEXT)
    # Neither flag is known everywhere; without blocking, a pipe does not wait for its writer.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    if path.is_symlink():
        raise ValueError("a link in place of a file")
    place = os.open(path, flags | getattr(os, "O_BINARY", 0))
    with open(place, "rb") as file:
        told = os.fstat(file.fileno())
        if not stat.S_ISREG(told.st_mode):
            raise ValueError("no plain file")
        if told.st_size > largest:
            raise ValueError(f"{told.st_size} bytes, more than the {largest} that are read")
        return file.read(largest + 1)


def write_manifest(folder: Path, names: list[str]) -> None:
    """Name the files of a model with the hash of each."""
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    told = {"format": FORMAT, "files": dict(sorted(hashes.items()))}
    (folder / MANIFEST).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> tuple[dict[str, str], str]:
    """Name -> hash of each file, and the digest: the hash of the manifest itself.

    Raises
    ------
    NewerError
        For a later format.
    ValueError, OSError
        For a manifest that is none, or cannot be read.
    """
    content = read_file(folder / MANIFEST, 1 << 20)
    told = json.loads(content)
    if not isinstance(told, dict) or not isinstance(told.get("format"), int):
        raise ValueError("no manifest of a model")
    if told["format"] > FORMAT:
        raise NewerError(f"format {told['format']}")
    files = told.get("files")
    if told.keys() != {"format", "files"} or told["format"] < 1 or not isinstance(files, dict):
        raise ValueError("no manifest of a model")
    for name, value in files.items():
        if not _NAME.fullmatch(name) or not isinstance(value, str) or not _HASH.fullmatch(value):
            raise ValueError("a manifest that names no file, or no hash")
    return files, hashlib.sha256(content).hexdigest()


def read_named(folder: Path, name: str, files: dict[str, str]) -> bytes:
    """A file that the manifest names, and that is the one it names.

    Raises
    ------
    ValueError, OSError
    """
    if name not in files:
        raise ValueError("not named in the manifest")
    content = read_file(folder / name)
    if hashlib.sha256(content).hexdigest() != files[name]:
        raise ValueError("changed since it was written: its hash is not the one in the manifest")
    return content
