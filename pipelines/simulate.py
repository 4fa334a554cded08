"""Simulated cohorts: the published study rebuilt and its claims checked, or a known truth.

python -m pipelines.simulate reference --out cohort.csv --seed 1
python -m pipelines.simulate claims --seed 1
python -m pipelines.simulate claims --study published.yaml --cohort cohort.csv
python -m pipelines.simulate cohort --out cohort.csv --n 300 --seed 1 --scenario confounded
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from features.errors import shown
from pipelines.command import guarded, program
from pipelines.output.flags import (
    DecimalOption,
    EncodingOption,
    MissingOption,
    SeparatorOption,
    SheetOption,
)

if TYPE_CHECKING:
    import pandas as pd

FORMATS = (".csv", ".parquet")
# Where the true effect of a simulated cohort is printed.
HORIZONS_MONTHS = (6.0, 12.0)

app = typer.Typer(
    help="Rebuild the published study and check its claims, or simulate a cohort with a known "
    "truth. No row is a real patient.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

SeedOption = Annotated[int, typer.Option(min=0, help="The same seed gives the same table.")]


@app.command()
@guarded
def reference(
    out: Annotated[Path, typer.Option(help="File to write: .csv or .parquet.")],
    seed: SeedOption = 1,
) -> None:
    """Rebuild the published study as one patient table and write it."""
    _check_suffix(out, "--out")
    _check_no_others(out)
    cohort = _rebuild(seed)
    _write(cohort, out)
    typer.echo(cohort.attrs["provenance"])
    typer.echo(f"{out}: {_size(cohort)}, seed {seed}")


@app.command()
@guarded
def cohort(
    out: Annotated[Path, typer.Option(help="File to write: .csv or .parquet.")],
    n: Annotated[int, typer.Option(min=1, help="Number of patients.")] = 300,
    seed: SeedOption = 1,
    scenario: Annotated[
        str, typer.Option(help="A name under `scenarios` in configs/simulator.yaml.")
    ] = "randomised",
) -> None:
    """Simulate a cohort with a known truth, write it and print the true regimen effect."""
    _check_suffix(out, "--out")
    _check_no_others(out)

    from features.simulated import read_scenario, scenario_names, simulate_cohort

    if scenario not in scenario_names():
        _refuse(f"unknown --scenario {scenario!r}; use {', '.join(scenario_names())}")
    simulated = simulate_cohort(read_scenario(scenario, {"n": n}), seed)
    _write(simulated.table, out)
    typer.echo(_provenance(simulated.table))
    typer.echo(f"{out}: {_size(simulated.table)}, scenario {scenario}, seed {seed}")
    for row in simulated.truth.regimen_difference(HORIZONS_MONTHS).itertuples():
        unit = " months" if row.scale == "RMST difference" else ""
        typer.echo(
            f"true {row.scale} at {row.horizon:g} months, {row.arm} minus {row.reference_arm}: "
            f"{row.estimate:+.3f}{unit}"
        )


@app.command()
@guarded
def claims(
    seed: Annotated[
        int | None, typer.Option(min=0, help="Rebuild the study with this seed; 1 if left out.")
    ] = None,
    cohort: Annotated[Path | None, typer.Option(help="Check this table instead.")] = None,
    study_file: Annotated[
        Path | None,
        typer.Option(
            "--study",
            help="Published claims of another study, a YAML file in the form of "
            "configs/reference_study.yaml; with --cohort, since it cannot be rebuilt.",
        ),
    ] = None,
    separator: SeparatorOption = "",
    decimal: DecimalOption = ".",
    encoding: EncodingOption = "utf-8",
    sheet: SheetOption = None,
    missing: MissingOption = None,
) -> None:
    """Print each published claim, the recomputed value and the verdict."""
    if seed is not None and cohort is not None:
        _refuse("give --seed or --cohort, not both: --cohort FILE is checked as it is")
    if study_file is not None and cohort is None:
        _refuse("--study FILE needs --cohort FILE: only the embedded study can be rebuilt")

    from evaluation.regimens import check_published_claims

    study = _read_study(study_file)
    told = "" if study_file is None else f", --study {study_file}"
    if cohort is not None:
        flags = {
            "separator": separator,
            "decimal": decimal,
            "encoding": encoding,
            "sheet": sheet,
            "missing": missing,
        }
        table, name = _read_table(cohort, flags), str(cohort)
    else:
        seed = 1 if seed is None else seed
        table, name = _rebuild(seed), f"seed {seed}"
    try:
        checked = check_published_claims(table, study)
    except ValueError as problem:
        _refuse(f"{name}{told}: {problem}")
    _print_claims(checked, f"{name}: {_provenance(table)}")


def _check_no_others(out: Path) -> None:
    from pipelines.output.folder import check_file

    check_file(out)


def _read_study(path: Path | None) -> dict[str, Any]:
    from evaluation.regimens import check_study
    from features.errors import InputError
    from features.simulated import read_reference_study

    try:
        study: Any = read_reference_study(path)
    except InputError as problem:
        _refuse(f"--study {path}: {problem}")
    if not isinstance(study, dict):
        _refuse(f"--study {path} is empty or not a mapping; configs/reference_study.yaml is one")
    if path is not None:
        try:
            check_study(study, path.name)
        except InputError as problem:
            _refuse(str(problem))
    return study


def _rebuild(seed: int) -> pd.DataFrame:
    from features.simulated import rebuild_reference_study

    try:
        return rebuild_reference_study(seed)
    except RuntimeError as problem:
        _refuse(str(problem))


def _write(table: pd.DataFrame, out: Path) -> None:
    from pipelines.output.files import write_bytes, write_csv

    try:
        if out.suffix.lower() == ".csv":
            write_csv(out, table)
        else:
            write_bytes(out, table.to_parquet(index=False))
    except OSError as problem:
        _refuse(f"cannot write --out {out}: {problem.strerror or problem}; name a writable file")


def _size(table: pd.DataFrame) -> str:
    arms = ", ".join(f"{arm} {n}" for arm, n in table["regimen"].value_counts().items())
    return f"{len(table)} rows ({arms}), {table.shape[1]} columns"


def _check_suffix(path: Path, option: str) -> None:
    if path.suffix.lower() not in FORMATS:
        _refuse(f"{option} {path}: unknown suffix {path.suffix!r}; use {' or '.join(FORMATS)}")


def _read_table(path: Path, flags: Mapping[str, Any]) -> pd.DataFrame:
    """The table with its numbers and truth values as such: claims are computed, not checked."""
    from features.errors import InputError
    from features.tables import read_table
    from pipelines.output.flags import read_format

    try:
        table = read_table(path, form=read_format(flags))
    except InputError as problem:
        _refuse(f"cannot read --cohort {path}: {problem}")
    return table.apply(_typed)


def _typed(column: pd.Series) -> pd.Series:
    import pandas as pd

    text = column.dropna()
    if len(text) and text.isin(["True", "False"]).all():
        return column.map({"True": True, "False": False})
    try:
        return pd.to_numeric(column)
    except (ValueError, TypeError):
        return column


def _provenance(table: pd.DataFrame) -> str:
    """Return what the table says about its own origin."""
    if "provenance" not in table:
        return "the table does not say where it comes from"
    return "; ".join(sorted(map(str, table["provenance"].dropna().unique())))


def _print_claims(checked: pd.DataFrame, caption: str) -> None:
    from rich.table import Table

    from pipelines.output.terminal import console

    told = Table(title="Published claims, recomputed", title_justify="left")
    for column in checked.columns:
        told.add_column(column, overflow="fold")
    for row in checked.itertuples(index=False):
        told.add_row(*map(str, row))
    console.print(told)
    # The origin stays on one line, however narrow the terminal, so that it can be searched for.
    console.print(caption, soft_wrap=True)


def _refuse(message: str) -> NoReturn:
    """End with one message and exit status 2: the remedy is the user's."""
    typer.echo(shown(f"error: {message}"), err=True)
    raise typer.Exit(2)


def main(argv: list[str] | None = None) -> None:
    """Run the command line; raises SystemExit with status 2 on a user's mistake."""
    try:
        app(args=argv, prog_name=program("simulate"))
    except SystemExit as end:
        if end.code not in (0, None):
            raise


if __name__ == "__main__":
    main()
