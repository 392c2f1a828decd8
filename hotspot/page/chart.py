"""Earnings as bars in SVG, one per epoch. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from hotspot.looking.map_facts import tokens

WIDTH, HEIGHT, BASE = 640, 130, 18
MAX_BARS = 60
GAP = 2


def bars(earnings: Sequence[tuple[int, int]]) -> str:
    """`earnings`: (epoch, base units), oldest first. An empty text if there are none."""
    shown = earnings[-MAX_BARS:]
    if not shown:
        return ""
    most = max(amount for _, amount in shown) or 1
    step = WIDTH / max(len(shown), 12)
    drawn = "".join(_bar(place, step, epoch, amount, most) for place, (epoch, amount) in enumerate(shown))
    first, last = shown[0][0], shown[-1][0]
    title = f"Earned per epoch, {first} to {last}; at most {tokens(most)}"
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f'<line class="axis" x1="0" y1="{HEIGHT - BASE}" x2="{WIDTH}" y2="{HEIGHT - BASE}"/>{drawn}'
        f'<text x="0" y="{HEIGHT - 4}">epoch {first}</text>'
        f'<text x="{step * len(shown):.0f}" y="{HEIGHT - 4}" text-anchor="end">{last}</text></svg>'
    )


def _bar(place: int, step: float, epoch: int, amount: int, most: int) -> str:
    height = max((HEIGHT - BASE - 8) * amount / most, 1.0 if amount else 0.0)
    return (
        f'<rect class="bar" x="{place * step:.1f}" y="{HEIGHT - BASE - height:.1f}" '
        f'width="{max(step - GAP, 1):.1f}" height="{height:.1f}"><title>Epoch {epoch}: {tokens(amount)}</title></rect>'
    )
