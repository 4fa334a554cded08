"""Who is included: rules as data, applied in order, with the patients that each one removes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import field_validator, model_validator

from features.covariates import check_columns
from features.errors import InputError, Problem, refuse
from features.errors.wrong_cells import rows_of, wrong_cells
from features.specs import Settings, codes_or_truths
from features.text import as_number, as_text


class Condition(Settings):
    """What a patient's value in one column must be; everything that is stated must hold.

    Attributes
    ----------
    column : str
        Of the user's table, in the units it has there.
    at_least, at_most : float, optional
        Both limits belong to the range.
    one_of, not_one_of : tuple of str
        Codes, without regard to case; 1 and 1.0 are the same.
    known : bool, optional
        True: the value is there. False: it is missing.
    """

    column: str = ""
    at_least: float | None = None
    at_most: float | None = None
    one_of: tuple[str, ...] = ()
    not_one_of: tuple[str, ...] = ()
    known: bool | None = None

    @field_validator("one_of", "not_one_of", mode="before")
    @classmethod
    def _as_text(cls, values: Any) -> Any:
        return codes_or_truths(values)

    @property
    def is_empty(self) -> bool:
        """True when nothing is asked of the value."""
        numbers = (self.at_least, self.at_most, self.known)
        return not (self.one_of or self.not_one_of) and all(n is None for n in numbers)

    @property
    def words(self) -> str:
        """The condition as a person would say it."""
        parts = []
        if self.at_least is not None:
            parts.append(f"at least {self.at_least:g}")
        if self.at_most is not None:
            parts.append(f"at most {self.at_most:g}")
        if self.one_of:
            parts.append("one of " + ", ".join(self.one_of))
        if self.not_one_of:
            parts.append("not " + ", ".join(self.not_one_of))
        if self.known is not None:
            parts.append("known" if self.known else "missing")
        return f"{self.column} " + " and ".join(parts)


class InclusionRule(Condition):
    """One line of the attrition table: a condition, or any or all of several.

    Attributes
    ----------
    name : str
        As it stands in the attrition table and the flow diagram.
    any_of, all_of : tuple of Condition
        Instead of `column`.
    missing : {'exclude', 'keep'}, optional
        What becomes of a patient for whom the rule cannot be decided. To be stated when there is
        one; `known` decides about missing values itself.
    """

    name: str
    any_of: tuple[Condition, ...] = ()
    all_of: tuple[Condition, ...] = ()
    missing: Literal["exclude", "keep"] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> InclusionRule:
        if sum((bool(self.column), bool(self.any_of), bool(self.all_of))) != 1:
            raise ValueError(f"rule {self.name!r}: give one of `column`, `any_of` and `all_of`")
        if any(condition.is_empty or not condition.column for condition in self.conditions):
            raise ValueError(
                f"rule {self.name!r}: give `column` and at least one of `at_least`, `at_most`, "
                "`one_of`, `not_one_of` and `known`"
            )
        if not self.column and not self.is_empty:
            raise ValueError(f"rule {self.name!r}: a condition stands outside `any_of` or `all_of`")
        return self

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions that the rule consists of."""
        return self.any_of or self.all_of or (self,)

    @property
    def criterion(self) -> str:
        """The rule as a person would say it."""
        return (" or " if self.any_of else " and ").join(c.words for c in self.conditions)


class Inclusion(NamedTuple):
    """Who is included, and what each rule removed.

    Attributes
    ----------
    mask : ndarray of shape (n,), bool
    attrition : DataFrame of shape (1 + n_rules, 7)
        step, rule, criterion, removed (all that the rule removed), removed_missing (those of them
        for whom it could not be decided), kept_missing, left. Step 0 is the table.
    removed : tuple of ndarray of shape (n,), bool
        Whom each rule removed.
    """

    mask: np.ndarray
    attrition: pd.DataFrame
    removed: tuple[np.ndarray, ...]


