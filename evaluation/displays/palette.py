"""One colour and line style an arm, the same in every picture."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import matplotlib

# Names of arms, endpoints and covariates are text, also with two dollar signs in them.
matplotlib.rcParams["text.parse_math"] = False

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
