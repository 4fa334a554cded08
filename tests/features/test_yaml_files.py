import os
import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from features.covariates.dictionary import CONFIGS
from features.errors import InputError
from features.yaml_files import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_VALUES,
    parse_yaml,
    read_yaml,
    write_yaml,
)


def refused(text):
    with pytest.raises(InputError) as error:
        parse_yaml(text, "a.yaml")
    (problem,) = error.value.problems
    assert problem.where.startswith("a.yaml")
    return problem


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("a: 1\nb: 2\na: 3\n", "a key stands twice: a, first in line 1"),
        ("b: 0\na: {x: 1, y: 2, x: 1}\n", "a key stands twice: x, first in line 2"),
        ('a: 0\nb: {1: x,\n "1": y}\n', "a key stands twice: 1, first in line 2"),
        ("a: 0\nb: {1: x,\n 1.0: y}\n", "a key stands twice: 1.0, first in line 2"),
        ("- 0\n- {<<: {a: 1}, b: 2,\n <<: {a: 2}}\n", "a key stands twice: <<, first in line 2"),
    ],
)
def test_a_key_that_stands_twice_is_named_with_its_lines(text, got):
    problem = refused(text)
    assert problem.got == got
    line = 2 if "{x: 1, y" in text else 3
    assert problem.where == f"a.yaml, line {line}"


def test_what_a_merge_brings_is_a_default():
    text = "base: &b {x: 1, y: 2}\nmid: &m {<<: *b, y: 3}\nuse: {<<: *m, x: 4}\n"
    assert parse_yaml(text, "a.yaml")["use"] == {"x": 4, "y": 3}


@pytest.mark.parametrize(
    "word",
    ["no", "yes", "on", "off", "N", "y", "2024-01-31", "2024-13-45", "010", "08", "0x1F", "0b11",
     "1_000", "1:30", "12:30:45", "+8", "+1.5", "=", "NA", "None", "1.2.3", "-", "1,5", "0o7"],
)  # fmt: skip
def test_a_word_stays_as_it_is_written(word):
    if word != "-":
        assert parse_yaml(f"{{a: {word}}}" if "," not in word else f"a: {word}", "a") == {"a": word}
    assert parse_yaml(f"a: '{word}'", "a") == {"a": word}


def test_numbers_truth_values_and_null_remain():
    text = "[1, -7, 0, 1.50, .5, 1., 1e3, -2.5e-3, true, FALSE, null, ~, .inf]"
    expected = [1, -7, 0, 1.5, 0.5, 1.0, 1000.0, -0.0025, True, False, None, None, float("inf")]
    assert parse_yaml(text, "a") == expected


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("a: " + "[" * (MAX_DEPTH + 5), "nested too deep"),
        ("\n".join("  " * i + f"k{i}:" for i in range(MAX_DEPTH + 5)), "nested too deep"),
        ("a: &x [*x]", "a value contains itself: *x"),
        ("a: &x {b: {c: *x}}", "a value contains itself: *x"),
        ("a: !!python/object/apply:os.getcwd []", "a type is named"),
        ("a: !!binary aGk=", "a type is named"),
        ("? [a, b]\n: 1", "a key is a list or a mapping"),
        ("{~: 1}", "a key is empty"),
        ("a: " + "9" * 5000, "a number is too long"),
        ("a: 1\n--- \nb: 2", "another document"),
        ("a: *nothing", "found undefined alias"),
        ("a: {<<: 5}", "expected a mapping or list of mappings for merging"),
        ("a: \x00", "U+0000"),
        (b"a: \xff", "no UTF-8"),
        ("a: 1".encode("utf-16"), "UTF-16"),
        (b" " * (MAX_BYTES + 1), "more than 1 MiB"),
    ],
)
def test_what_is_refused(text, got):
    assert got in refused(text).got


@pytest.mark.parametrize("form", ["[{0}]", "{{a: {0}}}", "{{<<: [{0}]}}"])
def test_aliases_that_multiply_end_soon(form):
    # Ten aliases of ten aliases: 10**9 values in ten lines.
    lines = ["x0: &x0 {a: 1}" if "<<" in form else "x0: &x0 1"]
    for i in range(1, 10):
        inside = ", ".join([f"*x{i - 1}"] * 10)
        inside = f"[{inside}]" if form.startswith("{{a") else inside
        lines.append(f"x{i}: &x{i} " + form.format(inside))
    started = time.monotonic()
    assert f"{MAX_VALUES:,} values" in refused("\n".join(lines)).got
    assert time.monotonic() - started < 2


def test_files_that_are_none(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    for path, what, got in (
        (tmp_path, "No such configuration", "a folder"),
        (tmp_path / "pipe.yaml", "No such configuration", "a device or a pipe, not a file"),
        (tmp_path / "a\0b.yaml", "The configuration has no possible path", "it holds a zero byte"),
        (tmp_path / ("x" * 5000), "The configuration has no possible path", ""),
        (tmp_path / ("x" * 300), "The configuration cannot be reached", "File name too long"),
        (tmp_path / "nowhere.yaml", "No such configuration", ""),
    ):
        with pytest.raises(InputError) as error:
            read_yaml(path)
        (problem,) = error.value.problems
        assert problem.what == what
        assert got in problem.got
        assert len(problem.where) <= 200


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda p: p.name)
def test_the_shipped_files_are_read_as_any_reader_reads_them(path):
    def plain(value):
        if isinstance(value, dict):
            return {key: plain(part) for key, part in value.items()}
        if isinstance(value, list):
            return [plain(part) for part in value]
        return {"on": "True", "off": "False"}.get(str(value), str(value))

    assert plain(read_yaml(path)) == plain(yaml.safe_load(path.read_text("utf-8")))


WORDS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | WORDS | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(PLAIN)
def test_what_is_written_is_read_back(value):
    assert parse_yaml(write_yaml(value), "a") == value


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.text(alphabet="ab:-?[]{}&*<!|>'\"#,\n\t %@`01.~", max_size=60) | st.binary(max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        parse_yaml(text, "a")
    except InputError as error:
        assert error.problems[0].where  # noqa: PT017
