"""Paths as users give them: what names no file that can be read is told before it is opened."""

from __future__ import annotations

import stat
from pathlib import Path

from features.errors import InputError, Problem

# Linux takes no longer path; a longer one is a mistake for the content of a file.
MAX_PATH = 4096


def check_file(path: Path, what: str, kind: str, remedy: str = "") -> None:
    """Raise unless a path names a file that can be read.

    Parameters
    ----------
    what : str
        What an error calls it, such as 'table'.
    kind : str
        What should be given, such as 'a .csv file'.
    remedy : str
        What to do when it does not; to give such a path, when left out.
    """
    shown = shown_path(path)
    remedy = remedy or (
        f"give the path of {kind}, relative to the folder you are in "
        "(in a configuration: to the configuration file)"
    )
    problem = _path_problem(path)
    if problem:
        raise InputError(
            Problem(
                what=f"The {what} has no possible path", where=shown, got=problem, remedy=remedy
            )
        )
    try:
        found = path.stat()
    except FileNotFoundError:
        raise InputError(Problem(what=f"No such {what}", where=shown, remedy=remedy)) from None
    except (OSError, ValueError) as error:
        raise InputError(
            Problem(
                what=f"The {what} cannot be reached",
                where=shown,
                got=getattr(error, "strerror", None) or str(error)[:200],
                remedy=remedy,
            )
        ) from None
    if not stat.S_ISREG(found.st_mode):
        folder = stat.S_ISDIR(found.st_mode)
        raise InputError(
            Problem(
                what=f"No such {what}",
                where=shown,
                got="a folder" if folder else "a device or a pipe, not a file",
                remedy=remedy,
            )
        )


def _path_problem(path: str | Path) -> str:
    text = str(path)
    if "\0" in text:
        return "it holds a zero byte"
    if len(text.encode("utf-8", "surrogatepass")) >= MAX_PATH:
        return f"{len(text):,} characters"
    return ""


def absolute(path: Path) -> Path:
    """The path without links and '..'; as it is where it can name no file, to be told later."""
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError):
        return path


def shown_path(path: str | Path) -> str:
    """A path for a message: at most 200 characters, on one line."""
    text = str(path).replace("\0", "\\0").replace("\n", "\\n")
    return text if len(text) <= 200 else f"{text[:150]}...{text[-40:]}"
