"""Every estimate of one regimen contrast in one table, and what they agree on in one paragraph.

The paragraph is written from the table by rules, each of which is one function here: the same
table gives the same words. A contrast says how arms differ; who was given which arm was not drawn,
unless the cohort is a randomised one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from evaluation.regimens.adjusted.balance import NEGLIGIBLE, UNWEIGHTED
from evaluation.regimens.adjusted.comparison import DRAWN, AdjustedComparison
from evaluation.regimens.arms import join_notes, outcomes_by_arm, p_text
from evaluation.regimens.crude.hazard_ratio import cox_hazard_ratio
from evaluation.results import ADJUSTED_COLUMNS, MODEL_BASED, digits_of, excludes
from features.outcome import Outcome
from features.text.numbers import fixed

HAZARD_RATIO, RMST, EVENT_PROBABILITY = (
    "hazard ratio",
    "RMST difference",
    "event probability difference",
)
SUBDISTRIBUTION = "subdistribution hazard ratio"
RATIOS = (HAZARD_RATIO, SUBDISTRIBUTION)
FAMILIES = ("classical", "adjusted", MODEL_BASED)
FAMILY_LABELS = {
    "classical": "Classical: as treated, unadjusted",
    "adjusted": "Adjusted for measured covariates",
    MODEL_BASED: "Model-based: contribution of the regimen to a model's prediction",
}
# A change of the hazard ratio by less than this factor is called little.
LITTLE = 1.1
# An imbalance beyond what random arms of these sizes show in 95 of 100 cohorts is no chance.
CHANCE = 0.05
# A conditional log ratio up to this many times a marginal one needs no bias.
MODEST = 1.3
CHANGES = 0.05
FEW_EVENTS = 10
# A model-based contrast below this share of the adjusted one is called shrunk.
SHRUNK = 0.6
# Below this an E-value prints as 1.0 or says as little.
SMALL_E_VALUE = 1.05
# An effective share of patients from here on is not worth a word.
NEARLY_ALL = 0.8
# Two ways of g-computation further apart than this disagree, in probability.
APART = 0.1
SAME_PATIENTS = "The rows are of the same patients: they are not independent evidence."
EXCHANGEABLE = "arms exchangeable as treated"
# What is said of patients who were not, and who were, given their regimen by chance.
NOT_RANDOMISED = "Patients were not randomised: no row is causal."
RANDOMISED = (
    "The regimen was drawn at random: the crude and the adjusted rows both compare the arms as "
    "they were drawn, and what they differ in is chance."
)
_RANK_TESTS = ("log-rank", "stratified log-rank", "Fleming-Harrington", "MaxCombo")


@dataclass(frozen=True)
class Checks:
    """What can be checked of the assumptions behind one contrast.

    Attributes
    ----------
    n, events : int
        Of both arms.
    trend_p : float
        Test of proportional hazards without covariates (cox.zph); NaN where not testable.
    adjusted_trend_p : float
        The same of the regimen in the multivariable Cox model.
    largest_smd : float
        Largest absolute standardised mean difference of a covariate before weighting.
    largest_smd_term : str
    overlap : str
        "adequate", "thin" or "poor"; empty where there is no propensity.
    events_per_coefficient : float
        Of the multivariable model.
    arm_sizes, arm_events : (int, int)
        Patients and events of the arm and of the reference arm.
    terms : int
        Covariate terms among which the largest SMD was found.
    effective_share : float
        The smaller of the two arms' effective over actual size under inverse weighting.
    randomised : bool
        The arms were drawn at random.
    """

    n: int
    events: int
    trend_p: float = np.nan
    adjusted_trend_p: float = np.nan
    largest_smd: float = np.nan
    largest_smd_term: str = ""
    overlap: str = ""
    events_per_coefficient: float = np.nan
    arm_sizes: tuple[int, int] = (0, 0)
    arm_events: tuple[int, int] = (-1, -1)
    terms: int = 1
    effective_share: float = np.nan
    randomised: bool = False

    @classmethod
    def of(
        cls,
        outcome: Outcome,
        regimen: ArrayLike,
        arms: tuple[str, str],
        adjusted: AdjustedComparison | None,
        randomised: bool = False,
    ) -> Checks:
        """Check one arm against the reference arm.

        Parameters
        ----------
        outcome : Outcome of n patients
        regimen : array-like of shape (n,), str
        arms : (str, str)
            The arm, and the reference arm.
        adjusted : AdjustedComparison, optional
            Of the same patients.
        randomised : bool
            The arms were drawn at random.
        """
        arm, reference = arms
        by_arm = outcomes_by_arm(outcome, np.asarray(regimen, dtype=object), arms)
        mine, base = by_arm[arm], by_arm[reference]
        found = cls(
            len(mine) + len(base),
            mine.n_events + base.n_events,
            cox_hazard_ratio(mine, base).proportional_hazards_p,
            arm_sizes=(len(mine), len(base)),
            arm_events=(mine.n_events, base.n_events),
            randomised=randomised,
        )
        if adjusted is None or adjusted.positivity.empty:
            return found
        balance = adjusted.balance
        before = balance[(balance["arm"] == arm) & (balance["weighting"] == UNWEIGHTED)]
        before = before[before["smd"].notna()]
        overlap = adjusted.positivity[adjusted.positivity["arm"] == arm]
        if overlap.empty:
            return found
        row = overlap.iloc[0]
        worst = before.loc[before["smd"].abs().idxmax()] if len(before) else None
        return replace(
            found,
            adjusted_trend_p=float(row["trend_p"]),
            largest_smd=np.nan if worst is None else float(abs(worst["smd"])),
            largest_smd_term="" if worst is None else str(worst["term"]),
            overlap=str(row["verdict"]).removeprefix("overlap ").split(":")[0].split(" ")[0],
            events_per_coefficient=float(row["events_per_coefficient"]),
            terms=max(len(before), 1),
            effective_share=float(row["effective_share"]),
        )

    @property
    def chance_smd(self) -> float:
        """Largest SMD that random arms of these sizes show among so many terms; NaN if unknown."""
        if min(self.arm_sizes) < 1:
            return np.nan
        spread = np.sqrt(sum(1 / size for size in self.arm_sizes))
        return float(stats.norm.isf(CHANCE / (2 * self.terms)) * spread)

    @property
    def beyond_chance(self) -> bool:
        """Whether the largest imbalance is neither negligible nor what chance gives."""
        return self.largest_smd > NEGLIGIBLE and self.largest_smd > self.chance_smd

    @property
    def balance_words(self) -> str:
        """The measured imbalance of the arms as they were treated."""
        if not np.isfinite(self.largest_smd):
            return "cannot be checked"
        word = "unbalanced" if self.largest_smd > NEGLIGIBLE else "balanced"
        rest = (
            "the arms were drawn at random" + (", yet differ by more" if self.beyond_chance else "")
            if self.randomised
            else "what was not recorded cannot be checked"
        )
        return (
            f"{word} in what was recorded: largest SMD {self.largest_smd:.2f} "
            f"({self.largest_smd_term}); {rest}"
        )

    @property
    def trend_words(self) -> str:
        """The test of proportional hazards."""
        if not np.isfinite(self.trend_p):
            return "proportional hazards not tested"
        return f"proportional hazards {p_text(self.trend_p)} (cox.zph)"


def one_table(
    classical: pd.DataFrame,
    adjusted: Sequence[pd.DataFrame],
    model_based: Sequence[pd.DataFrame],
    checks: Mapping[tuple[str, str], Checks],
    seen_by: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Every contrast of every family in the same columns, with its assumption and its check.

    Parameters
    ----------
    classical : DataFrame with REGIMEN_COLUMNS
        Rows of single arms are left out; they are no contrasts.
    adjusted : sequence of DataFrame with ADJUSTED_COLUMNS
    model_based : sequence of DataFrame with REGIMEN_COLUMNS
    checks : mapping of (endpoint, arm) -> Checks
    seen_by : mapping of learner -> covariates, optional
        What a model-based row adjusts for, in words.

    Returns
    -------
    DataFrame with ADJUSTED_COLUMNS
        Differences of the restricted mean have the scale "RMST difference" in every family.
    """
    contrasts = classical[classical["reference_arm"].notna()]
    drawn = any(known.randomised for known in checks.values())
    parts = [
        pd.DataFrame([_classical_row(row, checks, drawn) for row in contrasts.to_dict("records")]),
        *adjusted,
        *(
            pd.DataFrame([_model_row(row, seen_by or {}, drawn) for row in part.to_dict("records")])
            for part in model_based
        ),
    ]
    parts = [part.reindex(columns=list(ADJUSTED_COLUMNS)).astype(object) for part in parts]
    filled = [part for part in parts if len(part)]
    table = pd.concat(filled, ignore_index=True) if filled else parts[0]
    numbers = ("horizon", "estimate", "ci_low", "ci_high", "p_value", "effective_n", "n", "events")
    for column in numbers:
        table[column] = table[column].astype(float)
    for column in set(ADJUSTED_COLUMNS) - set(numbers):
        table[column] = table[column].where(table[column].notna(), "")
    return table


