import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from evaluation.displays.contributions import ContributionDisplay

PREDICTORS = pd.DataFrame(
    {
        "age": [50.0, 60.0, 70.0, np.nan],
        "disease": np.array(["AML", "ALL", "AML", None], dtype=object),
        "regimen": np.array(["HMA", "LDAC", "HMA", "HMA"], dtype=object),
    }
)
CONTRIBUTIONS = pd.DataFrame(
    {
        "age": [-0.1, 0.0, 0.1, 0.0],
        "disease": [0.2, -0.3, 0.2, 0.1],
        "regimen": [-0.01, 0.03, -0.01, -0.01],
    }
)


def display(**options):
    given = {"scale": "event probability", "horizon": 12.0, "learner": "forest"} | options
    return ContributionDisplay.from_contributions(CONTRIBUTIONS, PREDICTORS, **given)


def test_the_largest_come_first_with_the_values_they_belong_to():
    frame = display(labels={"age": "Age, years"}).frame
    # Mean absolute contributions: disease .2, age .05, regimen .015.
    assert list(dict.fromkeys(frame["covariate"])) == ["disease", "age", "regimen"]
    age = frame[frame["covariate"] == "age"]
    assert age["label"].unique().tolist() == ["Age, years"]
    assert age["contribution"].tolist() == [-0.1, 0.0, 0.1, 0.0]
    assert age["place"].tolist()[:3] == [0, 0.5, 1]
    assert np.isnan(age["place"].iloc[3])
    disease = frame[frame["covariate"] == "disease"]
    assert disease["place"].isna().all()
    assert disease["value"].tolist()[:3] == ["AML", "ALL", "AML"]
    assert frame["row"].tolist() == [1, 2, 3, 4] * 3


def test_plot_returns_its_axes_with_every_patient_and_all_text_inside():
    ax = display().plot()
    assert isinstance(ax, Axes)
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    # Of everything that is drawn, in inches.
    drawn, page = ax.figure.get_tightbbox(canvas.get_renderer()), ax.figure.get_size_inches()
    assert drawn.x0 >= -0.01
    assert drawn.y0 >= -0.01
    assert drawn.x1 <= page[0] + 0.01
    assert drawn.y1 <= page[1] + 0.01
    points = sum(len(c.get_offsets()) for c in ax.collections if c.get_offsets().size)
    points += sum(len(line.get_xdata()) for line in ax.lines if line.get_marker() != "None")
    assert points == 12
    assert "percentage points" in ax.get_xlabel()


def test_small_ones_are_left_out_in_words():
    ax = display().plot(most=2)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["disease", "age"]
    assert any("1 covariates" in text.get_text() for text in ax.findobj(Text))


def test_a_restricted_mean_is_in_months():
    assert display(scale="RMST", horizon=24.0).plot().get_xlabel().endswith("24 months (months)")


def test_a_constant_covariate_and_equal_points_are_drawn():
    predictors = PREDICTORS.assign(age=60.0)
    same = CONTRIBUTIONS * 0.0
    shown = ContributionDisplay.from_contributions(
        same, predictors, scale="event probability", horizon=12.0, learner="cox"
    )
    assert shown.frame.loc[shown.frame["covariate"] == "age", "place"].tolist() == [0.5] * 4
    assert shown.plot()


def test_tables_of_different_patients_are_refused():
    with pytest.raises(ValueError, match="predictors of 3"):
        ContributionDisplay.from_contributions(
            CONTRIBUTIONS, PREDICTORS.head(3), scale="RMST", horizon=24.0, learner="cox"
        )
