"""The data dictionary as a table and as the documentation page docs/dictionary.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from features.covariates import DERIVATIONS, ColumnSource, Covariate, read_dictionary

PAGE = Path(__file__).resolve().parents[2] / "docs" / "dictionary.md"

_TIMINGS = {
    "baseline": "Known at the first venetoclax dose",
    "post_baseline": "Known only later: refused as a predictor",
    "outcome": "Outcome: refused as a predictor",
}
_HEAD = """# Data dictionary

Written by `python -m evaluation.cohort.dictionary_page` from `configs/dictionary.yaml`; change that file, not this page.

A configuration maps a hospital's columns to these names, states a unit where it differs, and may add or override
lines under `dictionary:`. Values outside what is allowed are refused, naming row and column; unusual ones are
reported. An empty cell means unknown.
"""  # noqa: E501


def dictionary_table(
    covariates: Iterable[Covariate], sources: Mapping[str, ColumnSource] | None = None
) -> pd.DataFrame:
    """Describe covariates, one row each, and where a table holds them.

    Parameters
    ----------
    covariates : iterable of Covariate
    sources : mapping of name -> ColumnSource, optional
        A configuration's mapping; adds the columns source_column and source_unit. A covariate
        without one is read from the column of its own name, in the dictionary's unit.

    Returns
    -------
    DataFrame of str
        name, label, unit, allowed, unusual (outside this range), source (where a hospital
        records it), missing (what a missing value
        means, where it may be structural), and with sources source_column, source_unit.
    """
    rows = []
    for covariate in covariates:
        row = {
            "name": covariate.name,
            "label": covariate.label,
            "unit": covariate.unit,
            "allowed": covariate.allowed.removesuffix(f" {covariate.unit}"),
            "unusual": _range(covariate.unusual),
            "source": covariate.source,
            "missing": covariate.structural_missing,
        }
        if sources is not None:
            source = sources.get(covariate.name, ColumnSource(column=covariate.name))
            row |= {"source_column": source.column, "source_unit": source.unit or covariate.unit}
        rows.append(row)
    columns = ["name", "label", "unit", "allowed", "unusual", "source", "missing"]
    columns += ["source_column", "source_unit"] if sources is not None else []
    return pd.DataFrame(rows, columns=columns)


def dictionary_markdown(dictionary: Mapping[str, Covariate]) -> str:
    """Write the documentation page of a dictionary, derived covariates included."""
    parts = [_HEAD]
    for timing, title in _TIMINGS.items():
        covariates = [c for c in dictionary.values() if c.timing == timing]
        if covariates:
            table = dictionary_table(covariates).assign(
                units=[_factors(c.units) for c in covariates],
                synonyms=[", ".join(c.synonyms) for c in covariates],
            )
            table["name"] = "`" + table["name"] + "`"
            headers = {
                "unusual": "unusual outside",
                "source": "recorded in",
                "missing": "may have no value",
                "units": "other units (factor)",
                "synonyms": "also called",
            }
            parts.append(f"## {title}\n\n{_markdown(table.rename(columns=headers))}")
    derived = dictionary_table(d.covariate for d in DERIVATIONS.values())[
        ["name", "label", "unit", "allowed"]
    ].assign(computed_from=[", ".join(f"`{i}`" for i in d.inputs) for d in DERIVATIONS.values()])
    derived["name"] = "`" + derived["name"] + "`"
    derived = derived.rename(columns={"computed_from": "computed from"})
    parts.append(f"## Derived by the project\n\n{_markdown(derived)}")
    return "\n".join(parts)


def _range(limits: tuple[float, float] | None) -> str:
    return "" if limits is None else f"{limits[0]:g} to {limits[1]:g}"


def _factors(units: Mapping[str, float]) -> str:
    return ", ".join(f"{unit} ({factor:g})" for unit, factor in units.items())


def _markdown(table: pd.DataFrame) -> str:
    """Pipe table without columns that are empty throughout."""
    table = table.loc[:, (table != "").any()]
    lines = [table.columns.tolist(), ["---"] * table.shape[1], *table.to_numpy().tolist()]
    rows = (" | ".join(cell.replace("|", "\\|") for cell in line) for line in lines)
    return "".join(f"| {row} |\n" for row in rows)


def main() -> None:
    """Write docs/dictionary.md."""
    PAGE.write_text(dictionary_markdown(read_dictionary()), encoding="utf-8")


if __name__ == "__main__":
    main()
