import subprocess
import sys
import textwrap

from pipelines.training.unfinished import claim, training_key


def test_the_same_facts_have_the_same_key_and_others_another():
    assert training_key("a", {"x": 1, "y": 2}) == training_key("a", {"y": 2, "x": 1})
    assert training_key("a", {"x": 1}) != training_key("b", {"x": 1})


def test_two_at_once_have_a_folder_each_and_the_next_takes_over_what_was_left(tmp_path):
    first = claim(tmp_path, "key")
    second = claim(tmp_path, "key")
    assert first.folder != second.folder
    assert not first.resumed
    (first.folder / "tasks").mkdir()
    first.lock.release()
    again = claim(tmp_path, "key")
    assert again.folder == first.folder
    assert again.resumed
    # Another training leaves it alone.
    assert claim(tmp_path, "other").folder not in (first.folder, second.folder)
    again.remove()
    assert not first.folder.exists()
    assert second.folder.exists()


def test_a_killed_process_frees_its_folder(tmp_path):
    holder = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from pipelines.training.unfinished import claim
        claimed = claim(Path(sys.argv[1]), "key")
        print(claimed.folder.name, flush=True)
        sys.stdin.read()
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    name = process.stdout.readline().strip()
    other = claim(tmp_path, "key")
    assert other.folder.name != name
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    # Held, because a claim that nobody holds is free again.
    held = [claim(tmp_path, "key") for _ in range(2)]
    assert name in {one.folder.name for one in held}


def test_what_was_left_damaged_is_named(tmp_path):
    first = claim(tmp_path, "key")
    first.checkpoint.open("cox_0_0").save({}, {})
    first.checkpoint.open("cox_0_1").save({}, {})
    (first.folder / "tasks" / "cox_0_1.npz").write_bytes(b"")
    first.journals.mkdir()
    (first.journals / "forest_0_0.journal").write_bytes(b"garbage")
    first.lock.release()
    assert claim(tmp_path, "key").damaged() == ["cox_0_1", "forest_0_0"]


def test_a_file_in_the_place_of_a_folder_is_in_nobodys_way(tmp_path):
    first = claim(tmp_path, "key")
    (first.folder / "tasks").write_text("no folder")
    first.lock.release()
    (tmp_path / "unfinished" / "key-a").write_text("no folder")
    again = claim(tmp_path, "key")
    assert not again.resumed
    again.checkpoint.open("cox").save({}, {})
