"""What an admin does on the runs page, through a tab without a browser, and whether it was right.

Widgets are found by their labels and kinds. Every act looks at the rows it was answered with: a
page that fails quickly must not pass for a fast one.
"""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df
from streamlit.proto.WidgetStates_pb2 import WidgetState

from benchmarks.big_host import COMMON_WORDS, OLD_WORD
from benchmarks.streamlit_client import open_tab

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Mapping

    import pandas as pd

    from benchmarks.streamlit_client import Tab

# The columns of the grid that are looked at.
_TICK, _NAME, _USER = "select", "name", "user"
# The rows from one number to another "of about 10.0 M", "from the end of 10,000+", or "so far"; or
# one row.
_FOOTER = re.compile(r"([\d,]+)(?:–([\d,]+))? (of|from the end of|so far)\b")  # noqa: RUF001
_LAST = re.compile(r"the last ([\d,]+) of ")
_SELECTED = re.compile(r"Delete ([\d,]+)")
# What the id of a chip's button ends with.
_CHIP = re.compile(r"-chip-\w+$")


class WrongAnswerError(Exception):
    """The page did not show what was asked for; the message says what it showed."""


@dataclass(frozen=True)
class Position:
    """The numbers of the first and the last row; counted from the end where that is said.

    ``is_open`` where the search that found them has not ended.
    """

    first: int
    last: int
    from_end: bool = False
    is_open: bool = False

    def turned(self, pages: int) -> tuple[int, bool]:
        """The first row's number so many full pages later, and whether it counts from the end."""
        size = self.last - self.first + 1
        return self.first + (-pages if self.from_end else pages) * size, self.from_end