def on_one_scale(
    table: pd.DataFrame, endpoint: str, arm: str, scale: str, horizon: float = np.nan
) -> pd.DataFrame:
    """The estimates of one contrast that can be laid beside each other.

    Parameters
    ----------
    table : DataFrame
        As `one_table` returns it.
    endpoint, arm : str
    scale : str
        HAZARD_RATIO, RMST or EVENT_PROBABILITY.
    horizon : float
        Months; NaN for a hazard ratio.

    Returns
    -------
    DataFrame
        By family, in the order of FAMILIES. Rows that could not be estimated stay.
    """
    at = table["horizon"].isna() if np.isnan(horizon) else np.isclose(table["horizon"], horizon)
    kept = table[
        (table["endpoint"] == endpoint)
        & (table["arm"] == arm)
        & (table["scale"] == scale)
        & at
        & table["family"].isin(FAMILIES)
    ]
    order = kept["family"].map(FAMILIES.index)
    return kept.iloc[np.argsort(order.to_numpy(), kind="stable")].reset_index(drop=True)


def shared_scales(table: pd.DataFrame, endpoint: str, arm: str) -> list[tuple[str, float]]:
    """The scales and horizons on which there is something to lay side by side."""
    own = table[(table["endpoint"] == endpoint) & (table["arm"] == arm) & (table["family"] != "")]
    found: list[tuple[str, float]] = []
    for scale in (HAZARD_RATIO, RMST, EVENT_PROBABILITY):
        months = own.loc[own["scale"] == scale, "horizon"].unique()
        found += [(scale, float(month)) for month in sorted(months)]
    return [
        key for key in found if on_one_scale(table, endpoint, arm, *key)["estimate"].notna().any()
    ]


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
            notes = adjusted["note"].fillna("")
            reason = str(notes.iloc[0]).removeprefix("not estimable: ") or "not estimable"
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

    def ratio(self, *starts: str) -> float:
        """The first hazard ratio whose estimator starts so; NaN when there is none."""
        for start in starts:
            rows = self.ratios[self.ratios["estimator"].str.startswith(start)]
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


