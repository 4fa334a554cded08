"""What a check of a cohort shows: the HTML data report and the summary in the terminal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from evaluation.cohort import (
    HIDDEN,
    AttritionDisplay,
    MissingnessDisplay,
    cells_to_hide,
    dictionary_table,
    endpoint_summary,
    missingness_counts,
    readable_endpoints,
    table_one,
)
from evaluation.report import DataReport, axes_figure, kaplan_meier_display, write_data_report
from features.cohort import Cohort
from features.covariates import needed_inputs, structural_mask
from features.errors import InputError, Problem
from features.guard import Severity, findings_frame
from pipelines.cohort.reading import CheckedCohort, cohort_name
from pipelines.config import TrainConfig
from pipelines.output.files import write_csv
from pipelines.output.terminal import console, print_findings, print_heading, print_table

VERDICTS = {
    Severity.FAIL: "Not usable as it stands: mend or decide the failures first.",
    Severity.WARN: "Usable, with warnings to look at before any number is believed.",
    Severity.NOTE: "Usable; there are notes.",
    Severity.IGNORE: "Nothing was found.",
}


def worst_severity(checked: CheckedCohort) -> Severity:
    """The gravest severity among the findings; IGNORE when there is none."""
    return max((finding.severity for finding in checked.findings), default=Severity.IGNORE)


def write_check(config: TrainConfig, checked: CheckedCohort, folder: Path) -> Path:
    """Write data_report.html, findings.csv and table_one.csv.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    InputError
        With fewer patients than the smallest count that may be shown.
    """
    cohort = checked.cohort
    covariates = needed_inputs(config.covariates, cohort.dictionary)
    inputs = cohort.inputs[list(covariates)]
    structural = structural_mask(cohort.inputs, cohort.dictionary, cohort.regimen)[list(inputs)]
    hide = config.cohort.suppress_below
    _check_enough(len(cohort), hide)
    first = table_one(inputs, cohort.regimen, cohort.dictionary, suppress_below=hide)
    findings = findings_frame(checked.findings)
    report = DataReport(
        title=f"{cohort_name(config)}: data report",
        provenance=cohort.provenance,
        verdict=VERDICTS[worst_severity(checked)],
        facts=_facts(config, checked),
        findings=findings,
        attrition=_attrition(checked, hide),
        table_one=first,
        missingness=missingness_counts(inputs, cohort.dictionary, structural, suppress_below=hide),
        endpoints=_endpoints(cohort, hide),
        dictionary=dictionary_table(covariates.values(), config.cohort.columns.covariates),
        pictures=_pictures(checked, inputs, structural, hide),
    )
    path = folder / "data_report.html"
    write_data_report(path, report)
    write_csv(folder / "findings.csv", findings)
    write_csv(folder / "table_one.csv", first)
    return path


def print_check(config: TrainConfig, checked: CheckedCohort, report: Path) -> None:
    """Print the findings, the endpoints and where the report is."""
    cohort = checked.cohort
    hide = config.cohort.suppress_below
    print_heading(cohort_name(config), f": {len(cohort)} patients")
    if cohort.provenance:
        console.print(cohort.provenance, style="yellow")
    attrition = _attrition(checked, hide)
    if attrition is not None:
        print_table("Inclusion", attrition.drop(columns="criterion"))
    if cohort.regimen_counts is not None:
        counts = cohort.regimen_counts
        shown = counts.assign(patients=_shown(counts["patients"].to_numpy(), hide))
        print_table("Regimens from drug records", shown)
    print_table("Endpoints", readable_endpoints(_endpoints(cohort, hide)))
    print_findings(checked.findings, to=console)
    console.print(VERDICTS[worst_severity(checked)], style="bold")
    console.print(f"Report   {report}")


def _facts(config: TrainConfig, checked: CheckedCohort) -> dict[str, str]:
    cohort = checked.cohort
    facts = {"Patients": str(len(cohort)), "Data fingerprint": cohort.fingerprint}
    for label, values in (("Regimens", cohort.regimen), ("Centers", cohort.center)):
        if values is not None:
            names, counts = np.unique(values.astype(str), return_counts=True)
            shown = _shown(counts, config.cohort.suppress_below)
            facts[label] = ", ".join(f"{n} {c}" for n, c in zip(names, shown, strict=True))
    if config.cohort.pool_ages_above is not None:
        facts["Ages"] = f"above {config.cohort.pool_ages_above} pooled"
    return facts


def _check_enough(n: int, hide: int | None) -> None:
    if n < (hide or 0):
        raise InputError(
            Problem(
                what="Fewer patients than the smallest count that may be shown",
                where="cohort.suppress_below",
                got=f"{n} patients",
                allowed=f"at least {hide}",
                remedy="nothing of so few patients may be reported; lower it only if you may",
            )
        )


def _told(count: int, hide: int | None) -> str:
    return f"under {hide}" if 0 < count < (hide or 0) else str(count)


def _shown(counts: np.ndarray, hide: int | None) -> list[str]:
    """Counts of a public sum as text, the small ones and what gives them away hidden."""
    counts = np.asarray(counts, dtype=int)
    hidden = np.zeros(len(counts), dtype=bool)
    if hide:
        hidden = cells_to_hide(counts[:, None], hide)[:, 0]
    return [HIDDEN if h else str(c) for c, h in zip(counts, hidden, strict=True)]


def _attrition(checked: CheckedCohort, hide: int | None) -> pd.DataFrame | None:
    """The attrition table without small counts, nor what is left between two rules beside them."""
    attrition = checked.attrition
    if attrition is None or not hide:
        return attrition
    counts = attrition["removed"].to_numpy()[1:]
    removed = _shown(counts, hide)
    attrition = attrition.astype({"removed": object, "left": object})
    attrition.loc[attrition.index[1:], "removed"] = removed
    if HIDDEN in removed:
        # Who is left in the end is told elsewhere; with few removed in all, the start gives them.
        first = 0 if counts.sum() < hide else 1
        attrition.loc[attrition.index[first:-1], "left"] = HIDDEN
    for column in ("removed_missing", "kept_missing"):
        attrition[column] = [_told(count, hide) for count in attrition[column]]
    return attrition


def _endpoints(cohort: Cohort, hide: int | None) -> pd.DataFrame:
    """Each endpoint for all and by arm, without those of fewer patients than may be told."""
    parts = []
    for label, outcome in cohort.outcomes.items():
        if len(outcome) < (hide or 0):
            continue
        arms = None if cohort.regimen is None else cohort.regimen[cohort.of_endpoint(label)]
        if hide and arms is not None and np.unique(arms, return_counts=True)[1].min() < hide:
            arms = None
        summary = endpoint_summary({label: outcome}, arms)
        parts.append(_hide_events(summary, hide) if hide else summary)
    return pd.concat(parts, ignore_index=True) if parts else endpoint_summary({})


def _hide_events(summary: pd.DataFrame, hide: int) -> pd.DataFrame:
    """Hide small numbers of events, and of patients without, of an endpoint's rows (all first)."""
    other = summary["competing"].fillna(0).astype(int)
    without = summary["n"] - summary["events"] - other
    counts = np.array([summary["events"], other, without])
    # `cells_to_hide` takes the sum of the arms as the last column.
    order = [*range(1, len(summary)), 0]
    hidden = np.zeros(counts.shape, dtype=bool)
    hidden[:, order] = cells_to_hide(counts[:, order], hide)
    return summary.assign(
        events=summary["events"].astype(object).mask(hidden[0], HIDDEN),
        competing=summary["competing"].astype(object).mask(hidden[1], HIDDEN),
    )


