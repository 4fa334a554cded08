"""One arm against the reference arm, on every completed table: its rows and its pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from evaluation.bootstrap import bootstrap_counts, percentile_interval
from evaluation.estimators import AIPW, E_VALUE, G_COMPUTATION, NOTHING_ADJUSTED
from evaluation.regimens.adjusted.balance import balance_table, balance_verdict, mean_balance
from evaluation.regimens.adjusted.design import adjustment_design, described_columns
from evaluation.regimens.adjusted.e_value import e_value
from evaluation.regimens.adjusted.estimates import (
    EVENT_PROBABILITY,
    EVENTS_PER_COEFFICIENT,
    HAZARD_RATIO,
    NO_INTERVAL,
    Contrast,
    Pair,
    adjusted_estimates,
    arm_in_cox,
    arm_trend,
    needs_firth,
    too_small,
    wald,
)
from evaluation.regimens.adjusted.propensity import (
    balancing_weights,
    effective_sample_size,
    fit_propensity,
    positivity,
    propensity_note,
)
from evaluation.regimens.adjusted.settings import DRAWN, AdjustedSettings
from evaluation.remarks import Remark, joined, no_interval, not_estimable
from evaluation.results import Adjusted, Estimate, p_text
from evaluation.statistics import weighted_kaplan_meier
from features.covariates import pool_rubin
from features.outcome import Outcome

# Replicates a completed table at least, to estimate a variance.
_REPLICATES_A_TABLE = 100
# Patients an arm that a logistic regression needs before a row says anything; an interval needs
# more, see `too_small`.
_FEWEST = 2


class ArmAgainstReference:
    """One arm against the reference arm, on every completed table."""

    def __init__(
        self,
        arm: str,
        settings: AdjustedSettings,
        outcome: Outcome,
        treated: np.ndarray,
        tables: list[pd.DataFrame],
        notes: list[str],
    ) -> None:
        self.arm, self.settings, self.estimands = arm, settings, settings.estimands
        self.outcome, self.treated = outcome, treated
        self.pairs = [Pair(outcome, treated, adjustment_design(table)) for table in tables]
        self.first = self.pairs[0]
        self.reason = ""
        self.firth = False
        if min(treated.sum(), (~treated).sum()) < _FEWEST:
            self.reason = not_estimable(f"fewer than {_FEWEST} patients in an arm")
        else:
            self.propensities = [
                fit_propensity(pair.design, treated, settings.propensity) for pair in self.pairs
            ]
            apart = sum(
                p.separated and bool(p.score[treated].min() > p.score[~treated].max())
                for p in self.propensities
            )
            if apart:
                where = f" in {apart} of {len(tables)} completed tables" * (len(tables) > 1)
                self.reason = not_estimable(f"the covariates tell the arms apart completely{where}")
        if not self.reason:
            self.firth = any(needs_firth(pair) for pair in self.pairs)
            self.positivity = positivity(*self.propensities)
            self.propensity_note = propensity_note(self.propensities)
            self.balance = self._balance(tables)
        said = [*notes, *dict.fromkeys(pair.design.note for pair in self.pairs)]
        if outcome.competing is not None and outcome.competing.any():
            said.append("competing events counted as censored")
        self.notes = [note for note in said if note]

    @property
    def events_a_coefficient(self) -> float:
        """Of the multivariable Cox model, the largest one of the completed tables."""
        columns = max(pair.design.matrix.shape[1] for pair in self.pairs)
        return float(self.outcome.n_events / (1 + columns))

    def _balance(self, tables: list[pd.DataFrame]) -> pd.DataFrame:
        """Mean over the completed tables."""
        found = []
        for table, propensity in zip(tables, self.propensities, strict=True):
            weights: dict[str, np.ndarray] = {
                kind: balancing_weights(propensity, kind).weight for kind in self.settings.weights
            }
            matrix, terms = described_columns(table)
            found.append(balance_table(matrix, terms, self.treated, weights))
        return mean_balance(found)

    def rows(self) -> list[Estimate]:
        """Rows of the table, in its order."""
        if self.reason:
            return [replace(self._blank, note=self.reason)]
        trends = [arm_trend(pair) for pair in self.pairs]
        self.trend = float(np.median([trend.p_value for trend in trends]))  # NaN where one is
        self.no_trend = next((trend.note for trend in trends if trend.note), "")
        columns = [[arm_in_cox(pair, self.firth) for pair in self.pairs]]
        found = [adjusted_estimates(pair, self.estimands) for pair in self.pairs]
        columns += [list(same) for same in zip(*found, strict=True)]
        replicates = self._replicates(columns)
        rows: list[Estimate] = []
        for place, (same, values) in enumerate(zip(columns, replicates, strict=True)):
            rows.append(self._estimate_row(same, values, place == 0))
        if self.settings.randomised:
            return rows
        return rows + [self._e_value_row(row) for row in rows if row.scale == HAZARD_RATIO]

    def _replicates(self, columns: list[list[Contrast]]) -> list[list[np.ndarray] | None]:
        """For each estimate its replicates, one array a completed table; None where not wanted."""
        wanted = [
            place > 0 and (self.settings.interval == "bootstrap" or same[0].trimmed)
            for place, same in enumerate(columns)
        ]
        if not any(wanted):
            return [None] * len(columns)
        count = self.settings.replicates
        if len(self.pairs) > 1:
            count = max(count // len(self.pairs), _REPLICATES_A_TABLE)
        drawn = []
        for pair in self.pairs:
            # The same patients of every table; the arms keep their sizes.
            counts = bootstrap_counts(
                len(self.treated), count, self.settings.seed, self.treated
            ).astype(float)
            values = [adjusted_estimates(pair, self.estimands, replicate) for replicate in counts]
            drawn.append(np.array([[e.value for e in estimates] for estimates in values]))
        return [
            [table[:, place - 1] for table in drawn] if want else None
            for place, want in enumerate(wanted)
        ]

    def _estimate_row(
        self, same: list[Contrast], replicates: list[np.ndarray] | None, conditional: bool
    ) -> Estimate:
        first = same[0]
        values = np.array([estimate.value for estimate in same])
        variances = np.array([estimate.variance for estimate in same])
        notes = list(dict.fromkeys(estimate.note for estimate in same if estimate.note))
        if replicates is not None:
            variances = np.array([_variance(table) for table in replicates])
        lost = int((~np.isfinite(values)).sum())
        degrees = np.inf
        if len(same) == 1 or lost:
            value, variance = (np.nan, np.nan) if lost else (values[0], variances[0])
            if lost and len(same) > 1:
                notes.append(f"not estimable in {lost} of {len(same)} completed tables")
        elif not (variances > 0).all():
            value, variance = values.mean(), np.nan
            if not notes:
                without = int((~(variances > 0)).sum())
                notes.append(no_interval(f"no variance in {without} of {len(same)} tables"))
        else:
            pooled = pool_rubin(values, variances, min(estimate.degrees for estimate in same))
            value, variance, degrees = (
                float(pooled.estimate), float(pooled.variance), float(pooled.df),
            )  # fmt: skip
        low, high, p_value = wald(value, variance, degrees)
        if len(same) == 1 and first.profile is not None and np.isfinite(value):
            low, high, p_value = first.profile
        method = self._method(first, replicates, len(same), conditional)
        if NO_INTERVAL in notes:
            low, high, p_value = np.nan, np.nan, np.nan
        elif len(same) == 1 and replicates is not None and np.isfinite(value):
            low, high = percentile_interval(replicates[0])
            if np.isnan(low):
                notes.append(no_interval("no estimate in more than 10% of the replicates"))
        small = ""
        if not conditional and np.isfinite(value):
            small = too_small(self.first, float(np.median([e.least_effective for e in same])))
        if small:
            low, high, p_value = np.nan, np.nan, np.nan
            notes = [note for note in notes if not Remark.NO_INTERVAL.of(note)] + [small]
        if first.scale == EVENT_PROBABILITY:
            if abs(value) > 1:
                notes.append(not_estimable(f"{value:.2f} is outside -1 to 1, too few patients"))
                value, low, high, p_value = np.nan, np.nan, np.nan, np.nan
            low, high = (float(limit) for limit in np.clip([low, high], -1, 1))
        if first.scale == HAZARD_RATIO:
            value, low, high = (float(np.exp(part)) for part in (value, low, high))
            if len(same) == 1 and np.isfinite(first.known_variance) and not small:
                known = np.exp(wald(first.value, first.known_variance)[:2])
                notes.append(f"robust, weights taken as known: {known[0]:.2f}-{known[1]:.2f}")
        size = float(np.median([estimate.effective_n for estimate in same]))
        assumption, verdict = self._assumption(first, conditional)
        return replace(
            self._blank,
            estimator=first.estimator,
            part=first.part,
            scale=first.scale,
            horizon=first.horizon,
            value=value,
            low=low,
            high=high,
            method=method if np.isfinite([low, high]).any() else "",
            p_value=p_value,
            note=joined(*notes, *self.notes),
            adjusted=replace(
                self._adjusted,
                population=first.population,
                effective_n=size,
                assumption=assumption,
                verdict=verdict,
            ),
        )

    def _method(
        self, first: Contrast, replicates: list[np.ndarray] | None, tables: int, conditional: bool
    ) -> str:
        if replicates is not None:
            refitted = f"bootstrap of the whole procedure, {len(replicates[0])} replicates"
            method = f"percentiles, {refitted}" if tables == 1 else f"normal, {refitted} a table"
        elif first.profile is not None:
            method = "profile penalised likelihood" if tables == 1 else "Wald"
        elif conditional:
            method = "Wald"
        elif first.estimator == G_COMPUTATION:
            method = "influence function"
        else:
            method = "sandwich, propensity model included"
        return f"Rubin's rules over {tables} completed tables; {method}" if tables > 1 else method

    def _assumption(self, first: Contrast, conditional: bool) -> tuple[str, str]:
        unmeasured = DRAWN if self.settings.randomised else "no unmeasured confounding"
        events = self.events_a_coefficient
        per_coefficient = f"{events:.1f} events a coefficient" + (
            "" if events >= EVENTS_PER_COEFFICIENT else " (few)"
        )
        estimator = first.estimator
        if conditional or (estimator == G_COMPUTATION and not first.part):
            return (
                f"{unmeasured}; proportional hazards; log-linear covariates",
                f"{self._trend_words('cox.zph')}; {per_coefficient}",
            )
        if estimator == G_COMPUTATION:
            return f"{unmeasured}; log-linear covariates", per_coefficient
        if estimator == AIPW:
            return (
                f"{unmeasured}; overlap; propensity or outcome model right; censoring independent "
                "within arms",
                joined(self.positivity.verdict, self.propensity_note),
            )
        kind = next(kind for kind in self.settings.weights if kind == estimator.group)
        balance = balance_verdict(self.balance, kind)
        parts = [balance, self.propensity_note]
        assumption = f"{unmeasured}; propensity model right"
        if first.population == "ATE":
            assumption += "; overlap"
            parts.insert(0, self.positivity.verdict)
        if first.scale == HAZARD_RATIO:
            assumption += "; proportional marginal hazards"
            # That of the conditional hazards: weights have no such test.
            parts.insert(0, self._trend_words("cox.zph, multivariable Cox"))
        return assumption, joined(*parts)

    def _trend_words(self, test: str) -> str:
        told = f"{p_text(self.trend)} ({test})" if np.isfinite(self.trend) else self.no_trend
        return Remark.HAZARDS.says(told)

    def _e_value_row(self, row: Estimate) -> Estimate:
        # A ratio or limit that ran off to 0 or to infinity is none.
        ratios = (row.value, row.low, row.high)
        estimate, low, high = (ratio if 0 < ratio < np.inf else np.nan for ratio in ratios)
        found = e_value(estimate, low, high, self.settings.common_outcome)
        known = np.isfinite(found.limit)
        note = "" if known else "no limit: the hazard ratio has no interval"
        if not np.isfinite(found.estimate):
            note = not_estimable("no hazard ratio")
        assert row.adjusted is not None
        return replace(
            self._blank,
            estimator=E_VALUE,
            part=row.name,
            scale="risk ratio",
            value=found.estimate,
            low=found.limit,
            method="that of the limit nearer to 1" if known else "",
            note=note,
            adjusted=replace(
                row.adjusted,
                assumption="one unmeasured confounder, equally strong with regimen and outcome",
                verdict="cannot be checked",
            ),
        )

    @property
    def _blank(self) -> Estimate:
        """What is the same for every row."""
        return Estimate(
            NOTHING_ADJUSTED,
            "",
            self.arm,
            self.settings.reference_arm,
            endpoint=self.settings.endpoint,
            n=len(self.treated),
            events=self.outcome.n_events,
            adjusted=self._adjusted,
        )

    @property
    def _adjusted(self) -> Adjusted:
        return Adjusted(", ".join(self.first.design.covariates))

    def pictures(self) -> dict[str, pd.DataFrame]:
        """Overlap, balance, positivity and curves; means over the completed tables."""
        if self.reason:
            return {}
        names = np.where(self.treated, self.arm, self.settings.reference_arm)
        scores = np.mean([propensity.score for propensity in self.propensities], axis=0)
        overlap = pd.DataFrame({"regimen": names, "propensity": scores})
        curves = []
        for kind in (None, *self.settings.weights):
            weights = [np.ones(len(self.treated))]
            if kind is not None:
                weights = [balancing_weights(p, kind).weight for p in self.propensities]
            for rows in (self.treated, ~self.treated):
                curve = self._curve(rows, [weight[rows] for weight in weights])
                curve.insert(0, "weighting", kind or "before weighting")
                curve.insert(1, "regimen", names[rows][0])
                curves.append(curve)
        return {
            "overlap": overlap,
            "balance": self.balance.copy(),
            "positivity": pd.DataFrame(
                [
                    self.positivity._asdict()
                    | {"trend_p": self.trend, "events_per_coefficient": self.events_a_coefficient}
                ]
            ),
            "curves": pd.concat(curves),
        }

    def _curve(self, rows: np.ndarray, weights: list[np.ndarray]) -> pd.DataFrame:
        """Mean of one arm's curves under the weights of each completed table."""
        outcome = self.outcome.take(rows)
        curves = [
            # In effective patients, so that numbers at risk can be read as such.
            weighted_kaplan_meier(outcome, weight * (effective_sample_size(weight) / weight.sum()))
            for weight in weights
        ]
        if len(curves) == 1:
            return curves[0]
        # The same patients, so the same times.
        mean = np.mean([curve.to_numpy() for curve in curves], axis=0)
        return pd.DataFrame(mean, columns=curves[0].columns)


def _variance(replicates: np.ndarray) -> float:
    """Variance over the replicates with an estimate; NaN when percentiles would not be given."""
    if np.isnan(percentile_interval(replicates)[0]):
        return np.nan
    return float(np.nanvar(replicates, ddof=1))