def triangulation_paragraph(reading: Reading) -> str:
    """What the estimates agree on, where they differ, and the likely reason; by rules.

    Parameters
    ----------
    reading : Reading

    Returns
    -------
    str
        One paragraph. Every figure in it stands in the table or in the checks.
    """
    if not reading.scales:
        return (
            f"{reading.endpoint}, {reading.arm} against {reading.reference_arm}: nothing could be "
            "estimated on a shared scale."
        )
    rules: tuple[Callable[[Reading], str], ...] = (
        say_direction,
        say_precision,
        say_dependence,
        say_no_events,
        say_competing,
        say_unadjusted,
        say_adjustment,
        say_conditional,
        say_time,
        say_overlap,
        say_shrinkage,
        say_size,
        say_unmeasured,
    )
    return " ".join(text for text in (rule(reading) for rule in rules) if text)


def say_direction(reading: Reading) -> str:
    """Whether all estimates lie on the same side, and their range on each scale.

    An estimate without an interval says nothing of chance, and is not counted.
    """
    about = f"{reading.endpoint}, {reading.arm} against {reading.reference_arm}"
    bounded = {key: own[has_interval(own)] for key, own in reading.scales.items()}
    bounded = {key: own for key, own in bounded.items() if len(own)}
    without = sum(map(len, reading.scales.values())) - sum(map(len, bounded.values()))
    uncounted = ""
    if without:
        these, are = ("estimate has", "is") if without == 1 else ("estimates have", "are")
        uncounted = f" {without} {these} no interval and {are} not counted."
    ranges = "; ".join(_range(key, own) for key, own in (bounded or reading.scales).items())
    if not bounded:
        return (
            f"{about}: no estimate has an interval ({ranges}), so that none speaks for either arm."
        )
    every = pd.concat(list(bounded.values()), ignore_index=True)
    none = shows_nothing(every)
    rows = every[~none]
    better = favours_arm(rows)
    if rows.empty:
        if len(every) == 1:
            return f"{about}: the one estimate is exactly no difference ({ranges}).{uncounted}"
        return (
            f"{about}: all {len(every)} estimates are exactly no difference ({ranges}).{uncounted}"
        )
    zeros = int((none & (every["family"] == MODEL_BASED).to_numpy()).sum())
    left_out = (
        f" {zeros} model-based estimates are 0: those models left the regimen out."
        if zeros > 1
        else " 1 model-based estimate is 0: that model left the regimen out."
        if zeros
        else ""
    )
    left_out += uncounted
    most = reading.arm if better.mean() >= 0.5 else reading.reference_arm
    favour, but = "favour", _competing_against(reading, most)
    if but:
        favour, but = "are of fewer of this event under", f", but {but}"
    if len(rows) == 1:
        alone = "is of fewer of this event under" if but else "favours"
        return f"{about}: the one estimate {alone} {most} ({ranges}){but}.{left_out}"
    if better.all() or not better.any():
        return f"{about}: all {len(rows)} estimates {favour} {most} ({ranges}){but}.{left_out}"
    odd = rows[better != (most == reading.arm)]
    named = ", ".join(dict.fromkeys(_name(row) for row in odd.head(3).to_dict("records")))
    more = f" and {len(odd) - 3} more" if len(odd) > 3 else ""
    return (
        f"{about}: {len(rows) - len(odd)} of {len(rows)} estimates {favour} {most} ({ranges}); "
        f"against: {named}{more}{but}.{left_out}"
    )


