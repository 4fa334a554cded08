import json

from pipelines.tracking.views import SHARED, page, shared_views, trials_view


def test_learners_stand_side_by_side_with_the_metrics_that_decide():
    views = shared_views({"cox": ["alpha", "l1_ratio"]}, 12.0)
    learners = json.loads(views[SHARED + "learners"])
    assert learners["searchFilter"] == "tags.kind = 'learner'"
    assert learners["selectedColumns"][-3:] == [
        "metrics.`uno_c`", "metrics.`ibs`", "metrics.`ipa_12m`"
    ]  # fmt: skip
    # By a metric, since sorted by time the UI puts them below their parent.
    assert learners["orderByKey"] == "metrics.`ibs`"
    assert "compareRunCharts" not in learners


def test_a_search_is_a_chart_of_parallel_coordinates_over_its_parameters():
    views = shared_views({"cox": ["alpha", "l1_ratio"], "forest": ["max_features"]}, 6.0)
    assert set(views) == {SHARED + n for n in ("learners", "trials_cox", "trials_forest")}
    view = json.loads(views[SHARED + trials_view("cox")])
    assert view["searchFilter"] == "tags.kind = 'trial' and tags.learner = 'cox'"
    (chart,) = view["compareRunCharts"]
    assert chart["type"] == "PARALLEL"
    # The score of a trial is a mean of inner folds, and has not the name of the metric.
    assert chart["selectedMetrics"] == ["trial_ibs"]
    assert view["orderByKey"] == "metrics.`trial_ibs`"
    assert chart["selectedParams"] == ["alpha", "l1_ratio"]
    assert chart["metricSectionId"] == view["compareRunSections"][0]["uuid"]


def test_an_address_names_the_model_training_page_and_the_view():
    assert page("7") == (
        "#/experiments/7/runs?workflowType=machine_learning&viewStateShareKey=learners"
    )
    assert page("7", trials_view("cox")).endswith("=trials_cox&compareRunsMode=CHART")
