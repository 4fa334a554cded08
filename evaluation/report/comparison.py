"""The page of a regimen comparison: its sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from evaluation.regimens import ADVERSE_EVENT, rows_in
from evaluation.regimens.triangulation import Paragraph
from evaluation.report.comparison_tables import (
    SHARED,
    by_scale,
    readable_adverse,
    readable_agreement,
    readable_arms,
    readable_e_values,
    readable_heterogeneity,
    readable_ratios,
    readable_rest,
    readable_shared,
    readable_subgroups,
)
from evaluation.report.page import html_table
from evaluation.report.section import (
    Block,
    Record,
    Section,
    boxed,
    folded,
    heading,
    note,
    paragraph,
    pictures,
    sections_of,
    table,
    write_record,
)
from evaluation.report.training import findings_section


@dataclass(frozen=True)
class ComparisonReport:
    """What the report of a comparison shows. A table that is None has no section.

    Attributes
    ----------
    title : str
    provenance : str
        Printed on top when the patients are not real.
    facts : mapping of label -> text
    cautions : sequence of str
    paragraphs : sequence of Paragraph
        One a contrast, the modelled endpoint first.
    adjustment_set : str
        What the adjusted rows adjust for.
    endpoint : str
        Label of the modelled endpoint.
    table : DataFrame with ADJUSTED_COLUMNS
    classical : DataFrame with REGIMEN_COLUMNS
        With the rows of single arms.
    target_trial : DataFrame with TARGET_COLUMNS
    transplant : DataFrame with REGIMEN_COLUMNS, or None
    subgroups : DataFrame with SUBGROUP_COLUMNS, or None
    agreement : DataFrame, or None
        As `agreement_table` gives it.
    heterogeneity : DataFrame, or None
        As `heterogeneity_table` gives it.
    pictures : mapping of caption -> PNG, by section
        Drawn already, since the same pictures are kept as files too.
    findings : DataFrame, or None
        What the checks of the table found.
    randomised : bool
        The arms were drawn at random.
    """

    title: str
    provenance: str
    facts: Mapping[str, str]
    cautions: Sequence[str]
    paragraphs: Sequence[Paragraph]
    adjustment_set: str
    endpoint: str
    table: pd.DataFrame
    classical: pd.DataFrame
    target_trial: pd.DataFrame
    transplant: pd.DataFrame | None = None
    subgroups: pd.DataFrame | None = None
    agreement: pd.DataFrame | None = None
    heterogeneity: pd.DataFrame | None = None
    pictures: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    findings: pd.DataFrame | None = None
    randomised: bool = False

    @property
    def own(self) -> pd.DataFrame:
        """Rows of the modelled endpoint."""
        return self.table[self.table["endpoint"] == self.endpoint]

    @property
    def shared(self) -> pd.Series:
        """Which of them are on a scale that families share."""
        return self.own["scale"].isin(SHARED)


def write_comparison_report(path: Path, report: ComparisonReport) -> None:
    """Write the report as one HTML file."""
    record = Record(
        "comparison",
        title=report.title,
        provenance=report.provenance,
        facts=report.facts,
        cautions=report.cautions,
        sections=sections_of(SECTIONS, report),
    )
    write_record(path, record)


def summary(found: ComparisonReport) -> Section:
    """The paragraphs, with what they say of themselves."""
    drawn = (
        "The arms were drawn at random: a contrast compares them as they were drawn, and what they "
        "differ in is chance."
        if found.randomised
        else "The arms were chosen by clinicians, not drawn: a contrast says how patients of the "
        "arms differ, given what was recorded, and is not what a regimen does to a patient."
    )
    # What they agree on, and how surely, stands out.
    led = [
        Markup("<p>{}{}</p>\n").format(
            Markup("<strong>{}</strong> ").format(told.lead) if told.lead else "", told.rest
        )
        for told in found.paragraphs
    ]
    box = Markup('<div class="summary">\n{}</div>\n').format(Markup("").join(led))
    text = note(f"Written by fixed rules from the table below. {drawn}")
    return Section("summary", "In one paragraph", [box, text], "In one paragraph")


def side_by_side(found: ComparisonReport) -> Section:
    """Every family on the scales that they share."""
    text = (
        f"Squares by effective number of patients. Adjusted for: {found.adjustment_set}. "
        "Model-based rows are the contribution of the regimen to this model's prediction, and the "
        "mean prediction with everybody under each regimen: a prediction under the other regimen "
        "is no individual effect. Their intervals are ranges over refits of shrunken models."
    )
    if not found.randomised:
        text += (
            " On simulated cohorts with a known truth the crude rows miss it under confounding, "
            "the adjusted rows find it where all of the confounding was measured, and no row finds "
            "it where some was not."
        )
    values = table(found.own, read=readable_e_values)
    blocks: list[Block] = [pictures("forest", found.pictures.get("forest")), note(text)]
    for title, rows in by_scale(found.own[found.shared]):
        blocks += [heading(title), table(rows, "contrasts", read=readable_shared)]
    if values is not None:
        blocks += [
            heading("E-values"),
            values,
            note(
                "The risk ratio that one unmeasured confounder would need with both regimen and "
                "outcome to move the estimate, or the limit of its interval, to 1. 1: the interval "
                "holds 1 as it is (VanderWeele and Ding, 10.7326/M16-2607)."
            ),
        ]
    return Section("together", "Every family on the same scale", blocks, "Side by side")


def trial(found: ComparisonReport) -> Section:
    """The target trial."""
    sheet = boxed(html_table(found.target_trial, "table target"))
    text = note("Components of TARGET 2025 (10.1001/jama.2025.13350).")
    return Section("trial", "The trial that this stands in for", [sheet, text], "Target trial")


def arms(found: ComparisonReport) -> Section:
    """What happened in each arm."""
    by_arm = found.classical[found.classical["reference_arm"].isna()]
    others = by_arm[~rows_in(by_arm["estimator"], ADVERSE_EVENT)]
    adverse = table(found.classical, "arms", read=readable_adverse)
    text = (
        "Rates with exact (Clopper-Pearson) 95% limits, as shares of those whose record is known."
    )
    blocks = [
        pictures("curves", found.pictures.get("curves")),
        table(others, "arms", read=readable_arms),
        *([] if adverse is None else [heading("Adverse events"), adverse, note(text)]),
        pictures("incidence", found.pictures.get("incidence")),
    ]
    return Section("arms", "The arms as they were treated", blocks, "The arms")


def over_time(found: ComparisonReport) -> Section:
    """The hazard ratio over time."""
    text = (
        "Unadjusted. Where the curve leaves the dashed line, one hazard ratio is an average over "
        "this follow-up."
    )
    blocks = [pictures("time", found.pictures.get("time")), note(text)]
    return Section("time", "The hazard ratio over time", blocks, "Over time")


def balance(found: ComparisonReport) -> Section:
    """Overlap and balance."""
    text = (
        "Pictures of the first completed table where covariates were imputed. Balance in what was "
        "recorded says nothing of what was not."
    )
    blocks = [pictures("balance", found.pictures.get("balance")), note(text)]
    title = "Who received which regimen: overlap and balance"
    return Section("balance", title, blocks, "Balance")


def models(found: ComparisonReport) -> Section | None:
    """What the models' predictions owe to the regimen."""
    readings = table(found.agreement, "models", read=readable_agreement)
    if readings is None:
        return None
    drawn = found.pictures.get("contributions")
    blocks = [
        paragraph(
            "SHAP value: contribution of the regimen to this model's prediction for a patient, "
            "against the average prediction. It describes the model. It is not causal and no "
            "individual effect: a patient's prediction under the other regimen is never read as "
            "one."
        ),
        heading("Two readings of each model"),
        readings,
        note(
            "SHAP contrast: mean contribution among the arm's patients minus that among the "
            "reference arm's. Standardised contrast: mean prediction with everybody under each "
            "regimen. Points are percentage points of event probability; below 0 fewer events, an "
            "RMST above 0 longer. Intervals of both are in the tables above."
        ),
        pictures("course", found.pictures.get("course")),
    ]
    spread = table(found.heterogeneity, "models", read=readable_heterogeneity)
    if spread is not None:
        blocks += [
            heading("Do contributions differ between patients?"),
            spread,
            note(
                "Ratio: spread between patients of an arm over the median spread of one patient "
                "between bootstrap refits. Below 1 the differences between patients are within "
                "what refitting alone moves. Above 1 they are a property of the model: an additive "
                "one differs between patients on the probability scale by its shape. Models that "
                "left the regimen out are not listed."
            ),
        ]
    if drawn:
        blocks += [
            pictures("contributions", drawn),
            note(
                "Drawn for the simplest configured learner that sees the regimen, and for the "
                "forest. One point a patient, without name or number; no table of them is "
                "written. Means are of a group of patients, never of one. The last picture takes "
                "the other covariate that this model's predictions owe most to. Drawn by shap."
            ),
        ]
    title = "What the models' predictions owe to the regimen"
    return Section("models", title, blocks, "Models")


