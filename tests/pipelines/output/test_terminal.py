"""Text of a table is text in the terminal: no markup, no control characters."""

import re
from pathlib import Path

import pandas as pd
from rich.progress import Progress

from features.errors import one_line
from pipelines.output.terminal import console, is_terminal, print_heading, print_table
from pipelines.summary import PROGRESS_COLUMNS, progress_bar

HOSTILE = "[/x] [bold]b[/bold] :smile: \x1b[2J"
SHOWN = "[/x] [bold]b[/bold] :smile: \\x1b[2J"


def test_every_way_to_print_shows_markup_as_written(capsys):
    console.print(HOSTILE)
    console.print(HOSTILE, style="dim")
    print_heading(HOSTILE, f": {HOSTILE}")
    print_table(HOSTILE, pd.DataFrame({HOSTILE: [HOSTILE, None]}))
    printed = capsys.readouterr().out
    assert printed.count(SHOWN) == 7
    assert "\x1b" not in printed
    assert "None" not in printed


def test_a_long_identifier_does_not_fill_the_screen(capsys):
    print_table("t", pd.DataFrame({"c" * 5000: ["x" * 100_000]}))
    assert len(capsys.readouterr().out) < 5000


def test_the_progress_bar_shows_markup_as_written(capsys):
    with progress_bar(2) as advance:
        advance(HOSTILE, 1)
    # Without a terminal the bar is drawn once, at its end, and taken away; so draw it here.
    bar = Progress(*PROGRESS_COLUMNS)
    bar.add_task(one_line(HOSTILE))
    console.print(bar.get_renderable())
    assert SHOWN in capsys.readouterr().out


def test_the_modules_print_through_this_console_alone():
    """A second console would obey markup; no module makes one or writes markup."""
    folder = Path(__file__).parents[3] / "pipelines"
    for path in folder.glob("*.py"):
        text = path.read_text()
        if path.name != "terminal.py":
            assert not re.search(r"\bConsole\(|rich\.markup|\[/?(bold|yellow|dim)\]", text), path
        if path.name != "files.py":
            assert ".to_csv(" not in text, path


def test_a_closed_standard_output_is_no_terminal(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    assert not is_terminal()