def apply_inclusion(table: pd.DataFrame, rules: Sequence[InclusionRule]) -> Inclusion:
    """Apply the rules one after another; each sees the patients that the earlier ones left.

    Parameters
    ----------
    table : DataFrame of shape (n, any)
        As read; cells may be text. It is not changed: `table[mask]` is the cohort, whose index
        keeps the rows' places in the table.
    rules : sequence of InclusionRule

    Raises
    ------
    InputError
        When a column is absent or holds no numbers where a range is asked for, when a rule meets
        a missing value and does not say what becomes of it, or when nobody is left.
    """
    check_columns(
        table, {f"inclusion rule {rule.name}": c.column for rule in rules for c in rule.conditions}
    )
    table = table.reset_index(drop=True)
    mask = np.ones(len(table), dtype=bool)
    removed: list[np.ndarray] = []
    steps: list[list[Any]] = [[0, "All patients in the table", "", 0, 0, 0, len(table)]]
    for step, rule in enumerate(rules, start=1):
        holds, unknown = _decide(table, rule, mask)
        unknown &= mask
        if unknown.any() and rule.missing is None:
            raise InputError(
                Problem(
                    what="An inclusion rule does not say what becomes of missing values",
                    where=f"inclusion rule {rule.name}, {rows_of(table, unknown)}",
                    got="empty",
                    allowed="missing: exclude, or missing: keep",
                    remedy="state one of them; nobody is left out, or kept, silently",
                )
            )
        left = mask & (holds | unknown if rule.missing == "keep" else holds)
        kept = int((left & unknown).sum())
        steps.append(
            [step, rule.name, rule.criterion, int((mask & ~left).sum()),
             int(unknown.sum()) - kept, kept, int(left.sum())]
        )  # fmt: skip
        removed.append(mask & ~left)
        mask = left
        if not mask.any():
            raise InputError(
                Problem(
                    what="An inclusion rule leaves nobody",
                    where=f"inclusion rule {rule.name}",
                    got=rule.criterion,
                    remedy="check its values, and the unit and coding of its column",
                )
            )
    columns = ["step", "rule", "criterion", "removed", "removed_missing", "kept_missing", "left"]
    return Inclusion(mask, pd.DataFrame(steps, columns=columns), tuple(removed))


def _decide(
    table: pd.DataFrame, rule: InclusionRule, asked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the rule holds, and where a missing value leaves it open."""
    parts = [_evaluate(table, condition, rule, asked) for condition in rule.conditions]
    holds = np.array([part[0] for part in parts])
    unknown = np.array([part[1] for part in parts])
    if rule.any_of:
        # One condition that holds is enough, whatever is missing beside it.
        met = np.logical_or.reduce(holds)
        return met, ~met & np.logical_or.reduce(unknown)
    # One condition that does not hold is enough to be out.
    refused = np.logical_or.reduce(~holds & ~unknown)
    return np.logical_and.reduce(holds), ~refused & np.logical_or.reduce(unknown)


def _evaluate(
    table: pd.DataFrame, condition: Condition, rule: InclusionRule, asked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    text = as_text(table[condition.column])
    missing = text.isna().to_numpy(dtype=bool)
    holds = np.ones(len(table), dtype=bool)
    if condition.at_least is not None or condition.at_most is not None:
        number = as_number(table[condition.column])
        refuse(
            wrong_cells(
                table[condition.column],
                np.isnan(number) & ~missing & asked,
                f"inclusion rule {rule.name}",
                "A value is not a number",
                "correct it, use `one_of` for codes, or state a word that means missing under "
                "`missing:` beside the file's `path:`",
                "a plain number, or an empty cell",
            )
        )
        low = -np.inf if condition.at_least is None else condition.at_least
        high = np.inf if condition.at_most is None else condition.at_most
        holds &= (number >= low) & (number <= high)
    if condition.one_of:
        holds &= _is_among(text, condition.one_of)
    if condition.not_one_of:
        holds &= ~_is_among(text, condition.not_one_of)
    if condition.known is not None:
        # `known` is decided for everybody; a missing value does not leave it open.
        decided = missing != condition.known
        return holds & decided if condition.known else decided, np.zeros(len(table), dtype=bool)
    return holds & ~missing, missing


def _is_among(text: pd.Series, codes: tuple[str, ...]) -> np.ndarray:
    among = text.str.lower().isin([code.strip().lower() for code in codes])
    numbers = pd.to_numeric(pd.Series(codes), errors="coerce").dropna()
    if len(numbers):
        among |= pd.to_numeric(text, errors="coerce").isin(numbers)
    return among.to_numpy(dtype=bool)
