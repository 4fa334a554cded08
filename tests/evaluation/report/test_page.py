"""Pages are escaped, whole and the same each time."""

import pandas as pd
from matplotlib.figure import Figure

from evaluation.report.page import embed_figure, html_table


def test_a_table_escapes_its_text_and_leaves_missing_cells_empty():
    html = str(html_table(pd.DataFrame({"a": ["<b>", None]})))
    assert "&lt;b&gt;" in html
    assert "<td></td>" in html
    assert "None" not in html


def test_a_figure_is_the_same_text_each_time():
    def draw():
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([0, 1])
        return embed_figure(figure)

    assert draw() == draw()
    assert draw().startswith("data:image/png;base64,")
