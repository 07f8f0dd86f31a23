"""Line plots as SVG, readable on light and dark pages: lines in one order of colours, each named at its end."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 490, 320
LEFT, RIGHT, TOP, BOTTOM = 62, 152, 64, 58
COLOURS = ("#2a78d6", "#d9622b", "#1a9a7a", "#8a5cc7", "#b8860b", "#c23b6e", "#6b7280")
APART = 14
FEW = 12
"""More values than these get no mark each, and an axis with round numbers."""

STYLE = """\
<style>
  text { font: 12px system-ui, sans-serif; fill: #222 }
  .title { font-size: 15px; font-weight: 600 }
  .grid { stroke: #ddd }
  .axis { stroke: #888 }
  .level { stroke: #888; stroke-dasharray: 5 4 }
  .line { fill: none; stroke-width: 2.2 }
  .page { fill: #fff }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd }
    .grid { stroke: #3a3a3a }
    .page { fill: #161616 }
  }
</style>
"""

Scale = Callable[[float], float]


@dataclass(frozen=True)
class Panel:
    """One pair of axes: a line for each name over `values`. `level` is a value that the eye should compare with."""

    label: str
    values: Sequence[float]
    lines: dict[str, list[float]]
    log_y: bool = False
    level: float | None = None


def svg(title: str, along: str, panels: Sequence[Panel], *, log_x: bool, order: Sequence[str]) -> str:
    """The panels side by side, as a whole SVG document; a name's place in `order` decides on its colour."""
    width = WIDTH * len(panels)
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(order)}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}">',
        STYLE,
        f'<rect class="page" width="{width}" height="{HEIGHT}"/>',
        _text(LEFT, 24, title, "title"),
    ]
    for number, panel in enumerate(panels):
        parts.append(f'<g transform="translate({number * WIDTH} 0)">')
        parts += _panel(panel, along, colours, log_x=log_x)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel, along: str, colours: dict[str, str], *, log_x: bool) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    everything = [value for line in panel.lines.values() for value in line]
    if panel.level is not None:
        everything.append(panel.level)
    top = max(everything) * (2 if panel.log_y else 1.1)
    low = min(everything) / 2 if panel.log_y else 0.0
    across = _scale(_first(panel.values), panel.values[-1], LEFT + 8, right - 8, log=log_x)
    up = _scale(low, top, bottom, TOP, log=panel.log_y)
    parts = [_text(LEFT, TOP - 12, panel.label), _text((LEFT + right) / 2, HEIGHT - 16, along, anchor="middle")]
    for tick in _ticks(low, top, log=panel.log_y):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{up(tick):.1f}" y2="{up(tick):.1f}"/>')
        parts.append(_text(LEFT - 7, up(tick) + 4, _number(tick), anchor="end"))
    many = len(panel.values) > FEW
    for value in _ticks(0.0, panel.values[-1], log=False)[1:] if many else panel.values:
        x = across(max(value, _first(panel.values)))
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 5}"/>')
        parts.append(_text(x, bottom + 19, _number(value), anchor="middle"))
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    if panel.level is not None:
        y = up(panel.level)
        parts.append(f'<line class="level" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
    for name, line in panel.lines.items():
        places = [(across(max(x, _first(panel.values))), up(y)) for x, y in zip(panel.values, line, strict=True)]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline class="line" stroke="{colours[name]}" points="{points}"/>')
        if not many:
            parts += [f'<circle fill="{colours[name]}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places]
    ends = {name: up(line[-1]) for name, line in panel.lines.items()}
    for name, y in _spread(ends).items():
        style = f'style="fill: {colours[name]}; font-weight: 600"'
        parts.append(f'<text x="{right + 6}" y="{y + 4:.1f}" {style}>{escape(name)}</text>')
    return parts


def _first(values: Sequence[float]) -> float:
    """The left end of the axis: a zero stands one step before the next value, since a logarithm has none."""
    return values[0] or (values[1] / 10 if len(values) > 1 else 1.0)


def _scale(low: float, high: float, start: float, end: float, *, log: bool) -> Scale:
    turn = math.log10 if log else float
    span = (turn(high) - turn(low)) or 1.0
    return lambda value: start + (turn(value) - turn(low)) / span * (end - start)


def _ticks(low: float, high: float, *, log: bool) -> list[float]:
    if log:
        return [10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
    rough = high / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough)
    return [step * number for number in range(int(high / step) + 1)]


def _spread(ends: dict[str, float]) -> dict[str, float]:
    """Heights of the names, moved down where two would overlap."""
    placed: dict[str, float] = {}
    lowest = -math.inf
    for name, y in sorted(ends.items(), key=lambda entry: entry[1]):
        lowest = placed[name] = max(y, lowest + APART)
    return placed


def _number(value: float) -> str:
    for size, unit in ((1_000_000, "M"), (1000, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def _text(x: float, y: float, text: str, kind: str = "", *, anchor: str = "start") -> str:
    css = f' class="{kind}"' if kind else ""
    return f'<text{css} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
