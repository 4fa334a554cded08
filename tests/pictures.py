"""What tests of pictures look for in one that was drawn."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text


def texts(drawn):
    """The texts of axes, or of a figure."""
    return [text.get_text() for text in drawn.findobj(Text) if text.get_text()]


def assert_text_is_inside(ax):
    """Every text can be read, and none leaves the figure."""
    figure = ax.get_figure()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    page = figure.bbox.padded(1)
    for text in ax.findobj(Text):
        if text.get_text() and text.get_visible():
            assert text.get_fontsize() >= 8
            box = text.get_window_extent(canvas.get_renderer())
            assert page.x0 <= box.x0 <= box.x1 <= page.x1, text
            assert page.y0 <= box.y0 <= box.y1 <= page.y1, text