class Admin:
    """One signed-in admin at the runs page; each act returns its seconds or raises."""

    def __init__(self, tab: Tab, dice: random.Random) -> None:
        self._tab = tab
        self._dice = dice
        self._is_filtered = False

    def likely_act(self) -> str:
        """What this admin does next: mostly they turn pages and tick boxes."""
        acts = {"search": 12, "choose a user": 12}
        if self._pagers() or self._steps():
            acts["turn a page"] = 40
        if self._free_rows():
            acts["tick a box"] = 25
        if self._is_filtered:
            acts["clear filters"] = 20
        return self._dice.choices(list(acts), list(acts.values()))[0]

    async def do(self, act: str) -> float:
        """Do it, by its name."""
        return await {
            "open": self.open,
            "turn a page": self.turn_page,
            "tick a box": self.tick,
            "search": self.search,
            "choose a user": self.choose_user,
            "clear filters": self.clear_filters,
        }[act]()

    async def open(self) -> float:
        """Open the page, by the cookie of a sign-in before."""
        seconds = await self._tab.load()
        self._check(self._position().first >= 1, "no rows")
        return seconds

    async def turn_page(self) -> float:
        """Go to a page: mostly the next one, now and then a near one or the last."""
        return await (self._turn_by_number() if self._pagers() else self._turn_by_step())

    async def next_page(self) -> float:
        """Go to the page behind this one."""
        if not self._pagers():
            return await self._turn_by_step("Next")
        pager = self._pagers()[0][0]
        return await self._turn_by_number(self._current(pager) + 1)

    async def _turn_by_number(self, number: int | None = None) -> float:
        """Where all pages are numbered."""
        pager, fragment_id = self._pagers()[0]
        current, before = self._current(pager), self._position()
        if number is None:
            number = self._likely_page(current, pager.num_pages)
        if number == current:
            number = max(1, number - 1) if number > 1 else 2
        grid = self._grid().id
        seconds = await self._tab.set(WidgetState(id=pager.id, int_value=number), fragment_id)
        now = self._position()
        self._check(now.first != before.first, f"page {number} begins where page {current} did")
        if number < pager.num_pages and current < pager.num_pages:
            size = before.last - before.first + 1
            self._check(
                (now.first, now.last) == ((number - 1) * size + 1, number * size),
                f"page {number} has the rows {now.first} to {now.last}",
            )
        self._check(self._grid().id != grid, "the grid is that of the page before")
        return seconds

    async def _turn_by_step(self, step: str | None = None) -> float:
        """Where nobody knows how many pages there are."""
        steps = self._steps()
        before = self._position()
        if step is None:
            likely = {"Next": 80, "Previous": 10, "First": 5, "Last": 5}
            step = self._dice.choices(list(steps), [likely[one] for one in steps])[0]
        self._check(step in steps, f"no button “{step}”")
        button, fragment_id = steps[step]
        grid = self._grid().id
        seconds = await self._tab.press(button.id, fragment_id)
        now = self._position()
        if step in ("First", "Last"):
            expected = (1, step == "Last")
        else:
            expected = before.turned(1 if step == "Next" else -1)
        self._check(
            (now.first, now.from_end) == expected,
            f"“{step}” of {before} leads to {now}",
        )
        self._check(self._grid().id != grid, "the grid is that of the page before")
        return seconds

    async def tick(self) -> float:
        """Tick the box of a row that is not ticked."""
        grid, fragment_id = self._grids()[0]
        edits = self._edits(grid.id)
        edits[str(self._dice.choice(self._free_rows()))] = {_TICK: True}
        value: dict[str, Any] = {"edited_rows": edits, "added_rows": [], "deleted_rows": []}
        before = self._selected()
        seconds = await self._tab.set(
            WidgetState(id=grid.id, string_value=json.dumps(value)), fragment_id
        )
        self._check(self._selected() == before + 1, f"{self._selected()} selected after {before}")
        return seconds

    async def search(self) -> float:
        """Search a word that many runs have in their names; the newest of them, mostly."""
        box, fragment_id = self._labelled("text_input", "Search")
        held = self._tab.value(box.id)
        before = held.string_value if held else ""
        word = self._dice.choice([one for one in (*COMMON_WORDS, OLD_WORD) if one != before])
        seconds = await self._tab.set(WidgetState(id=box.id, string_value=word), fragment_id)
        self._is_filtered = True
        if self._is_empty():
            return seconds
        self._check(self._position().is_open == bool(self._buttons("Search on")), "half a search")
        names = self._rows()[_NAME]
        self._check(bool(names.str.contains(word, case=False).all()), f"rows without “{word}”")
        return seconds

    async def choose_user(self) -> float:
        """Narrow to the runs of one user."""
        box, fragment_id = self._labelled("selectbox", "User")
        held = self._tab.value(box.id)
        users = [one for one in box.options if one.startswith("user")]
        user = self._dice.choice([one for one in users if not held or one != held.string_value])
        seconds = await self._tab.set(WidgetState(id=box.id, string_value=user), fragment_id)
        self._is_filtered = True
        if self._is_empty():
            return seconds
        self._check(set(self._rows()[_USER]) == {user}, f"rows of other users than {user}")
        return seconds

    async def clear_filters(self) -> float:
        """See all runs again, by one chip after the other."""
        chips = self._chips()
        self._check(bool(chips), "no chip that takes a filter away")
        seconds = 0.0
        while chips:
            button, fragment_id = chips[0]
            seconds += await self._tab.press(button.id, fragment_id)
            left = self._chips()
            self._check(len(left) < len(chips), "the filter is still there")
            chips = left
        self._is_filtered = False
        self._check(self._position().first == 1, "not the first page")
        return seconds

    def rows(self) -> int:
        """How many rows the grid has."""
        return len(self._rows())

    @property
    def received(self) -> int:
        """The bytes that the last act was answered with."""
        return self._tab.received

    def _likely_page(self, current: int, pages: int) -> int:
        lot = self._dice.random()
        if lot < 0.80:
            return min(current + 1, pages)
        return self._dice.randint(1, min(5, pages)) if lot < 0.95 else pages

    def _pagers(self) -> list[tuple[Any, str]]:
        return list(self._tab.screen.elements("pagination"))

    def _current(self, pager: Any) -> int:
        state = self._tab.value(pager.id)
        return int(state.int_value) if state else 1

    def _steps(self) -> dict[str, tuple[Any, str]]:
        """The buttons under the grid that lead to other pages and can be pressed."""
        return {
            one[0].label: one
            for one in self._tab.screen.elements("button")
            if one[0].label in ("First", "Previous", "Next", "Last") and not one[0].disabled
        }

    def _buttons(self, label: str) -> list[tuple[Any, str]]:
        return [one for one in self._tab.screen.elements("button") if one[0].label == label]

    def _chips(self) -> list[tuple[Any, str]]:
        return [one for one in self._tab.screen.elements("button") if _CHIP.search(one[0].id or "")]

    def _labelled(self, kind: str, label: str) -> tuple[Any, str]:
        for one in self._tab.screen.elements(kind):
            if one[0].label == label:
                return one
        raise WrongAnswerError(f"There is no {kind} “{label}”: {self._words()}")

    def _free_rows(self) -> list[int]:
        """The positions of the rows that are not ticked."""
        if not self._grids():
            return []
        edits = self._edits(self._grid().id)
        ticked = self._rows()[_TICK]
        return [n for n in range(len(ticked)) if str(n) not in edits and not ticked.iloc[n]]

    def _edits(self, grid_id: str) -> dict[str, dict[str, bool]]:
        held = self._tab.value(grid_id)
        return dict(json.loads(held.string_value)["edited_rows"]) if held else {}

    def _grids(self) -> list[tuple[Any, str]]:
        return [one for one in self._tab.screen.elements("dataframe") if one[0].alt == "Runs"]

    def _grid(self) -> Any:
        grids = self._grids()
        self._check(len(grids) == 1, f"{len(grids)} grids")
        return grids[0][0]

    def _rows(self) -> pd.DataFrame:
        return convert_arrow_bytes_to_pandas_df(self._grid().arrow_data.data)

    def _position(self) -> Position:
        """Which rows these are, as the footer says, once the grid is there."""
        self._grid()
        for text, _fragment_id in self._tab.screen.elements("text"):
            if found := _FOOTER.match(text.body):
                ends = found[1], found[2] or found[1]
                first, last = (int(number.replace(",", "")) for number in ends)
                how = found[3]
                return Position(first, last, how.startswith("from"), how.startswith("so"))
            if found := _LAST.match(text.body):
                return Position(1, int(found[1].replace(",", "")), from_end=True)
        raise WrongAnswerError(f"There is no footer: {self._words()}")

    def _selected(self) -> int:
        for button, _fragment_id in self._tab.screen.elements("button"):
            found = _SELECTED.fullmatch(button.label)
            if found:
                return int(found[1].replace(",", ""))
        return 0

    def _is_empty(self) -> bool:
        """Whether the page says that no run matches, or none is found yet; else it has a grid."""
        self._check(not self._tab.screen.errors, "")
        says_so = self._buttons("Clear the filters") or self._buttons("Search on")
        return bool(says_so) and not self._grids()

    def _check(self, is_right: bool, what: str) -> None:
        if self._tab.screen.errors:
            raise WrongAnswerError(f"An exception: {self._tab.screen.errors[0]}")
        if not is_right:
            raise WrongAnswerError(f"{what}: {self._words()}")

    def _words(self) -> str:
        bodies = [text.body for text, _fragment_id in self._tab.screen.elements("text")]
        return f"the page says {bodies}"


@asynccontextmanager
async def admin_at(
    url: str, cookies: Mapping[str, str], dice: random.Random, query: str = ""
) -> AsyncIterator[Admin]:
    """An admin whose browser has these cookies of a sign-in, before the page is asked for."""
    async with open_tab(url, cookies, query) as tab:
        yield Admin(tab, dice)
