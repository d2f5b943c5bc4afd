"""Draws charts as inline SVG: bars that lie, for names, and columns that stand, for a course of time.

No script and no colour of its own: series carry classes that the page's style sheet colours, in light and dark. Every
chart has a title and a text for who cannot see it; its figures stand in the table beside it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from service.domain.reports.model import Chart, Column, Section, Value, column_values
from service.domain.reports.units import show

_WIDTH: Final = 640
_LABEL_WIDTH: Final = 168
_VALUE_WIDTH: Final = 92
_BAR: Final = 18
_ROW: Final = 30
_PLOT_HEIGHT: Final = 190
_AXIS_WIDTH: Final = 56
_TOP: Final = 12
_LABEL_CHARS: Final = 22
_TIME_LABELS: Final = 7
_TIME_WIDTH: Final = 80
_TICKS: Final = 4
# What no HTML holds, and signs that turn the direction of what follows them.
_UNSAFE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
# Series with a meaning keep their colour in every chart.
_MEANINGS: Final = ("completed", "failed", "cancelled", "processing", "queued")


def text(value: str) -> str:
    """A value for HTML and for attributes of it."""
    return escape(_UNSAFE.sub("\ufffd", value), quote=True)


def draw(section: Section) -> str:
    """The section's chart with its legend; empty where it has none, or nothing to draw."""
    chart, table = section.chart, section.table
    if chart is None or not table.rows:
        return ""
    series = [_column(section, name) for name in chart.series]
    values = [[_number(value) for value in column_values(table, one.name)] for one in series]
    labels = [show(row[0], "text") for row in table.rows]
    body, height = (_bars if chart.kind == "bars" else _columns)(chart, labels, series, values)
    name = text(section.name)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{text(section.title)}</title>'
        f'<desc id="{name}-desc">{text(section.summary)}</desc>{"".join(body)}</svg>{_legend(series)}'
    )


def axis_end(largest: float) -> float:
    """A round number at or above `largest` that four ticks divide well: 7 → 8, 23 → 40, 170 → 200."""
    if largest <= 0:
        return _TICKS
    step = 10 ** math.floor(math.log10(largest))
    factor = next(factor for factor in (1, 2, 4, 8, 10) if factor * step >= largest)
    return max(float(factor * step), float(_TICKS))


def _bars(
    chart: Chart, labels: Sequence[str], series: Sequence[Column], values: Sequence[Sequence[float | None]]
) -> tuple[Iterator[str], int]:
    totals = [_sum(by_row) for by_row in zip(*values, strict=True)]
    most = chart.most or max((total for total in totals if total is not None), default=0.0) or 1.0
    width = _WIDTH - _LABEL_WIDTH - _VALUE_WIDTH

    def parts() -> Iterator[str]:
        for row, label in enumerate(labels):
            top = row * _ROW + (_ROW - _BAR) // 2
            yield _label(label, _LABEL_WIDTH - 10, top + _BAR - 4)
            yield f'<rect class="track" x="{_LABEL_WIDTH}" y="{top}" width="{width}" height="{_BAR}" rx="3"/>'
            left = float(_LABEL_WIDTH)
            for at, one in enumerate(series):
                part = min((values[at][row] or 0.0) / most * width, _LABEL_WIDTH + width - left)
                if part > 0:
                    hint = f"{label}, {one.label}: {show(values[at][row], one.unit)}"
                    yield _rect(at, one, (left, top, part, _BAR), hint)
                    left += part
            shown = show(totals[row], series[0].unit)
            yield f'<text class="value" x="{left + 8:.1f}" y="{top + _BAR - 4}">{text(shown)}</text>'

    return parts(), len(labels) * _ROW


def _columns(
    chart: Chart, labels: Sequence[str], series: Sequence[Column], values: Sequence[Sequence[float | None]]
) -> tuple[Iterator[str], int]:
    totals = [_sum(by_row) or 0.0 for by_row in zip(*values, strict=True)]
    end = chart.most or axis_end(max(totals))
    slot = (_WIDTH - _AXIS_WIDTH) / len(labels)
    base = _TOP + _PLOT_HEIGHT

    def parts() -> Iterator[str]:
        yield from _grid(end, series[0], base)
        for row, label in enumerate(labels):
            left, top = _AXIS_WIDTH + row * slot + slot * 0.12, float(base)
            for at, one in enumerate(series):
                part = (values[at][row] or 0.0) / end * _PLOT_HEIGHT
                if part > 0:
                    top -= part
                    hint = f"{label}, {one.label}: {show(values[at][row], one.unit)}"
                    yield _rect(at, one, (left, top, slot * 0.76, part), hint)
            if row % math.ceil(len(labels) / _TIME_LABELS) == 0 and left + _TIME_WIDTH < _WIDTH:
                yield f'<text class="tick" x="{left:.1f}" y="{base + 18}">{text(label)}</text>'

    return parts(), base + 26


def _grid(end: float, column: Column, base: int) -> Iterator[str]:
    for tick in range(_TICKS + 1):
        y = base - tick / _TICKS * _PLOT_HEIGHT
        shown = show(end * tick / _TICKS, column.unit)
        yield f'<line class="grid" x1="{_AXIS_WIDTH}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="tick end" x="{_AXIS_WIDTH - 8}" y="{y + 4:.1f}">{text(shown)}</text>'


def _rect(at: int, column: Column, box: tuple[float, float, float, float], hint: str) -> str:
    x, y, width, height = box
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="{_series_class(at, column)}" {place}><title>{text(hint)}</title></rect>'


def _label(label: str, x: float, y: float) -> str:
    short = label if len(label) <= _LABEL_CHARS else f"{label[: _LABEL_CHARS - 1]}…"
    return f'<text class="label end" x="{x}" y="{y}">{text(short)}<title>{text(label)}</title></text>'


def _legend(series: Sequence[Column]) -> str:
    if len(series) < 2:
        return ""
    items = "".join(
        f'<li><span class="{_series_class(at, one)}"></span>{text(one.label)}</li>' for at, one in enumerate(series)
    )
    return f'<ul class="legend" aria-label="Legend">{items}</ul>'


def _series_class(at: int, column: Column) -> str:
    return f"series {column.name}" if column.name in _MEANINGS else f"series s{at}"


def _column(section: Section, name: str) -> Column:
    return next(column for column in section.table.columns if column.name == name)


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
