"""A journal that was damaged is read up to the damage, and goes on from there."""

import pytest

from models.tuning.trial_journal import TrialJournal, is_damaged

ENTRIES = [{"op": number, "score": 0.1 + number, "text": "ü\n"} for number in range(4)]


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "cox_0_1.journal"
    TrialJournal(path).append_logs(ENTRIES[:1])
    TrialJournal(path).append_logs(ENTRIES[1:])
    return path


def test_what_was_added_is_read_again(journal):
    assert not is_damaged(journal)
    assert list(TrialJournal(journal).read_logs(0)) == ENTRIES
    assert list(TrialJournal(journal).read_logs(3)) == ENTRIES[3:]


def lines(path):
    return path.read_bytes().splitlines(keepends=True)


DAMAGE = {
    "torn": (lambda p: p.write_bytes(p.read_bytes()[:-1]), 3),
    "empty": (lambda p: p.write_bytes(b""), 0),
    "garbage": (lambda p: p.write_bytes(b"\xff\x00\r\n" * 9), 0),
    "garbage behind": (lambda p: p.write_bytes(p.read_bytes() + b"\xff\x00"), 4),
    "of Optuna itself": (lambda p: p.write_text('{"op_code":0}\n'), 0),
    "a score changed": (lambda p: p.write_bytes(p.read_bytes().replace(b"2.1", b"0.0")), 2),
    "a line lost": (lambda p: p.write_bytes(b"".join(lines(p)[:1] + lines(p)[2:])), 1),
    "lines changed about": (lambda p: p.write_bytes(b"".join(lines(p)[::-1])), 0),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_journal_is_read_up_to_the_damage(damage, journal):
    harm, whole = DAMAGE[damage]
    harm(journal)
    assert is_damaged(journal) == (damage != "empty")
    again = TrialJournal(journal)
    assert list(again.read_logs(0)) == ENTRIES[:whole]
    assert not is_damaged(journal)
    again.append_logs([{"op": "after"}])
    assert list(TrialJournal(journal).read_logs(0)) == [*ENTRIES[:whole], {"op": "after"}]


def test_the_journal_of_another_search_is_not_read(journal):
    other = journal.with_name("cox_0_2.journal")
    other.write_bytes(journal.read_bytes())
    assert list(TrialJournal(other).read_logs(0)) == []
