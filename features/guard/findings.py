"""What the cohort guard finds: a Finding each, the patients counted, their values never told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd

from features.errors import InputError, Problem, name_some
from features.guard.settings import Guard, Severity
from features.text import fixed

ROWS_SHOWN = 5
E = TypeVar("E")


@dataclass(frozen=True)
class Observation:
    """What one check saw.

    Attributes
    ----------
    what : str
        The defect, with column names. Never a patient's value.
    who : ndarray of shape (n,), bool
        The patients concerned.
    among : ndarray of shape (n,), bool, optional
        Those in whom it could be seen, such as the known values; None: everybody.
    remedy : str
        Where it can be said more exactly than in configs/guard.yaml.
    names : tuple of str
        The covariates, columns or endpoints that it is about, as `guard.known` names them.
    """

    what: str
    who: np.ndarray
    among: np.ndarray | None = None
    remedy: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One defect of a cohort.

    Attributes
    ----------
    check : str
        Name in configs/guard.yaml.
    severity : Severity
    what, why, remedy : str
    count, total : int
        Patients concerned, among those in whom it could be seen.
    rows : tuple of int
        The first few of their rows; the first patient is row 1. Empty when it is everybody.
    names : tuple of str
        What it is about, as `guard.known` names it.
    suppress_below : int
        Counts from 1 below it are told as such wherever the finding is, without rows; 0: none.
    """

    check: str
    severity: Severity
    what: str
    count: int
    total: int
    why: str
    remedy: str
    rows: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    suppress_below: int = 0

    @property
    def is_hidden(self) -> bool:
        """Whether the patients concerned are too few to be counted."""
        return 0 < self.count < self.suppress_below

    @property
    def who(self) -> str:
        """The patients, counted, with their share and the first rows."""
        text = f"{self._told(self.count)} of {self._told(self.total)} patient(s)"
        if self.is_hidden:
            return f"{text}; which rows is told without `cohort.suppress_below`"
        if 0 < self.count < self.total:
            share = 100 * self.count / self.total
            text += f", {fixed(share, 0)}%" if share >= 1 else ", under 1%"
        if not self.rows:
            return text
        more = self.count - len(self.rows)
        shown = ", ".join(map(str, self.rows)) + (f", ... ({more} more)" if more else "")
        return f"{text}: row {shown} (the first patient is row 1)"

    def row(self) -> list[object]:
        """As it stands in a table of findings."""
        count, total = self._told(self.count), self._told(self.total)
        rows = "" if self.is_hidden else name_some(self.rows)
        label = self.severity.label
        return [label, self.check, self.what, count, total, rows, self.why, self.remedy]

    def _told(self, count: int) -> int | str:
        hidden = 0 < count < self.suppress_below
        return f"under {self.suppress_below}" if hidden else count

    def __str__(self) -> str:
        return (
            f"{self.severity.label}: {self.what} [{self.check}]\n"
            f"  who:     {self.who}\n"
            f"  why:     {self.why}\n"
            f"  remedy:  {self.remedy}"
        )


Check = Callable[[E], Iterator[Observation]]


def run_checks(
    checks: Iterable[Check[E]], evidence: E, guard: Guard, row_numbers: np.ndarray
) -> list[Finding]:
    """Run every check that is not ignored.

    Parameters
    ----------
    checks : iterable of functions of the evidence that yield Observations
        Named as in configs/guard.yaml.
    row_numbers : ndarray of shape (n,), int
        Each patient's row in the user's table, from 1.

    Returns
    -------
    list of Finding
        The most severe first, else in the order of `checks`.
    """
    findings = []
    for check in checks:
        name = check.__name__
        severity = guard.severity_of(name)
        if severity is Severity.IGNORE:
            continue
        findings += [_finding(name, severity, seen, guard, row_numbers) for seen in check(evidence)]
    return by_severity(findings)


def finding_of_files(check: str, what: str, count: int, total: int) -> Finding:
    """What making one row of each patient's rows found, with the lines of configs/guard.yaml."""
    rule = Guard().rule(check)
    severity = Guard().severity_of(check)
    return Finding(check, severity, what, count, total, why=rule.why, remedy=rule.remedy)


def as_configured(findings: Iterable[Finding], guard: Guard) -> list[Finding]:
    """Findings by a user's severities; without those that are ignored."""
    severe = [replace(finding, severity=guard.severity_of(finding.check)) for finding in findings]
    return [finding for finding in severe if finding.severity is not Severity.IGNORE]


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """The most severe first, otherwise in the order given."""
    return sorted(findings, key=lambda finding: -finding.severity)


def findings_frame(findings: Sequence[Finding]) -> pd.DataFrame:
    """One row a finding: severity, check, what, count, total, rows, why, remedy."""
    columns = ["severity", "check", "what", "count", "total", "rows", "why", "remedy"]
    return pd.DataFrame([finding.row() for finding in findings], columns=columns)


def without_small_counts(findings: Iterable[Finding], suppress_below: int | None) -> list[Finding]:
    """Findings that tell no count from 1 below a number, nor the rows of so few."""
    return [replace(finding, suppress_below=suppress_below or 0) for finding in findings]


def raise_failures(findings: Iterable[Finding]) -> None:
    """Stop on findings of severity fail.

    Raises
    ------
    InputError
        With one problem a failure.
    """
    problems = [
        Problem(
            what=f"{finding.what} [{finding.check}]",
            where=finding.who,
            allowed=f"none, because {finding.why}",
            remedy=finding.remedy
            if finding.names
            else f"{finding.remedy}; to go on knowingly: "
            f"`guard: {{severity: {{{finding.check}: warn}}}}`",
        )
        for finding in findings
        if finding.severity is Severity.FAIL
    ]
    if problems:
        raise InputError(problems)


def _finding(
    name: str, severity: Severity, seen: Observation, guard: Guard, row_numbers: np.ndarray
) -> Finding:
    rule = guard.rule(name)
    count = int(seen.who.sum())
    everybody = count == len(seen.who)
    rows = () if everybody else tuple(row_numbers[seen.who][:ROWS_SHOWN].tolist())
    remedy = seen.remedy or rule.remedy
    if guard.knows(name, seen.names):
        # Said to be right by who knows the table; it stays to be read.
        severity = min(severity, Severity.NOTE)
        remedy = "nothing to do: the configuration says that it is known and right"
    elif seen.names:
        remedy += f"; {_way_on(name, seen.names, guard)}"
    return Finding(
        check=name,
        severity=severity,
        what=seen.what,
        count=count,
        total=len(seen.who) if seen.among is None else int(seen.among.sum()),
        why=rule.why,
        remedy=remedy,
        rows=rows,
        names=seen.names,
    )


def _way_on(check: str, names: tuple[str, ...], guard: Guard) -> str:
    """How a configuration says that a finding is known and right."""
    if guard.rule(check).post_baseline:
        name = names[0]
        return (
            "where it was known at the first dose, say so: "
            f"`covariates: {{{name}: {{column: ..., known: true}}}}`"
        )
    shown = f"{check}: [{', '.join(names)}]"
    return f"where it is right as it stands, say so: `guard: {{known: {{{shown}}}}}`"
