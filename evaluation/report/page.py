"""Self-contained HTML pages: the templates, with tables and pictures inside."""

from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pandas as pd
from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup
from matplotlib.figure import Figure

TEMPLATES = Path(__file__).with_name("templates")
DPI = 110


def write_page(path: Path, template: str, **content: Any) -> None:
    """Fill a template of evaluation/report/templates; text is escaped, Markup is not."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template).render(**content)
    path.write_text(page, encoding="utf-8", errors="backslashreplace")


def html_table(table: pd.DataFrame, classes: str = "table") -> Markup:
    """Write a table as HTML, its text escaped, missing cells empty."""
    html = table.to_html(index=False, border=0, classes=classes, na_rep="", escape=True)
    return Markup(html)


def html_findings(findings: pd.DataFrame | None) -> Markup | None:
    """Write what the checks of a table found, as `features.guard.findings.findings_frame` has it.

    None without any.
    """
    if findings is None or findings.empty:
        return None
    patients = findings["count"].astype(str) + " of " + findings["total"].astype(str)
    shown = findings.assign(patients=patients)
    columns = ["severity", "check", "what", "patients", "why", "remedy"]
    return html_table(shown[columns], "table findings")


def embed_figure(figure: Figure) -> Markup:
    """Write a figure as a data address for an img tag, the same text each time."""
    return embed_png(png_bytes(figure))


# A page, MLflow and the files show the same figures; drawing one takes a quarter of a second.
_DRAWN: WeakKeyDictionary[Figure, bytes] = WeakKeyDictionary()


def png_bytes(figure: Figure) -> bytes:
    """Draw a figure as PNG, the same bytes each time.

    It is drawn once: what is added to it afterwards is not seen.
    """
    if figure not in _DRAWN:
        _DRAWN[figure] = _draw(figure)
    return _DRAWN[figure]


def _draw(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A script that the font lacks is drawn as boxes; nobody at a terminal can mend that.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(
            buffer, format="png", dpi=DPI, bbox_inches="tight", metadata={"Software": None}
        )
    return buffer.getvalue()


def embed_png(picture: bytes) -> Markup:
    """A drawn picture as a data address for an img tag."""
    return Markup("data:image/png;base64," + base64.b64encode(picture).decode())
