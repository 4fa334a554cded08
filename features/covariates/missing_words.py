"""Which words mean that a cell is missing, and where such a word is a code instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from features.errors import refuse, wrong_names

if TYPE_CHECKING:
    import pandas as pd

MISSING_WORDS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", ".")


@dataclass(frozen=True)
class MissingWords:
    """What makes a cell missing.

    Attributes
    ----------
    extra : tuple of str
        Words that the user stated, beside `usual`.
    codes : mapping of column -> words
        What the configuration uses as a code of that column: there `None` is the code None, and
        not a missing cell. Upper and lower case count as the same, since some rules compare so; a
        word that is then no code is refused where the column is read, and never lost.
    usual : tuple of str
    """

    extra: tuple[str, ...] = ()
    codes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    usual: tuple[str, ...] = MISSING_WORDS

    def check(self) -> None:
        """Raise where the same word is stated as missing and as a code.

        Raises
        ------
        InputError
            Naming every such word and column.
        """
        refuse(
            problem
            for column, codes in self.codes.items()
            for problem in wrong_names(
                sorted(codes.intersection(self.extra)),
                "A word is stated as missing and as a code",
                f"column {column}",
                "take it out of `missing:` (or `missing_codes:`), or out of the codes of this "
                "column",
            )
        )

    @property
    def anywhere(self) -> tuple[str, ...]:
        """Words that are missing in every column."""
        used = {word for column in self.codes for word in self._kept(column)}
        return tuple(word for word in (*self.usual, *self.extra) if word not in used)

    @property
    def not_everywhere(self) -> bool:
        """Whether some word is missing in one column and a code in another."""
        return any(self._kept(column) for column in self.codes)

    def in_column(self, column: str) -> tuple[str, ...]:
        """Words that are missing in this column."""
        kept = self._kept(column)
        return tuple(word for word in (*self.usual, *self.extra) if word not in kept)

    def mask(self, table: pd.DataFrame) -> pd.DataFrame:
        """Make every missing word of a table of text missing."""
        import pandas as pd

        by_column = [self.in_column(str(name).strip()) for name in table.columns]
        if len(set(by_column)) == 1:
            return table.mask(table.isin(by_column[0]))
        hidden = {i: table.iloc[:, i].isin(words) for i, words in enumerate(by_column)}
        return table.mask(pd.DataFrame(hidden, index=table.index).to_numpy(dtype=bool))

    def _kept(self, column: str) -> set[str]:
        codes = {code.strip().lower() for code in self.codes.get(column, ())}
        return {w for w in self.usual if w and w.lower() in codes and w not in self.extra}


NO_CODES = MissingWords()
ONLY_EMPTY = MissingWords(usual=("",))


def merged(parts: Iterable[Mapping[str, Iterable[str]]]) -> dict[str, frozenset[str]]:
    """Codes of several descriptions, by column."""
    found: dict[str, set[str]] = {}
    for part in parts:
        for column, codes in part.items():
            found.setdefault(column, set()).update(map(str, codes))
    return {column: frozenset(codes) for column, codes in found.items()}
