"""Measure speed against named baselines: python -m benchmarks [name ...].

Each benchmark runs in a process of its own, so that its peak memory is its own. Ratios go into
results.json with the versions they were measured with; they are never asserted in a test.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.registry import known, measured

RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    wanted = sys.argv[1:]
    unknown = [name for name in wanted if name not in known()]
    if unknown:
        print(f"no benchmark {unknown[0]!r}; there are: {', '.join(known())}")
        raise SystemExit(2)
    rows = {row["name"]: row for row in read_results()}
    table = Table(
        "name", "work", "ours, s", "baseline, s", "ratio", "peak MB", "baseline is", box=None
    )
    for name in wanted or known():
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            row = process.submit(measured, name).result()
        rows[name] = row
        table.add_row(
            name,
            row["work"],
            f"{row['ours_s']:.3g}",
            f"{row['baseline_s']:.3g}",
            f"{row['ratio']:.3g}x",
            f"{row['peak_memory_mb']:.0f}",
            row["baseline"],
        )
        RESULTS.write_text(json.dumps(list(rows.values()), indent=2) + "\n")
    Console(width=None if sys.stdout.isatty() else 150).print(table)


def read_results() -> list[dict[str, Any]]:
    """What was measured before."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else []


if __name__ == "__main__":
    main()
