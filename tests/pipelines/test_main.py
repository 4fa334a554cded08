"""The commands by their names: one list, and each is the module of that name."""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from pipelines import __main__ as commands

ROOT = Path(__file__).resolve().parents[2]


def test_the_list_holds_every_module_that_can_be_run():
    can_be_run = {
        path.stem
        for path in (ROOT / "pipelines").glob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    assert set(commands.COMMANDS) == can_be_run - {"__main__"}


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"], ["help"]])
def test_without_a_command_all_are_listed(argv, capsys):
    commands.main(argv)
    printed = capsys.readouterr().out
    for name, purpose in commands.COMMANDS.items():
        assert f"  {name:<10}{purpose}" in printed


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_a_command_is_the_module_of_its_name(name, monkeypatch):
    given = []
    module = commands.import_module(f"pipelines.{name}")
    monkeypatch.setattr(module, "main", given.append)
    commands.main([name, "--out", "x"])
    assert given == [["--out", "x"]]


def test_a_misspelt_command_is_one_block(capsys):
    with pytest.raises(SystemExit) as end:
        commands.main(["trian", "--out", "x"])
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert "There is no such command" in message
    assert "did you mean 'train'?" in message


def test_the_script_is_the_same_list(monkeypatch, capsys):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (value,) = project["scripts"].values()
    main = EntryPoint("vensurv", value, "console_scripts").load()
    monkeypatch.setattr(sys, "argv", ["vensurv"])
    main()
    assert "  train     " in capsys.readouterr().out


def test_the_list_imports_no_command(tmp_path):
    code = "import sys, pipelines.__main__ as m; m.main([]); print(*sys.modules)"
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    assert not {"typer", "numpy", "pandas", "mlflow"} & set(printed.split())
