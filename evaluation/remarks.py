"""What a note says besides its estimate, in parts that know their kind.

A note prints as one text for the reader of a table. What a program needs to know of a part is its
kind: whether it is why there is no interval, how the scale is read, what a check found. It asks the
part, and never its words.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeGuard

_BETWEEN = "; "


class Remark(Enum):
    """A kind of part of a note; its value is how such a part begins."""

    NOT_ESTIMABLE = "not estimable: "
    NO_INTERVAL = "no interval: "
    ABOVE = "above "
    HAZARDS = "proportional hazards "
    LEFT = "the regimen left the model "
    BY_CONSTRUCTION = "out-of-fold: close to 1 by construction"
    # Begins with the subgroup's own name.
    INTERACTION = ""

    def says(self, text: str) -> Part:
        """A part of this kind.

        >>> print(Remark.LEFT.says("in 12% of refits"))
        the regimen left the model in 12% of refits
        """
        return Part(self, text)

    def of(self, part: object) -> TypeGuard[Part]:
        """Whether a part is of this kind."""
        return isinstance(part, Part) and part.kind is self

    def within(self, note: object) -> list[Part]:
        """The parts of this kind in a note, in their order."""
        return [part for part in _parts(note) if self.of(part)]


class Part(str):
    """A part of a note: a text that knows its kind, and what it says after its kind's words."""

    kind: Remark
    text: str

    def __new__(cls, kind: Remark, text: str) -> Part:  # noqa: D102
        found = super().__new__(cls, kind.value + text)
        found.kind, found.text = kind, text
        return found

    def __getnewargs__(self) -> tuple[Remark, str]:  # type: ignore[override]
        return self.kind, self.text


class Note(str):
    """A note: a text that knows its parts."""

    parts: tuple[str, ...]

    def __new__(cls, parts: tuple[str, ...]) -> Note:  # noqa: D102
        found = super().__new__(cls, _BETWEEN.join(parts))
        found.parts = parts
        return found

    def __getnewargs__(self) -> tuple[tuple[str, ...]]:  # type: ignore[override]
        return (self.parts,)


def joined(*parts: str) -> Note:
    """A note of the parts that hold something; a note among them counts as its own parts.

    >>> print(joined(reads_above(1, "worse than LDAC"), "", "12 left out"))
    above 1: worse than LDAC; 12 left out
    """
    return Note(tuple(one for part in parts if part for one in _parts(part)))


def without(note: str, *kinds: Remark) -> Note:
    """A note without its parts of some kinds.

    >>> without(joined(reads_above(1, "worse than LDAC"), "12 left out"), Remark.ABOVE)
    '12 left out'
    """
    return joined(*(part for part in _parts(note) if not any(kind.of(part) for kind in kinds)))


def not_estimable(why: str) -> Part:
    """Why there is no estimate.

    >>> print(not_estimable("no event"))
    not estimable: no event
    """
    return Remark.NOT_ESTIMABLE.says(why)


def why_not(note: str) -> Note:
    """Why there is no estimate, without the words that say that there is none.

    >>> print(why_not(joined(not_estimable("no event"), "12 left out")))
    no event; 12 left out
    """
    kind = Remark.NOT_ESTIMABLE
    return joined(
        *(
            part.text if isinstance(part, Part) and part.kind is kind else part
            for part in _parts(note)
        )
    )


def no_interval(why: str) -> Part:
    """Why there is an estimate and no interval.

    >>> print(no_interval("an arm at 0% or 100%"))
    no interval: an arm at 0% or 100%
    """
    return Remark.NO_INTERVAL.says(why)


def reads_above(null: int, words: str) -> Part:
    """How a scale is read: what an estimate above no difference means.

    >>> print(reads_above(1, "worse than LDAC"))
    above 1: worse than LDAC
    """
    return Remark.ABOVE.says(f"{null}: {words}")


def _parts(note: object) -> tuple[str, ...]:
    """The parts of a note; nothing (NaN) has none.

    A note that went through a file, another process or pandas' own texts is plain again, and its
    parts are told by how they begin: a kind is never lost in silence.
    """
    if isinstance(note, Note):
        return note.parts
    if isinstance(note, Part):
        return (note,)
    if not isinstance(note, str) or not note:
        return ()
    return tuple(_revived(part) for part in note.split(_BETWEEN))


def _revived(part: str) -> str:
    for kind in Remark:
        if kind.value and part.startswith(kind.value):
            return Part(kind, part[len(kind.value) :])
    return part
