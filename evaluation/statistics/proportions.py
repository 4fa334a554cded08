"""Proportions from counts: one with its interval, two compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, stats

from features.life_table import Z


class Interval(NamedTuple):
    """An estimate with its 95% limits; NaN where the data cannot bound it."""

    estimate: float
    ci_low: float
    ci_high: float


class HypothesisTest(NamedTuple):
    """A test statistic and its two-sided p-value."""

    statistic: float
    p_value: float


def proportion(events: int, n: int, method: str = "clopper-pearson") -> Interval:
    """Observed proportion with its 95% interval.

    Parameters
    ----------
    events, n : int
        Patients with the event, and all patients; n = 0 gives NaN.
    method : {"clopper-pearson", "wilson"}
        Exact interval (Clopper and Pearson, 1934), or the score interval
        without continuity correction (Wilson, 1927).
    """
    scipy_names = {"clopper-pearson": "exact", "wilson": "wilson"}
    if method not in scipy_names:
        raise ValueError(f"method must be one of {sorted(scipy_names)}; got {method!r}")
    if n == 0:
        return Interval(np.nan, np.nan, np.nan)
    limits = stats.binomtest(int(events), int(n)).proportion_ci(method=scipy_names[method])
    return Interval(events / n, float(limits.low), float(limits.high))


@dataclass(frozen=True)
class TwoProportions:
    """Counts of one arm and of its reference arm, and every comparison of the two.

    Differences are arm minus reference arm and ratios arm over reference arm, so
    above 0 (above 1) means the event is more frequent in the arm.

    Attributes
    ----------
    events, n : int
        Patients with the event, and all patients, in the arm.
    reference_events, reference_n : int
        The same in the reference arm.

    Raises
    ------
    ValueError
        When an arm has no patients, or events outside 0..n.
    """

    events: int
    n: int
    reference_events: int
    reference_n: int

    def __post_init__(self) -> None:
        for events, n in ((self.events, self.n), (self.reference_events, self.reference_n)):
            if n < 1 or not 0 <= events <= n:
                raise ValueError(f"events must lie in 0..n with n >= 1; got {events} of {n}")

    @property
    def _proportions(self) -> tuple[float, float]:
        return self.events / self.n, self.reference_events / self.reference_n

    @property
    def _table(self) -> np.ndarray:
        """2 x 2 counts: rows event and no event, columns arm and reference arm."""
        events, n = (self.events, self.reference_events), (self.n, self.reference_n)
        return np.array([events, np.subtract(n, events)])

    def risk_difference(self, method: str = "newcombe") -> Interval:
        """Difference of the two proportions, on the probability scale.

        Parameters
        ----------
        method : {"newcombe", "miettinen-nurminen"}
            Hybrid of two Wilson intervals (Newcombe, 1998, method 10), or the
            inverted score test with the factor N / (N - 1) (Miettinen and
            Nurminen, 1985).
        """
        methods: dict[str, Callable[[], Interval]] = {
            "newcombe": self._newcombe,
            "miettinen-nurminen": self._miettinen_nurminen,
        }
        if method not in methods:
            raise ValueError(f"method must be one of {sorted(methods)}; got {method!r}")
        return methods[method]()

    def _newcombe(self) -> Interval:
        p, low, high = proportion(self.events, self.n, "wilson")
        q, q_low, q_high = proportion(self.reference_events, self.reference_n, "wilson")
        return Interval(
            p - q,
            float(p - q - np.hypot(p - low, q_high - q)),
            float(p - q + np.hypot(high - p, q - q_low)),
        )

    def _miettinen_nurminen(self) -> Interval:
        p, q = self._proportions
        step = 1e-9

        def limit(sign: int) -> float:
            """Difference, on that side of the estimate, whose score statistic is -sign * z."""
            near, far = p - q + sign * step, sign * (1 - step)
            if sign * near >= 1 - step:
                return float(sign)
            return float(
                optimize.brentq(lambda d: self._score(d) + sign * Z, near, far, xtol=1e-12)
            )

        return Interval(p - q, limit(-1), limit(+1))

    def _score(self, difference: float) -> float:
        """Score statistic of H0: p - q = difference, the variance at the restricted estimates.

        The restricted maximum-likelihood p is the root of a cubic in closed form
        (Farrington and Manning, 1990).
        """
        p, q = self._proportions
        ratio = self.reference_n / self.n
        a = 1 + ratio
        b = -(1 + ratio + p + ratio * q + difference * (ratio + 2))
        c = difference**2 + difference * (2 * p + ratio + 1) + p + ratio * q
        d = -p * difference * (1 + difference)
        v = b**3 / (3 * a) ** 3 - b * c / (6 * a**2) + d / (2 * a)
        u = np.copysign(np.sqrt(max(b**2 / (3 * a) ** 2 - c / (3 * a), 0)), v)
        angle = (np.pi + np.arccos(np.clip(v / u**3 if u else 0, -1, 1))) / 3
        p0 = np.clip(
            2 * u * np.cos(angle) - b / (3 * a), max(0, difference), min(1, 1 + difference)
        )
        q0 = p0 - difference
        total = self.n + self.reference_n
        variance = (p0 * (1 - p0) / self.n + q0 * (1 - q0) / self.reference_n) * total / (total - 1)
        return float((p - q - difference) / np.sqrt(variance))

    def risk_ratio(self) -> Interval:
        """Ratio of the two proportions, log-normal limits (Katz, 1978).

        The limits are NaN when an arm has no event, or when every patient has it.
        """
        variance = _reciprocals(self._table[0]) - 1 / self.n - 1 / self.reference_n
        p, q = self._proportions
        return _ratio(p, q, variance)

    def odds_ratio(self) -> Interval:
        """Sample odds ratio, log-normal limits (Woolf, 1955); not Fisher's conditional one.

        The limits are NaN when a cell of the table is empty.
        """
        (a, b), (c, d) = self._table
        return _ratio(a * d, b * c, _reciprocals(self._table))

    def chi_square(self) -> HypothesisTest:
        """Pearson's chi-square test without continuity correction; NaN when no cell can vary."""
        if not self._table.sum(axis=1).all():
            return HypothesisTest(np.nan, np.nan)
        result = stats.chi2_contingency(self._table, correction=False)
        return HypothesisTest(float(result.statistic), float(result.pvalue))

    def fisher(self) -> float:
        """Two-sided p-value of Fisher's exact test."""
        return float(stats.fisher_exact(self._table).pvalue)

    def boschloo(self) -> float:
        """Two-sided p-value of Boschloo's unconditional exact test (1970).

        Twice the smaller one-sided p, at most 1, as in scipy; R's Exact::exact.test
        orders tables by the two-sided Fisher p instead and can differ.
        """
        return min(1.0, float(stats.boschloo_exact(self._table).pvalue))

    @property
    def frame(self) -> pd.DataFrame:
        """All comparisons: measure, method, estimate, ci_low, ci_high, p_value.

        For the chi-square row `estimate` is the statistic; the exact tests have none.
        """
        intervals = {
            ("risk difference", "newcombe"): self.risk_difference(),
            ("risk difference", "miettinen-nurminen"): self.risk_difference("miettinen-nurminen"),
            ("risk ratio", "katz"): self.risk_ratio(),
            ("odds ratio", "woolf"): self.odds_ratio(),
        }
        tests = {
            ("test", "chi-square"): self.chi_square(),
            ("test", "fisher"): HypothesisTest(np.nan, self.fisher()),
            ("test", "boschloo"): HypothesisTest(np.nan, self.boschloo()),
        }
        rows = [(*name, *interval, np.nan) for name, interval in intervals.items()]
        rows += [(*name, t.statistic, np.nan, np.nan, t.p_value) for name, t in tests.items()]
        columns = ["measure", "method", "estimate", "ci_low", "ci_high", "p_value"]
        return pd.DataFrame(rows, columns=columns)


def _reciprocals(counts: np.ndarray) -> float:
    return float((1 / counts).sum()) if counts.all() else np.nan


def _ratio(numerator: float, denominator: float, log_variance: float) -> Interval:
    """Ratio with limits symmetric on the log scale, none where the variance cannot be judged."""
    if denominator == 0:
        return Interval(np.inf if numerator else np.nan, np.nan, np.nan)
    estimate = numerator / denominator
    factor = np.exp(Z * np.sqrt(log_variance)) if log_variance > 1e-12 else np.nan
    return Interval(float(estimate), float(estimate / factor), float(estimate * factor))
