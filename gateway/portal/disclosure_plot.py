"""Periods as stacked bars: an inline SVG that has a title and a description, and all its colours from the style sheet.

Styles: `plot` is the picture, `plot-axis` a line, `plot-label` a text, `plot-bar` a part of a bar, and
`plot-collected`, `plot-disclosed`, `plot-returned`, `plot-withheld` say which. There are no style
attributes, so `style-src 'self'` holds. A table with the same numbers belongs beside it.
"""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from gateway.portal.insight_texts import say, word
from gateway.portal.periods import FLOWS, Period

WIDTH, HEIGHT = 720, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 8, 40, 28
_BAR = '<rect class="plot-bar plot-{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>'
_GAP = 0.2
"""The part of a bar's room that stays empty."""
_SHORTEST = 1.5
"""Height of what is too little to be seen otherwise."""


def plot_svg(periods: Sequence[Period], language: str, *, identifier: str = "plot") -> Markup:
    """The picture; `identifier` begins the ids in it, which a page may have once. Empty without periods."""
    if not periods:
        return Markup()
    top = max(1, *(sum(period.counts.values()) for period in periods))
    totals = {flow: sum(period.counts[flow] for period in periods) for flow in FLOWS}
    described = say(language, "plot.description", first=periods[0].start, last=periods[-1].start, **totals)
    return Markup(
        '<svg class="plot" viewBox="0 0 {width} {height}" role="img" aria-labelledby="{id}-title {id}-description">'
        '<title id="{id}-title">{title}</title><desc id="{id}-description">{described}</desc>'
        "{legend}{axes}{bars}</svg>"
    ).format(
        width=WIDTH,
        height=HEIGHT,
        id=identifier,
        title=say(language, "plot.title"),
        described=described,
        legend=Markup().join(_legend(language)),
        axes=Markup().join(_axes(periods, top)),
        bars=Markup().join(_bars(periods, top)),
    )


def _legend(language: str) -> Iterator[Markup]:
    step = (WIDTH - _LEFT) / len(FLOWS)
    for place, flow in enumerate(FLOWS):
        x = round(_LEFT + place * step)
        yield Markup('<rect class="plot-bar plot-{}" x="{}" y="8" width="12" height="12"/>').format(flow, x)
        text = word(language, "flow", flow)
        yield Markup('<text class="plot-label" x="{}" y="18">{}</text>').format(x + 18, text)


def _axes(periods: Sequence[Period], top: int) -> Iterator[Markup]:
    floor, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    yield Markup('<path class="plot-axis" d="M{} {}V{}H{}"/>').format(_LEFT, _TOP, floor, right)
    for value, y in ((top, _TOP + 4), (0, floor)):
        yield Markup('<text class="plot-label" x="{}" y="{}" text-anchor="end">{}</text>').format(_LEFT - 6, y, value)
    last = len(periods) - 1
    for place, anchor, x in ((0, "start", _LEFT), (last // 2, "middle", (_LEFT + right) // 2), (last, "end", right)):
        if anchor == "start" or place > 0:
            yield Markup('<text class="plot-label" x="{}" y="{}" text-anchor="{}">{}</text>').format(
                x, HEIGHT - 8, anchor, periods[place].start
            )


def _bars(periods: Sequence[Period], top: int) -> Iterator[Markup]:
    room = (WIDTH - _LEFT - _RIGHT) / len(periods)
    scale = (HEIGHT - _TOP - _BOTTOM) / top
    for place, period in enumerate(periods):
        x, y = _LEFT + room * (place + _GAP / 2), float(HEIGHT - _BOTTOM)
        for flow in FLOWS:
            if not period.counts[flow]:
                continue
            height = max(period.counts[flow] * scale, _SHORTEST)
            y -= height
            yield Markup(
                '<rect class="plot-bar plot-{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>'
            ).format(flow, x, y, room * (1 - _GAP), height)
