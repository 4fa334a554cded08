import numpy as np
import pytest
from filelock import FileLock, Timeout

from pipelines.checkpoint import NOTHING_KEPT, Checkpoint


def test_what_is_kept_comes_back_to_the_last_bit(tmp_path):
    kept = Checkpoint(tmp_path / "tasks").open("cox_0_1")
    assert not kept.exists
    values = np.array([0.1 + 0.2, np.nan, -0.0])
    facts = {"params": {"alpha": 0.1 + 0.2}, "score": float("nan"), "trials": {}}
    kept.save({"risk_score": values}, facts)
    assert kept.exists
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
    assert not kept.exists


def test_without_a_folder_nothing_is_kept():
    NOTHING_KEPT.save({"a": np.zeros(2)}, {})
    assert not NOTHING_KEPT.exists
    assert not Checkpoint().open("cox").exists
