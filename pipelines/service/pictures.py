"""Geometry of the page's pictures: numbers in, coordinates out; the template draws them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from models.individual import Answer, Contributions, Curve, Part, percent, percent_range, points

# Of the curve's picture, in its own units.
WIDTH, HEIGHT = 460.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 10.0, 12.0, 40.0
STEPS = (1, 2, 3, 6, 12, 24, 60)
MOST_TICKS = 9
# Covariates in the waterfall; the others stand together.
MOST_PARTS = 8
YES_NO = ("no", "yes")


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """A row of the table that stands beside the curve."""

    month: str
    survival: str
    limits: str
    average: str


@dataclass(frozen=True)
class CurvePicture:
    """A curve with its band: paths of an SVG of WIDTH x HEIGHT, and the same in a table."""

    curve: str
    band: str
    average: str
    x: tuple[Tick, ...]
    y: tuple[Tick, ...]
    marks: tuple[tuple[float, float], ...]
    table: tuple[Line, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


def curve_picture(answer: Answer) -> CurvePicture | None:
    """Draw an answer's curve; None where it holds none."""
    curve = answer.curve
    if curve is None:
        return None
    last = curve.months[-1]
    step = next((one for one in STEPS if last / one <= MOST_TICKS - 1), STEPS[-1])
    months = [float(step * place) for place in range(int(last / step) + 1)]

    def x(month: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * month / (last or 1.0)

    def path(values: Sequence[float | None], *, steps: bool) -> str:
        return _path([(x(m), _y(v)) for m, v in zip(curve.months, values, strict=True)
                      if v is not None], steps=steps)  # fmt: skip

    band = ""
    if curve.low is not None and curve.high is not None:
        band = _band(curve, x)
    asked = [at.month for at in answer.horizons if at.month <= last]
    table = sorted({*months, *asked})
    return CurvePicture(
        curve=path(curve.survival, steps=curve.steps),
        band=band,
        average=path(curve.average, steps=False),
        x=tuple(Tick(round(x(month), 1), f"{month:g}") for month in months),
        y=tuple(Tick(round(_y(share / 100), 1), f"{share}") for share in range(0, 101, 25)),
        marks=tuple((round(x(m), 1), round(_y(_value(curve, curve.survival, m) or 0), 1))
                    for m in asked),
        table=tuple(_line(curve, month) for month in table),
    )  # fmt: skip


@dataclass(frozen=True)
class Bar:
    """One row of the waterfall, in percent of the bar's width.

    Attributes
    ----------
    kind : str
        'total', 'more' or 'less'.
    """

    label: str
    told: str
    start: float
    length: float
    kind: str


def waterfall(found: Contributions | None, flags: Collection[str] = ()) -> tuple[Bar, ...]:
    """From the typical patient's probability to this one's, a bar a covariate that counts."""
    if found is None:
        return ()
    shown = [part for part in found.parts[:MOST_PARTS] if part.amount]
    rest = sum(part.amount for part in found.parts[MOST_PARTS:])
    steps = [(_told(part, flags), part.amount) for part in shown]
    steps += [("all others", rest)] if rest else []
    edges = [found.start]
    for _, amount in steps:
        edges.append(edges[-1] + amount)
    # Shapley values may pass beyond 0 and 1 on their way.
    low, high = min(0.0, *edges), max(1.0, *edges)
    scale = 100 / (high - low)

    def bar(label: str, told: str, one: float, other: float, kind: str) -> Bar:
        start, end = sorted((one, other))
        return Bar(label, told, round(scale * (start - low), 2),
                   round(max(scale * (end - start), 0.6), 2), kind)  # fmt: skip

    bars = [bar("typical patient", percent(found.start), 0.0, found.start, "total")]
    for (label, amount), edge in zip(steps, edges, strict=False):
        kind = "more" if amount > 0 else "less"
        bars.append(bar(label, points(amount), edge, edge + amount, kind))
    return (*bars, bar("this patient", percent(found.end), 0.0, found.end, "total"))


def _told(part: Part, flags: Collection[str]) -> str:
    flag = part.name in flags
    return f"{part.label}: {_word(part.value, flag)} (typical {_word(part.typical, flag)})"


def _word(value: float | str | None, flag: bool) -> str:
    if value is None:
        return "unknown"
    if flag:
        return YES_NO[bool(value)]
    return value if isinstance(value, str) else f"{value:.3g}"


def _y(share: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)


def _path(at: Sequence[tuple[float, float]], *, steps: bool) -> str:
    parts: list[str] = []
    for place, (x, y) in enumerate(at):
        if place and steps:
            parts.append(f"H{x:.1f}")
        parts.append(f"{'L' if place else 'M'}{x:.1f} {y:.1f}")
    return "".join(parts)


def _band(curve: Curve, x: Callable[[float], float]) -> str:
    known = [
        (x(month), _y(low), _y(high))
        for month, low, high in zip(curve.months, curve.low or (), curve.high or (), strict=True)
        if low == low and high == high
    ]
    forth = _path([(at, high) for at, _, high in known], steps=curve.steps)
    back: list[str] = []
    for place, (at, low, _) in enumerate(reversed(known)):
        if place and curve.steps:
            # Back along the lower limit: it holds from its own month on.
            back.append(f"V{low:.1f}")
        back.append(f"L{at:.1f} {low:.1f}")
    return f"{forth}{''.join(back)}Z"


def _value(curve: Curve, values: Sequence[float | None], month: float) -> float | None:
    """A curve's value at a month within it: of its last step, or between two points."""
    after = next((i for i, m in enumerate(curve.months) if m >= month), len(curve.months) - 1)
    if curve.months[after] <= month or not after:
        return values[after]
    one, other = values[after - 1], values[after]
    if curve.steps or one is None or other is None:
        return one
    share = (month - curve.months[after - 1]) / (curve.months[after] - curve.months[after - 1])
    return one + share * (other - one)


def _line(curve: Curve, month: float) -> Line:
    low = None if curve.low is None else _value(curve, curve.low, month)
    high = None if curve.high is None else _value(curve, curve.high, month)
    return Line(
        f"{month:g}",
        percent(_value(curve, curve.survival, month)) if month else "100%",
        percent_range(low, high) if month else "",
        percent(_value(curve, curve.average, month)) if month else "100%",
    )