def say_precision(reading: Reading) -> str:
    """How often, by family, the interval excludes that the arms are equal."""
    rows = pd.concat(list(reading.scales.values()), ignore_index=True)
    # An interval over refits of a shrunken model is too narrow to exclude anything.
    bounded = has_interval(rows) & (rows["family"] != MODEL_BASED).to_numpy()
    excluded = excludes_equal_arms(rows) & bounded
    parts = []
    for family in FAMILIES:
        own = (rows["family"] == family).to_numpy() & bounded
        if own.any():
            parts.append(f"{int(excluded[own].sum())} of {int(own.sum())} {family}")
    if not parts:
        return ""
    if bounded.sum() == 1:
        verb = "excludes equal arms" if excluded.any() else "holds equal arms"
        return f"The one 95% interval {verb}."
    if not excluded.any():
        return (
            f"None of the {int(bounded.sum())} 95% intervals excludes equal arms: on which side "
            "the estimates lie may be chance."
        )
    return f"The 95% interval excludes equal arms in {_and(parts)} rows."


def say_dependence(reading: Reading) -> str:
    """That the rows are not so many findings; where `lead_of` ends."""
    return SAME_PATIENTS if sum(map(len, reading.scales.values())) > 1 else ""


def lead_of(paragraph: str) -> tuple[str, str]:
    """Direction and precision, and the rest of a paragraph.

    Returns
    -------
    lead, rest : str
        A single estimate leads by its direction alone; nothing leads where there is none.
    """
    lead, mark, rest = paragraph.partition(SAME_PATIENTS)
    if mark:
        return lead.rstrip(), mark + rest
    direction, end, rest = paragraph.partition("). ")
    return (direction + end.rstrip(), rest) if end else ("", paragraph)


def say_no_events(reading: Reading) -> str:
    """That an arm without events has no hazard ratio."""
    names = (reading.arm, reading.reference_arm)
    without = [n for n, k in zip(names, reading.checks.arm_events, strict=True) if k == 0]
    if not without:
        return ""
    return (
        f"No event in {_and(without)}: hazard ratios do not exist, since the likelihood has no "
        "maximum; a penalised one is the penalty's."
    )


def say_competing(reading: Reading) -> str:
    """That ratios and probabilities answer different questions where another event comes first."""
    rows = [own for own in reading.probabilities().values() if len(own)]
    names = {str(name) for own in rows for name in own["estimator"]}
    if not any(name.startswith("cumulative incidence") for name in names):
        return ""
    found = _competing_difference(reading)
    figures = ""
    if found is not None:
        fewer = reading.arm if favours_arm(found)[0] else reading.reference_arm
        row = found.iloc[0]
        figures = f" {row['endpoint']} is less frequent under {fewer} ({_figures(row)})."
    return (
        "Hazard ratios are cause-specific and probabilities are cumulative incidences: an arm can "
        f"have fewer events because more of its patients had the competing event before.{figures}"
    )


def say_unadjusted(reading: Reading) -> str:
    """That nothing could be adjusted, and why."""
    if not reading.unadjusted:
        return ""
    return f"Nothing could be adjusted ({reading.unadjusted}): the crude rows " + (
        "stand alone; the arms were drawn at random."
        if reading.checks.randomised
        else "cannot be told from confounding."
    )


