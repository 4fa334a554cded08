"""What a page is made of: a record of sections, each of blocks, written by one template.

A section is made by one function from what a command found, and is None where there is nothing to
show; a page is the list of such functions. So a new section is a function and its place in a list,
and no template knows what a command finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from evaluation.report.page import embed_figure, embed_png, html_table, write_page

T = TypeVar("T")
# A figure, or a PNG that was drawn already because it is kept as a file too.
Pictures = Mapping[str, Figure | bytes]
# A piece of a section; None and empty ones are left out.
Block = Markup | None


@dataclass(frozen=True)
class Section:
    """A part of a page under one heading.

    Attributes
    ----------
    key : str
        What links point at.
    title : str
        Its heading; empty for a part that belongs to the section before it.
    blocks : sequence of Markup or None
        In the order of reading.
    link : str
        What the list of links at the top calls it; empty for none.
    """

    key: str
    title: str
    blocks: Sequence[Block]
    link: str = ""

    @property
    def html(self) -> Markup:
        """The section as HTML."""
        heading = Markup('\n<h2 id="{}">{}</h2>\n').format(self.key, self.title)
        return Markup("").join([heading if self.title else Markup(""), *filter(None, self.blocks)])


@dataclass(frozen=True)
class Record:
    """Everything that a page shows.

    Attributes
    ----------
    kind : str
        Of the command; pages of a kind share their style.
    title : str
    provenance : str
        Printed on top when the patients are not real.
    facts : mapping of label -> text
    cautions : sequence of str
        What the data cannot support.
    sections : sequence of Section
    """

    kind: str
    title: str
    provenance: str
    facts: Mapping[str, str]
    sections: Sequence[Section]
    cautions: Sequence[str] = ()


def sections_of(makers: Iterable[Callable[[T], Section | None]], found: T) -> list[Section]:
    """The sections that there is something to show in."""
    return [section for make in makers if (section := make(found)) is not None]


def write_record(path: Path, record: Record) -> None:
    """Write a record as one HTML file, pictures inside, nothing loaded from elsewhere."""
    write_page(path, "record.html", record=record)


def paragraph(text: object, kind: str = "") -> Block:
    """Text, escaped unless it is Markup; `note` is smaller."""
    if not text:
        return None
    return Markup('<p class="{}">{}</p>\n' if kind else "<p>{1}</p>\n").format(kind, text)


def note(text: str) -> Block:
    """What a reader should know of the block before."""
    return paragraph(text, "note")


def heading(text: str) -> Markup:
    """A heading within a section."""
    return Markup("<h3>{}</h3>\n").format(text)


def strong(text: str) -> Block:
    """Text that stands out."""
    return paragraph(Markup("<strong>{}</strong>").format(text)) if text else None


def table(
    frame: pd.DataFrame | None,
    scroll: str = "",
    classes: str = "table",
    read: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame,
) -> Block:
    """A table as `read` shows it, in a box that scrolls; None where it has no row."""
    if frame is None or frame.empty or (shown := read(frame)).empty:
        return None
    return boxed(html_table(shown, classes), scroll)


def boxed(html: Markup, scroll: str = "") -> Markup:
    """A table that is HTML already, in a box that scrolls."""
    return Markup('<div class="{}">{}</div>\n').format(f"scroll {scroll}".strip(), html)


def pictures(kind: str, shown: Pictures | None) -> Block:
    """Pictures side by side, each over its caption."""
    if not shown:
        return None
    each = Markup("").join(
        Markup('  <figure><img src="{}" alt="{}"><figcaption>{}</figcaption></figure>\n').format(
            embed_png(one) if isinstance(one, bytes) else embed_figure(one), caption, caption
        )
        for caption, one in shown.items()
    )
    return Markup('<div class="pictures {}">\n{}</div>\n').format(kind, each)


def folded(summary: str, *blocks: Block) -> Block:
    """Blocks that a reader has to open."""
    inside = Markup("").join(filter(None, blocks))
    return Markup("<details><summary>{}</summary>\n{}</details>\n").format(summary, inside)
