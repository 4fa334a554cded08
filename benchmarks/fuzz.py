"""Damaged and hostile inputs without end: python -m benchmarks.fuzz --n 600 --seed 1.

Each input is made from the seed and its number, so that `--only 17` makes the same again. It goes
through the command itself, `main([...])`, in a process forked from this one, whose imports are
done, under a limit of time and of memory. Counted are tracebacks, what takes longer, what takes
more memory, and exits that no command has; each is kept in `--keep` with its input.

By hand, on Linux or macOS; no test runs all of it.
"""

from __future__ import annotations

import argparse
import copy
import csv
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# Of the processor, so that a busy machine does not count; by the clock for what waits in vain.
SECONDS = 60
CLOCK_SECONDS = 300
MEMORY = 4 * 2**30
# 0: done; 1: check found something; 2: refused. 130 and more are a signal's.
EXITS = (0, 1, 2)
NO_MEMORY = "There is not enough memory"
PATIENTS = 60

CELLS = (
    "", " ", "NaN", "nan", "None", "NA", "inf", "-inf", "1e999", "1e308", "-1", "0", "-0", "1,5",
    "1.234.567,8", "0x10", "1_000", "\u0661\u0662", "½", "=1+1", "@SUM(A1)", "+1", "-2+3", "[/x]",
    "[bold]", "\x1b[2J", "\u202eabc", "\0", "'", '"', "a\nb", "a\rb", "<script>alert(1)</script>",
    "$x^2$", "$\\frac{", "{{7*7}}", "%s%n", "true", "yes", "2022-02-30", "2022-01-01", "9" * 400,
    "x" * 50_000, "HMA", "LDAC", "hma", "é", "\ufeff", "\ud7ff", "null", "../../etc/passwd",
)  # fmt: skip
NAMES = (
    "", " ", "age_years", "regimen", "id", "time", "row", "index", "note", "[/x]", "=a", "\x1b[31m",
    "a\nb", "x" * 5000, "$\\alpha$", "<b>", "\u202ename", "0", "None", "event", "patient_id",
    "risk_score", "__class__", "age_years ", "AGE_YEARS", "wbc", "model",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 10**30, 1e308, float("nan"), float("inf"), "", " ", "x", "[/x]",
    "\x1b[2J", [], {}, [1, "a", None], {"a": {"b": []}}, [[[]]], "x" * 20_000, "models:/", "~",
    "${HOME}", "../..", "/dev/zero", "/dev/null", "/", "no.csv", "a\0b", "2022-01-01", "1e5", "=1",
)  # fmt: skip
RAW_YAML = (
    "", "- 1\n- 2\n", "just text", "a: [1, 2", "a: b: c", "\tseed: 1\n", "seed: 1\nseed: 2\n",
    "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n",
    "!!python/object/apply:os.system [id]", "seed: !!int x\n", "? [a]\n: b\n", "a: *nowhere\n",
    "%YAML 9.9\n---\nseed: 1\n", "[" * 3000,
    "{a: " * 2000, "seed: 1\n---\nseed: 2\n", "\x00\x01", "seed: 0o7\n", "seed: 1_0\n", "on: off\n",
    "a: " + "&x " * 50, "<<: {seed: 1}\n", "!!binary x", "seed: .nan\n", "seed: 1:30\n",
)  # fmt: skip
RAW_JSON = (
    "", "{", "[", "[]", "{}", "[{}]", "[[]]", "null", "1", '"x"', '{"age_years": NaN}',
    "[" * 90_000,
    '{"a":' * 5000, '{"age_years": 61, "age_years": 62}', '{"age_years": 1e999}', "\ufeff{}",
    '{"age_years": "\\ud800"}', '{"age_years": ' + "9" * 6000 + "}", '{"": 1}',
    '{"age_years": [61]}',
    '[{"age_years": 61}, 3]', '{"age_years": true, "regimen": false}', '{"regimen": {"a": 1}}',
    "age_years,regimen", "age_years;regimen\n61;HMA", "\x1b[2J", "%PDF-1.4", "PK\x03\x04",
)  # fmt: skip

CONFIG: dict[str, Any] = {
    "seed": 1,
    "cohort": {
        "path": "table.csv",
        "name": "fuzzed",
        "columns": {
            "patient_id": "id",
            "regimen": {"column": "regimen", "values": {"HMA": "HMA", "LDAC": "LDAC"},
                        "reference_arm": "LDAC"},
            "endpoints": {
                "os": {"label": "OS", "time": "months", "unit": "months", "event": "died"}
            },
        },
    },
    "endpoint": "os",
    "covariates": ["age_years", "ecog", "hb_g_per_l"],
    "learners": ["cox"],
    "resampling": {"folds": 3, "repeats": 1, "inner_folds": 2},
    "tuning": {"trials": 0},
    "evaluation": {"horizons": [6, 12], "bootstrap": 50, "instability": "off",
                   "regimen_refits": 20},
    "tracking": {"experiment": "fuzz", "model_name": "fuzz"},
}  # fmt: skip