def say_adjustment(reading: Reading) -> str:
    """What adjustment does to the crude hazard ratio, and what imbalance and chance can explain."""
    crude = _crude_ratio(reading)
    rows = _adjusted_ratios(reading)
    if crude is None or rows.empty:
        return ""
    sizes = reading.ratios.groupby("family")["n"].max()
    fewer = (
        f" (of {sizes['classical']:.0f} and {sizes['adjusted']:.0f} patients, so that who is left "
        "out plays a part)"
        if sizes["classical"] != sizes["adjusted"]
        else ""
    )
    values = rows["estimate"].astype(float)
    start = float(crude["estimate"])
    marginal = rows[~rows["estimator"].str.startswith("multivariable")]
    population = " Weighting also changes the population." if len(marginal) else ""
    differed = _imbalance(reading.checks)
    spread = " to ".join(dict.fromkeys(f"{v:.2f}" for v in (values.min(), values.max())))
    if hardly_moves(reading):
        told = f", though {differed}" if reading.checks.beyond_chance else f"; {differed}"
        return (
            f"Adjustment hardly moves the hazard ratio from {start:.2f} crude (adjusted {spread})"
            f"{fewer}{told}.{population}"
        )
    change = np.log(values / start).abs()
    far = rows.loc[change.idxmax()]
    end = float(far["estimate"])
    figures = f"the hazard ratio from {start:.2f} crude to {end:.2f} ({far['estimator']}"
    figures += f"; adjusted rows {spread})" if len(rows) > 1 else ")"
    if (start - 1) * (end - 1) < 0:
        both = pd.DataFrame([crude, far])
        if not excludes_equal_arms(both).any():
            return (
                f"Adjustment moves {figures}{fewer}, across 1, but both intervals hold 1: the two "
                f"are not told apart.{population}"
            )
        way = "across 1"
    else:
        way = "towards 1" if abs(np.log(end)) < abs(np.log(start)) else "away from 1"
    only_conditional = (change[marginal.index] < np.log(LITTLE)).all()
    if only_conditional:
        why = "this ratio is given the covariates, which makes it another one than the crude"
    elif reading.checks.randomised:
        why = "crude and adjusted rows are both valid, as the arms were drawn at random"
    elif reading.checks.beyond_chance:
        hid = " that hid part of the contrast" if way == "away from 1" else ""
        why = f"the change is consistent with measured confounding{hid}"
    else:
        why = "the change has no interval and is not told from chance"
    return f"Adjustment moves {figures}{fewer}, {way}; {differed}; {why}.{population}"


def hardly_moves(reading: Reading) -> bool:
    """Whether there are adjusted ratios and all of them lie near the crude one."""
    crude, rows = _crude_ratio(reading), _adjusted_ratios(reading)
    if crude is None or rows.empty:
        return False
    change = np.log(rows["estimate"].astype(float) / float(crude["estimate"])).abs()
    return bool((change < np.log(LITTLE)).all())


def say_conditional(reading: Reading) -> str:
    """How a ratio given the covariates lies to the marginal ones."""
    rows = _adjusted_ratios(reading)
    given = rows["estimator"].str.startswith("multivariable")
    if not given.any() or given.all() or hardly_moves(reading):
        return ""
    conditional = float(rows.loc[given, "estimate"].iloc[0])
    marginal = rows.loc[~given, "estimate"].to_numpy(dtype=float)
    if (np.abs(np.log(conditional / marginal)) < np.log(LITTLE)).all():
        return ""
    shown = " to ".join(dict.fromkeys(f"{v:.2f}" for v in (marginal.min(), marginal.max())))
    same_side = ((marginal - 1) * (conditional - 1) > 0).all()
    size, sizes = abs(np.log(conditional)), np.abs(np.log(marginal))
    about = f"The multivariable ratio ({conditional:.2f}, given the covariates)"
    if same_side and (size > sizes).all() and size <= MODEST * sizes.min():
        return (
            f"{about} lies further from 1 than the weighted ones ({shown}, marginal), as it can "
            "without any bias."
        )
    if same_side and size <= MODEST * sizes.max():
        # Among the weighted ones, or not further from 1 than conditioning makes it.
        return ""
    low, high = (float(rows.loc[given, name].iloc[0]) for name in ("ci_low", "ci_high"))
    if low <= marginal.min() and marginal.max() <= high:
        return (
            f"{about} lies apart from the weighted ones ({shown}, marginal) by more than being "
            "given the covariates usually makes, but its interval holds them."
        )
    return (
        f"{about} and the weighted ones ({shown}, marginal) disagree by more than being given the "
        "covariates usually makes: the models or the populations differ."
    )


def say_time(reading: Reading) -> str:
    """Whether one hazard ratio can stand for the whole follow-up."""
    checks = reading.checks
    tests = {"crude": checks.trend_p, "multivariable": checks.adjusted_trend_p}
    tests = {name: p for name, p in tests.items() if np.isfinite(p)}
    shown = ", ".join(f"{name} {p_text(p)}" for name, p in tests.items())
    changing = any(p < CHANGES for p in tests.values())
    crude_test = f"crude {p_text(checks.trend_p)}" if "crude" in tests else "crude: not tested"
    shape, figures = _shape(reading)
    parts = []
    if changing:
        parts.append(
            f"The hazard ratio changes with time (proportional hazards: {shown}): it is an average "
            "over this follow-up; read probabilities and RMST instead."
        )
    if shape == "crossing":
        parts.append(
            f"The difference turns round ({figures}, both intervals exclude 0): no one hazard "
            f"ratio shows that (proportional hazards: {crude_test})."
        )
    elif shape == "early":
        unseen = "crude" in tests and checks.trend_p >= CHANGES
        by_whom = "crude test" if changing else "test"
        parts.append(
            f"The difference is one of the first months ({figures}); one hazard ratio hides that"
            f"{f', though the {by_whom} does not see it' if unseen else ''} (proportional hazards: "
            f"{crude_test})."
        )
    elif shape == "late":
        parts.append(
            f"The difference is seen only later ({figures}), as by a late effect or by few events "
            f"until then; the test of proportional hazards: {crude_test}."
        )
    elif tests and not changing:
        many = "event" if checks.events == 1 else "events"
        parts.append(
            f"No sign that the hazard ratio changes with time (proportional hazards: {shown}), "
            f"which {checks.events} {many} cannot exclude."
        )
    parts.append(_g_computation_apart(reading))
    return " ".join(part for part in parts if part)