def _pictures(
    checked: CheckedCohort, inputs: pd.DataFrame, structural: pd.DataFrame, hide: int | None
) -> dict[str, dict[str, Figure]]:
    cohort = checked.cohort
    pictures: dict[str, dict[str, Figure]] = {"attrition": {}, "missingness": {}, "endpoints": {}}
    # The flow diagram and the numbers at risk would tell the small counts that the tables hide.
    if checked.attrition is not None and not hide:
        pictures["attrition"]["Who was included"] = axes_figure(
            AttritionDisplay(checked.attrition).plot()
        )
    if inputs.isna().to_numpy().any():
        missing = MissingnessDisplay.from_inputs(
            inputs, cohort.dictionary, structural, suppress_below=hide
        )
        pictures["missingness"][f"Missing values. {missing.caption}"] = axes_figure(missing.plot())
    for label, outcome in cohort.outcomes.items():
        if outcome.competing is not None or hide:
            continue
        rows = cohort.of_endpoint(label)
        regimen = np.full(rows.sum(), "all") if cohort.regimen is None else cohort.regimen[rows]
        display = kaplan_meier_display(outcome, regimen, label)
        pictures["endpoints"][f"{label}, Kaplan-Meier with 95% log-log intervals"] = axes_figure(
            display.plot()
        )
    return pictures
