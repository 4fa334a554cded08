"""Tasks in workers that end with their parent; how to know that a process was killed."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from joblib import Parallel, delayed

WATCH_SECONDS = 1.0
# prctl(2): the signal that the kernel sends to a process when its parent ends.
PR_SET_PDEATHSIG = 1


def in_parallel(tasks: Iterable[Any], workers: int) -> Iterator[Any]:
    """Run delayed tasks and yield their results in order as they come."""
    if workers == 1:
        for function, args, kwargs in tasks:
            yield function(*args, **kwargs)
        return
    yield from Parallel(n_jobs=workers, return_as="generator")(
        delayed(_as_worker)(os.getpid(), *task) for task in tasks
    )


def _as_worker(
    parent: int,
    function: Callable[..., Any],
    arguments: Sequence[Any],
    options: Mapping[str, Any],
) -> Any:
    """Run one task in a process that ends when its parent does."""
    end_with(parent)
    return function(*arguments, **options)


@lru_cache
def end_with(parent: int) -> None:
    """Let this worker end when its parent does, however that ends; once a process.

    The kernel of Linux sees to it at once, even while compiled code runs; elsewhere a thread looks
    every second.

    Parameters
    ----------
    parent : int
        Process that started this one.
    """
    if os.getpid() == parent:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have ended before the kernel was asked.
    _end_if_orphan(parent)
    threading.Thread(target=_watch, args=(parent,), daemon=True, name="parent").start()


def _watch(parent: int) -> None:
    while True:
        time.sleep(WATCH_SECONDS)
        _end_if_orphan(parent)


def _end_if_orphan(parent: int) -> None:
    if os.getppid() != parent:
        os._exit(1)


# Reads until the writing end is closed, which the system does when its process ends.
WATCHER = "import os, signal, sys; sys.stdin.read(); os.killpg(int(sys.argv[1]), signal.SIGKILL)"


@contextlib.contextmanager
def end_group_with_this(group: int) -> Iterator[None]:
    """End a group of processes, which are not ours to change, when this one is killed meanwhile."""
    command = [sys.executable, "-c", WATCHER, str(group)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as watcher:
        try:
            yield
        finally:
            watcher.kill()


@lru_cache
def own_mark(folder: Path) -> str:
    """What a run is tagged with, so that a later command can see whether its process lives.

    A file is locked until this process ends; the operating system frees it after a kill, and no
    other process ever gets its name, as one gets a process number again.

    Parameters
    ----------
    folder : Path
        Where the lock lies; made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{os.getpid()}-{uuid.uuid4().hex[:8]}.lock")
    lock.acquire()
    atexit.register(_leave, lock)
    return json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "lock": lock.lock_file})


def _leave(lock: FileLock) -> None:
    with contextlib.suppress(OSError):
        os.unlink(lock.lock_file)
    lock.release()


def is_over(mark: str) -> bool:
    """Whether the process that made a mark on this machine has ended.

    False of a process of another machine, and of what is no mark: nothing is known of those.
    """
    try:
        told = json.loads(mark)
        host, path = str(told["host"]), Path(told["lock"])
    except (ValueError, KeyError, TypeError):
        return False
    if host != socket.gethostname():
        return False
    if not path.is_file():
        return True
    try:
        lock = FileLock(path)
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return False
    _leave(lock)
    return True