# Settings that may be meant, so that a command goes on into its work; each by its path.
SETTINGS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("seed", (0, 7, 2**31)),
    ("covariates", (["age_years"], ["hb_g_per_l", "ecog"], ["age_years", "log_wbc"])),
    ("learners", (["kaplan_meier"], ["cox_clinical"], ["forest"], ["xgboost_aft"], ["stack"])),
    ("resampling.folds", (2, 10, 30)),
    ("resampling.repeats", (2,)),
    ("resampling.inner_folds", (5,)),
    ("tuning.trials", (1, 2)),
    ("evaluation.horizons", ([0.1], [24], [6.0, 6.000001], [1, 2, 3, 4, 5, 6, 7, 8])),
    ("evaluation.thresholds", ([0.01, 0.99], [0.5])),
    ("evaluation.subgroups", (["sex"], ["age"], [])),
    ("evaluation.optimism", (20,)),
    ("cohort.name", ("[/x]", "\x1b[2J", "<b>", "$\\frac{$", "x" * 3000, "\u202e", "日本")),
    ("cohort.suppress_below", (0, 5, 1000)),
    ("cohort.columns.endpoints.os.label", ("[/x]", "<b>", "$x$", "OS\n2", "x" * 500)),
    ("cohort.columns.endpoints.os.unit", ("days", "weeks", "years")),
    ("cohort.columns.endpoints.os.event_values", ({"1": "event", "0": "censored"}, [1], ["0"])),
    ("cohort.columns.regimen.reference_arm", ("HMA",)),
    ("cohort.columns.patient_id", ("regimen", "months", None)),
    ("champion.rule", ("lowest_ibs",)),
    ("sample_size.when_too_small", ("stop", "say")),
    ("tracking.model_name", ("[/x]", "a b", "m-1", "=x")),
    ("tracking.experiment", ("[/x]", "=x", "x" * 300, "\x1b[2J", "a'b")),
)
# By column, values that may be meant: extreme, or hostile only to whoever shows them.
MEANT = {
    "id": CELLS[20:40],
    "age_years": ("18", "99", "61.5", "", "60"),
    "ecog": ("0", "4", "", "2.0"),
    "hb_g_per_l": ("40", "200", "", "95"),
    "regimen": ("HMA", "LDAC"),
    "months": ("0.01", "0.03", "6", "12", "59.9", "1200"),
    "died": ("0", "1"),
}

Rows = list[list[str]]


@dataclass(frozen=True)
class Case:
    """One input: the command with its arguments, and what stands on its standard input."""

    number: int
    command: str
    argv: list[str]
    stdin: bytes
    kind: str


@dataclass(frozen=True)
class Ended:
    """How a command ended: `seconds` of the processor, `clock` by the clock."""

    exit: int
    seconds: float
    clock: float
    memory: int
    said: str

    @property
    def fault(self) -> str:
        """What is wrong with how it ended; empty when nothing is."""
        if self.seconds > SECONDS or self.clock > CLOCK_SECONDS:
            return "over time"
        if self.memory > MEMORY or NO_MEMORY in self.said:
            return "over memory"
        if "Traceback (most recent call last)" in self.said:
            return "traceback"
        return "" if self.exit in EXITS else "odd exit"


# -- making inputs --------------------------------------------------------------------------


def good_rows(seed: int = 0) -> Rows:
    """A small table that every command takes."""
    rng = random.Random(seed)
    rows = [["id", "age_years", "ecog", "hb_g_per_l", "regimen", "months", "died"]]
    for number in range(PATIENTS):
        age, arm = rng.randint(40, 85), rng.choice(["HMA", "LDAC"])
        death, seen = rng.expovariate(0.06 * 1.03 ** (age - 62)), rng.uniform(12, 30)
        rows.append(
            [f"P{number}", str(age), str(rng.randint(0, 3)), str(rng.randint(70, 130)), arm,
             f"{max(0.01, min(death, seen)):.3f}", str(int(death <= seen))]
        )  # fmt: skip
    return rows


def _cell(rows: Rows, rng: random.Random) -> Rows:
    for _ in range(rng.choice([1, 1, 3, 20])):
        row = rng.choice(rows[1:] or rows)
        if row:
            row[rng.randrange(len(row))] = rng.choice(CELLS)
    return rows


