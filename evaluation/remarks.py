"""What a note says besides its estimate, by kind: made and told apart here, and nowhere else.

A note is one text for the reader of a table, its parts joined by "; ". What a program needs to know
of a part is its kind: whether it is why there is no interval, how the scale is read, what a check
found. Each kind begins with its own words, so that those can change here without changing what any
program does.
"""

from __future__ import annotations

from enum import Enum

_BETWEEN = "; "


class Remark(Enum):
    """A kind of part of a note; its value is how such a part begins."""

    NOT_ESTIMABLE = "not estimable: "
    NO_INTERVAL = "no interval"
    ABOVE = "above "
    HAZARDS = "proportional hazards "
    LEFT = "the regimen left the model "
    BY_CONSTRUCTION = "out-of-fold: close to 1 by construction"

    def says(self, text: str) -> str:
        """A part of this kind.

        >>> Remark.NOT_ESTIMABLE.says("no event")
        'not estimable: no event'
        """
        return f"{self.value}{text}"

    def of(self, part: str) -> bool:
        """Whether a part is of this kind."""
        return part.startswith(self.value)

    def within(self, note: object) -> list[str]:
        """The parts of this kind in a note, in their order."""
        return [part for part in str(note).split(_BETWEEN) if self.of(part)]

    def text(self, part: str) -> str:
        """What a part says after the words of its kind; all of it where it is of another kind."""
        return part.removeprefix(self.value)


def joined(*parts: str) -> str:
    """A note of the parts that hold something.

    >>> joined("above 1: worse than LDAC", "", "no interval: no event")
    'above 1: worse than LDAC; no interval: no event'
    """
    return _BETWEEN.join(part for part in parts if part)


def without(note: object, *kinds: Remark) -> str:
    """A note without its parts of some kinds.

    >>> without("above 1: worse than LDAC; no interval: no event", Remark.ABOVE)
    'no interval: no event'
    """
    parts = str(note).split(_BETWEEN)
    return joined(*(part for part in parts if not any(kind.of(part) for kind in kinds)))


def reads_above(null: int, words: str) -> str:
    """How a scale is read: what an estimate above no difference means.

    >>> reads_above(1, "worse than LDAC")
    'above 1: worse than LDAC'
    """
    return Remark.ABOVE.says(f"{null}: {words}")
