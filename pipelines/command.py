"""How every command ends: a user's mistake is one block on standard error and exit status 2.

So is what the machine does not give: a full disk, a store that is gone. A fault of the program
itself still ends in a traceback, because it is to be reported.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from pathlib import Path
from types import FrameType
from typing import ParamSpec

from features.errors import InputError, Problem, first_line

USER_MISTAKE = 2
# What a shell reports of a program that a signal ended: 128 and the signal's number.
INTERRUPTED = 128 + signal.SIGINT
NOBODY_READS = 128 + 13  # SIGPIPE, which not every system knows
# Classes of the errors of databases, by their modules, and whose database that is.
DATABASE_ERRORS = (
    ("optuna.exceptions", "StorageInternalError", "tuning.storage"),
    ("sqlalchemy.exc", "SQLAlchemyError", "the MLflow store, or a database of the configuration"),
)

Given = ParamSpec("Given")


def run_command(command: Callable[[], None]) -> None:
    """Run a command's work.

    Raises
    ------
    SystemExit
        With status 2 after an InputError, whose problems were printed, and after what the machine
        refused; 130 after Ctrl-C, 141 when nobody reads the output any more, 143 when the program
        was asked to end.
    """
    try:
        with _ends_when_asked():
            _accept_any_text()
            command()
            _flush()
    except InputError as error:
        _end(error.problems)
    except BrokenPipeError:
        # The reader closed early, as `| head` does.
        _leave_output()
        raise SystemExit(NOBODY_READS) from None
    except KeyboardInterrupt:
        _tell("Stopped.")
        raise SystemExit(INTERRUPTED) from None
    except OSError as error:
        _end([_refused(error)])
    except MemoryError:
        _end([Problem("There is not enough memory", remedy="use a smaller table, or more memory")])
    except BrokenExecutor:
        remedy = "give more memory, or fewer processes by --workers; the same command goes on"
        _end([Problem("A worker process was ended from outside, likely for memory", remedy=remedy)])
    except Exception as error:
        problem = _store_problem(error)
        if problem is None:
            raise
        _end([problem])


def program(name: str) -> str:
    """A command as it was called, for its help: by the console script or as a module."""
    as_script = Path(sys.argv[0]).stem == "vensurv"
    return f"vensurv {name}" if as_script else f"python -m pipelines.{name}"


def guarded(command: Callable[Given, None]) -> Callable[Given, None]:
    """A command whose whole body is run by `run_command`."""

    @functools.wraps(command)
    def guarded_command(*arguments: Given.args, **options: Given.kwargs) -> None:
        run_command(lambda: command(*arguments, **options))

    return guarded_command


@contextlib.contextmanager
def _ends_when_asked() -> Iterator[None]:
    """Turn SIGTERM into an exit, so that what is open is closed: a run is marked as failed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _accept_any_text() -> None:
    """Print what the terminal's encoding lacks as its escape, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _flush() -> None:
    """Write what is still held back, so that a full disk behind `>` is told here."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _end(problems: tuple[Problem, ...] | list[Problem]) -> None:
    blocks = "\n\n".join(str(problem) for problem in problems)
    count = len(problems)
    _leave_output()
    _tell(f"{'Error' if count == 1 else f'{count} errors'}:\n{blocks}")
    raise SystemExit(USER_MISTAKE) from None


def _tell(text: str) -> None:
    # Where standard error is closed or full as well, the exit status alone speaks.
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def _leave_output() -> None:
    """Flush standard output; where that fails, turn it to nowhere, as Python flushes at its end."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refused(error: OSError) -> Problem:
    named = [str(name) for name in (error.filename, error.filename2) if name is not None]
    return Problem(
        what="The system refused to read or write",
        where=" and ".join(named) or "standard output, or a file that is written",
        got=first_line(error),
        remedy="free space on the disk, or name a file or folder that you may use; what was "
        "finished before is kept",
    )


def _store_problem(error: Exception) -> Problem | None:
    """What to say of an error of the MLflow store or of a database; None of any other."""
    if _is_a(error, "mlflow.exceptions", "MlflowException"):
        from pipelines.tracking.runs import problem_of

        return problem_of(error).problems[0]
    for module, name, where in DATABASE_ERRORS:
        if _is_a(error, module, name):
            return Problem(
                what="A database failed",
                where=where,
                got=first_line(error),
                remedy="look whether it is still there, has space and may be written; what was "
                "finished before is kept, and the same command goes on from there",
            )
    return None


def _is_a(error: Exception, module: str, name: str) -> bool:
    """Whether an error is of a class of a module; importing one would take seconds.

    An error of it cannot come before it is imported.
    """
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(error, kind)