def say_overlap(reading: Reading) -> str:
    """Whom the rows about everybody rest on."""
    word = reading.checks.overlap
    if word not in ("thin", "poor"):
        return ""
    rows = pd.concat(list(reading.scales.values()), ignore_index=True)
    weighted = rows[rows["estimator"].str.startswith("stabilised IPTW")]
    share, rest = reading.checks.effective_share, ""
    if len(weighted) and np.isfinite(share):
        if share < NEARLY_ALL:
            rest = f" (down to an effective {share:.0%} of the patients of an arm)"
    elif len(weighted):
        kept = weighted["effective_n"].min() / reading.checks.n
        if kept < NEARLY_ALL:
            rest = f" (on an effective {kept:.0%} of {reading.checks.n} patients)"
    who = "some" if word == "thin" else "many"
    return (
        f"Overlap is {word}: for {who} patients few in the other arm are like them. Inverse "
        f"probability weighting{rest} and AIPW then lean on few patients; overlap and matching "
        "weights speak of those who could have had either."
    )


def say_shrinkage(reading: Reading) -> str:
    """Whether models show less than adjustment does, where adjustment shows something."""
    found = []
    for months, rows in reading.probabilities().items():
        adjusted = rows[rows["family"] == "adjusted"]
        modelled = rows[rows["family"] == MODEL_BASED]
        if len(adjusted) and len(modelled):
            medians = [
                float(own["estimate"].astype(float).median()) for own in (adjusted, modelled)
            ]
            found.append((abs(medians[0]), months, medians, adjusted))
    if not found:
        return ""
    _, months, (adjusted_size, modelled_size), rows = max(found, key=lambda one: one[0])
    bounded = rows["ci_low"].notna().to_numpy()
    # Where most intervals hold 0 there is no contrast to be a share of.
    if not bounded.any() or excludes_equal_arms(rows)[bounded].mean() < 0.5:
        return ""
    shown = (
        f"{points(modelled_size)} against {points(adjusted_size)} percentage points by "
        f"{months:g} months, medians"
    )
    if adjusted_size * modelled_size < 0:
        return f"The model-based contrasts have the opposite sign of the adjusted ones ({shown})."
    share = modelled_size / adjusted_size
    if share < SHRUNK:
        return (
            f"The model-based contrasts are smaller ({shown}): penalised and tree models shrink "
            "the regimen, so that their intervals are too narrow as well."
        )
    size = "larger than" if share > 1 / SHRUNK else "of the size of"
    return (
        f"The model-based contrasts are {size} the adjusted ones ({shown}); they are readings of "
        "fitted models, not further evidence."
    )


def say_size(reading: Reading) -> str:
    """How much of the disagreement the intervals can hold."""
    adjusted = reading.ratios[reading.ratios["family"] == "adjusted"]
    few = reading.checks.events_per_coefficient < FEW_EVENTS
    parts = []
    if few:
        parts.append(
            f"{reading.checks.events} events are {reading.checks.events_per_coefficient:.1f} a "
            "coefficient"
        )
    bounded = adjusted[has_interval(adjusted)]
    if len(adjusted) > 1 and len(bounded):
        # The spread is that of all of them, with an interval or without.
        spread = float(np.ptp(np.log(adjusted["estimate"].astype(float))))
        limits = np.log(bounded[["ci_low", "ci_high"]].to_numpy(dtype=float))
        if spread < float(np.diff(limits, axis=1).min()) / 2:
            parts.append(
                "the adjusted ratios differ from each other by less than half of any one's interval"
            )
        else:
            parts.append(
                "the adjusted ratios differ from each other by more than half of an interval: what "
                "is adjusted for how matters"
            )
    if not parts:
        return ""
    text = ", and ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def say_unmeasured(reading: Reading) -> str:
    """What no row can check."""
    if reading.checks.randomised:
        return RANDOMISED
    rows = reading.e_values
    preferred = rows[rows["estimator"].str.contains("overlap Cox")]
    if len(preferred) or len(rows):
        row = (preferred if len(preferred) else rows).iloc[0]
        of = row["estimator"].removeprefix("E-value of ")
        limit = row["ci_low"]
        if row["estimate"] < SMALL_E_VALUE:
            return (
                f"No row knows what was not recorded: the {of} estimate is hardly a "
                "difference, which leaves nothing to explain away, and an unmeasured confounder "
                "can also hide one."
            )
        interval = (
            "none is needed for its interval, which holds 1"
            if limit == 1
            else "its interval is not known"
            if not np.isfinite(limit)
            else "next to none for its interval, which hardly excludes 1"
            if limit < SMALL_E_VALUE
            else f"{limit:.1f} for the limit of its interval"
        )
        return (
            f"No row knows what was not recorded: a confounder with a risk ratio of "
            f"{row['estimate']:.1f} with both regimen and outcome would explain the {of} estimate "
            f"away ({interval})."
        )
    return "No row knows what was not recorded."


