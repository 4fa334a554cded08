"""A user's own folders that carry the names of these packages, when a command starts among them.

`python -m` puts the working folder in front of every other place that packages come from, so a
`models/` or `features/` there would be taken for ours. Nothing here may import one of the packages.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
PACKAGES = ("features", "models", "evaluation")


def leave_working_folder() -> None:
    """Take the working folder from the places of packages, unless these packages are in it."""
    try:
        here = os.path.realpath(os.getcwd())
    except OSError:  # It was deleted, so nothing can be in it.
        return
    if here != ROOT and sys.path and os.path.realpath(sys.path[0]) == here:
        del sys.path[0]


def refuse_shadows() -> None:
    """End the command when another folder stands in front of one of the packages.

    Raises
    ------
    SystemExit
        With status 2, after one block that names each of those folders.
    """
    found = {name: _folder(name) for name in PACKAGES}
    others = [folder for name, folder in found.items() if folder != os.path.join(ROOT, name)]
    if others:
        print(_told(others), file=sys.stderr)
        raise SystemExit(2)


def _folder(name: str) -> str:
    """Where a package would be imported from; empty when nowhere."""
    spec = find_spec(name)
    places = list(spec.submodule_search_locations or [spec.origin or ""]) if spec else [""]
    return os.path.realpath(places[0]) if places[0] else ""


def _told(others: list[str]) -> str:
    return (
        "Error:\n"
        "Another folder stands in front of a package of vensurv\n"
        "  where:   the places that Python takes packages from (PYTHONPATH, the working folder)\n"
        f"  got:     {', '.join(other or 'nothing' for other in others)}\n"
        f"  allowed: {', '.join(PACKAGES)} in {ROOT}\n"
        "  remedy:  take that place out of PYTHONPATH, or rename the folder"
    )
