"""Simulated cohorts: the published study rebuilt from its aggregates, and its claims checked.

python -m pipelines.simulate reference --out cohort.csv --seed 1
python -m pipelines.simulate claims --seed 1
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    import pandas as pd

FORMATS = (".csv", ".parquet")

app = typer.Typer(
    help="Rebuild the published study and check its claims. No row is a real patient.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

SeedOption = Annotated[int, typer.Option(min=0, help="The same seed gives the same table.")]


@app.command()
def reference(
    out: Annotated[Path, typer.Option(help="File to write: .csv or .parquet.")],
    seed: SeedOption = 1,
) -> None:
    """Rebuild the published study as one patient table and write it."""
    _check_suffix(out, "--out")
    cohort = _rebuild(seed)
    try:
        if out.suffix.lower() == ".csv":
            cohort.to_csv(out, index=False)
        else:
            cohort.to_parquet(out, index=False)
    except OSError as problem:
        _refuse(f"cannot write --out {out}: {problem.strerror or problem}; name a writable file")
    arms = ", ".join(f"{arm} {n}" for arm, n in cohort["regimen"].value_counts().items())
    typer.echo(cohort.attrs["provenance"])
    typer.echo(f"{out}: {len(cohort)} rows ({arms}), {cohort.shape[1]} columns, seed {seed}")


@app.command()
def claims(
    seed: Annotated[
        int | None, typer.Option(min=0, help="Rebuild the study with this seed; 1 if left out.")
    ] = None,
    cohort: Annotated[
        Path | None, typer.Option(help="Check this table (.csv or .parquet) instead.")
    ] = None,
) -> None:
    """Print each published claim, the recomputed value and the verdict."""
    if seed is not None and cohort is not None:
        _refuse("give --seed or --cohort, not both: --cohort FILE is checked as it is")

    from evaluation.published import check_published_claims
    from features.reference_study import read_reference_study

    study = read_reference_study()
    if cohort is not None:
        table, name = _read_table(cohort), str(cohort)
    else:
        seed = 1 if seed is None else seed
        table, name = _rebuild(seed), f"seed {seed}"
    try:
        checked = check_published_claims(table, study)
    except ValueError as problem:
        _refuse(f"{name}: {problem}")
    _print_claims(checked, f"{name}: {_provenance(table)}")


def _rebuild(seed: int) -> pd.DataFrame:
    from features.reference_study import rebuild_reference_study

    try:
        return rebuild_reference_study(seed)
    except RuntimeError as problem:
        _refuse(str(problem))


def _check_suffix(path: Path, option: str) -> None:
    if path.suffix.lower() not in FORMATS:
        _refuse(f"{option} {path}: unknown suffix {path.suffix!r}; use {' or '.join(FORMATS)}")


def _read_table(path: Path) -> pd.DataFrame:
    import pandas as pd

    _check_suffix(path, "--cohort")
    try:
        if path.suffix.lower() == ".csv":
            return pd.read_csv(path)
        return pd.read_parquet(path)
    # An empty or damaged file is a ValueError to pandas and to pyarrow.
    except (OSError, ValueError) as problem:
        _refuse(f"cannot read --cohort {path}: {getattr(problem, 'strerror', None) or problem}")


def _provenance(table: pd.DataFrame) -> str:
    """Return what the table says about its own origin."""
    if "provenance" not in table:
        return "the table does not say where it comes from"
    return "; ".join(sorted(map(str, table["provenance"].dropna().unique())))


def _print_claims(checked: pd.DataFrame, caption: str) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Table(title="Published claims, recomputed", title_justify="left")
    for column in checked.columns:
        shown.add_column(column, overflow="fold")
    for row in checked.itertuples(index=False):
        shown.add_row(*map(str, row))
    console = Console()
    console.print(shown)
    # The origin stays on one line, however narrow the terminal, so that it can be searched for.
    console.print(caption, soft_wrap=True, highlight=False, markup=False)


def _refuse(message: str) -> NoReturn:
    """End with one message and exit status 2: the remedy is the user's."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(2)


def main(argv: list[str] | None = None) -> None:
    """Run the command line; raises SystemExit with status 2 on a user's mistake."""
    try:
        app(args=argv, prog_name="python -m pipelines.simulate")
    except SystemExit as end:
        if end.code not in (0, None):
            raise


if __name__ == "__main__":
    main()