def _competing_difference(reading: Reading) -> pd.DataFrame | None:
    """The competing event's row to be quoted, which excludes equal arms; None without any."""
    rows = reading.competing[excludes_equal_arms(reading.competing)]
    of_size = rows[rows["scale"] == EVENT_PROBABILITY]
    if len(of_size):
        return rows.loc[[of_size["estimate"].astype(float).abs().idxmax()]]
    return rows.iloc[[0]] if len(rows) else None


def _competing_against(reading: Reading, side: str) -> str:
    """That the competing event is more frequent under a side, with figures; else empty."""
    found = _competing_difference(reading)
    if found is None or favours_arm(found)[0] == (side == reading.arm):
        return ""
    row = found.iloc[0]
    return f"more of {row['endpoint']} ({_figures(row)})"


def _figures(row: pd.Series) -> str:
    """An estimate of the arm over, or minus, the reference arm, with its interval."""
    value, low, high = (float(row[name]) for name in ("estimate", "ci_low", "ci_high"))
    if row["scale"] in RATIOS:
        return f"{row['scale']} {value:.2f}, {low:.2f} to {high:.2f}"
    return (
        f"{points(value)} percentage points by {row['horizon']:g} months, {points(low)} to "
        f"{points(high)}"
    )


def _crude_ratio(reading: Reading) -> pd.Series | None:
    rows = reading.ratios
    crude = rows[rows["estimator"].str.startswith("Cox hazard ratio")] if len(rows) else rows
    return crude.iloc[0] if len(crude) else None


def _adjusted_ratios(reading: Reading) -> pd.DataFrame:
    rows = reading.ratios
    return rows[rows["family"] == "adjusted"]


def _imbalance(checks: Checks) -> str:
    """The largest imbalance, held against chance: a clause."""
    if not np.isfinite(checks.largest_smd):
        return "how the arms differed was not measured"
    worst = f"largest SMD {checks.largest_smd:.2f}, {checks.largest_smd_term}"
    if checks.largest_smd <= NEGLIGIBLE:
        return f"the arms were balanced in what was recorded ({worst})"
    if not np.isfinite(checks.chance_smd):
        return f"the imbalance was not held against chance ({worst})"
    if checks.randomised and not checks.beyond_chance:
        return f"the imbalance of the arms, drawn at random, is chance ({worst})"
    among = f"; chance gives up to {checks.chance_smd:.2f} among {checks.terms} " + (
        "term" if checks.terms == 1 else "terms"
    )
    if checks.beyond_chance and checks.randomised:
        return (
            f"the arms differ by more than drawing at random gives ({worst}{among}): check how "
            "they were drawn and who is left out"
        )
    if checks.beyond_chance:
        return f"the arms differed by more than chance gives ({worst}{among})"
    return f"the imbalance is of a size that chance gives ({worst}{among})"


def _shape(reading: Reading) -> tuple[str, str]:
    """How the crude difference in event probability goes, with its figures.

    Returns
    -------
    shape : str
        "crossing": both signs, each excluding 0. "early": the first excludes 0, the last does not
        and is less than half of it. "late": the other way round. Else empty.
    figures : str
    """
    crude = []
    for months, rows in reading.probabilities().items():
        own = rows[rows["family"] == "classical"]
        if len(own):
            crude.append((months, float(own["estimate"].iloc[0]), excludes_equal_arms(own)[0]))
    sure = [(months, value) for months, value, excludes in crude if excludes]
    for (first, before), (last, after) in itertools.pairwise(sure):
        if before * after < 0:
            return "crossing", _points(before, first, after, last)
    if len(crude) < 2:
        return "", ""
    (first, before, was), (last, after, is_now) = crude[0], crude[-1]
    figures = _points(before, first, after, last)
    if was and not is_now and abs(after) < abs(before) / 2:
        return "early", figures
    if is_now and not was and abs(before) < abs(after) / 2:
        return "late", figures
    return "", ""


