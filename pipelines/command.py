"""How every command ends: a user's mistake is one block on standard error and exit status 2."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from features.errors import InputError, Problem

USER_MISTAKE = 2
UI_PORT = 5000


def run_command(command: Callable[[], None]) -> None:
    """Run a command's work.

    Raises
    ------
    SystemExit
        With status 2 after an InputError, whose problems were printed; 130 after Ctrl-C.
    """
    try:
        command()
    except InputError as error:
        blocks = "\n\n".join(str(problem) for problem in error.problems)
        count = len(error.problems)
        heading = "Error" if count == 1 else f"{count} errors"
        print(f"{heading}:\n{blocks}", file=sys.stderr)
        raise SystemExit(USER_MISTAKE) from None
    except BrokenPipeError:
        # The reader closed early, as `| head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        raise SystemExit(130) from None


def check_out(out: Path | None) -> None:
    """Make an output folder and try that it can be written, before any long work.

    Raises
    ------
    InputError
        When it cannot.
    """
    if out is None:
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".write-test"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            Problem(
                what="The output folder cannot be written",
                where=f"--out {out}",
                got=error.strerror or str(error),
                remedy="name a folder that you may write to",
            )
        ) from error
