"""One browser tab at the dashboard: what an admin does there, and what went over the wire."""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

from playwright.sync_api import TimeoutError as TooLate
from playwright.sync_api import expect

from tests.browser.grid import Grid
from tests.hosts import PASSWORD
from tests.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import BrowserContext, Locator, WebSocketRoute

# Chromium knows fewer permissions than Streamlit's frames name; none of it is the pages' doing.
# Below a page's path it looks for its server in two places, and the first is a 404.
_NOT_OURS = ("/run/_stcore/", "/operations/_stcore/")
# Whether no script has run for a tenth of a second since this was asked for the first time.
IS_QUIET = """(asked) => {
  const app = document.querySelector("[data-testid='stApp']"), now = performance.now();
  if (app?.dataset.testScriptState !== "notRunning" || window.runManagerAsked !== asked)
    window.runManagerRan = now;
  window.runManagerAsked = asked;
  return now - window.runManagerRan > 100;
}"""
# What the axes of the histogram take, and the lowest pixels of its bars.
_AXIS_WIDTH, _AXIS_HEIGHT = 28, 22


class Answers:
    """What the server sends to the page, which can be held back as a slow network would."""

    def __init__(self) -> None:
        self._kept: list[Callable[[], None]] | None = None

    def listen(self, socket: WebSocketRoute) -> None:
        """Stand between the page and the server on this socket."""

        def hear(said: str | bytes) -> None:
            if self._kept is None:
                socket.send(said)
            else:
                self._kept.append(partial(socket.send, said))

        socket.connect_to_server().on_message(hear)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing reach the page until the end of this."""
        kept: list[Callable[[], None]] = []
        self._kept = kept
        yield
        self._kept = None
        for send in kept:
            send()


class Dashboard:
    """A tab; several of one context share its cookies."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.base = base
        self.context = context
        self.page = context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._asked = count()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))
        self.page.on("console", lambda said: self._hear(said.type, f"{said.text} {said.location}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def signed_in_as(self, name: str, password: str = PASSWORD) -> Dashboard:
        """Sign in by what the form sends, without drawing it."""
        parts = urlsplit(self.base)
        answer = self.context.request.post(
            f"{self.base}/sign-in",
            form={"username": name, "password": password, "next": ""},
            headers={"Origin": f"{parts.scheme}://{parts.netloc}"},
            max_redirects=0,
        )
        assert answer.status == 303, answer.text()
        return self

    def hold_answers(self) -> Answers:
        """Let a test hold back what the server will say to this tab; before it is first visited."""
        answers = Answers()
        self.page.route_web_socket(re.compile("_stcore/stream"), answers.listen)
        return answers

    def visit(self, path: str = "/", **query: str) -> Dashboard:
        """Go to an address by typing it."""
        self.page.goto(f"{self.base}{path}?{urlencode(query)}" if query else self.base + path)
        return self

    def fill_form(self, name: str, password: str) -> None:
        """Fill in the sign-in form and send it."""
        self.page.get_by_label("Name", exact=True).fill(name)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_role("button", name="Sign in", exact=True).click()

    def button(self, label: str) -> Locator:
        """The button of that label; the newer one while it takes another's place."""
        found = self.page.get_by_test_id("stButton").get_by_role("button", name=label, exact=True)
        return found.last

    def area(self, key: str) -> Locator:
        """The part of the page that has this key; the newer one while it takes another's place."""
        return self.page.locator(f".st-key-{key}").filter(visible=True).last

    @property
    def dialog(self) -> Locator:
        """The confirmation."""
        return self.page.get_by_role("dialog")

    @property
    def runs(self) -> Grid:
        """The grid of runs."""
        # While a grid with other rows takes its place, the one before is there as well; and stays,
        # hidden, until the page is drawn once more.
        grids = self.page.locator("[class*='st-key-grid-'] [data-testid='stDataFrame']")
        root = grids.filter(visible=True).last
        expect(root).to_be_visible()
        return Grid(self.page, root)

    def open(self, thread_id: str) -> None:
        """Click a run's name in the grid."""
        self.settle()
        self.runs.click(self.runs.row_of("ID", thread_id), "Name")

    @property
    def shown_in_dialog(self) -> Grid:
        """The table of the tab that is open in the dialog."""
        return Grid(self.page, self.dialog.get_by_test_id("stDataFrame").filter(visible=True))

    @property
    def histogram(self) -> Locator:
        """The runs over time, as a picture."""
        return self.area("histogram").locator(".marks").filter(visible=True).last

    @property
    def failures(self) -> Grid:
        """The runs that could not be deleted, in the result."""
        return Grid(self.page, self.area("result").get_by_test_id("stDataFrame"))

    @property
    def operations(self) -> Grid:
        """The list of operations."""
        root = self.page.locator("[class*='st-key-operations-'] [data-testid='stDataFrame']")
        expect(root.filter(visible=True).last).to_be_visible()
        return Grid(self.page, root.filter(visible=True).last)

    def expect_newest_operation(self, **cells: str) -> None:
        """Go to the list of operations, and wait until the first has these cells, by heading."""
        self.visit("/operations")
        self.settle()
        for heading, text in cells.items():
            column = heading.replace("_", " ")
            expect(self.operations.cell(0, column)).to_have_text(re.compile(text))

    @property
    def query(self) -> dict[str, str]:
        """The query parameters in the address bar."""
        parsed = parse_qs(urlsplit(self.page.url).query)
        return {name: values[0] for name, values in parsed.items()}

    def expect_total(self, words: str) -> None:
        """Wait until the heading counts the runs so, such as "3 runs"."""
        expect(self._total(words)).to_be_visible()

    def search_on_to(self, words: str) -> None:
        """Wait for this total, and search on wherever the search has stopped before."""
        total = self._total(words)
        further = self.button("Search on")

        def is_there() -> bool:
            if not total.is_visible() and further.is_visible():
                # It may be gone by now: the search goes on already, or has ended.
                with suppress(TooLate):
                    further.click(timeout=1000)
            return total.is_visible()

        wait_until(is_there, 60)

    def expect_ids(self, *thread_ids: str) -> None:
        """Wait until the grid shows exactly these runs, from the top."""
        expect(self.runs.cells("ID")).to_have_text(list(thread_ids))

    def expect_only_sign_in(self) -> None:
        """Wait for the sign-in form, and see that nothing else is there."""
        expect(self.page.get_by_label("Name", exact=True)).to_be_visible()
        expect(self.page.get_by_role("button")).to_have_text(["Sign in"])
        # Nothing of the dashboard's own program is loaded, so that it can show nothing.
        expect(self.page.locator("script, [data-testid]")).to_have_count(0)

    def tick(self, *thread_ids: str) -> None:
        """Tick the boxes of these runs, which are on this page."""
        self.settle()
        for thread_id in thread_ids:
            self.runs.tick(self.runs.row_of("ID", thread_id))

    def ask_to_delete_selected(self, count: int) -> None:
        """Open the confirmation for what is selected."""
        self.press(f"Delete {count:,}")
        expect(self.dialog.get_by_text("will be deleted")).to_be_visible()

    def confirm(self, label: str) -> None:
        """Confirm, by the button that counts the runs."""
        self.dialog.get_by_role("button", name=label).click()

    def expect_result(self, headline: str) -> None:
        """Wait for the result that begins so, such as "2 runs deleted"."""
        expect(self.area("result").get_by_text(headline)).to_be_visible(timeout=20_000)

    def settle(self) -> None:
        """Wait until all is loaded, and what is asked for is drawn, also what comes after the list.

        That is drawn in several runs of the script, one after the other.
        """
        self.page.wait_for_load_state("networkidle")
        self.page.wait_for_function(IS_QUIET, arg=next(self._asked))
        # What has not been drawn for want of its program is stood for by a grey bar.
        unfinished = self.page.locator("[data-stale='true'], [data-testid='stSkeleton']")
        expect(unfinished).to_have_count(0)

    def sign_out(self, label: str = "Sign out") -> None:
        """Click one of the two ways out, and wait for the sign-in page, which finds no fault."""
        self.settle()
        self.page.get_by_role("button", name=label, exact=True).click()
        self.expect_only_sign_in()
        expect(self.page).to_have_url(f"{self.base}/")
        expect(self.page.get_by_role("alert")).to_have_count(0)

    def press(self, label: str) -> None:
        """Click the button of that label."""
        self.settle()
        self.button(label).click()

    def turn_page(self, label: str = "Next page") -> None:
        """Click one of the buttons under the grid."""
        self.settle()
        self.area("pager").get_by_role("button", name=label, exact=True).click()

    @property
    def sidebar(self) -> Locator:
        """What there is to filter by, unfolded where there was no room for it."""
        bar = self.page.get_by_test_id("stSidebar")
        if bar.get_attribute("data-collapsed") == "true":
            self.page.get_by_test_id("stExpandSidebarButton").click()
            expect(bar).to_have_attribute("data-collapsed", "false")
        return bar

    def fold_sidebar(self) -> None:
        """Give the list the room that the sidebar takes."""
        self.page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()
        expect(self.page.get_by_test_id("stSidebar")).to_have_attribute("data-collapsed", "true")

    def choose(self, label: str, option: str) -> None:
        """Choose an option in one of the sidebar's boxes."""
        self.settle()
        self.sidebar.get_by_role("combobox", name=label).click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def choose_kind(self, kind: str) -> None:
        """Click one of the sidebar's statuses."""
        self.settle()
        self.sidebar.locator(".st-key-kinds").get_by_role("button", name=kind).click()

    def type_into(self, label: str, text: str) -> None:
        """Click into one of the sidebar's fields and type."""
        self.settle()
        field = self.sidebar.get_by_label(label, exact=True)
        field.click()
        field.press_sequentially(text)

    @property
    def chips(self) -> Locator:
        """What the list is filtered by, each as a button that takes it away."""
        return self.page.locator("[class*='st-key-chip-']:not([data-stale='true'])").get_by_role(
            "button"
        )

    def expect_chips(self, *labels: str) -> None:
        """Wait until these stand above the grid, and no others."""
        expect(self.chips).to_have_text([re.compile(f"{re.escape(one)}$") for one in labels])

    def remove_chip(self, label: str) -> None:
        """Take one of them away."""
        self.settle()
        self.chips.filter(has_text=label).click()

    def choose_time(self, within: str) -> None:
        """Click how long ago runs may have started."""
        self.settle()
        self.sidebar.locator(".st-key-since_filter").get_by_text(within, exact=True).click()

    def choose_times(self, *, until: str) -> None:
        """Ask for the runs that started before ``until``: year, month, day, hour and minute."""
        self.settle()
        self.sidebar.get_by_role("button", name="From … to …").click()
        self.page.get_by_role("spinbutton", name=re.compile("^year, To")).click()
        self.page.keyboard.type(until)
        show = self.page.get_by_role("button", name="Show this time")
        try:
            show.click(timeout=3000)
        except TooLate:
            # A calendar lies over it.
            self.page.get_by_test_id("stPopoverBody").get_by_text(re.compile("^From")).click()
            show.click()

    def sort_by(self, order: str) -> None:
        """Choose an order for the whole list."""
        self.settle()
        self.area("sort").get_by_role("button").click()
        self.page.get_by_role("menuitem", name=order, exact=True).click()

    def brush(self, start: float, end: float) -> None:
        """Draw over a stretch of the histogram, from 0, its left end, to 1; or click at one."""
        y = self.hover_histogram(start)
        self.page.mouse.down()
        if end != start:
            self.page.mouse.move(self._in_histogram(end)[0], y, steps=5)
        self.page.mouse.up()

    def hover_histogram(self, place: float) -> float:
        """Move the mouse to the foot of the bars, from 0, their left end, to 1; how far down."""
        self.settle()
        expect(self.histogram).to_be_visible()
        x, y = self._in_histogram(place)
        self.page.mouse.move(x - 3, y)
        self.page.mouse.move(x, y)
        return y

    def leave_out_columns(self, *names: str) -> None:
        """Take columns out of the list by its menu."""
        with self._columns_menu() as menu:
            for name in names:
                menu.get_by_role("button", name=re.compile(f"(Remove|Delete) {name}")).click()
                expect(menu.get_by_text(name, exact=True)).to_have_count(0)

    def add_columns(self, *names: str) -> None:
        """Put columns at the end of the list by its menu."""
        with self._columns_menu() as menu:
            for name in names:
                menu.get_by_role("combobox").click()
                self.page.get_by_role("option", name=name, exact=True).click()
                self.page.keyboard.press("Escape")
                expect(menu.get_by_text(name, exact=True)).to_have_count(1)

    def expect_columns(self, *headings: str) -> None:
        """Wait until the grid has these columns, from the left."""
        expect(self.runs.root.locator("th")).to_have_text(list(headings))

    def count_clicks(self) -> None:
        """Count, from now on, how often the mouse's button goes down."""
        self.page.evaluate(
            "() => { window.runManagerClicks = 0; window.addEventListener('pointerdown',"
            " () => { window.runManagerClicks += 1; }, { capture: true }); }"
        )

    @property
    def clicks(self) -> int:
        """How often it went down since, on this page."""
        return int(self.page.evaluate("() => window.runManagerClicks"))

    def select_page(self) -> None:
        """Select all runs on this page."""
        self.settle()
        self.area("select_page").get_by_role("button").click()

    def select_all(self, count: int) -> None:
        """Select all runs of the list: its page first, which offers the rest."""
        self.select_page()
        self.press(f"Select all {count:,} that match")
        expect(self.area("selected")).to_contain_text(f"{count:,} selected, as of")

    def expect_selected(self, count: int) -> None:
        """Wait until so many runs are selected."""
        expect(self.button(f"Delete {count:,}")).to_be_enabled()

    def _total(self, words: str) -> Locator:
        """The heading's total, where it is just that."""
        return self.area("heading").get_by_text(words, exact=True).first

    def _in_histogram(self, place: float) -> tuple[float, float]:
        """Where the foot of a bar is; at the left is the axis, and below are its times."""
        box = self.histogram.bounding_box()
        assert box is not None
        left = box["x"] + _AXIS_WIDTH
        return left + place * (box["width"] - _AXIS_WIDTH), box["y"] + box["height"] - _AXIS_HEIGHT

    @contextmanager
    def _columns_menu(self) -> Iterator[Locator]:
        self.settle()
        opener = self.area("columns").get_by_role("button")
        opener.click()
        menu = self.page.get_by_test_id("stPopoverBody")
        expect(menu).to_be_visible()
        yield menu
        self.page.keyboard.press("Escape")
        expect(menu).to_have_count(0)

    def _hear(self, kind: str, text: str) -> None:
        if kind == "error" and not any(words in text for words in _NOT_OURS):
            self.complaints.append(text)
