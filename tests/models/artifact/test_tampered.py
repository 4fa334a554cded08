"""What an attacker, or a broken disk, makes of a stored model: one refusal each, never a crash."""

import io
import json
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest

from features.errors import InputError
from models.artifact.files import MANIFEST, write_manifest
from models.artifact.folder import ARRAYS, CARD, MODEL, load_model, save_model
from models.artifact.plain import LARGEST

LEARNERS = ["cox", "forest", "gradient_boosting", "xgboost_cox", "xgboost_aft", "stack"]


class Bomb:
    def __reduce__(self):
        return (os.system, ("exit 1",))


def arrays_of(folder):
    with np.load(folder / ARRAYS, allow_pickle=False) as stored:
        return [stored[str(place)] for place in range(len(stored.files))]


def write_arrays(folder, arrays, allow_pickle=False):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for place, array in enumerate(arrays):
            one = io.BytesIO()
            np.lib.format.write_array(one, np.asanyarray(array), allow_pickle=allow_pickle)
            archive.writestr(f"{place}.npy", one.getvalue())
    (folder / ARRAYS).write_bytes(content.getvalue())


def tree_of(folder):
    return json.loads((folder / MODEL).read_text())


def parts_named(node, name):
    """Every part of this name in a stored tree, with what holds it."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == name:
                yield node, value
            yield from parts_named(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from parts_named(value, name)


def changed_array(folder, name, change):
    arrays = arrays_of(folder)
    for _, part in parts_named(tree_of(folder), name):
        arrays[part["array"]] = change(arrays[part["array"]].copy())
    write_arrays(folder, arrays)


def at(place, value):
    def change(array):
        array.flat[place] = value
        return array

    return change


# Name of a damage -> which array of the trees it changes, and how.
TREES = {
    "a circle": ("left", lambda a: np.where(a >= 0, 0, a)),
    "a child above": ("right", lambda a: np.where(a >= 0, np.arange(len(a)), a)),
    "a child beyond": ("left", lambda a: np.where(a >= 0, 10**9, a)),
    "a negative child": ("left", lambda a: np.where(a >= 0, -5, a)),
    "no leaf": ("left", lambda a: np.abs(a)),
    "a feature beyond": ("feature", lambda a: np.where(a >= 0, 10**6, a)),
    "a feature below": ("feature", lambda a: np.where(a >= 0, -7, a)),
    "a threshold that is none": ("threshold", lambda a: np.full_like(a, np.nan)),
    "a value that is none": ("value", lambda a: np.full_like(a, np.inf)),
    "a set that is not there": ("set_row", lambda a: np.full_like(a, 40)),
    "roots out of order": ("roots", lambda a: a[::-1].copy()),
    "roots beyond": ("roots", lambda a: a + 10**6),
    "fewer nodes": ("right", lambda a: a[:-1]),
    "another shape": ("feature", lambda a: a[:, None]),
    "no trees": ("roots", lambda a: a[:0]),
}
ARRAY_DAMAGES = [
    *((learner, name) for learner in LEARNERS if learner not in ("cox",) for name in TREES),
]


def seal(folder):
    write_manifest(folder, [CARD, MODEL, ARRAYS])


@pytest.fixture
def folder(request, models, card, tmp_path):
    learner = getattr(request, "param", "cox")
    save_model(tmp_path / "m", models[learner], card.model_copy(update={"learner": learner}))
    return tmp_path / "m"


def refused(folder, digest=""):
    with pytest.raises(InputError) as told:
        load_model(folder, digest)
    (problem,) = told.value.problems
    assert problem.where
    assert problem.remedy
    return problem


@pytest.mark.parametrize(("folder", "name"), ARRAY_DAMAGES, indirect=["folder"])
def test_trees_that_are_none_are_refused(folder, name):
    part, change = TREES[name]
    changed_array(folder, part, change)
    assert "changed after" in refused(folder).what  # the manifest names another file
    seal(folder)
    refused(folder)


@pytest.mark.parametrize(
    ("folder", "part", "change"),
    [
        ("cox", "coef_", at(0, np.nan)),
        ("cox", "coef_", lambda a: a[:-1]),
        ("cox", "coef_", lambda a: a.astype(bool)[None]),
        ("cox", "center_", at(0, np.inf)),
        ("cox", "cumulative_hazard", at(0, -1.0)),
        ("cox", "cumulative_hazard", lambda a: a[::-1].copy()),
        ("cox", "cumulative_hazard", at(0, np.nan)),
        ("cox", "event_times", lambda a: a[::-1].copy()),
        ("cox", "event_times", lambda a: a[:-1]),
        ("cox", "fill", lambda a: a[:-1]),
        ("cox", "scale", lambda a: a[:0]),
        ("cox", "scale", lambda a: np.zeros_like(a)),
        ("cox", "features", lambda a: a[:-1]),
        ("forest", "leaf_survival_", at(0, 2.0)),
        ("forest", "leaf_survival_", lambda a: a[:, ::-1].copy()),
        ("forest", "leaf_survival_", at(0, np.nan)),
        ("forest", "leaf_row_", lambda a: a + 10**6),
        ("forest", "leaf_row_", lambda a: np.full_like(a, -1)),
        ("forest", "leaf_mortality_", at(0, np.nan)),
        ("forest", "leaf_mortality_", lambda a: a[:-1]),
        ("forest", "times_", lambda a: a[::-1].copy()),
    ],
    indirect=["folder"],
)  # fmt: skip
def test_numbers_that_are_no_model_are_refused(folder, part, change):
    changed_array(folder, part, change)
    seal(folder)
    refused(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: tree | {"kind": "os.system"},
        lambda tree: tree | {"kind": "cox"},
        lambda tree: tree | {"more": 1},
        lambda tree: {"kind": "model"},
        lambda tree: {"kind": "model", "parts": {}},
        lambda tree: {"kind": "model", "parts": tree["parts"] | {"more": 1}},
        lambda tree: {"kind": "model", "parts": tree["parts"] | {"estimator": None}},
        lambda tree: {"kind": "model", "parts": tree["parts"] | {"estimator": tree}},
        lambda tree: {"kind": "model", "parts": tree["parts"] | {"preprocessing": 3}},
        lambda tree: {"kind": "model", "parts": tree["parts"] | {"columns": {"tuple": [1]}}},
        lambda tree: {"kind": "model", "parts": tree["parts"] | {"columns": {"tuple": []}}},
        lambda tree: {"kind": "model", "parts": tree["parts"] | {"follow_up": -1}},
        lambda tree: {"kind": "model", "parts": tree["parts"] | {"follow_up": 10**400}},
        lambda tree: {"kind": "model", "parts": tree["parts"] | {"follow_up": "long"}},
        lambda tree: {"kind": "model", "parts": tree["parts"] | {"learner": "forest"}},
        lambda tree: {"kind": "model", "parts": tree["parts"] | {"params": []}},
        lambda tree: [tree],
        lambda tree: {"list": [tree]},
        lambda tree: {"map": {}},
        lambda tree: None,
        lambda tree: 1,
    ],
)
def test_words_that_are_no_model_are_refused(folder, change):
    (folder / MODEL).write_text(json.dumps(change(tree_of(folder))))
    seal(folder)
    refused(folder)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"\xff\xfe", b"null", b"NaN", b"[" * 100_000, b'{"array":0}' * 2,
        b'{"array":0,"array":1}', b'{"array":' + b"9" * 5000 + b"}", b'{"array":-1}',
        pickle.dumps(Bomb()),
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused(folder, text):
    for name in (MODEL, CARD, MANIFEST):
        before = (folder / name).read_bytes()
        (folder / name).write_bytes(text)
        if name != MANIFEST:
            seal(folder)
        refused(folder)
        (folder / name).write_bytes(before)
        seal(folder)
    load_model(folder)


def hostile_zip(name="0.npy", content=b"", size=None):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    found = packed.getvalue()
    if size is not None:  # in the central directory, where the size is read first
        place = found.index(b"PK\x01\x02") + 24
        found = found[:place] + struct.pack("<I", size) + found[place + 4 :]
    return found


def npy(shape, dtype="<f8", fortran=False, content=b""):
    stream = io.BytesIO()
    header = {"descr": dtype, "fortran_order": fortran, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        b"\x93NUMPY",
        pickle.dumps(Bomb()),
        hostile_zip("../0.npy"),
        hostile_zip("/etc/passwd"),
        hostile_zip("0.npy", b""),
        hostile_zip("0.npy", b"\x93NUMPY\x01\x00"),
        hostile_zip("0.npy", pickle.dumps(Bomb())),
        hostile_zip("0.npy", npy((10**12,))),
        hostile_zip("0.npy", npy((-1,))),
        hostile_zip("0.npy", npy((2, 2), fortran=True, content=bytes(32))),
        hostile_zip("0.npy", npy((1,), ">f8", content=bytes(8))),
        hostile_zip("0.npy", npy((1,), "|O", content=bytes(8))),
        hostile_zip("0.npy", npy((1,), "<U4", content=bytes(16))),
        hostile_zip("0.npy", npy((1,), "<c16", content=bytes(16))),
        hostile_zip("0.npy", bytes(2_000_000)),
        hostile_zip("0.npy", bytes(10), LARGEST + 1),
        hostile_zip("0.npy", bytes(10), 5),
        hostile_zip("1.npy", npy((1,), content=bytes(8))),
    ],
)
def test_arrays_that_are_none_are_refused(folder, content):
    (folder / ARRAYS).write_bytes(content)
    seal(folder)
    refused(folder)


def test_arrays_of_objects_are_refused_unread(folder):
    arrays = arrays_of(folder)
    write_arrays(folder, [np.array([Bomb()], dtype=object), *arrays[1:]], allow_pickle=True)
    seal(folder)
    refused(folder)


def test_an_array_more_is_refused(folder):
    write_arrays(folder, [*arrays_of(folder), np.zeros(2)])
    seal(folder)
    assert "belong to nothing" in refused(folder).got


@pytest.mark.parametrize("name", [CARD, MODEL, ARRAYS, MANIFEST])
@pytest.mark.parametrize(
    "how", ["gone", "cut", "empty", "link", "broken link", "pipe", "folder", "one bit"]
)
def test_files_that_are_none_are_refused(folder, name, how):
    path, content = folder / name, (folder / name).read_bytes()
    path.unlink()
    if how == "cut":
        path.write_bytes(content[:-20])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "link":
        (folder.parent / "elsewhere").write_bytes(content)
        path.symlink_to(folder.parent / "elsewhere")
    elif how == "broken link":
        path.symlink_to(folder / "nowhere")
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "folder":
        path.mkdir()
    elif how == "one bit":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    refused(folder)


@pytest.mark.parametrize(
    "files",
    [
        {}, [], {"card.json": 1}, {"card.json": "0" * 63}, {"../card.json": "0" * 64},
        {"card.json": "0" * 64}, {"a.pkl": "0" * 64},
    ],
)  # fmt: skip
def test_a_manifest_that_is_none_is_refused(folder, files):
    (folder / MANIFEST).write_text(json.dumps({"format": 1, "files": files}))
    refused(folder)


def test_a_card_too_large_is_refused_unread(folder):
    with open(folder / CARD, "wb") as file:
        file.truncate(1 << 40)  # takes no room on the disk
    refused(folder)


def test_a_consistent_change_is_refused_where_the_model_is_registered(folder, card, models):
    digest = save_model(folder, models["cox"], card)
    changed_array(folder, "coef_", lambda a: -a)
    assert "changed after" in refused(folder).what
    seal(folder)
    # Alone it is a model like any other: only who registered it can tell.
    assert "not the model that was registered" in refused(folder, digest).what
