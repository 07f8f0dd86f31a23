"""Periods as stacked bars: an inline SVG that has a title and a description, and all its colours from the style sheet.

Styles: `plot` is the picture, `swatch` a patch of colour beside its meaning, `plot-axis` a line, `plot-label` a
text, `plot-bar` a part of a bar, and `plot-collected`, `plot-disclosed`, `plot-returned`, `plot-withheld` say
which. There are no style attributes, so `style-src 'self'` holds. A table with the same numbers belongs beside it.
"""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from gateway.portal.access_texts import say, word
from gateway.portal.periods import FLOWS, Period

WIDTH, HEIGHT = 720, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 8, 12, 36
_BAR = Markup('<rect class="plot-bar plot-{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')
_SWATCH = Markup(
    '<li><svg class="swatch" viewBox="0 0 12 12" aria-hidden="true">'
    '<rect class="plot-bar plot-{}" width="12" height="12"/></svg> {}</li>'
)
_GAP = 0.2
"""The part of a bar's room that stays empty."""
_WIDEST = 56
"""Width of a bar where there are few."""
_SHORTEST = 1.5
"""Height of what is too little to be seen otherwise."""


def plot_svg(periods: Sequence[Period], language: str, *, identifier: str = "plot") -> Markup:
    """The picture; `identifier` begins the ids in it, which a page may have once. Empty without periods."""
    if not periods:
        return Markup()
    top = max(1, *(sum(period.counts.values()) for period in periods))
    totals = {flow: sum(period.counts[flow] for period in periods) for flow in FLOWS}
    described = say(language, "plot.description", first=periods[0].label, last=periods[-1].label, **totals)
    return Markup(
        '<svg class="plot" viewBox="0 0 {width} {height}" role="img" aria-labelledby="{id}-title {id}-description">'
        '<title id="{id}-title">{title}</title><desc id="{id}-description">{described}</desc>'
        "{axes}{bars}</svg>"
    ).format(
        width=WIDTH,
        height=HEIGHT,
        id=identifier,
        title=say(language, "plot.title"),
        described=described,
        axes=Markup().join(_axes(periods, top)),
        bars=Markup().join(_bars(periods, top)),
    )


def legend(language: str) -> Markup:
    """What the colours mean, as a list beside the picture: its text stays readable however small the picture gets."""
    return Markup('<ul class="legend">{}</ul>').format(
        Markup().join(_SWATCH.format(flow, word(language, "flow", flow)) for flow in FLOWS)
    )


def _axes(periods: Sequence[Period], top: int) -> Iterator[Markup]:
    floor, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    yield Markup('<path class="plot-axis" d="M{} {}V{}H{}"/>').format(_LEFT, _TOP, floor, right)
    for value, y in ((top, _TOP + 10), (0, floor)):
        yield Markup('<text class="plot-label" x="{}" y="{}" text-anchor="end">{}</text>').format(_LEFT - 8, y, value)
    last = len(periods) - 1
    middle = (last // 2, "middle", (_LEFT + right) // 2)
    for place, anchor, x in (middle,) if last == 0 else ((0, "start", _LEFT), middle, (last, "end", right)):
        if anchor == "start" or place > 0 or last == 0:
            yield Markup('<text class="plot-label" x="{}" y="{}" text-anchor="{}">{}</text>').format(
                x, HEIGHT - 10, anchor, periods[place].label
            )


def _bars(periods: Sequence[Period], top: int) -> Iterator[Markup]:
    room = (WIDTH - _LEFT - _RIGHT) / len(periods)
    scale = (HEIGHT - _TOP - _BOTTOM) / top
    for place, period in enumerate(periods):
        width = min(room * (1 - _GAP), _WIDEST)
        x, y = _LEFT + room * (place + 0.5) - width / 2, float(HEIGHT - _BOTTOM)
        for flow in FLOWS:
            if not period.counts[flow]:
                continue
            height = max(period.counts[flow] * scale, _SHORTEST)
            y -= height
            yield _BAR.format(flow, x, y, width, height)
