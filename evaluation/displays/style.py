"""What all pictures share: colours and line styles, sizes, ticks, text beside the axes.

A picture has its numbers in `.frame` and its drawing in `.plot(ax)`, which draws on the Axes given,
or on those of a new figure with constrained layout, and returns them (`ax.figure.savefig(...)`
writes the file). pyplot and its global state are not used. Text stands outside the axes, so a
figure passed in should have `layout="constrained"` too and leave each picture some 6 inches (the
calibration plot 4).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

# Names of arms, endpoints and covariates are text, also with two dollar signs in them.
matplotlib.rcParams["text.parse_math"] = False

FONT_SIZE = 8
LINE = 12  # points from one line of text to the next
GREY = "#666666"
DASHED = (0, (4, 3))
FIFTHS = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
# Behind text that may lie on a curve.
PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8}

# Okabe and Ito's colours, which readers with colour-vision deficiency tell apart; yellow is left
# out because thin yellow lines vanish on white paper.
OKABE_ITO = {
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "bluish green": "#009E73",
    "reddish purple": "#CC79A7",
    "orange": "#E69F00",
    "sky blue": "#56B4E9",
    "black": "#000000",
}

MARKERS = ("o", "^", "s", "D", "v", "P", "X")
LINE_STYLES = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (5, 2, 1, 2)))

# Position in the palette of the regimens this project compares, whichever of them a picture shows.
_FIXED = {"HMA": 0, "LDAC": 1}


class ArmStyle(NamedTuple):
    """How an arm is drawn: never by colour alone."""

    color: str
    linestyle: str | tuple[float, tuple[float, ...]]
    marker: str = "o"


def arm_styles(arms: Iterable[str]) -> dict[str, ArmStyle]:
    """Style of each arm: HMA and LDAC always theirs, the others in alphabetical order.

    An arm is HMA when its name holds that word ("HMA", "VEN + HMA", "VEN_HMA"), LDAC likewise;
    of several such arms the alphabetically first.

    Raises
    ------
    ValueError
        With more arms than the palette has colours.
    """
    arms = sorted(set(arms))
    if len(arms) > len(OKABE_ITO):
        raise ValueError(
            f"{len(arms)} arms but {len(OKABE_ITO)} colours; pool arms or split the picture"
        )
    words = {arm: re.split("[^A-Z0-9]+", arm.upper()) for arm in arms}
    positions: dict[str, int] = {}
    for name, position in _FIXED.items():
        for arm in [arm for arm in arms if name in words[arm] and arm not in positions][:1]:
            positions[arm] = position
    others = [arm for arm in arms if arm not in positions]
    free = [i for i in range(len(OKABE_ITO)) if i not in positions.values()]
    positions |= dict(zip(others, free, strict=False))
    colors = list(OKABE_ITO.values())
    return {
        arm: ArmStyle(colors[i], LINE_STYLES[i % len(LINE_STYLES)], MARKERS[i])
        for arm, i in positions.items()
    }


def new_axes(width: float, height: float) -> Axes:
    """Axes of a new figure, in inches, laid out so that text beside them fits."""
    return Figure(figsize=(width, height), dpi=150, layout="constrained").subplots()


def tidy(ax: Axes) -> None:
    """Take the upper and right spines off and set the sizes of text."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=FONT_SIZE)
    ax.xaxis.label.set_fontsize(FONT_SIZE + 1)
    ax.yaxis.label.set_fontsize(FONT_SIZE + 1)


def note(
    ax: Axes,
    text: str,
    at: tuple[float, float],
    offset: tuple[float, float],
    where: Any = "axes fraction",
    **style: Any,
) -> None:
    """Text `offset` points from a place that may lie outside the axes."""
    ax.annotate(
        text,
        at,
        xytext=offset,
        xycoords=where,
        textcoords="offset points",
        annotation_clip=False,
        **({"fontsize": FONT_SIZE} | style),
    )


def text_width(texts: list[str]) -> float:
    """Width in points of the longest text, set in bold."""
    return max(_extent(text) for text in texts if text)


@lru_cache(maxsize=4096)
def _extent(text: str) -> float:
    path = TextPath((0, 0), text, size=FONT_SIZE, prop=FontProperties(weight="bold"))
    return float(path.get_extents().width)


def month_ticks(last: float) -> list[float]:
    """Ticks every 3 months up to a year and a half, every 6 up to six years, then every 12."""
    step = 3 if last <= 18 else 6 if last <= 72 else 12
    return (np.arange(0, max(np.ceil(last / step), 1) + 1) * step).tolist()


def spread(heights: list[float], gap: float) -> np.ndarray:
    """Move label heights apart to at least `gap`, keeping their order, none below 0."""
    order = np.argsort(heights, kind="stable")
    placed = np.maximum(np.asarray(heights, dtype=float), gap / 2)
    for below, above in itertools.pairwise(order):
        placed[above] = max(placed[above], placed[below] + gap)
    return placed


def log_ticks(low: float, high: float) -> list[float]:
    """Ticks inside the limits: 1, 2 and 5 times powers of ten, 1 and 3 on a long axis, more on a
    short one.
    """
    steps: list[float] = [1, 2, 5] if high / low < 30 else [1, 3]
    if high / low < 4:
        steps = [1, 1.25, 1.5, 2, 3, 4, 5, 6, 8]
    ticks = np.outer(10.0 ** np.arange(-4, 5), steps).ravel()
    return ticks[(ticks >= low) & (ticks <= high)].tolist()
