"""The terminal: the one console that commands print to, where text of a table is only text."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from features.errors import one_line, shown

if TYPE_CHECKING:
    import pandas as pd

# Without a terminal there is no width to fit; 120 columns suit a log.
LOG_WIDTH = 120
# A note may be a sentence or several; an identifier without end is none.
LONGEST_CELL = 1_000


class PlainConsole(Console):
    """A console without markup: `[bold]` and `:smile:` of a table are shown as written.

    Style what is printed by `style=`, or by a rich Text.
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        super().__init__(
            file=file,
            width=None if is_terminal() else LOG_WIDTH,
            markup=False,
            emoji=False,
            highlight=False,
        )

    def render_str(self, text: str, **options: Any) -> Text:
        """Every string on its way to the terminal, those of tables and progress bars too."""
        return super().render_str(shown(text), **options)


def is_terminal() -> bool:
    """Whether somebody watches; standard output may be closed altogether."""
    return sys.stdout is not None and sys.stdout.isatty()


console = PlainConsole()


def print_heading(name: str, rest: str = "") -> None:
    """Print a name in bold, and what is said of it."""
    console.print(Text.assemble((shown(name), "bold"), shown(rest)))


def print_findings(findings: Iterable[object], to: Console = console) -> None:
    """Print what the checks of a table found, each with its remedy and an empty line."""
    for finding in findings:
        to.print(str(finding))
        to.print()


def print_table(title: str, frame: pd.DataFrame, to: Console = console) -> None:
    """Print a table and an empty line; a missing cell is empty."""
    import pandas as pd

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in frame.columns:
        table.add_column(one_line(column), overflow="fold")
    for row in frame.itertuples(index=False):
        table.add_row(*("" if pd.isna(cell) else one_line(cell, LONGEST_CELL) for cell in row))
    to.print(table)
    to.print()
