"""The folder of --out: the files of one command and one run, and nobody else's harmed."""

import contextlib
import os

import pytest

from features.errors import InputError
from pipelines.output import folder as output
from pipelines.output.folder import check_file, check_out, replaced


def write(out, command="train", **files):
    check_out(out, command)
    with replaced(out, command) as folder:
        for name, text in files.items():
            (folder / f"{name}.csv").write_text(text)


def held(out):
    return {p.name: p.read_text() for p in out.iterdir() if p.name != output.LIST}


def test_the_same_command_replaces_its_files_and_leaves_none_of_the_run_before(tmp_path):
    out = tmp_path / "new" / "out"
    write(out, metrics="1", auc="1")
    write(out, metrics="2", subgroups="2")
    assert held(out) == {"metrics.csv": "2", "subgroups.csv": "2"}


def test_another_commands_folder_is_refused(tmp_path):
    write(tmp_path, "compare", comparison="1", balance="1")
    with pytest.raises(InputError, match="of another command") as told:
        check_out(tmp_path, "train")
    assert told.value.problems[0].got == "compare: balance.csv, comparison.csv"


def test_files_of_somebody_else_are_never_replaced_and_never_deleted(tmp_path):
    (tmp_path / "notes.csv").write_text("mine")
    write(tmp_path, metrics="1", auc="1")
    # Worked on since.
    (tmp_path / "auc.csv").write_text("mine")
    write(tmp_path, metrics="2")
    assert held(tmp_path) == {"notes.csv": "mine", "auc.csv": "mine", "metrics.csv": "2"}
    with pytest.raises(InputError, match="did not write"):
        write(tmp_path, notes="3", metrics="3")
    assert held(tmp_path) == {"notes.csv": "mine", "auc.csv": "mine", "metrics.csv": "2"}


@pytest.mark.parametrize("command", output.ALWAYS)
def test_what_a_command_always_writes_is_looked_for_before_any_work(command, tmp_path):
    for name in output.ALWAYS[command]:
        (tmp_path / name).write_text("mine")
        with pytest.raises(InputError, match=name):
            check_out(tmp_path, command)
        (tmp_path / name).unlink()
    check_out(tmp_path, command)


def test_after_an_error_the_old_files_are_as_they_were(tmp_path):
    write(tmp_path, metrics="1")
    with contextlib.suppress(ZeroDivisionError), replaced(tmp_path, "train") as folder:
        (folder / "metrics.csv").write_text("2")
        (folder / "summary.json").write_text(str(1 / 0))
    assert held(tmp_path) == {"metrics.csv": "1"}


def test_a_kill_at_any_point_leaves_the_old_files_or_the_new_ones(tmp_path, monkeypatch):
    """Each call that changes the folder is once the last one."""

    class Killed(BaseException):
        pass

    new = {"metrics.csv": "2", "subgroups.csv": "2"}
    old = {"metrics.csv": "1", "auc.csv": "1"}
    seen = []
    for last in range(12):
        out = tmp_path / str(last)
        write(out, metrics="1", auc="1")
        left = [last]

        def counted(function, left=left):
            def once(*arguments, **options):
                if not left[0]:
                    raise Killed
                left[0] -= 1
                return function(*arguments, **options)

            return once

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", counted(os.replace))
            patch.setattr(output.shutil, "rmtree", counted(output.shutil.rmtree))
            patch.setattr(type(out), "unlink", counted(type(out).unlink))
            with contextlib.suppress(Killed):
                write(out, metrics="2", subgroups="2")
        check_out(out, "train")
        assert held(out) in (old, new)
        seen.append(held(out))
    assert seen[0] == old
    assert seen[-1] == new


def test_a_damaged_list_makes_its_files_nobodys(tmp_path):
    write(tmp_path, metrics="1")
    for damaged in ("", "{", "[]", '{"command": 1}', '{"command": "train", "files": 3}'):
        (tmp_path / output.LIST).write_text(damaged)
        with pytest.raises(InputError, match="did not write"):
            check_out(tmp_path, "train")


def test_a_list_names_no_file_outside_its_folder(tmp_path):
    out = tmp_path / "out"
    write(out, metrics="1")
    outside = tmp_path / "mine.csv"
    outside.write_text("mine")
    text = (out / output.LIST).read_text()
    mark = output._fingerprint(outside)
    (out / output.LIST).write_text(
        text.replace('"files": {', f'"files": {{"../mine.csv": "{mark}",')
    )
    write(out, subgroups="2")
    assert held(out) == {"subgroups.csv": "2"}
    assert outside.read_text() == "mine"


def test_a_single_file_takes_the_place_of_no_input_and_of_no_other_commands(tmp_path):
    write(tmp_path, metrics="1")
    given = tmp_path / "patients.csv"
    given.write_text("mine")
    (tmp_path / "link.csv").symlink_to(given)
    for out in (given, tmp_path / "link.csv"):
        with pytest.raises(InputError, match="that this command reads"):
            check_file(out, str(given), None)
    with pytest.raises(InputError, match="that train wrote"):
        check_file(tmp_path / "metrics.csv", str(given))
    for out in (None, tmp_path / "risk.csv", given.with_name("no") / "risk.csv"):
        check_file(out, "-", str(given), "no\0name")
    check_file(given)
