"""The grid of runs as a test handles it.

Streamlit draws its grids on a canvas. Beside the picture there is a table for screen readers, with
the rows and columns near the view: what is read and focused here is that table. Where they are is
seen in the picture, by the lines between them.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from playwright.sync_api import Locator, expect

from tests.polling import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page

_HEADER_ROWS = 1
_BOXES = "1"
# A button in a cell is as wide as its label, and begins at the left.
_FIRST_LETTERS = 24
# Where the lines are that one row or column of pixels near the edge of the picture crosses: pixels
# that differ from both of those beside them.
_LINES = """(canvas, isDown) => {
  if (!canvas.clientWidth) return [];
  const ratio = canvas.width / canvas.clientWidth, edge = Math.round(3 * ratio);
  const [width, height] = isDown ? [1, canvas.height] : [canvas.width, 1];
  const [x, y] = isDown ? [edge, 0] : [0, edge];
  const { data } = canvas.getContext("2d").getImageData(x, y, width, height);
  const same = (one, other) =>
    [0, 1, 2].every((part) => data[4 * one + part] === data[4 * other + part]);
  const found = [];
  for (let at = 1; at < data.length / 4 - 1; at++)
    if (!same(at, at - 1) && !same(at, at + 1)) found.push(at / ratio);
  return found;
}"""


class Grid:
    """One st.data_editor or st.dataframe on a page."""

    def __init__(self, page: Page, root: Locator) -> None:
        self._page = page
        self.root = root
        self._canvas = root.get_by_test_id("data-grid-canvas")

    @property
    def headings(self) -> list[str]:
        """The headings of the columns near the view, from the left; the boxes' is empty."""
        # One that the rows are sorted by carries an arrow.
        return [text.lstrip("↑↓ ") for text in self._canvas.locator("th").all_text_contents()]

    def cells(self, column: str) -> Locator:
        """The cells of a column, as far as the rows are near the view."""
        return self._canvas.locator(f"tbody tr td[aria-colindex='{self._number(column)}']")

    def cell(self, row: int, column: str) -> Locator:
        """One cell; rows count from 0."""
        line = self._canvas.locator(f"tr[aria-rowindex='{row + _HEADER_ROWS + 1}']")
        return line.locator(f"td[aria-colindex='{self._number(column)}']")

    def row_of(self, column: str, value: str) -> int:
        """Where the first row with ``value`` in ``column`` is."""
        found = self.cells(column).filter(has_text=re.compile(f"^{re.escape(value)}$")).first
        row = found.locator("xpath=..").get_attribute("aria-rowindex")
        assert row is not None
        return int(row) - _HEADER_ROWS - 1

    def tick(self, row: int) -> None:
        """Turn the box of a row over."""
        was = self.cell(row, "").text_content()
        for _ in range(5):
            cell = self.focus(row, "")
            self._page.keyboard.press("Space")
            # The table beside the picture is renewed only when the selection moves.
            self._page.keyboard.press("ArrowRight")
            try:
                expect(cell).not_to_have_attribute("aria-selected", "true", timeout=2000)
            except AssertionError:
                # While a page is drawn anew, its grid may hear no key.
                continue
            break
        expect(self.cell(row, "")).to_have_text("false" if was == "true" else "true")

    def choose(self, row: int) -> None:
        """Click the box of a row, with the mouse."""
        self.click(row, "")

    @property
    def chosen(self) -> Locator:
        """The rows that are ticked in a table of which one row can be ticked."""
        return self._canvas.locator("tbody tr[aria-selected='true']")

    def click(self, row: int, column: str) -> None:
        """Click a cell in view, with the mouse: nothing else can press a button or a link there."""
        # The boxes of a table of which one row is chosen are no column of the table beside it.
        expect(
            self.cell(row, column) if column else self._canvas.locator("td").first
        ).to_be_attached()
        at = {"x": self._inside(column), "y": self._middle_of_row(row)}
        # Forced: a transparent sheet for scrolling lies over the picture and takes the click. The
        # grid hears a click only where it has seen the mouse before, as it does with a person's.
        self._canvas.hover(position=at, force=True)  # type: ignore[arg-type]  # of its shape
        self._page.evaluate("new Promise(seen => setTimeout(seen, 100))")
        self._canvas.click(position=at, force=True)  # type: ignore[arg-type]

    def scroll_to(self, column: str) -> None:
        """Scroll sideways until a column is near the view."""
        self._canvas.hover(force=True)
        for _ in range(30):
            if column in self.headings:
                return
            self._page.mouse.wheel(200, 0)
            self._page.evaluate("new Promise(seen => setTimeout(seen, 200))")
        raise AssertionError(f"there is no column “{column}”")

    def expect_rows(self, number: int) -> None:
        """Wait until there are so many rows, in view or not."""
        rows = str(number + _HEADER_ROWS)
        expect(self._canvas.locator("table")).to_have_attribute("aria-rowcount", rows)

    def rows_in_view(self) -> int:
        """How many rows are to be seen as a whole."""
        return len(self._lines(is_down=True)) - _HEADER_ROWS

    def top_of_rows(self) -> float:
        """How far the first row is from the top of the window."""
        box = self._canvas.bounding_box()
        assert box is not None
        return box["y"] + self._lines(is_down=True)[0]

    def columns_in_view(self) -> list[str]:
        """The headings of the columns that are to be seen as a whole, from the left."""
        wait_until(lambda: bool(self.headings))
        lines = self._lines(is_down=False)
        return [heading for heading, _end in zip(self.headings, lines, strict=False)]

    def focus(self, row: int, column: str) -> Locator:
        """Give a cell the focus, as the arrow keys would; an empty ``column`` is the boxes'."""
        cell = self.cell(row, column)
        expect(cell).to_be_attached()
        # A grid that has never seen the mouse may not hear the focus either.
        self._canvas.hover(position={"x": 60, "y": 50}, force=True)
        for _ in range(20):
            cell.focus()
            try:
                expect(cell).to_have_attribute("aria-selected", "true", timeout=400)
            except AssertionError:
                cell.blur()
            else:
                return cell
        raise AssertionError(f"the cell in row {row} of column “{column}” takes no focus")

    def _number(self, column: str) -> str:
        if not column:
            return _BOXES
        # One that the rows are sorted by carries an arrow.
        name = re.compile(rf"^[↑↓ ]*{re.escape(column)}$")
        header = self._canvas.locator("th").filter(has_text=name)
        return str(header.get_attribute("aria-colindex"))

    def _inside(self, column: str) -> float:
        """Where the first letters of a column are, as long as nothing is scrolled sideways."""
        names: list[str] = []

        def is_there() -> bool:
            # While a grid with other rows takes its place, it has no headings for a moment.
            names[:] = self.headings
            return column in names

        if column:
            wait_until(is_there)
        ends = [0.0, *self._lines(is_down=False)]
        start, end = list(pairwise(ends))[names.index(column) if column else 0]
        return start + min(_FIRST_LETTERS, (end - start) / 2)

    def _middle_of_row(self, row: int) -> float:
        """Where the middle of a row is, the first being at the top."""
        start, end = list(pairwise(self._lines(is_down=True)))[row]
        return (start + end) / 2

    def _lines(self, *, is_down: bool) -> list[float]:
        """Where rows or columns end, from the edge of the picture, once it is drawn."""
        found: list[float] = []

        def is_drawn() -> bool:
            found[:] = self._canvas.evaluate(_LINES, is_down)
            return bool(found)

        wait_until(is_drawn)
        return found
