"""The flow diagram says every number of the attrition table, and refuses one that is wrong."""

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from evaluation.cohort.attrition import ATTRITION_COLUMNS, AttritionDisplay
from tests.pictures import texts

FRAME = pd.DataFrame(
    [
        (0, "All patients in the table", 0, 0, 161),
        (1, "Adults", 3, 1, 158),
        (
            2,
            "Venetoclax with an HMA or with low-dose cytarabine, no other agent at all",
            10,
            0,
            148,
        ),
        (3, "Follow-up known", 0, 0, 148),
    ],
    columns=list(ATTRITION_COLUMNS),
)


def test_boxes_from_all_patients_to_those_analysed():
    shown = texts(AttritionDisplay(FRAME, {"HMA": 79, "LDAC": 69}).plot())
    assert "All patients in the table\nn = 161" in shown
    assert "n = 158" in shown
    assert "Analysed\nn = 148\nHMA: 79\nLDAC: 69" in shown


def test_side_boxes_say_how_many_and_why():
    shown = texts(AttritionDisplay(FRAME).plot())
    assert "Removed: 3\nRule: Adults\nnot met: 2, value missing: 1" in shown
    assert "Removed: 0\nRule: Follow-up known" in shown
    # Long rules run over several lines.
    assert any(t.startswith("Removed: 10\nRule: Venetoclax") and t.count("\n") == 2 for t in shown)


def test_criterion_and_kept_patients_are_told_where_the_table_has_them():
    frame = FRAME.assign(criterion=["", "age at least 18", "", ""], kept_missing=[0, 2, 0, 0])
    shown = texts(AttritionDisplay(frame).plot())
    assert (
        "Removed: 3\nRule: Adults\n(age at least 18)\nnot met: 2, value missing: 1\n"
        "kept although the value is missing: 2"
    ) in shown


def test_one_line_is_one_box():
    assert texts(AttritionDisplay(FRAME.iloc[:1]).plot()) == ["All patients in the table\nn = 161"]


@pytest.mark.parametrize("rows", [1, 4])
def test_text_stands_inside_the_figure(rows):
    ax = AttritionDisplay(FRAME.iloc[:rows]).plot()
    figure = ax.get_figure()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for text in ax.findobj(Text):
        if text.get_text():
            assert text.get_fontsize() >= 8
            box = text.get_window_extent(canvas.get_renderer())
            assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1
            assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1


def test_every_text_fits_its_box():
    ax = AttritionDisplay(FRAME, {"HMA": 79, "LDAC": 69}).plot()
    canvas = FigureCanvasAgg(ax.get_figure())
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = [area.get_window_extent(renderer) for area in ax.collections]
    for text in ax.texts:
        if text.get_text():
            box = text.get_window_extent(renderer)
            assert any(
                b.x0 <= box.x0 and box.x1 <= b.x1 and b.y0 <= box.y0 and box.y1 <= b.y1
                for b in boxes
            ), text


def test_plot_draws_on_the_axes_given():
    figure = Figure(layout="constrained")
    ax = figure.subplots()
    assert AttritionDisplay(FRAME).plot(ax) is ax
    assert figure.axes == [ax]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"left": [161, 158, 148, 147]}, "does not add up"),
        ({"removed": [1, 3, 10, 0]}, "does not add up"),
        ({"removed_missing": [0, 4, 0, 0]}, "cannot exceed"),
    ],
)
def test_a_table_that_does_not_add_up_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        AttritionDisplay(FRAME.assign(**change))


def test_missing_columns_and_wrong_arms_are_refused():
    with pytest.raises(ValueError, match="needs a line and the columns"):
        AttritionDisplay(FRAME.drop(columns="rule"))
    with pytest.raises(ValueError, match="the arms hold 147 of 148"):
        AttritionDisplay(FRAME, {"HMA": 147})
