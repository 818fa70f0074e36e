"""The grid of runs as a test handles it.

Streamlit draws its grids on a canvas. Beside the picture there is a table for screen readers, with
the rows near the view: what is read and focused here is that table.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import Locator, expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

_HEADER_ROWS = 1
_BOXES = "1"
_ROW_HEIGHT = 35
# After the checkbox, 36 wide: Open, 60, and the link for a new tab, 44.
_BOX_MIDDLE, _OPEN_MIDDLE, _TAB_MIDDLE = 18, 66, 118


class Grid:
    """One st.data_editor or st.dataframe on a page."""

    def __init__(self, page: Page, root: Locator) -> None:
        self._page = page
        self.root = root
        self._canvas = root.get_by_test_id("data-grid-canvas")

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
        cell = self.focus(row, "")
        was = cell.text_content()
        self._page.keyboard.press("Space")
        # The table beside the picture is renewed only when the selection moves.
        self._page.keyboard.press("ArrowRight")
        expect(cell).to_have_text("false" if was == "true" else "true")

    def choose(self, row: int) -> None:
        """Click the box of a row in a table of which one row can be ticked."""
        self._click(row, _BOX_MIDDLE)

    @property
    def chosen(self) -> Locator:
        """The rows that are ticked in such a table."""
        return self._canvas.locator("tbody tr[aria-selected='true']")

    def open(self, row: int) -> None:
        """Click the Open button of a row in view with the mouse, as nothing else can press it."""
        expect(self.cell(row, "Open")).to_be_attached()
        self._click(row, _OPEN_MIDDLE)

    def open_in_new_tab(self, row: int) -> None:
        """Click the link of a row in view that opens its run in a new tab."""
        expect(self.cell(row, "Tab")).to_be_attached()
        self._click(row, _TAB_MIDDLE)

    def _click(self, row: int, x: float) -> None:
        y = _ROW_HEIGHT * (row + _HEADER_ROWS) + _ROW_HEIGHT / 2
        # Forced: a transparent sheet for scrolling lies over the picture and takes the click. The
        # grid hears a click only where it has seen the mouse before, as it does with a person's.
        self._canvas.hover(position={"x": x, "y": y}, force=True)
        self._page.evaluate("new Promise(seen => setTimeout(seen, 100))")
        self._canvas.click(position={"x": x, "y": y}, force=True)

    def focus(self, row: int, column: str) -> Locator:
        """Give a cell the focus, as the arrow keys would; an empty ``column`` is the boxes'."""
        cell = self.cell(row, column)
        expect(cell).to_be_attached()
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
