import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from evaluation.displays.in_time import CourseDisplay
from evaluation.displays.style import arm_styles
from evaluation.regimens.model_tables import course_table

ARMS, TIMES = ("LDAC", "HMA"), (0.5, 6.0, 12.0, 18.0)
ESTIMATE = np.array([[0.0, 0.02, 0.03, np.nan], [0.0, -0.01, -0.02, np.nan]])
FRAME = course_table(
    "forest", ARMS, TIMES, ESTIMATE, ESTIMATE + np.linspace(-0.04, 0.04, 41)[:, None, None]
)


def test_an_arm_is_drawn_in_its_colour_as_far_as_it_is_known():
    ax = CourseDisplay(FRAME).plot()
    assert isinstance(ax, Axes)
    styles = arm_styles(ARMS)
    drawn = {line.get_color(): line for line in ax.lines if len(line.get_xdata()) == 3}
    for arm, expected in zip(ARMS, ESTIMATE, strict=True):
        line = drawn[styles[arm].color]
        assert list(line.get_xdata()) == [0.5, 6, 12]
        assert list(line.get_ydata()) == expected[:3].tolist()
    assert len(ax.collections) == 2  # a band an arm
    band = ax.collections[0].get_paths()[0].get_extents()
    assert band.height == pytest.approx(0.038 * 2 + 0.02, abs=1e-9)


def test_a_contrast_has_one_line_in_the_colour_of_its_arm():
    ax = CourseDisplay(FRAME, "contrast").plot()
    (line,) = [line for line in ax.lines if len(line.get_xdata()) == 3]
    # -.01 - .02 and -.02 - .03, in the colour that the arm has beside the reference arm.
    assert list(line.get_ydata()) == pytest.approx([0, -0.03, -0.05])
    assert line.get_color() == arm_styles(ARMS)["HMA"].color
    assert "Contrast" in ax.get_ylabel()
    assert any("from LDAC" in text.get_text() for text in ax.texts)


@pytest.mark.parametrize("kind", ["mean in arm", "contrast"])
def test_all_text_stands_inside_the_figure_and_says_what_it_is_not(kind):
    ax = CourseDisplay(FRAME, kind).plot()
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    # Of everything that is drawn, in inches.
    drawn, page = ax.figure.get_tightbbox(canvas.get_renderer()), ax.figure.get_size_inches()
    assert drawn.x0 >= -0.01
    assert drawn.y0 >= -0.01
    assert drawn.x1 <= page[0] + 0.01
    assert drawn.y1 <= page[1] + 0.01
    words = [text for text in ax.findobj(Text) if text.get_text()]
    assert min(text.get_fontsize() for text in words) >= 8
    assert any("not causal" in text.get_text() for text in words)
    named = {"HMA", "LDAC"} if kind == "mean in arm" else {"HMA"}
    assert named <= {text.get_text() for text in words}
    assert ax.get_xlabel() == "Months"


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind must be"):
        CourseDisplay(FRAME, "arms")


def test_two_learners_in_one_picture_are_refused():
    with pytest.raises(ValueError, match="one learner"):
        CourseDisplay(FRAME.assign(learner=["a", "b"] * (len(FRAME) // 2)))
