import numpy as np
import pytest
from filelock import FileLock, Timeout

from pipelines.training.checkpoint import NOTHING_KEPT, Checkpoint


def test_what_is_kept_comes_back_to_the_last_bit(tmp_path):
    kept = Checkpoint(tmp_path / "tasks").open("cox_0_1")
    assert kept.load() is None
    values = np.array([0.1 + 0.2, np.nan, -0.0])
    facts = {"params": {"alpha": 0.1 + 0.2}, "score": float("nan"), "trials": {}}
    kept.save({"risk_score": values}, facts)
    arrays, found = kept.load()
    assert arrays["risk_score"].tobytes() == values.tobytes()
    assert found["params"] == facts["params"]
    assert np.isnan(found["score"])


def test_a_task_is_waited_for_while_another_process_is_at_it(tmp_path):
    kept = Checkpoint(tmp_path).open("cox_0_1")
    with kept.held():
        other = FileLock(tmp_path / "cox_0_1.lock")
        with pytest.raises(Timeout):
            other.acquire(timeout=0)
    other.acquire(timeout=0)
    other.release()
    with NOTHING_KEPT.held():
        pass


def test_a_training_that_is_over_does_not_come_back(tmp_path):
    kept = Checkpoint(tmp_path / "removed" / "tasks").open("cox_0_1")
    with pytest.raises(FileNotFoundError):
        kept.save({"a": np.zeros(1)}, {})


def test_a_half_written_file_is_no_finished_task(tmp_path):
    kept = Checkpoint(tmp_path).open("cox_0_1")
    (tmp_path / "cox_0_1.123.partial").write_bytes(b"half")
    assert kept.load() is None
    assert not kept.is_damaged


def test_without_a_folder_nothing_is_kept():
    NOTHING_KEPT.save({"a": np.zeros(2)}, {})
    assert NOTHING_KEPT.load() is None
    assert Checkpoint().open("cox").load() is None


def of_a_version_before(path):
    with path.open("wb") as file:
        np.savez(file, facts=np.array("{}"), a=np.ones(3))


DAMAGE = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "one bit": lambda path: path.write_bytes(
        path.read_bytes()[:-200] + b"X" + path.read_bytes()[-199:]
    ),
    "foreign": lambda path: path.write_text("patient,months\n1,2\n"),
    "of a version before": of_a_version_before,
    "of another task": lambda path: path.write_bytes(path.with_stem("cox_0_2").read_bytes()),
    "of another training": lambda path: path.write_bytes(
        (path.parents[2] / "other" / "tasks" / path.name).read_bytes()
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_not_read(damage, tmp_path):
    checkpoint = Checkpoint(tmp_path / "key" / "tasks")
    for folder in ("key", "other"):
        (tmp_path / folder).mkdir()
        for name in ("cox_0_1", "cox_0_2"):
            Checkpoint(tmp_path / folder / "tasks").open(name).save({"a": np.zeros(99)}, {})
    kept = checkpoint.open("cox_0_1")
    assert kept.load() is not None
    DAMAGE[damage](kept.path)
    assert kept.load() is None
    assert kept.is_damaged
    kept.save({"a": np.ones(2)}, {})
    assert kept.load()[0]["a"].tolist() == [1, 1]
    assert not kept.is_damaged


def test_what_cannot_be_written_leaves_no_half(tmp_path, monkeypatch):
    kept = Checkpoint(tmp_path).open("cox")

    def full(self, data):
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(tmp_path), "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        kept.save({}, {})
    assert list(tmp_path.iterdir()) == []
