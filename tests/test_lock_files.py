"""What the lock files promise: every need pinned with hashes, nothing twice, no place named."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
RUNS, DEVELOPS = "requirements.lock", "requirements-dev.lock"
PYTHONS = ("3.11.7", "3.12.1", "3.13.0")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def pins(name):
    """The requirements of a lock file, each with its hashes."""
    lines = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    stated = [line.split(" --hash=") for line in lines if line[:1] not in ("", " ", "#")]
    return [(Requirement(pin.strip()), [h.strip() for h in hashes]) for pin, *hashes in stated]


def environment(python):
    version = python.rpartition(".")[0]
    return default_environment() | {"python_full_version": python, "python_version": version}


def locked(names, python):
    """The version of each package that a Python of this machine would install."""
    found = [pin for name in names for pin, _ in pins(name)]
    found = [pin for pin in found if not pin.marker or pin.marker.evaluate(environment(python))]
    versions = {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in found}
    assert len(versions) == len(found), "a package stands twice"
    return versions


@pytest.mark.parametrize("name", [RUNS, DEVELOPS])
def test_every_pin_is_one_version_with_hashes(name):
    assert len(pins(name)) > 20
    for pin, hashes in pins(name):
        assert [clause.operator for clause in pin.specifier] == ["=="], pin
        assert hashes, pin
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", given) for given in hashes), pin
        assert pin.url is None, pin


def test_what_running_needs_does_not_stand_among_what_developing_adds():
    assert not {pin.name for pin, _ in pins(RUNS)} & {pin.name for pin, _ in pins(DEVELOPS)}


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    ("needs", "files"),
    [
        (PROJECT["dependencies"] + EXTRAS["editable"], [RUNS]),
        (EXTRAS["dev"], [RUNS, DEVELOPS]),
    ],
    ids=["running", "developing"],
)
def test_every_need_is_locked_at_a_version_that_fits(needs, files, python):
    versions = locked(files, python)
    for need in map(Requirement, needs):
        if need.marker and not need.marker.evaluate(environment(python)):
            continue
        assert need.specifier.contains(versions[canonicalize_name(need.name)]), need


def test_running_does_not_bring_the_tools_of_developing():
    assert not {"pytest", "ruff", "mypy", "survset"} & set(locked([RUNS], PYTHONS[0]))
