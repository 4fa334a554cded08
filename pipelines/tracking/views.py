"""Pages of the MLflow UI with the columns and charts that a reviewer wants to see.

The UI keeps a view that somebody shared as a tag of the experiment; an address that names it opens
the page so. Without one, the run list shows no metric.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

SHARED = "mlflow.sharedViewState."
LEARNERS = "learners"
# Where the UI is served unless told otherwise.
UI_PORT = 5000


def trials_view(learner: str) -> str:
    """Name of the view of a learner's final search."""
    return f"trials_{learner}"


def page(experiment_id: str, view: str = LEARNERS) -> str:
    """Address of a view, after the UI's own.

    The model-training page is named because the UI otherwise opens on its GenAI pages: it goes by
    what the browser showed last, whatever the experiment's tag says.
    """
    chart = "" if view == LEARNERS else "&compareRunsMode=CHART"
    return (
        f"#/experiments/{experiment_id}/runs?workflowType=machine_learning"
        f"&viewStateShareKey={view}{chart}"
    )


def shared_views(params: Mapping[str, Sequence[str]], horizon: float) -> dict[str, str]:
    """Tags of an experiment that hold the views.

    Parameters
    ----------
    params : mapping of learner -> names of the parameters that were searched
    horizon : float
        Months; whose IPA stands among the columns.
    """
    # Not for commands that only open a page: its kernels take a while to import.
    from evaluation.metrics import IBS, IPA, UNO_C, stored_name

    columns = ["tags.`cohort`", "tags.`champion`"]
    shown = (UNO_C, IBS, IPA)
    columns += [f"metrics.`{stored_name(metric.name, horizon)}`" for metric in shown]
    views = {LEARNERS: _view("tags.kind = 'learner'", columns, [], order=IBS.name)}
    for learner, names in params.items():
        chart = {
            "uuid": f"search-{learner}",
            "type": "PARALLEL",
            "metricSectionId": "search",
            "runsCountToCompare": 100,
            "selectedParams": list(names),
            "selectedMetrics": ["trial_ibs"],
            "showAllRuns": True,
            "deleted": False,
            "isGenerated": False,
        }
        where = f"tags.kind = 'trial' and tags.learner = '{learner}'"
        columns = ["tags.`state`", "metrics.`trial_ibs`", "metrics.`trial_harrell_c`"]
        views[trials_view(learner)] = _view(where, columns, [chart], order="trial_ibs")
    return {SHARED + name: json.dumps(view) for name, view in views.items()}


def _view(
    search: str,
    columns: Sequence[str],
    charts: Sequence[Mapping[str, object]],
    order: str,
) -> dict[str, object]:
    section = {
        "uuid": "search",
        "name": "Search",
        "display": True,
        "columns": 1,
        "isReordered": False,
        "deleted": False,
        "isGenerated": False,
    }
    return {
        "searchFilter": search,
        # Sorted by a metric, runs stand side by side and not below their parent.
        "orderByKey": f"metrics.`{order}`",
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(columns),
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "groupBy": None,
        "groupsExpanded": {},
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": False,
        "autoRefreshEnabled": False,
        **({"compareRunCharts": list(charts), "compareRunSections": [section]} if charts else {}),
    }
