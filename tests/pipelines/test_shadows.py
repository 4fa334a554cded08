"""Commands started in a folder that has packages of the same names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("features", "models", "evaluation", "configs")


def make_theirs(folder, file):
    """Packages, or plain folders, of our names; whoever imports from them fails."""
    for name in NAMES:
        (folder / name).mkdir()
        (folder / name / file).write_text("raise RuntimeError('theirs')\n")


def run(folder, *command, places=ROOT):
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=os.environ | {"PYTHONPATH": str(places)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("command", "file"),
    [(["pipelines.simulate"], "__init__.py"), (["pipelines", "simulate"], "notes.py")],
    ids=["packages", "plain folders"],
)
def test_the_working_folder_is_not_where_packages_come_from(tmp_path, command, file):
    make_theirs(tmp_path, file)
    done = run(tmp_path, "-m", *command, "cohort", "--n", "20", "--out", "cohort.csv")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cohort.csv").is_file()


def test_a_plain_folder_called_pipelines_is_passed_over(tmp_path):
    (tmp_path / "pipelines").mkdir()
    done = run(tmp_path, "-m", "pipelines")
    assert done.returncode == 0, done.stderr
    assert "  train " in done.stdout


@pytest.mark.parametrize(
    "command",
    [["-m", "pipelines.train"], ["-c", "import pipelines.__main__ as m; m.main(['train'])"]],
)
def test_what_stands_before_ours_is_named(tmp_path, command):
    (tmp_path / "own" / "models").mkdir(parents=True)
    (tmp_path / "own" / "models" / "__init__.py").touch()
    done = run(tmp_path, *command, places=f"{tmp_path / 'own'}{os.pathsep}{ROOT}")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "own" / "models") in done.stderr
    assert "PYTHONPATH" in done.stderr


def test_a_working_folder_that_was_deleted_is_no_place_either(tmp_path):
    code = "import os; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone'); "
    code += "from pipelines.shadows import leave_working_folder; leave_working_folder()"
    assert run(tmp_path, "-c", code).returncode == 0
