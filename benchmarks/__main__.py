"""Run the benchmarks, print a table and write benchmarks/results.json.

python -m benchmarks [NAME]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import speed
from models.card import software_versions

RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    wanted = sys.argv[1:]
    unknown = [name for name in wanted if name not in speed.BENCHMARKS]
    if unknown:
        print(f"no benchmark {unknown[0]!r}; there are: {', '.join(speed.BENCHMARKS)}")
        raise SystemExit(2)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    rows = {row["name"]: row for row in known}
    table = Table("name", "work", "ours, s", "baseline, s", "ratio", "baseline is", box=None)
    for name in wanted or speed.BENCHMARKS:
        row = speed.BENCHMARKS[name]()
        rows[name] = {"name": name, **row, "versions": software_versions()}
        table.add_row(
            name,
            row["work"],
            f"{row['ours_s']:.3g}",
            f"{row['baseline_s']:.3g}",
            f"{row['ratio']:.0f}x",
            row["baseline"],
        )
        RESULTS.write_text(json.dumps(list(rows.values()), indent=2) + "\n")
    Console().print(table)


if __name__ == "__main__":
    main()
