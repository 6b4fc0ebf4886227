"""A bar chart of trips a day as SVG: small, sharp at any size, and no library to import."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from html import escape

_WIDTH, _HEIGHT = 760, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 48, 44
_MOST_LINES = 5
# Beyond so many days, months are named instead of Mondays.
_MOST_DAYS_WITH_MONDAYS = 45
_MONTH_LABEL_WIDTH = 60
_SATURDAY = 5
# Paper and ink of its own: it is shown on light and on dark pages.
_PAPER, _INK, _FAINT, _LINE, _WEEKDAY, _WEEKEND = "#ffffff", "#1f2937", "#6b7280", "#e5e7eb", "#2563eb", "#93b4f5"


def draw_days(rows_by_day: Mapping[date, int], title: str) -> str:
    """The chart of ``rows_by_day``, days in order, as an SVG document of 760 by 300 pixels."""
    plot = _Plot(tuple(rows_by_day), tuple(rows_by_day.values()))
    parts = [*_frame(title), *plot.lines(), *plot.bars(), *plot.days_below()]
    return "\n".join([*parts, "</svg>"])


@dataclass(frozen=True)
class _Plot:
    """Days and their rows, and where they are on the paper."""

    days: tuple[date, ...]
    rows: tuple[int, ...]

    @property
    def step(self) -> int:
        """Rows between two lines: 1, 2 or 5 times a power of ten."""
        least = max(self.rows) / _MOST_LINES
        power = 10 ** max(0, math.floor(math.log10(least))) if least > 1 else 1
        return next(step for factor in (1, 2, 5, 10) if (step := factor * power) >= least)

    @property
    def top(self) -> int:
        """The rows of the highest line."""
        return self.step * max(1, math.ceil(max(self.rows) / self.step))

    @property
    def day_width(self) -> float:
        return (_WIDTH - _LEFT - _RIGHT) / len(self.days)

    def height(self, rows: int) -> float:
        return (_HEIGHT - _TOP - _BOTTOM) * rows / self.top

    def lines(self) -> Iterator[str]:
        """A line with its number of rows at every step."""
        for rows in range(0, self.top + 1, self.step):
            y = _HEIGHT - _BOTTOM - self.height(rows)
            yield f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="{_LINE}"/>'
            yield _text(_LEFT - 8, y + 4, f"{rows:,}", anchor="end")

    def bars(self) -> Iterator[str]:
        """A bar a day, Saturdays and Sundays in a lighter colour."""
        gap = self.day_width * 0.2
        for place, (day, rows) in enumerate(zip(self.days, self.rows, strict=True)):
            x, height = _LEFT + place * self.day_width + gap / 2, self.height(rows)
            yield (
                f'<rect x="{x:.1f}" y="{_HEIGHT - _BOTTOM - height:.1f}" width="{self.day_width - gap:.1f}" '
                f'height="{height:.1f}" fill="{_WEEKEND if day.weekday() >= _SATURDAY else _WEEKDAY}"/>'
            )

    def days_below(self) -> Iterator[str]:
        """Mondays by their date; of several months, as many of the months as there is room for."""
        by_week = len(self.days) <= _MOST_DAYS_WITH_MONDAYS
        every = math.ceil(_MONTH_LABEL_WIDTH / (28 * self.day_width))
        for place, day in enumerate(self.days):
            if by_week and day.weekday() == 0:
                yield _text(_LEFT + (place + 0.5) * self.day_width, _HEIGHT - _BOTTOM + 18, f"Mon {day.day}")
            elif not by_week and day.day == 1 and day.month % every == 0:
                yield _text(_LEFT + place * self.day_width, _HEIGHT - _BOTTOM + 18, f"{day:%Y-%m}", anchor="start")


def _frame(title: str) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="system-ui, sans-serif" font-size="12">'
    )
    yield f"<title>{escape(title)}</title>"
    yield f'<rect width="{_WIDTH}" height="{_HEIGHT}" rx="8" fill="{_PAPER}"/>'
    yield f'<text x="16" y="28" font-size="15" font-weight="600" fill="{_INK}">{escape(title)}</text>'
    for x, colour, what in ((_WIDTH - 190, _WEEKDAY, "weekday"), (_WIDTH - 100, _WEEKEND, "weekend")):
        yield f'<rect x="{x}" y="18" width="10" height="10" fill="{colour}"/>'
        yield _text(x + 16, 27, what, anchor="start")


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{_FAINT}">{escape(text)}</text>'
