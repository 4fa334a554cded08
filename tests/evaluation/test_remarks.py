import pytest

from evaluation.remarks import Remark, joined, reads_above, without


@pytest.mark.parametrize("kind", Remark)
def test_every_kind_knows_its_own_parts_and_no_other(kind):
    part = kind.says("x")
    assert [other for other in Remark if other.of(part)] == [kind]
    assert kind.text(part) == "x"


def test_a_note_is_taken_apart_as_it_was_joined():
    note = joined(reads_above(1, "worse than LDAC"), "", Remark.HAZARDS.says("p = .2"), "12 left")
    assert Remark.HAZARDS.within(note) == ["proportional hazards p = .2"]
    assert without(note, Remark.ABOVE, Remark.HAZARDS) == "12 left"
    assert without(note, Remark.LEFT) == note
    assert not Remark.HAZARDS.within("the hazards are proportional hazards")
    assert Remark.NO_INTERVAL.within(float("nan")) == []
