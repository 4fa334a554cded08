"""The forest plot of subgroups."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from evaluation.regimens.subgroups import subgroup_effects
from evaluation.report.forests import subgroup_forest
from features.outcome import Outcome

N = 120
RNG = np.random.default_rng(12)
REGIMEN = RNG.choice(["HMA", "LDAC"], N).astype(object)
SEX = RNG.choice(["F", "M"], N)
# HMA helps men alone.
LATENT = RNG.exponential(10 / np.where((REGIMEN == "HMA") & (SEX == "M"), 0.2, 1.0))
OUTCOME = Outcome(np.minimum(LATENT, 30), LATENT < 30)
SUBGROUPS = pd.DataFrame({"Sex": SEX, "Rare": np.where(np.arange(N) < 6, "yes", "no")})


@pytest.fixture(scope="module")
def table():
    return subgroup_effects(OUTCOME, REGIMEN, "LDAC", SUBGROUPS)


def test_the_forest_plot_has_headings_levels_and_nothing_clipped(table):
    display = subgroup_forest(table, "HMA")
    labels = display.frame["label"].tolist()
    assert labels[0] == "All patients"
    assert labels[1] == "Sex (interaction p < .001)"
    assert "Rare (interaction p not estimable)" in labels
    ax = display.plot()
    assert isinstance(ax, Axes)
    figure = ax.get_figure()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    page = figure.bbox.padded(1)
    shown = [text for text in ax.findobj(Text) if text.get_text() and text.get_visible()]
    for text in shown:
        box = text.get_window_extent(canvas.get_renderer())
        assert page.x0 <= box.x0 <= box.x1 <= page.x1, text
    written = [text.get_text() for text in shown]
    # A heading has no numbers; the small level says why it has none.
    assert written.count("too few to show") == 1
    assert "not estimable" not in written
    assert {"Estimate (95% interval)", "\N{LEFTWARDS ARROW} favours HMA"} <= set(written)


def test_the_forest_plot_of_an_unknown_arm(table):
    with pytest.raises(ValueError, match="no hazard ratio of arm 'VEN'"):
        subgroup_forest(table, "VEN")


def test_plot_draws_on_the_axes_given(table):
    figure = Figure(layout="constrained")
    ax = figure.subplots()
    assert subgroup_forest(table, "HMA").plot(ax) is ax
    assert figure.axes == [ax]
