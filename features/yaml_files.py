"""The one way in which YAML is read: a configuration, a study, and the project's own files.

Words stay the words that a person wrote. Of what YAML 1.1 makes of unquoted text, only whole and
decimal numbers, true, false and null remain: `no` is not false, 2024-01-31 is no object, 010 is
not eight, 1_000 and 1:30 are no numbers, and +8 keeps its sign.
"""

from __future__ import annotations

import copy
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from features.errors import InputError, Problem, first_line
from features.paths import check_file, shown_path

# The longest configuration of this project has 300 lines; a dictionary of a thousand covariates
# has 200 kB. Reading takes ten seconds a megabyte.
MAX_BYTES = 1 << 20
MAX_DEPTH = 40
# With every alias written out. Ten aliases of ten aliases of ten... are few lines and no end.
MAX_VALUES = 100_000
STRING = "tag:yaml.org,2002:str"
MERGE = "tag:yaml.org,2002:merge"
RESOLVED = {
    "tag:yaml.org,2002:bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "tag:yaml.org,2002:int": (r"-?(0|[1-9][0-9]*)", "-0123456789"),
    "tag:yaml.org,2002:float": (
        r"-?(0|[1-9][0-9]*)\.[0-9]*([eE][-+]?[0-9]+)?|-?(0|[1-9][0-9]*)[eE][-+]?[0-9]+"
        r"|-?\.[0-9]+([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    "tag:yaml.org,2002:null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    MERGE: (r"<<", "<"),
}


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with limits, and without its surprises."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0
        self.sizes: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        tag = getattr(event, "tag", None)
        if tag not in (None, "!", STRING):
            raise _Refused("a type is named", tag, "write the value without a tag", event)
        if self.depth >= MAX_DEPTH:
            raise _Refused(
                "it is nested too deep", f"more than {MAX_DEPTH} levels", "write it flatter", event
            )
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        if isinstance(event, yaml.AliasEvent) and id(node) not in self.sizes:
            raise _Refused("a value contains itself", f"*{event.anchor}", "write it out", event)
        self._check_size(node)
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        self._check_once(node)
        return node

    def _check_size(self, node: Any) -> None:
        children = node.value if isinstance(node.value, list) else []
        parts = [p for child in children for p in (child if isinstance(child, tuple) else (child,))]
        self.sizes[id(node)] = 1 + sum(self.sizes[id(part)] for part in parts)
        if self.sizes[id(node)] > MAX_VALUES:
            raise _Refused(
                "it is too large",
                f"more than {MAX_VALUES:,} values with every alias written out",
                "use fewer aliases (*name)",
                node,
            )

    def _check_once(self, node: yaml.MappingNode) -> None:
        """Refuse a key that stands twice. What `<<` brings may be replaced: it is a default."""
        first: dict[object, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _Refused("a key is a list or a mapping", "", "name it by one word", key)
            value = self.construct_object(key) if key.tag != MERGE else key.value
            if value is None:
                raise _Refused("a key is empty", key.value, 'put it in quotes: "null"', key)
            # 1 and "1" are the same column or code; 1 and 1.0 would be one key of Python's.
            for same in (key.value, value):
                if same in first:
                    raise _Refused(
                        "a key stands twice",
                        f"{key.value[:60]}, first in line {first[same]}",
                        "keep one of them; the other would be lost",
                        key,
                    )
            first |= dict.fromkeys((key.value, value), key.start_mark.line + 1)


class _Dumper(yaml.SafeDumper):
    """Puts in quotes whatever this reader, or another, would take for something else than text."""


def write_yaml(content: Any) -> str:
    """Text that `read_yaml` reads as the same values, keys in their order."""
    return str(yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100))


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    if len(node.value) > 30:
        raise _Refused(
            "a number is too long", node.value[:30] + "...", "put a code in quotes", node
        )
    return int(node.value)


_Loader.yaml_implicit_resolvers = {}
for _tag, (_form, _first) in RESOLVED.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_tag, re.compile(f"^(?:{_form})$"), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:int", _number)


class _Refused(yaml.YAMLError):
    def __init__(self, what: str, got: str, remedy: str, at: Any) -> None:
        super().__init__(what)
        self.what, self.got, self.remedy = what, got, remedy
        self.problem_mark = at.start_mark


def read_yaml(path: Path, what: str = "configuration", remedy: str = "") -> Any:
    """Read a YAML file.

    Parameters
    ----------
    what : str
        What an error calls it.
    remedy : str
        When there is no such file.

    Raises
    ------
    InputError
        When the file cannot be read, and as `parse_yaml`.
    """
    check_file(path, what, "a YAML file", remedy)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(
            Problem(
                what=f"The {what} cannot be read",
                where=shown_path(path),
                got=first_line(error),
                remedy="check who may read it",
            )
        ) from error
    return parse_yaml(data, shown_path(path), what)


def read_shipped(path: Path) -> Any:
    """Read a file of this project once a process; every caller gets a copy of its own."""
    return copy.deepcopy(_read_once(path))


@lru_cache
def _read_once(path: Path) -> Any:
    return read_yaml(path)


def parse_yaml(data: bytes | str, where: str, what: str = "configuration") -> Any:
    """Read YAML into dicts, lists, text, numbers, true, false and None.

    Parameters
    ----------
    data : bytes or str
        UTF-8.
    where, what : str
        What an error calls the file.

    Raises
    ------
    InputError
        When it is no YAML or larger than a megabyte, a key stands twice, it is nested without end
        or its aliases multiply; with the line.
    """
    text = _text(data, where, what)
    loader = None
    try:
        loader = _Loader(text)
        return loader.get_single_data()
    except _Refused as error:
        raise _invalid(what, where, error, error.what + (f": {error.got}" if error.got else ""),
                       error.remedy) from None  # fmt: skip
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InputError(
            Problem(
                what=f"The {what} is not valid YAML",
                where=f"{where}, line {line}",
                got=f"the character U+{error.character:04X}, which no text contains",
                remedy="take it out; the file is damaged or not text",
            )
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        tab = "\\t" in str(getattr(error, "problem", ""))
        remedy = "indent with blanks, not with tabs" if tab else ""
        raise _invalid(what, where, error, str(getattr(error, "problem", error)), remedy) from error
    finally:
        if loader is not None:
            loader.dispose()


def _text(data: bytes | str, where: str, what: str) -> str:
    size = len(data)
    problem: tuple[str, str] | None = None  # what is wrong, and what to do
    if size > MAX_BYTES:
        problem = (f"more than {MAX_BYTES >> 20} MiB", "give the YAML file, not a table")
    elif isinstance(data, bytes):
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            problem = ("UTF-16", "save it as UTF-8")
        else:
            try:
                return data.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                line = data.count(b"\n", 0, error.start) + 1
                where = f"{where}, line {line}"
                problem = ("bytes that are no UTF-8", "save it as UTF-8")
    if problem is None:
        return str(data)
    raise InputError(
        Problem(
            what=f"The {what} is not valid YAML", where=where, got=problem[0], remedy=problem[1]
        )
    )


def _invalid(what: str, where: str, error: Exception, got: str, remedy: str) -> InputError:
    mark = getattr(error, "problem_mark", None)
    return InputError(
        Problem(
            what=f"The {what} is not valid YAML",
            where=f"{where}, line {mark.line + 1}" if mark else where,
            got=got[:200],
            remedy=remedy or "check indentation, colons and brackets there",
        )
    )
