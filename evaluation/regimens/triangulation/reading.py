"""One contrast as the sentences read it: its rows by scale, and which side each favours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from evaluation.estimators import COX, rows_of
from evaluation.regimens.triangulation.checks import Checks
from evaluation.regimens.triangulation.table import (
    EVENT_PROBABILITY,
    HAZARD_RATIO,
    RATIOS,
    RMST,
    SUBDISTRIBUTION,
    on_one_scale,
    shared_scales,
)
from evaluation.remarks import why_not
from evaluation.results import ADJUSTED_COLUMNS, digits_of, excludes
from features.text import fixed


@dataclass(frozen=True)
class Reading:
    """One contrast: its rows by scale, and what was checked.

    Attributes
    ----------
    endpoint, arm, reference_arm : str
    scales : mapping of (scale, horizon) -> DataFrame
        As `on_one_scale` gives them, each estimator once, without those not estimable.
    e_values : DataFrame
        Rows of the scale "risk ratio".
    checks : Checks
    unadjusted : str
        Why there is no adjusted estimate; empty where there is one.
    competing : DataFrame
        Cumulative incidence differences and Fine-Gray ratios of the competing event.
    """

    endpoint: str
    arm: str
    reference_arm: str
    scales: Mapping[tuple[str, float], pd.DataFrame]
    e_values: pd.DataFrame
    checks: Checks
    unadjusted: str = ""
    competing: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=list(ADJUSTED_COLUMNS))
    )

    @classmethod
    def of(
        cls, table: pd.DataFrame, endpoint: str, arm: str, checks: Checks, competing: str = ""
    ) -> Reading:
        """Take the rows of one endpoint and arm from the table of everything.

        Parameters
        ----------
        table : DataFrame
            As `one_table` returns it.
        endpoint, arm : str
        checks : Checks
        competing : str
            Name of the endpoint's competing event, which is the endpoint of its rows.
        """
        own = table[(table["endpoint"] == endpoint) & (table["arm"] == arm)]
        scales = {}
        for key in shared_scales(table, endpoint, arm):
            rows = on_one_scale(table, endpoint, arm, *key)
            rows = rows[rows["estimate"].notna()]
            # The permutation interval of an RMST difference is the one to read in a small sample.
            once = rows.drop_duplicates(["family", "estimator"], keep="last")
            scales[key] = once.reset_index(drop=True)
        e_values = own[(own["scale"] == "risk ratio") & own["estimate"].notna()]
        reference = str(own["reference_arm"].iloc[0]) if len(own) else ""
        adjusted = own[own["family"] == "adjusted"]
        reason = ""
        if len(adjusted) and adjusted["estimate"].isna().all():
            reason = why_not(adjusted["note"].iloc[0]) or "not estimable"
        other = table[(table["endpoint"] == competing) & (table["arm"] == arm)]
        other = other[other["scale"].isin([EVENT_PROBABILITY, SUBDISTRIBUTION])]
        other = other[other["estimate"].notna() & (competing != "")].reset_index(drop=True)
        return cls(endpoint, arm, reference, scales, e_values, checks, reason, other)

    @property
    def ratios(self) -> pd.DataFrame:
        """Hazard ratios of every family; empty when there are none."""
        empty = pd.DataFrame(columns=list(ADJUSTED_COLUMNS))
        # Found by its scale, since the horizon of a ratio is NaN, which is not equal to itself.
        return next((r for (scale, _), r in self.scales.items() if scale == HAZARD_RATIO), empty)

    def ratio(self, *names: str) -> float:
        """The hazard ratio of the first of these names that has a row; NaN when none has."""
        for name in names:
            rows = self.ratios[self.ratios["estimator"] == name]
            if len(rows):
                return float(rows["estimate"].iloc[0])
        return np.nan

    def probabilities(self) -> dict[float, pd.DataFrame]:
        """Differences in event probability by horizon, increasing."""
        found = {h: rows for (scale, h), rows in self.scales.items() if scale == EVENT_PROBABILITY}
        return dict(sorted(found.items()))


def has_interval(rows: pd.DataFrame) -> np.ndarray:
    """Whether each estimate has both limits."""
    return rows[["ci_low", "ci_high"]].notna().all(axis=1).to_numpy()


def shows_nothing(rows: pd.DataFrame) -> np.ndarray:
    """Whether each estimate is exactly no difference, as of a model that left the regimen out."""
    null = np.where(rows["scale"].isin(RATIOS), 1.0, 0.0)
    return np.asarray(np.abs(rows["estimate"].to_numpy(dtype=float) - null) < 1e-12)


def favours_arm(rows: pd.DataFrame) -> np.ndarray:
    """Whether each estimate favours the arm: a ratio or a probability below, an RMST above."""
    null = np.where(rows["scale"].isin(RATIOS), 1.0, 0.0)
    side = np.where(rows["scale"] == RMST, -1.0, 1.0)
    return np.asarray(side * (rows["estimate"].to_numpy(dtype=float) - null) < 0)


def excludes_equal_arms(rows: pd.DataFrame) -> np.ndarray:
    """Whether each interval, as it is printed, leaves out the value of no difference."""
    null = np.where(rows["scale"].isin(RATIOS), 1.0, 0.0)
    low, high = (rows[limit].to_numpy(dtype=float) for limit in ("ci_low", "ci_high"))
    return excludes(low, high, null, rows["scale"].map(digits_of))


def points(probability: float) -> str:
    """A difference in probability in whole percentage points, with its sign."""
    return fixed(100 * probability, 0, sign=True)


def figures_of(row: pd.Series) -> str:
    """An estimate of the arm over, or minus, the reference arm, with its interval."""
    value, low, high = (float(row[name]) for name in ("estimate", "ci_low", "ci_high"))
    if row["scale"] in RATIOS:
        return f"{row['scale']} {value:.2f}, {low:.2f} to {high:.2f}"
    return (
        f"{points(value)} percentage points by {row['horizon']:g} months, {points(low)} to "
        f"{points(high)}"
    )


def competing_difference(reading: Reading) -> pd.DataFrame | None:
    """The competing event's row to be quoted, which excludes equal arms; None without any."""
    rows = reading.competing[excludes_equal_arms(reading.competing)]
    of_size = rows[rows["scale"] == EVENT_PROBABILITY]
    if len(of_size):
        return rows.loc[[of_size["estimate"].astype(float).abs().idxmax()]]
    return rows.iloc[[0]] if len(rows) else None


def crude_ratio(reading: Reading) -> pd.Series | None:
    """The crude hazard ratio; None when there is none."""
    rows = reading.ratios
    crude = rows[rows_of(rows["estimator"], COX)] if len(rows) else rows
    return crude.iloc[0] if len(crude) else None


def adjusted_ratios(reading: Reading) -> pd.DataFrame:
    """Hazard ratios that were adjusted."""
    rows = reading.ratios
    return rows[rows["family"] == "adjusted"]


def and_list(parts: Sequence[str]) -> str:
    """'a, b and c'."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
