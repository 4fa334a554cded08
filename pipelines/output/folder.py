"""The folder of `--out`: one command's files of one run, the old ones or the new ones.

Files are written beside and renamed when all are there. What the same command wrote before and
does not write again is deleted; what somebody else put there never is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from features.errors import InputError, Problem, first_line
from pipelines.output.files import write_text

# Which command wrote which files, with their fingerprints.
LIST = ".vensurv.json"
# The new files until they are put in place; with their list in it, all of them are there.
NEW = ".vensurv-new-"
# Files that a command always writes, looked for before any long work.
ALWAYS = {
    "check": ("data_report.html", "findings.csv", "table_one.csv"),
    "train": ("metrics.csv", "summary.json", "report.html"),
    "compare": ("comparison.csv", "summary.json", "report.html", "config.yaml"),
    "promote": ("promotion.csv", "summary.json"),
    "evaluate": ("metrics.csv", "summary.json", "report.html"),
}
SHOWN = 5


@dataclass(frozen=True)
class Written:
    """What a folder says about the files in it: the command and name -> fingerprint."""

    command: str = ""
    files: Mapping[str, str] | None = None

    @property
    def names(self) -> set[str]:
        """Names of the files."""
        return set(self.files or {})


def check_out(out: Path | None, command: str) -> None:
    """Make an output folder and see that it is free for this command, before any long work.

    Raises
    ------
    InputError
        When it cannot be written, or holds files of another command or of somebody else.
    """
    if out is None:
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".write-test"
        probe.touch()
        probe.unlink()
        _finish_interrupted(out)
    except (OSError, ValueError) as error:
        raise InputError(
            Problem(
                what="The output folder cannot be written",
                where=f"--out {out}",
                got=first_line(error),
                remedy="name a folder that you may write to",
            )
        ) from error
    written = _read_list(out / LIST)
    if written.command not in ("", command):
        raise _refused(
            out,
            "The output folder holds the files of another command",
            f"{written.command}: {_some(written.names)}",
        )
    _check_free(out, ALWAYS[command], written)


def check_file(out: Path | None, *inputs: str | Path | None) -> None:
    """See that a file to be written is none that the command reads, and none of another command.

    Raises
    ------
    InputError
        When it is one of them.
    """
    if out is None:
        return
    got = ""
    with contextlib.suppress(OSError, ValueError):
        if any(given and Path(given).exists() and out.samefile(given) for given in inputs):
            got = "a file that this command reads"
    written = _read_list(out.parent / LIST)
    if out.name in written.names:
        got = f"a file that {written.command} wrote: {_some(written.names)} belong together"
    if got:
        raise InputError(
            Problem(
                what="This file would be lost",
                where=f"--out {out}",
                got=got,
                remedy="name another file",
            )
        )


@contextlib.contextmanager
def replaced(out: Path, command: str) -> Iterator[Path]:
    """An empty folder whose files take the place of what the same command wrote before.

    A kill leaves the old files; one in the moment of the renaming leaves it to the next command
    with the same folder to end it. After an error the old files are as they were.

    Raises
    ------
    InputError
        When somebody else's file has the name of a new one.
    """
    out.mkdir(parents=True, exist_ok=True)
    folder = out / f"{NEW}{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
        files = {path.name: _fingerprint(path) for path in sorted(folder.iterdir())}
        _check_free(out, files, _read_list(out / LIST))
        content = {"command": command, "files": files}
        write_text(folder / LIST, json.dumps(content, indent=2) + "\n")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _put_in_place(folder, out)


def _put_in_place(folder: Path, out: Path) -> None:
    """Rename the new files; interrupted anywhere, it can be called again."""
    old, new = _read_list(out / LIST), _read_list(folder / LIST)
    for name in sorted(new.names):
        # What is no longer there was put in place before.
        with contextlib.suppress(FileNotFoundError):
            os.replace(folder / name, out / name)
    for name in old.names - new.names:
        # Changed since, it is somebody's work.
        with contextlib.suppress(OSError):
            if _fingerprint(out / name) == (old.files or {})[name]:
                (out / name).unlink()
    os.replace(folder / LIST, out / LIST)
    shutil.rmtree(folder, ignore_errors=True)


def _finish_interrupted(out: Path) -> None:
    for folder in out.glob(f"{NEW}*"):
        if (folder / LIST).is_file():
            _put_in_place(folder, out)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _check_free(out: Path, names: Mapping[str, str] | tuple[str, ...], written: Written) -> None:
    foreign = {name for name in names if (out / name).exists() and name not in written.names}
    foreign |= {name for name in names if (out / name).is_dir()}
    if foreign:
        raise _refused(
            out,
            "The output folder holds files that this command would replace and did not write",
            _some(foreign),
        )


def _refused(out: Path, what: str, got: str) -> InputError:
    return InputError(
        Problem(
            what=what,
            where=f"--out {out}",
            got=got,
            allowed="a new folder, or one that this command wrote",
            remedy="name another folder, or move these files away",
        )
    )


def _some(names: set[str]) -> str:
    shown = ", ".join(sorted(names)[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _read_list(path: Path) -> Written:
    """What stands in a list; a damaged one says nothing, so that its files are nobody's."""
    try:
        told = json.loads(path.read_text("utf-8"))
        files = {str(name): str(mark) for name, mark in told["files"].items()}
        return Written(str(told["command"]), {n: m for n, m in files.items() if Path(n).name == n})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Written()


def _fingerprint(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