def points(probability: float) -> str:
    """A difference in probability in whole percentage points, with its sign."""
    return fixed(100 * probability, 0, sign=True)


def _points(before: float, first: float, after: float, last: float) -> str:
    return (
        f"crude {points(before)} percentage points by {first:g} months, {points(after)} by {last:g}"
    )


def _g_computation_apart(reading: Reading) -> str:
    found = []
    for months, rows in reading.probabilities().items():
        by_name = rows.set_index("estimator")["estimate"]
        pair = [
            float(by_name[name])
            for name in ("g-computation, Cox", "g-computation, Cox stratified by arm")
            if name in by_name.index
        ]
        if len(pair) == 2:
            found.append((abs(pair[0] - pair[1]), months, pair))
    if not found or max(found)[0] <= APART:
        return ""
    _, months, (constant, stratified) = max(found)
    return (
        f"By {months:g} months g-computation differs between one hazard ratio for all times "
        f"({points(constant)} points) and a baseline hazard of each arm "
        f"({points(stratified)}): the first cannot show a difference that comes and goes."
    )


def _classical_row(
    row: dict[str, object], checks: Mapping[tuple[str, str], Checks], drawn: bool
) -> dict[str, object]:
    endpoint, arm = str(row["endpoint"]), str(row["arm"])
    known = checks.get((endpoint, arm)) or checks.get(("", arm))
    estimator = str(row["estimator"])
    exchangeable = DRAWN if drawn else EXCHANGEABLE
    assumption, verdict = exchangeable, "cannot be checked"
    if known is not None:
        verdict = known.balance_words
    survival = (endpoint, arm) in checks
    trend = known.trend_words if known is not None else ""
    if estimator.startswith(("Cox hazard ratio", "Fine-Gray")) and survival:
        subject = "subdistribution hazards" if estimator.startswith("Fine-Gray") else "hazards"
        assumption = f"{exchangeable}; proportional {subject}"
        verdict = join_notes(trend if subject == "hazards" else "", verdict)
    elif estimator.startswith(_RANK_TESTS):
        assumption = f"{exchangeable}; most power under proportional hazards"
        if estimator.startswith(("Fleming", "MaxCombo")):
            assumption = f"{exchangeable}; none on the shape of the hazards"
        verdict = join_notes(trend, verdict)
    elif survival:
        assumption = f"{exchangeable}; censoring independent within arms"
    own = dict(row) | {
        "adjustment_set": "none",
        "population": "as treated",
        "effective_n": row["n"],
        "assumption": assumption,
        "verdict": verdict,
    }
    if estimator == "RMST difference":
        own["scale"] = RMST
    return own


def _model_row(
    row: dict[str, object], seen_by: Mapping[str, str], drawn: bool
) -> dict[str, object]:
    estimator, note = str(row["estimator"]), str(row["note"] or "")
    learner = estimator.rpartition(", ")[2]
    left = [part for part in note.split("; ") if "left the model" in part]
    own = dict(row) | {
        "adjustment_set": seen_by.get(learner, "what the model sees"),
        "population": "as treated" if estimator.startswith("SHAP") else "ATE",
        "effective_n": row["n"],
        "assumption": f"{DRAWN if drawn else 'no unmeasured confounding'}; the model is right and "
        "does not shrink the regimen",
        "verdict": left[0] if left else "cannot be checked: penalised and tree models shrink",
    }
    if str(own["scale"]).startswith(RMST) or (own["scale"] == "months" and "RMST" in estimator):
        own["scale"] = RMST
    return own


def _range(key: tuple[str, float], rows: pd.DataFrame) -> str:
    scale, months = key
    values = rows["estimate"].astype(float)
    digits, unit = {
        HAZARD_RATIO: (2, ""),
        RMST: (1, " months"),
        EVENT_PROBABILITY: (0, " percentage points"),
    }[scale]
    if scale == EVENT_PROBABILITY:
        values = 100 * values
    signed = scale != HAZARD_RATIO
    ends = (fixed(value, digits, signed) for value in (values.min(), values.max()))
    limits = list(dict.fromkeys(ends))
    name = {HAZARD_RATIO: "hazard ratio", RMST: f"RMST to {months:g} months"}
    return f"{name.get(scale, f'event by {months:g} months')} {' to '.join(limits)}{unit}"


def _name(row: Mapping[str, object]) -> str:
    months = row["horizon"]
    at = f" at {months:g} months" if isinstance(months, float) and np.isfinite(months) else ""
    return f"{row['estimator']}{at}"


def _and(parts: Sequence[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
