"""Text of unknown origin is shown, not obeyed."""

import pytest

from features.errors import LONGEST_NAME, Problem, name_some, one_line, shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Größe, 日本, 5 µmol", "Größe, 日本, 5 µmol"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b31m", "\\x9b31m"),
        ("bell\x07\x08", "bell\\x07\\x08"),
        ("over\rwritten", "over\\rwritten"),
        ("\u202e1 fo 2\u2066", "\\u202e1 fo 2\\u2066"),
        ("half \ud800", "half \\ud800"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
    ],
)
def test_what_a_terminal_would_obey_is_an_escape(text, expected):
    assert shown(text) == expected


def test_a_name_stands_in_one_line_and_is_cut():
    assert one_line("a\nb\u2028c") == "a\\nb\\u2028c"
    assert one_line(12.5) == "12.5"
    long = one_line("x" * 5_000_000 + "end")
    assert len(long) == LONGEST_NAME
    assert long.endswith("xend")
    assert "..." in long


def test_a_list_of_names_is_harmless():
    told = name_some(["[/x]", "a\x1b[31m", "y" * 400])
    assert told.startswith("[/x], a\\x1b[31m, yyy")
    assert len(told) < 100


def test_a_value_does_not_pass_for_another_line_of_a_problem():
    problem = Problem("Wrong", got="1\n  remedy:  pay\x1b[8m", remedy="mend it" * 1000)
    lines = str(problem).splitlines()
    assert [line for line in lines if line.startswith("  remedy:")] == [lines[-1]]
    assert "\\x1b[8m" in lines[2]
    assert lines[-1].endswith(" ...")
    assert len(lines[-1]) < 2100
