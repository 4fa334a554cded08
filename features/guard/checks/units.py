"""Unit traps: another unit than stated, two units in one column, per cent as fractions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtrc, ndtr

from features.covariates import Covariate
from features.guard.evidence import TableEvidence
from features.guard.findings import Check, Observation
from features.guard.settings import read_rules

FRACTION = "fraction"
# A group of values begins after a gap of so many spreads of the rest; no extreme of a skewed sample
# jumps that far from its neighbour.
GAP = 2.0
# Two modes are nearer than that many spreads only where nobody could tell them from one.
MODES_APART = 2.5
# The second mode holds at least as many values as the valley before it, which is half as wide.
VALLEY = 1.0
WIDER, CHANCE = 1.3, 0.001
NORMAL_QUARTILE = 1.4826
# Of the step between two units; measurements that agree to less are no distribution.
SMALLEST_SPREAD = 0.02
# Below a tenth of the lowest plausible median, a count is as strange as one above `unusual`.
STRANGELY_LOW = 0.1


@dataclass(frozen=True)
class Reading:
    """A column read in the unit stated for it, and in another that is in use.

    Attributes
    ----------
    name, column : str
        Dictionary name, and column of the user's table.
    unit, other : str
        The stated unit, and the other one.
    known, typical : ndarray of shape (n,), bool
        Where there is a number, and where it lies in the plausible range in the stated unit.
    fits_other : ndarray of shape (n,), bool
        Strange in the stated unit, and in the plausible range in the other.
    other_explains_median : bool
        Whether the median lies in the plausible range when read in the other unit.
    apart : bool
        Whether the values that fit the other unit lie apart from the rest: see `lie_apart`.
    """

    name: str
    column: str
    unit: str
    other: str
    known: np.ndarray
    typical: np.ndarray
    fits_other: np.ndarray
    other_explains_median: bool
    apart: bool

    @property
    def where(self) -> str:
        """The column, and the covariate that is read from it."""
        return self.column if self.column == self.name else f"{self.column} ({self.name})"

    @property
    def share_typical(self) -> float:
        """Share of the known values that are plausible in the stated unit."""
        return float(self.typical.sum() / max(self.known.sum(), 1))


def unit_other(evidence: TableEvidence) -> Iterator[Observation]:
    """All values look like another unit."""
    for reading in _readings(evidence):
        if _is_other(evidence, reading):
            yield Observation(
                f"Column {reading.where} is read in {reading.unit}, but looks like {reading.other}",
                reading.known,
                reading.known,
                remedy=f"state `unit: {reading.other}` for {reading.name}, or convert the column "
                f"to {reading.unit}",
                names=(reading.name,),
            )


def unit_mixed(evidence: TableEvidence) -> Iterator[Observation]:
    """Some values look like another unit, the rest do not."""
    rows, share = (evidence.guard.limit("unit_mixed", k) for k in ("rows", "share"))
    for reading in _readings(evidence):
        count = reading.fits_other.sum()
        enough = count >= rows and count >= share * reading.known.sum()
        if enough and not _is_other(evidence, reading) and reading.apart:
            yield Observation(
                f"Column {reading.where} mixes units: most in {reading.unit}, "
                f"some look like {reading.other}",
                reading.fits_other,
                reading.known,
                names=(reading.name,),
            )


def percent_as_fraction(evidence: TableEvidence) -> Iterator[Observation]:
    """All values of a percentage lie between 0 and 1, and not all are whole."""
    for name, column, values in _percentages(evidence):
        known = ~np.isnan(values)
        enough = known.sum() >= evidence.guard.limit("percent_as_fraction", "known")
        if enough and _is_fraction(values):
            yield Observation(
                f"Column {column} is read as per cent ({name}), but looks like fractions",
                known,
                known,
                names=(name,),
            )


def percent_mixed(evidence: TableEvidence) -> Iterator[Observation]:
    """Many values of a percentage lie between 0 and 1, the others above."""
    rows, share = (evidence.guard.limit("percent_mixed", k) for k in ("rows", "share"))
    for name, column, values in _percentages(evidence):
        positive = values > 0
        low = positive & (values < 1)
        enough = low.sum() >= rows and low.sum() >= share * positive.sum()
        if enough and not _is_fraction(values) and lie_apart(values, low, 0.01):
            yield Observation(
                f"Column {column} ({name}) may mix per cent and fractions",
                low,
                ~np.isnan(values),
                names=(name,),
            )


def lie_apart(values: np.ndarray, others: np.ndarray, factor: float) -> bool:
    """Whether some values form a group of their own, a factor away from the rest.

    A skewed measurement thins out towards its extreme values; a second unit shows as a gap, or as
    a second mode with a valley before it. On the log scale, with the rest's median at 0 and the
    second unit's at 1:

    - a gap: nothing lies between the groups over GAP spreads of the rest; or
    - two modes: about 1 (from 2/3 to 4/3) lie at least as many values as in the valley before it
      (from 1/3 to 2/3), and more than a normal tail of a spread WIDER than the rest's explains.

    Parameters
    ----------
    values : ndarray of shape (n,), float
        NaN where missing.
    others : ndarray of shape (n,), bool
        Those that may be in the other unit.
    factor : float
        About how much larger a value is in the other unit.
    """
    positive = values > 0
    rest, apart = np.log(values[positive & ~others]), np.log(values[positive & others])
    if not len(apart) or not len(rest):
        return False
    step = np.log(factor)
    rest, apart = np.sort(rest / step), np.sort(apart / step)
    middle = np.median(rest)
    rest, apart = rest - middle, apart - middle
    # The side away from the second group holds none of it.
    spread = NORMAL_QUARTILE * np.median(-rest[rest <= 0])
    below = rest[rest < apart[0]]
    gap = apart[0] - below[-1] if len(below) else 0.0
    if gap > GAP * max(spread, SMALLEST_SPREAD):
        return True
    if spread * MODES_APART > 1:
        return False
    every = np.concatenate([rest, apart])
    valley = ((every > 1 / 3) & (every <= 2 / 3)).sum()
    mode = ((every > 2 / 3) & (every <= 4 / 3)).sum()
    edges = ndtr(-np.array([1 / 3, 2 / 3, 4 / 3]) / (WIDER * max(spread, SMALLEST_SPREAD)))
    share = (edges[1] - edges[2]) / (edges[0] - edges[2])
    by_chance = bdtrc(mode - 1, mode + valley, share) if mode else 1.0
    return bool(mode >= VALLEY * valley and by_chance < CHANCE)


CHECKS: tuple[Check[TableEvidence], ...] = (
    unit_other,
    unit_mixed,
    percent_as_fraction,
    percent_mixed,
)


def _is_other(evidence: TableEvidence, reading: Reading) -> bool:
    known, share = (evidence.guard.limit("unit_other", k) for k in ("known", "share_typical"))
    return bool(
        reading.known.sum() >= known
        and reading.other_explains_median
        and reading.share_typical < share
    )


def _readings(evidence: TableEvidence) -> Iterator[Reading]:
    """Each numeric input with the one other unit that explains most of its strange values."""
    for name in evidence.inputs:
        covariate = evidence.dictionary.get(name)
        if covariate is None or FRACTION in covariate.units or not covariate.units:
            continue
        column, unit = evidence.source(name), evidence.unit(name)
        factors = {covariate.unit: 1.0, **covariate.units}
        if column not in evidence.table.columns or unit not in factors:
            continue
        raw = evidence.number(column)
        readings = [
            _reading(covariate, column, raw, unit, other, factors)
            for other in factors
            if other != unit
        ]
        yield max(readings, key=lambda r: (r.other_explains_median, r.fits_other.sum()))


def _reading(
    covariate: Covariate,
    column: str,
    raw: np.ndarray,
    unit: str,
    other: str,
    factors: dict[str, float],
) -> Reading:
    usual = covariate.unusual or covariate.limits or (-np.inf, np.inf)
    low, high = read_rules().typical_median.get(covariate.name, usual)
    stated, as_other = raw * factors[unit], raw * factors[other]
    known = ~np.isnan(raw)
    strange = (stated < usual[0]) | (stated > usual[1])
    strange |= (stated > 0) & (stated < low * STRANGELY_LOW)
    middle = np.median(raw[known]) if known.any() else np.nan
    fits_other = strange & (as_other >= low) & (as_other <= high)
    return Reading(
        name=covariate.name,
        column=column,
        unit=unit,
        other=other,
        known=known,
        typical=(stated >= low) & (stated <= high),
        fits_other=fits_other,
        other_explains_median=bool(low <= middle * factors[other] <= high),
        apart=lie_apart(raw, fits_other, factors[unit] / factors[other]),
    )


def _percentages(evidence: TableEvidence) -> Iterator[tuple[str, str, np.ndarray]]:
    """(name, column, values) of the inputs that are read as per cent."""
    for name in evidence.inputs:
        covariate = evidence.dictionary.get(name)
        if covariate is None or FRACTION not in covariate.units:
            continue
        column = evidence.source(name)
        if column in evidence.table.columns and evidence.unit(name) == covariate.unit:
            yield name, column, evidence.number(column)


def _is_fraction(values: np.ndarray) -> bool:
    known = values[~np.isnan(values)]
    within = ((known >= 0) & (known <= 1)).all()
    return bool(within and (known % 1 != 0).any())
