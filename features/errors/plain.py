"""Text of unknown origin made harmless to show: no control characters, no hidden direction."""

from __future__ import annotations

import unicodedata

# Cc: control characters. Cf: invisible formatting, such as what turns the direction of writing.
# Cs: half a character. Zl, Zp: line breaks of Unicode.
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# A name longer than this is cut where many stand side by side.
LONGEST_NAME = 60


def shown(text: str) -> str:
    """Show characters that a terminal would obey as their escapes; line breaks and tabs stay."""
    return "".join(letter if letter in "\n\t" else _visible(letter) for letter in text)


def one_line(value: object, longest: int = LONGEST_NAME) -> str:
    """Show a name, code or cell in one line, cut in its middle when it is long."""
    text = str(value)
    # Cut before and after, so that a name of millions of letters takes no time.
    text = "".join(_visible(letter) for letter in _cut(text, longest))
    return _cut(text, longest)


def _visible(letter: str) -> str:
    if letter.isprintable() or unicodedata.category(letter) not in HIDDEN:
        return letter
    return letter.encode("unicode_escape", "surrogatepass").decode("ascii")


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    half = (longest - 3) // 2
    return f"{text[: longest - 3 - half]}...{text[len(text) - half :]}"
