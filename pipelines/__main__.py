"""Every command of the toolkit, by name: `vensurv train ...` or `python -m pipelines train ...`.

Each is also a module of its own: `python -m pipelines.train ...` is the same command.
"""

from __future__ import annotations

import sys
from importlib import import_module

from pipelines.shadows import refuse_shadows

# The one list of commands: a module of this package with `main(argv)`, and what it is for.
COMMANDS = {
    "check": "look at a cohort without training",
    "train": "the main job: models, regimens and a report from one cohort",
    "compare": "put the comparisons of the regimens side by side",
    "evaluate": "judge a stored model on other patients",
    "promote": "make a registered version the champion, after both were seen side by side",
    "predict": "one patient's risk, or that of a table",
    "serve": "a page for one patient, and predictions for programs",
    "simulate": "cohorts with a known truth; the published study and its claims",
    "ui": "the MLflow pages of what is stored",
}


def main(argv: list[str] | None = None) -> None:
    """Run the command that the first argument names; without one, list them.

    Raises
    ------
    SystemExit
        With status 2 when there is no such command, otherwise as the command ends.
    """
    refuse_shadows()
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        print(_listed())
    elif arguments[0] in COMMANDS:
        import_module(f"pipelines.{arguments[0]}").main(arguments[1:])
    else:
        _refuse(arguments[0])


def _listed() -> str:
    rows = [f"  {name:<10}{purpose}" for name, purpose in COMMANDS.items()]
    return "\n".join(["Usage: vensurv COMMAND ..., or python -m pipelines COMMAND ...", "", *rows,
                      "", "vensurv COMMAND --help says what a command takes."])  # fmt: skip


def _refuse(name: str) -> None:
    from features.errors import InputError, Problem, did_you_mean
    from pipelines.command import run_command

    def refuse() -> None:
        raise InputError(
            Problem(
                what="There is no such command",
                where="the first argument",
                got=name,
                allowed=", ".join(COMMANDS),
                remedy=f"{did_you_mean(name, COMMANDS)}vensurv --help says what each is for",
            )
        )

    run_command(refuse)


if __name__ == "__main__":
    main()