def _column(rows: Rows, rng: random.Random) -> Rows:
    place = rng.randrange(len(rows[0]))
    value = rng.choice(CELLS)
    return [[*row[:place], value, *row[place + 1 :]] if number else row
            for number, row in enumerate(rows)]  # fmt: skip


def _name(rows: Rows, rng: random.Random) -> Rows:
    rows[0][rng.randrange(len(rows[0]))] = rng.choice(NAMES)
    return rows


def _drop_column(rows: Rows, rng: random.Random) -> Rows:
    place = rng.randrange(len(rows[0]))
    return [row[:place] + row[place + 1 :] for row in rows]


def _more_columns(rows: Rows, rng: random.Random) -> Rows:
    count = rng.choice([1, 5, 3000])
    names = [f"{rng.choice(NAMES)[:30]}{n}" for n in range(count)]
    return [[*row, *(names if not n else [rng.choice(CELLS)[:50]] * count)]
            for n, row in enumerate(rows)]  # fmt: skip


def _ragged(rows: Rows, rng: random.Random) -> Rows:
    row = rng.choice(rows)
    row[:] = row[: rng.randrange(len(row) + 1)] if rng.random() < 0.5 else [*row, "x", "y"]
    return rows


def _rows(rows: Rows, rng: random.Random) -> Rows:
    change: Callable[[], Rows] = rng.choice(
        [
            lambda: rows[:1],
            lambda: rows[:2],
            lambda: rows[: rng.randrange(2, 12)],
            lambda: [*rows, *rows[1:]],
            lambda: [rows[0], *rows[1:2] * 40],
            lambda: [rows[0], *(row for row in rows[1:] for _ in range(300))],
            lambda: [list(column) for column in zip(*rows, strict=True)],
            lambda: rows[1:],
        ]
    )
    return change()


def _outcome(rows: Rows, rng: random.Random) -> Rows:
    """Times and events as no cohort should have them."""
    time_of = rng.choice(["0", "-3", "5", "0.001", "1e6", "6.000000000001"])
    event = rng.choice(["0", "1", "2", "9", "yes", "dead", "1.0", ""])
    which = rng.random()
    for row in rows[1:]:
        if which < 0.66 and row:
            row[-1] = event
        if which > 0.33 and len(row) > 1:
            row[-2] = time_of
    return rows


def _meant(rows: Rows, rng: random.Random) -> Rows:
    """Values that no check of a single cell refuses, in some rows or in all."""
    place = rng.randrange(len(rows[0]))
    values = MEANT.get(rows[0][place], ("1", "x"))
    share, value = rng.choice([0.1, 0.5, 0.95, 1.0]), rng.choice(values)
    for row in rows[1:]:
        if rng.random() < share:
            row[place] = value if share > 0.4 else rng.choice(values)
    if rows[0][place] == "id":  # Still told apart.
        for number, row in enumerate(rows[1:]):
            row[place] += str(number)
    return rows


def _fewer(rows: Rows, rng: random.Random) -> Rows:
    return [rows[0], *rng.sample(rows[1:], min(len(rows) - 1, rng.choice([8, 20, 45])))]


TABLE_CHANGES = (
    _cell, _cell, _cell, _column, _column, _name, _name, _drop_column, _more_columns, _ragged,
    _rows, _rows, _outcome, _outcome,
)  # fmt: skip


def _plain(rows: Rows) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def _as_bytes(rows: Rows, rng: random.Random) -> bytes:
    quoted = rng.random() < 0.5
    separator = rng.choice([",", ",", ",", ",", ";", "\t", "|"])
    end = rng.choice(["\n", "\n", "\r\n", "\r"])

    def text_of(cell: str) -> str:
        if quoted or any(mark in cell for mark in (separator, '"', "\n", "\r")):
            return '"' + cell.replace('"', '""') + '"'
        return cell

    text = end.join(separator.join(map(text_of, row)) for row in rows) + end
    encoding = rng.choice(["utf-8"] * 6 + ["utf-8-sig", "utf-16", "latin-1", "gb18030"])
    data = bytearray(text.encode(encoding, "replace"))
    if rng.random() < 0.25 and data:
        for _ in range(rng.choice([1, 5, 200])):
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data[: rng.randrange(len(data) + 1)]) if rng.random() < 0.1 else bytes(data)