def transplant(found: ComparisonReport) -> Section | None:
    """Transplantation after the start of treatment."""
    rows = table(found.transplant, "transplant", read=readable_ratios)
    if rows is None:
        return None
    text = (
        "Transplant ignored is the primary analysis: whatever follows a regimen is part of it. The "
        "rows of transplantation itself describe who was transplanted; they are not its effect. "
        "Unadjusted for other covariates."
    )
    title = "Transplantation after the start of treatment"
    return Section("transplant", title, [rows, note(text)], "Transplant")


def subgroups(found: ComparisonReport) -> Section | None:
    """Hazard ratios within subgroups."""
    shown = pictures("subgroups", found.pictures.get("subgroups"))
    if shown is None:
        return None
    text = (
        "Unadjusted hazard ratios; likelihood-ratio tests of interaction, not corrected for their "
        "number. A level with few patients or events is not shown. Levels differ by chance: a "
        "single one is no evidence of a different contrast there."
    )
    rows = table(found.subgroups, read=readable_subgroups)
    return Section("subgroups", "Subgroups", [shown, rows, note(text)], "Subgroups")


def rest(found: ComparisonReport) -> Section:
    """Every other contrast."""
    adverse = rows_in(found.table["estimator"], ADVERSE_EVENT)
    laid = found.table.index.isin(found.own[found.shared].index)
    rows = table(found.table[~adverse & ~laid], "rest", read=readable_rest)
    text = "What each row assumes, and what the check of that found, is in comparison.csv."
    inside = folded("Tests, response, early death, other endpoints", rows, note(text))
    return Section("rest", "Every other contrast", [inside], "Every row")


def findings(found: ComparisonReport) -> Section | None:
    """What the checks of the table found."""
    return findings_section(found.findings)


SECTIONS = (
    summary,
    side_by_side,
    trial,
    arms,
    over_time,
    balance,
    models,
    transplant,
    subgroups,
    rest,
    findings,
)
