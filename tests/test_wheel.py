"""The wheel: it holds every file that the packages read, and finds them away from the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("features", "models", "evaluation", "pipelines", "configs")
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
# What a command reads before it works, and where a training would keep its runs.
READ = """
from features.simulated.scenario import read_scenario
from pipelines.config import configured
from pipelines.tracking.runs import store_folder
print(configured(None, None).cohort.name, read_scenario("randomised").n, store_folder(), sep="|")
"""


def shipped():
    """Files of the packages that a checkout holds, caches and a user's own tables aside."""
    files = [path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file()]
    return {
        str(path.relative_to(ROOT))
        for path in files
        if "__pycache__" not in path.parts and path.suffix != ".csv"
    }


def run(folder, *command, **variables):
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=os.environ | variables,
        capture_output=True, text=True, check=True, timeout=120,
    ).stdout  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, so that nothing is written into the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns("__pycache__", "*.csv")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / "source" / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    run(folder / "source", "-c", BUILD, str(folder))
    (built,) = folder.glob("*.whl")
    return built


def test_it_holds_every_file_of_the_packages_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == shipped()
    assert {Path(name).suffix for name in names} >= {".py", ".yaml", ".sql", ".html"}


def test_it_names_the_script(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith("entry_points.txt")]
        assert "vensurv = pipelines.__main__:main" in archive.read(name).decode()


def test_it_reads_its_own_files_and_keeps_runs_where_it_is_started(wheel, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    place, empty = tmp_path / "place", tmp_path / "empty"
    empty.mkdir()
    zipfile.ZipFile(wheel).extractall(place)
    printed = run(empty, "-c", READ, PYTHONPATH=str(place), PYTHONSAFEPATH="1")
    assert printed.strip() == f"reference study|300|{empty / 'mlruns'}"
