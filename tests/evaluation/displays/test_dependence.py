import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.text import Text

from evaluation.displays.contributions import DependenceDisplay
from evaluation.displays.style import arm_styles

N = 10
CONTRIBUTIONS = pd.concat(
    [
        pd.DataFrame(
            {
                "learner": "forest",
                "row": np.arange(1, N + 1),
                "regimen": np.array(["HMA", "LDAC"] * 5, dtype=object),
                "scale": scale,
                "horizon": horizon,
                "contribution": np.linspace(-0.1, 0.1, N) * size,
                "refit_sd": 0.02,
                "refit_low": np.linspace(-0.1, 0.1, N) * size - 0.04,
                "refit_high": np.linspace(-0.1, 0.1, N) * size + 0.04,
            }
        )
        for scale, horizon, size in (("event probability", 12.0, 1), ("RMST", 24.0, 20))
    ]
)
AGE = pd.Series(np.linspace(40, 85, N).round(1), name="age_years")


def display(values, **options):
    given = {"horizon": 12.0, "label": "Age, years"} | options
    return DependenceDisplay.from_contributions(CONTRIBUTIONS, values, **given)


def points(ax):
    """Points of each arm: in their order the arms' scatters, without shap's empty ticks."""
    return [c for c in ax.collections if isinstance(c, PathCollection) and len(c.get_offsets())]


def test_the_frame_holds_one_output_beside_the_covariate():
    frame = display(AGE).frame
    assert frame["value"].tolist() == AGE.tolist()
    assert frame["contribution"].tolist() == np.linspace(-0.1, 0.1, N).tolist()


def test_a_draw_of_the_patients_finds_its_values():
    own = CONTRIBUTIONS[CONTRIBUTIONS["row"].isin([2, 9])]
    shown = DependenceDisplay.from_contributions(own, AGE, 12.0, "Age, years")
    assert shown.frame["value"].tolist() == AGE.iloc[[1, 8]].tolist()


def test_points_are_drawn_by_arm_with_their_range():
    ax = display(AGE).plot()
    assert isinstance(ax, Axes)
    styles = arm_styles(["HMA", "LDAC"])
    for place, (arm, drawn) in enumerate(zip(("HMA", "LDAC"), points(ax), strict=True)):
        x, y = np.sort(drawn.get_offsets().data, axis=0).T
        assert x.tolist() == AGE.tolist()[place::2]
        assert y == pytest.approx(np.linspace(-10, 10, N)[place::2])
        assert to_hex(drawn.get_facecolors()[0]).upper() == styles[arm].color
    assert len(points(ax)[0].get_paths()[0]) != len(points(ax)[1].get_paths()[0])
    lines = [c for c in ax.collections if isinstance(c, LineCollection)]
    heights = [path.get_extents().height for c in lines for path in c.get_paths()]
    assert heights == pytest.approx([8.0] * N)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (pd.Series([0.0, 1.0] * 4 + [np.nan] * 2, name="flag"), ["0", "1", "not known"]),
        (pd.Series(["b", "a"] * 5, dtype=object, name="ward"), ["a", "b"]),
        (pd.Series(["b", None] * 5, dtype=object, name="ward"), ["b", "not known"]),
    ],
)
def test_levels_stand_beside_each_other(values, labels):
    ax = display(values).plot()
    assert [tick.get_text() for tick in ax.get_xticklabels()] == labels
    x = np.concatenate([drawn.get_offsets()[:, 0] for drawn in points(ax)])
    assert set(np.round(x).astype(int)) == set(range(len(labels)))


def test_numbers_that_are_not_known_stand_to_the_right():
    gaps = AGE.copy()
    gaps.iloc[3] = np.nan
    ax = display(gaps).plot()
    assert ax.get_xticklabels()[-1].get_text() == "not known"
    x = np.concatenate([drawn.get_offsets()[:, 0] for drawn in points(ax)])
    assert (x > 85).sum() == 1


def test_all_text_stands_inside_the_figure_and_says_what_it_is_not():
    ax = display(AGE).plot()
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
    assert ax.get_xlabel() == "Age, years"


def test_without_refits_no_range_is_drawn_or_told():
    bare = CONTRIBUTIONS.assign(refit_low=np.nan, refit_high=np.nan, refit_sd=np.nan)
    shown = DependenceDisplay.from_contributions(bare, AGE, 12.0, "Age, years")
    assert not any("refits" in text.get_text() for text in shown.plot().findobj(Text))


def test_an_output_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="0 contributions"):
        display(AGE, horizon=6.0)


def test_other_patients_are_refused():
    with pytest.raises(ValueError, match="of 9 patients"):
        display(AGE.head(9))
