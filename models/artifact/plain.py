"""A fitted model as plain values: a tree of names, numbers and words, and arrays beside it.

No object is stored, and none is found by its name in a file: a stored value names one of the kinds
below, which is made from plain values by its own constructor, and that refuses what does not fit.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

import numpy as np

from models.fitted import FittedModel
from models.learners.baseline import BaselineHazard
from models.learners.boosting import Margin
from models.learners.cox import CoxElasticNet
from models.learners.forest import ExtraTreesForest, SurvivalForest
from models.learners.gradient_boosting import GradientBoostingCox
from models.learners.kaplan_meier_null import KaplanMeierNull
from models.learners.xgboost_aft import XgboostAft
from models.learners.xgboost_cox import XgboostCox
from models.preprocessing import Category, Encoding, FeatureColumns
from models.recalibrated import RecalibratedModel
from models.stack import StackedModel
from models.trees import Trees

# What a stored value may be, beside numbers, words and arrays.
KINDS: dict[str, type] = {
    "model": FittedModel,
    "stack": StackedModel,
    "recalibrated": RecalibratedModel,
    "encoding": Encoding,
    "category": Category,
    "feature columns": FeatureColumns,
    "trees": Trees,
    "margin": Margin,
    "baseline hazard": BaselineHazard,
    "cox": CoxElasticNet,
    "forest": SurvivalForest,
    "extra trees": ExtraTreesForest,
    "gradient boosting": GradientBoostingCox,
    "xgboost cox": XgboostCox,
    "xgboost aft": XgboostAft,
    "kaplan-meier": KaplanMeierNull,
}
_NAMES = {kind: name for name, kind in KINDS.items()}
# Arrays of truth values, whole numbers and numbers; never of objects.
_DTYPES = "biuf"
_DEEPEST = 24
# Of all arrays together, in bytes, before any is read.
LARGEST = 2 << 30
# The first moment that a ZIP archive knows: the same model is the same bytes whenever it is stored.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def as_bytes(value: Any) -> tuple[bytes, bytes]:
    """A value as JSON and its arrays as an npz file; the same value gives the same bytes."""
    arrays: list[np.ndarray] = []
    tree = _taken_apart(value, arrays)
    packed = io.BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        for place, array in enumerate(arrays):
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
            entry = ZipInfo(f"{place}.npy", _EPOCH)
            entry.compress_type = ZIP_DEFLATED
            archive.writestr(entry, content.getvalue())
    text = json.dumps(tree, separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n", packed.getvalue()


def from_bytes(text: bytes, arrays: bytes) -> Any:
    """The value that `as_bytes` stored.

    Raises
    ------
    ValueError
        When the bytes are no such value: another kind, an array of objects, a size that does not
        fit, parts that contradict each other.
    """
    known = _read_arrays(arrays)
    try:
        tree = json.loads(text, object_pairs_hook=_without_doubles, parse_constant=_refuse_constant)
        value = _put_together(tree, known, 0)
    except ValueError:
        raise
    except (
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise ValueError(f"the parts do not fit together: {type(error).__name__}") from error
    if known:
        raise ValueError(f"{len(known)} arrays belong to nothing")
    return value


def _taken_apart(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a number of a model is not finite")
        return value
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in _DTYPES:
            raise TypeError(f"an array of {value.dtype} is not stored")
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, list | tuple):
        name = "list" if isinstance(value, list) else "tuple"
        return {name: [_taken_apart(one, arrays) for one in value]}
    if isinstance(value, Mapping):
        return {"map": {str(key): _taken_apart(one, arrays) for key, one in value.items()}}
    kind = _NAMES.get(type(value))
    if kind is None:
        raise TypeError(f"a {type(value).__name__} is not stored")
    parts = {name: getattr(value, name) for name in _parts(type(value))}
    return {"kind": kind, "parts": {k: _taken_apart(v, arrays) for k, v in parts.items()}}


def _parts(kind: type) -> tuple[str, ...]:
    """What a value of a kind consists of: its fields, and what a fit adds."""
    return (*(one.name for one in fields(kind)), *getattr(kind, "fitted", ()))


def _put_together(tree: Any, arrays: dict[int, np.ndarray], depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if not isinstance(tree, dict):
        if isinstance(tree, list):
            raise ValueError("a list without its name")
        return tree

    def below(part: Any) -> Any:
        return _put_together(part, arrays, depth + 1)

    if tree.keys() == {"array"} and isinstance(tree["array"], int):
        # Taken out, so that what is left belongs to nothing.
        return arrays.pop(tree["array"])
    if tree.keys() == {"list"} and isinstance(tree["list"], list):
        return [below(one) for one in tree["list"]]
    if tree.keys() == {"tuple"} and isinstance(tree["tuple"], list):
        return tuple(below(one) for one in tree["tuple"])
    if tree.keys() == {"map"} and isinstance(tree["map"], dict):
        return {key: below(one) for key, one in tree["map"].items()}
    if tree.keys() != {"kind", "parts"} or tree["kind"] not in KINDS:
        raise ValueError("a value of no kind that this version knows")
    kind, parts = KINDS[tree["kind"]], tree["parts"]
    if set(parts) != set(_parts(kind)):
        raise ValueError(f"a {tree['kind']} without its parts, or with others")
    made = {name: below(part) for name, part in parts.items()}
    added = {name: made.pop(name) for name in getattr(kind, "fitted", ())}
    value = kind(**made)
    for name, part in added.items():
        setattr(value, name, part)
    return value


def _read_arrays(content: bytes) -> dict[int, np.ndarray]:
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if [entry.filename for entry in entries] != [f"{i}.npy" for i in range(len(entries))]:
                raise ValueError("arrays under other names than their own")
            if sum(entry.file_size for entry in entries) > LARGEST:
                raise ValueError(f"arrays of more than {LARGEST >> 30} GiB")
            return {i: _read_array(archive.read(entry)) for i, entry in enumerate(entries)}
    except (BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(f"the arrays cannot be read: {error}") from error
    except Exception as error:
        if isinstance(error, ValueError):
            raise
        # zlib's own error has no better base.
        raise ValueError(f"the arrays cannot be read: {type(error).__name__}") from error


def _read_array(content: bytes) -> np.ndarray:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError("an array of another format")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if fortran or dtype.kind not in _DTYPES or dtype.hasobject or dtype.byteorder == ">":
        raise ValueError(f"an array of {dtype} is not read")
    size = math.prod(shape) * dtype.itemsize
    if any(length < 0 for length in shape) or size != len(content) - stream.tell():
        raise ValueError("an array of another size than it says")
    return np.frombuffer(content, dtype, offset=stream.tell()).reshape(shape)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of a model")
