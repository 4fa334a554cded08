import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from evaluation.displays.instability import (
    CalibrationInstabilityDisplay,
    ClassificationInstabilityDisplay,
    PredictionInstabilityDisplay,
)
from evaluation.validation.instability import (
    calibration_instability,
    classification_instability,
    prediction_instability,
    refitted_probabilities,
)
from evaluation.validation.refits import Refits
from features.outcome import Outcome
from models.prediction import SurvivalPrediction
from tests.pictures import texts


def simulated(n=45, replicates=12):
    generator = np.random.default_rng(0)
    log_hazard = generator.normal(-2.5, 0.8, n)
    latent = generator.exponential(np.exp(-log_hazard))

    def predict(log_hazard):
        survival = np.exp(-6 * np.exp(log_hazard))[:, None]
        return SurvivalPrediction(log_hazard, survival, np.array([6.0]))

    refitted = tuple(predict(log_hazard + generator.normal(0, 0.3, n)) for _ in range(replicates))
    outcome = Outcome(np.append(latent[:-1], 40.0), np.append(np.ones(n - 1), 0))
    return Refits(outcome, predict(log_hazard), refitted, np.ones((replicates, n)))


def predictions(refits, horizon):
    table = prediction_instability(refits, horizon)
    return PredictionInstabilityDisplay(table, refitted_probabilities(refits, horizon), horizon)


def calibrations(refits, horizon):
    return CalibrationInstabilityDisplay(calibration_instability(refits, horizon), horizon)


def classes(refits, horizon, threshold):
    table = classification_instability(refits, horizon, threshold)
    return ClassificationInstabilityDisplay(table, horizon, threshold)


REFITS = simulated()
UNFITTED = Refits(REFITS.outcome, REFITS.original, (None,) * 12, REFITS.counts)
PREDICTIONS = predictions(REFITS, 6.0)
DISPLAYS = [
    PREDICTIONS,
    calibrations(REFITS, 6.0),
    classes(REFITS, 6.0, 0.5),
]


@pytest.mark.parametrize("display", DISPLAYS, ids=lambda d: type(d).__name__)
def test_plot_returns_its_axes_with_all_text_inside_the_figure(display):
    ax = display.plot()
    assert isinstance(ax, Axes)
    figure = ax.figure
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    for text in ax.findobj(Text):
        if text.get_text() and text.get_visible():
            box = text.get_window_extent(renderer)
            assert box.x0 >= -1
            assert box.x1 <= figure.bbox.x1 + 1
    assert "6 months" in ax.get_xlabel()


def test_every_refit_of_every_patient_is_a_point():
    ax = PREDICTIONS.plot()
    points = ax.lines[0]
    assert len(points.get_xdata()) == 12 * 45
    assert "average MAPE" in " ".join(texts(ax))


def test_percentile_lines_average_every_patient_once():
    limits = PREDICTIONS.limits
    # 45 patients in groups of 10, the last five joining the group before.
    assert len(limits) == 4
    sizes = np.array([10, 10, 10, 15])
    mean = (limits["refitted_low"] * sizes).sum() / 45
    assert mean == pytest.approx(PREDICTIONS.frame["refitted_low"].mean())


def test_one_line_a_model():
    ax = DISPLAYS[1].plot()
    # The diagonal, twelve refits and the model.
    assert len(ax.lines) == 14


def test_without_refits_the_reason_is_written():
    for display in (
        predictions(UNFITTED, 6.0),
        classes(UNFITTED, 6.0, 0.5),
    ):
        assert "Not shown: 12 of 12 refits" in " ".join(texts(display.plot()))
    blind = SurvivalPrediction(np.zeros(45), np.full((45, 1), np.nan), np.array([6.0]))
    refits = Refits(REFITS.outcome, blind, (None,) * 12, REFITS.counts)
    ax = calibrations(refits, 6.0).plot()
    assert "no calibration curve" in " ".join(texts(ax))