def _table(folder: Path, rng: random.Random, *, damage: bool = True) -> Path:
    rows = good_rows(rng.randrange(3))
    path = folder / "table.csv"
    # Half of the tables pass the first checks, so that what lies behind them is tried too.
    if damage and rng.random() < 0.55:
        for _ in range(rng.choice([1, 2, 3])):
            rows = rng.choice((_meant, _meant, _meant, _fewer, _cell))(rows, rng)
        path.write_bytes(_plain(rows))
        return path
    if damage:
        for _ in range(rng.choice([1, 1, 2, 4])):
            if rows and rows[0]:
                rows = rng.choice(TABLE_CHANGES)(rows, rng)
    suffix = rng.choice([".csv"] * 14 + [".tsv", ".txt", ".json", ".parquet", ".xlsx", ".xls"])
    path = folder / f"table{suffix}"
    rough = damage and rng.random() < 0.6
    path.write_bytes(_as_bytes(rows, rng) if rough else _plain(rows))
    return path


def _places(content: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs: Any = ()
    if isinstance(content, dict):
        pairs = content.items()
    elif isinstance(content, list):
        pairs = enumerate(content)
    found = [before] if before else []
    for key, value in pairs:
        found += _places(value, (*before, key))
    return found


def _config(folder: Path, rng: random.Random, table: Path, *, damage: bool) -> Path:
    path = folder / "config.yaml"
    if damage and rng.random() < 0.25:
        path.write_text(rng.choice(RAW_YAML), encoding="utf-8")
        return path
    content = copy.deepcopy(CONFIG)
    content["cohort"]["path"] = table.name
    if damage and rng.random() < 0.6:
        for way, values in rng.sample(SETTINGS, rng.choice([1, 2, 3])):
            *inside_of, last = way.split(".")
            place: Any = content
            for key in inside_of:
                place = place.setdefault(key, {})
            place[last] = copy.deepcopy(rng.choice(values))
        path.write_bytes(yaml.safe_dump(content, allow_unicode=True).encode("utf-8", "replace"))
        return path
    for _ in range(rng.choice([1, 1, 2, 5]) if damage else 0):
        *way, last = rng.choice(_places(content))
        inside: Any = content
        for key in way:
            inside = inside[key]
        what = rng.random()
        if what < 0.2:
            del inside[last]
        elif what < 0.4 and isinstance(inside, dict):
            inside[rng.choice(NAMES)[:200]] = inside.pop(last)
        else:
            inside[last] = copy.deepcopy(rng.choice(VALUES))
    text = yaml.safe_dump(content, allow_unicode=True)
    if damage and rng.random() < 0.2:
        place = rng.randrange(len(text))
        text = (
            text[:place]
            + rng.choice(["\t", ":", "{", "\0", "\x1b", "&a ", "\n", "é"])
            + text[place:]
        )
    path.write_bytes(text.encode("utf-8", "replace"))
    return path


def _json_rows(rng: random.Random) -> bytes:
    if rng.random() < 0.35:
        text = rng.choice(RAW_JSON)
    else:
        good: dict[str, Any] = {"patient_id": rng.choice(CELLS), "age_years": 61, "ecog": 1}
        good |= {"hb_g_per_l": 98, "regimen": "HMA"}
        rows = [copy.deepcopy(good) for _ in range(rng.choice([1, 1, 3, 2000]))]
        for _ in range(rng.choice([0, 0, 1, 2, 6])):
            row = rng.choice(rows)
            if row and rng.random() < 0.3:
                row[rng.choice(NAMES)] = row.pop(rng.choice(list(row)))
            elif row:
                row[rng.choice(list(row))] = rng.choice([*VALUES, *CELLS])
        text = json.dumps(rows if len(rows) > 1 or rng.random() < 0.3 else rows[0])
    data = text.encode("utf-8", "surrogatepass")
    return data + rng.choice([b"\xff", b"\0", b"\xe9t\xe9"]) if rng.random() < 0.1 else data


def make_case(number: int, seed: int, folder: Path, model: str) -> Case:
    """The input of a number, its files written into a folder."""
    rng = random.Random(f"{seed}/{number}")
    kind = rng.choice(
        ["json"] * 6 + ["patients"] * 4 + ["check"] * 6 + ["yaml"] * 5 + ["train"] * 3
    )
    if kind == "json":
        output = rng.choice(["table", "csv", "json"])
        argv = ["-", "--model", model, "--format", output]
        return Case(number, "predict", argv, _json_rows(rng), kind)
    if kind == "patients":
        path = _table(folder, rng)
        argv = [str(path), "--model", model] + (["--ignore-extra"] if rng.random() < 0.9 else [])
        argv += ["--horizons", rng.choice(["6", "0", "nan", "1e9", "6,6", "[/x]", ""])] * (
            rng.random() < 0.2
        )
        return Case(number, "predict", argv, b"", kind)
    table = _table(folder, rng, damage=kind != "yaml")
    config = _config(folder, rng, table, damage=kind == "yaml")
    out = ["--out", str(folder / "out")]
    if kind == "check" or (kind == "yaml" and rng.random() < 0.7):
        return Case(number, "check", ["--config", str(config), *out], b"", kind)
    return Case(number, "train", ["--config", str(config), "--workers", "1", *out], b"", kind)


# -- running them ---------------------------------------------------------------------------


def run_case(case: Case, folder: Path) -> Ended:
    """Run one command in a process of its own."""
    printed, said = folder / "stdout", folder / "stderr"
    (folder / "stdin").write_bytes(case.stdin)
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os._exit(_in_child(case, folder))
    status, usage = _wait(child, began + CLOCK_SECONDS + 1)
    memory = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    text = said.read_text(errors="replace") + printed.read_text(errors="replace")[-2000:]
    clock, processor = time.monotonic() - began, usage.ru_utime + usage.ru_stime
    return Ended(os.waitstatus_to_exitcode(status), processor, clock, memory, text)


def _wait(child: int, until: float) -> tuple[int, resource.struct_rusage]:
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            return status, usage
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            _, status, usage = os.wait4(child, 0)
            return status, usage
        time.sleep(0.02)


def _in_child(case: Case, folder: Path) -> int:
    from importlib import import_module

    for name, number, flags in (
        ("stdin", 0, os.O_RDONLY),
        ("stdout", 1, os.O_WRONLY | os.O_CREAT),
        ("stderr", 2, os.O_WRONLY | os.O_CREAT),
    ):
        os.dup2(os.open(folder / name, flags, 0o600), number)
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
    os.chdir(folder)
    # Beyond what is mapped already, most of which is never touched.
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, mapped + MEMORY))
    code = 0
    try:
        import_module(f"pipelines.{case.command}").main(case.argv)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return code


