"""How far a long prediction has come, on standard error."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

# Where nobody watches a terminal, a line of a log so often.
SECONDS = 10.0


@contextlib.contextmanager
def progress_of(what: str) -> Iterator[Callable[[float], None]]:
    """Show a share, 0 to 1, with the time that has passed and that is left."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield _logged(what)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=1.0)
        yield lambda share: shown.update(task, completed=share)


def _logged(what: str) -> Callable[[float], None]:
    start = told = time.monotonic()

    def tell(share: float) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told < SECONDS or not 0 < share < 1 or sys.stderr is None:
            return
        told, left = now, (now - start) * (1 - share) / share
        print(f"{what}: {share:.0%}, {now - start:.0f} s, {left:.0f} s left", file=sys.stderr)

    return tell
