import copy

import pytest

from evaluation.remarks import Note, Remark, joined, not_estimable, reads_above, why_not, without


@pytest.mark.parametrize("kind", Remark)
def test_every_kind_knows_its_own_parts_and_no_other(kind):
    part = kind.says("x")
    assert [other for other in Remark if other.of(part)] == [kind]
    assert part == f"{kind.value}x"
    # The same words said by nobody are of no kind.
    assert not kind.of(f"{kind.value}x")
    assert copy.deepcopy(part).kind is kind


def test_a_note_is_taken_apart_as_it_was_joined():
    note = joined(reads_above(1, "worse than LDAC"), "", Remark.HAZARDS.says("p = .2"), "12 left")
    assert note == "above 1: worse than LDAC; proportional hazards p = .2; 12 left"
    assert Remark.HAZARDS.within(note) == ["proportional hazards p = .2"]
    assert without(note, Remark.ABOVE, Remark.HAZARDS) == "12 left"
    assert without(note, Remark.LEFT) == note
    assert joined(note, "and more").parts == (*note.parts, "and more")
    assert not Remark.HAZARDS.within("no proportional hazards p = .2")
    assert Remark.NO_INTERVAL.within(float("nan")) == []


def test_a_copied_note_keeps_its_parts():
    note = joined(not_estimable("no event"), "12 left")
    again = copy.deepcopy(note)
    assert isinstance(again, Note)
    assert why_not(again) == "no event; 12 left"


def test_a_note_from_a_file_is_told_by_how_its_parts_begin():
    note = joined(not_estimable("no event"), reads_above(0, "more than LDAC"), "12 left")
    plain = "".join(note)
    assert type(plain) is str
    assert without(plain, Remark.ABOVE) == without(note, Remark.ABOVE)
    assert why_not(plain) == why_not(note)
    assert Remark.ABOVE.within(plain) == Remark.ABOVE.within(note)
