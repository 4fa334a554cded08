import matplotlib
import numpy as np
import pandas as pd
import pytest
import shap
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from evaluation.displays.contributions import BeeswarmDisplay, WaterfallDisplay
from evaluation.explanation.values import ShapValues
from evaluation.report.figures import axes_figure, contribution_pictures, own_dependence
from evaluation.report.page import png_bytes

PREDICTORS = pd.DataFrame(
    {
        "age": [50.0, 60.0, 70.0, np.nan],
        "disease": np.array(["AML", "ALL", "MPAL", None], dtype=object),
        "regimen": np.array(["HMA", "LDAC", "HMA", "HMA"], dtype=object),
    }
)
VALUES = np.array([[-0.1, 0.2, -0.01], [0.0, -0.3, 0.03], [0.1, 0.2, -0.01], [0.0, 0.1, -0.01]])


def explanation(values=VALUES, predictors=PREDICTORS):
    names = tuple(predictors)
    return ShapValues.exact(values[..., None], np.array([0.4]), names, "").explanation(predictors)


def many(n=30):
    """Patients 1 to n, of whom the last have the highest risk."""
    table = pd.DataFrame({"age": np.arange(n, dtype=float), "regimen": ["HMA", "LDAC"] * (n // 2)})
    return explanation(np.column_stack([np.arange(n) / 100, np.zeros(n)]), table)


def beeswarm(found=None, **options):
    return BeeswarmDisplay(found or explanation(), 12.0, "forest", **options)


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def points(ax):
    return [c for c in ax.collections if len(c.get_offsets())]


def test_the_largest_come_first():
    frame = beeswarm(labels={"age": "Age, years"}).frame
    # Mean absolute contributions: disease .2, age .05, regimen .015.
    assert frame["covariate"].tolist() == ["disease", "age", "regimen"]
    assert frame["label"].tolist() == ["disease", "Age, years", "regimen"]
    assert frame["contribution"].tolist() == pytest.approx([0.2, 0.05, 0.015])


def test_every_patient_is_drawn_in_points_and_all_text_inside():
    ax = beeswarm().plot()
    assert isinstance(ax, Axes)
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    # Of everything that is drawn, in inches.
    drawn, page = ax.figure.get_tightbbox(canvas.get_renderer()), ax.figure.get_size_inches()
    assert drawn.x0 >= -0.01
    assert drawn.y0 >= -0.01
    assert drawn.x1 <= page[0] + 0.01
    assert drawn.y1 <= page[1] + 0.01
    x = np.concatenate([c.get_offsets().data[:, 0] for c in points(ax)])
    assert np.sort(x) == pytest.approx(np.sort(100 * VALUES.ravel()))
    assert "percentage points" in ax.get_xlabel()


def test_two_levels_have_colours_that_are_named_and_several_have_none():
    names = [tick.get_text() for tick in beeswarm().plot().get_yticklabels()]
    assert names == ["regimen (red: LDAC)", "age", "disease"]
    disease = [c for c in points(beeswarm().plot()) if len(c.get_offsets()) == 4]
    grey = matplotlib.colors.to_rgba("#777777")
    assert any(tuple(c.get_facecolors()[0]) == grey for c in disease)


def test_those_beyond_the_most_are_one_row():
    ax = beeswarm().plot(most=2)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [
        "Sum of 2 other features", "disease"
    ]  # fmt: skip


def test_a_constant_or_unknown_covariate_and_equal_points_are_drawn():
    for value in (60.0, np.nan):
        found = explanation(VALUES * 0.0, PREDICTORS.assign(age=value))
        assert beeswarm(found).plot()


def test_a_waterfall_adds_up_from_all_patients_to_the_group():
    found = many()
    group = np.arange(30) >= 20
    shown = WaterfallDisplay(found, group, "ten last", 12.0, "cox", {"age": "Age, years"})
    # Contributions of .20 to .29: on average .245.
    assert shown.frame["contribution"].tolist() == pytest.approx([0.245, 0])
    written = texts(axes_figure(shown.plot()))
    assert {"+24.5", "Age, years"} <= set(written)
    assert any("30 patients, 40.0%, to that of the 10 patients" in text for text in written)
    assert any("ten last, 64.5%" in text for text in written)
    assert not any("f(x)" in text for text in written)


def test_no_waterfall_is_drawn_of_a_few_patients():
    with pytest.raises(ValueError, match="at least 5 patients; got 4"):
        WaterfallDisplay(many(), np.arange(30) < 4, "few", 12.0, "cox")


def test_the_report_shows_the_fifth_of_highest_risk_where_it_is_large_enough():
    # The fifth of 30 is 6, of the highest contributions: .24 to .29, on average .265.
    drawn = contribution_pictures(many(), 12.0, "cox", {})
    assert len(drawn) == 2
    assert any("66.5%" in text for figure in drawn.values() for text in texts(figure))
    assert len(contribution_pictures(many(20), 12.0, "cox", {})) == 1
    (figure,) = own_dependence(many(), 12.0, "cox", {"age": "Age, years"}).values()
    assert figure.axes[0].get_xlabel() == "Age, years"


@pytest.mark.parametrize("shap_picture", [
    lambda: axes_figure(beeswarm().plot()),
    lambda: list(contribution_pictures(many(), 12.0, "cox", {}).values())[1],
    lambda: next(iter(own_dependence(many(), 12.0, "cox", {}).values())),
])  # fmt: skip
def test_a_picture_is_the_same_each_time_and_leaves_global_state_alone(shap_picture):
    plt.ion()
    own = plt.figure(FigureClass=matplotlib.figure.Figure)
    settings, random = dict(matplotlib.rcParams), np.random.get_state()  # noqa: NPY002
    try:
        first = png_bytes(shap_picture())
        assert plt.get_fignums() == [own.number]
        assert plt.gcf() is own
        assert not own.axes
        assert plt.isinteractive()
        assert dict(matplotlib.rcParams) == settings
        after = np.random.get_state()  # noqa: NPY002
        assert (after[1] == random[1]).all()
        assert after[2] == random[2]
        np.random.seed(7)  # noqa: NPY002
        assert png_bytes(shap_picture()) == first
    finally:
        plt.close(own)
        plt.ioff()


def test_an_explanation_opens_in_any_picture_of_shap():
    found = explanation()
    assert isinstance(found, shap.Explanation)
    assert found.values.sum(axis=1) + found.base_values == pytest.approx([0.49, 0.13, 0.69, 0.49])
    # Levels are places among the sorted ones: ALL, AML, MPAL.
    assert found.data[:3, 1].tolist() == [1, 0, 2]
    assert np.isnan(found.data[3, :2]).all()
    assert found.display_data[0].tolist() == [50.0, "AML", "HMA"]
    assert found[:, "age"].values.tolist() == VALUES[:, 0].tolist()


def test_a_covariate_that_the_model_does_not_see_owes_nothing():
    found = ShapValues.exact(VALUES[:, :1, None], np.zeros(1), ("age",), "")
    assert found.explanation(PREDICTORS).values[:, 1:].tolist() == [[0.0, 0.0]] * 4


def test_a_model_that_sees_nothing_owes_nothing():
    nothing = ShapValues.exact(np.zeros((4, 0, 1)), np.array([0.4]), (), "")
    found = nothing.explanation(PREDICTORS[[]])
    assert found.values.shape == (4, 0)
    assert beeswarm(found).frame.empty