def _model(folder: Path) -> str:
    """Train on the undamaged table once; returns the folder of the stored model."""
    rng = random.Random(0)
    folder.mkdir()
    table = folder / "table.csv"
    table.write_text("\n".join(",".join(row) for row in good_rows()))
    config = _config(folder, rng, table, damage=False)
    argv = ["--config", str(config), "--workers", "1"]
    ended = run_case(Case(-1, "train", argv, b"", "model"), folder)
    cards = sorted((folder.parent / "mlruns").rglob("card.json"))
    if ended.exit or not cards:
        raise SystemExit(f"the undamaged table could not be trained on:\n{ended.said}")
    return str(cards[0].parent)


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given.add_argument("--n", type=int, default=600, help="number of inputs")
    given.add_argument("--first", type=int, default=0, help="number of the first input")
    given.add_argument("--seed", type=int, default=1)
    given.add_argument("--only", type=int, help="one input again, with what it said")
    given.add_argument("--keep", type=Path, default=Path("fuzz-faults"), help="folder for faults")
    options = given.parse_args()
    root = Path(tempfile.mkdtemp(prefix="vensurv-fuzz-"))
    (root / "mlruns").mkdir()
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{root / 'mlruns' / 'mlflow.db'}"
    # Imported once, before the first fork.
    from pipelines.training import run as training  # noqa: F401

    model = _model(root / "model")
    counted: Counter[str] = Counter()
    slowest, largest = 0.0, 0
    numbers = range(options.first, options.first + options.n)
    for number in numbers if options.only is None else [options.only]:
        folder = root / str(number)
        folder.mkdir()
        case = make_case(number, options.seed, folder, model)
        ended = run_case(case, folder)
        slowest, largest = max(slowest, ended.seconds), max(largest, ended.memory)
        counted["inputs"] += 1
        counted[f"{case.command}: exit {ended.exit}"] += 1
        if options.only is not None:
            print(case.command, *case.argv, f"\n{ended.said}\nexit {ended.exit}, {folder}")
        if ended.fault:
            counted[ended.fault] += 1
            kept = options.keep / f"{options.seed}-{number}"
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(folder, kept, dirs_exist_ok=True)
            last = (ended.said.strip().splitlines() or [""])[-1][:200]
            print(f"{number}: {ended.fault}: {case.command} ({case.kind}): {last}", flush=True)
    for fault in ("traceback", "over time", "over memory", "odd exit"):
        counted.setdefault(fault, 0)
    for name, count in sorted(counted.items()):
        print(f"{name:<24}{count}")
    print(f"slowest {slowest:.1f} s, largest {largest / 2**30:.2f} GB; files in {root}")


if __name__ == "__main__":
    main()
