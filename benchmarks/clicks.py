"""From a click to its picture: the page of one checkout beside that of another, in a browser.

Run as ``python -m benchmarks.clicks BEFORE AFTER``, two folders with a checkout each. Both serve
the same demo's database (``RUNS``, 3,000), each by a process of its own, and are used in turns in
one Chromium of 1280 by 800: ``TIMES`` (20) times, whoever was first being second the next time.
Printed are the medians in milliseconds and their ratio; the target is 1.25 times the page before.

A click begins with the browser's own time of the mouse's button going down, and ends with the
animation frame after the first one in which the page shows what was asked for:

- tick: the button to delete counts one run;
- filter: the heading counts that user's runs, and the grid that stood there before is gone;
- page: the pager names the other rows, and the grid that stood there before is gone;
- dialog: the button that confirms can be pressed.

The layout shift is that of a list that is opened in a new browser context, summed over all shifts
until a second after everything has been drawn; the target is 0.1.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect, sync_playwright

from runmanager.demo import open_demo
from runmanager.demo.people import ADMIN_PASSWORD, ADMIN_USERNAME
from tests.browser.conftest import ARGUMENTS, WIDE
from tests.browser.dashboard import Dashboard
from tests.browser_needed import WHAT_TO_DO, find_browser
from tests.hosts import connect
from tests.processes import AppProcess, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Locator

    from runmanager.demo import Demo

RUNS = int(os.environ.get("RUNS", "3000"))
TIMES = int(os.environ.get("TIMES", "20"))
LOADS = 5
USER = "kate"
MOST_TIMES, MOST_SHIFT = 1.25, 0.1
# Time for what a page draws after its list, which is not measured here.
AFTERWARDS = 400

# Resolves once what matches "selector" shows "pattern", and none of "grids" is there any more.
_WATCH = """({ selector, pattern, grids }) => {
  window.runManagerClick = new Promise((resolve) => {
    let start;
    const note = (event) => { start ??= event.timeStamp; };
    window.addEventListener("pointerdown", note, { capture: true, once: true });
    const wanted = new RegExp(pattern);
    const shows = () =>
      [...document.querySelectorAll(selector)].some(
        (one) => one.checkVisibility() && !one.disabled && wanted.test(one.innerText)) &&
      !grids.some((grid) => document.querySelector(`.${grid}`)?.checkVisibility());
    const look = () => requestAnimationFrame(start !== undefined && shows()
      ? () => requestAnimationFrame(() => resolve(performance.now() - start)) : look);
    look();
  });
}"""
_GRIDS = """() => [...document.querySelectorAll("[class*='st-key-grid-']")].map(
  (one) => [...one.classList].find((name) => name.startsWith("st-key-grid-")))"""
_SHIFTS = """window.runManagerShift = 0;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) window.runManagerShift += one.value;
}).observe({ type: "layout-shift", buffered: true });"""


@dataclass
class Side:
    """The page of one checkout, in a tab of its own, and what was measured there."""

    base: str
    browser: Browser
    of_user: int
    milliseconds: dict[str, list[float]] = field(default_factory=dict)
    shifts: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ada = self.opened()

    def opened(self, script: str = "") -> Dashboard:
        """The list in a new context, in which ``script`` runs before anything else."""
        # Not a TypedDict of Playwright's.
        context = self.browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
        if script:
            context.add_init_script(script)
        ada = Dashboard(context, self.base).signed_in_as(ADMIN_USERNAME, ADMIN_PASSWORD).visit()
        expect(ada.area("heading")).to_contain_text(f"{RUNS:,} runs", timeout=60_000)
        ada.settle()
        ada.page.wait_for_timeout(1000)
        return ada

    def settle(self) -> None:
        """Wait until all is drawn, also what comes after the list."""
        self.ada.settle()
        self.ada.page.wait_for_timeout(AFTERWARDS)
        self.ada.settle()

    def load(self) -> None:
        """Open the list as whoever comes for the first time, and add up the shifts."""
        ada = self.opened(_SHIFTS)
        self.shifts.append(float(ada.page.evaluate("() => window.runManagerShift")))
        ada.context.close()

    def measure(self, act: Act) -> None:
        """Do it once, and undo it."""
        page = self.ada.page
        page.bring_to_front()
        self.settle()
        act.prepare(self)
        self.settle()
        watched = {
            "selector": act.selector,
            "pattern": act.pattern.format(of_user=self.of_user),
            "grids": page.evaluate(_GRIDS) if act.has_other_rows else [],
        }
        page.evaluate(_WATCH, watched)
        act.click(self)
        took = float(page.evaluate("() => window.runManagerClick"))
        self.milliseconds.setdefault(act.name, []).append(took)
        self.settle()
        act.undo(self)


@dataclass(frozen=True)
class Act:
    """What is done with one click, and what shows that it was done."""

    name: str
    click: Callable[[Side], None]
    undo: Callable[[Side], None]
    selector: str
    pattern: str
    prepare: Callable[[Side], None] = lambda _side: None
    has_other_rows: bool = False


def click_box(side: Side) -> None:
    """Click the box of the first row."""
    side.ada.runs.click(0, "")


def tick(side: Side) -> None:
    """Tick the first row."""
    click_box(side)
    expect(side.ada.area("delete_selected")).to_contain_text("1")


def untick(side: Side) -> None:
    """Take the tick away."""
    click_box(side)
    expect(side.ada.area("delete_selected").filter(has_text="1")).to_have_count(0)


def open_users(side: Side) -> None:
    """Open the list of users."""
    side.ada.page.get_by_test_id("stSidebar").get_by_role("combobox", name="User").click()
    expect(user_option(side)).to_be_visible()


def user_option(side: Side) -> Locator:
    """The user in that list."""
    return side.ada.page.get_by_role("option", name=USER, exact=True)


def show_all_users(side: Side) -> None:
    """Take the filter away again."""
    clear = side.ada.page.locator(".st-key-clear_filters, .st-key-chip-username")
    clear.get_by_role("button").first.click()
    expect(side.ada.area("heading")).to_contain_text(f"{RUNS:,} runs")


def turn(side: Side, label: str) -> None:
    """Click one of the pager's buttons."""
    side.ada.area("pager").get_by_role("button", name=label, exact=True).click()


def turn_back(side: Side) -> None:
    """Go to the first page again."""
    turn(side, "Page 1")
    expect(side.ada.area("pager")).to_contain_text("1–50")  # noqa: RUF001


def cancel(side: Side) -> None:
    """Put the confirmation away, and the tick with it."""
    side.ada.area("cancel_deletion").get_by_role("button").click()
    expect(side.ada.dialog).to_have_count(0)
    side.settle()
    untick(side)


ACTS = (
    Act("tick", click_box, untick, ".st-key-delete_selected button", r"Delete 1\b"),
    Act(
        "filter",
        lambda side: user_option(side).click(),
        show_all_users,
        ".st-key-heading",
        r"(^|\s){of_user:,} runs",
        prepare=open_users,
        has_other_rows=True,
    ),
    Act(
        "page",
        lambda side: turn(side, "Next page"),
        turn_back,
        ".st-key-pager",
        r"(^|\s)51–",  # noqa: RUF001
        has_other_rows=True,
    ),
    Act(
        "dialog",
        lambda side: side.ada.area("delete_selected").get_by_role("button").click(),
        cancel,
        "[role='dialog'] .st-key-confirm_deletion button",
        r"Delete 1\b",
        prepare=tick,
    ),
)


def measure(demo: Demo, browser: Browser, folders: list[Path]) -> bool:
    """Measure both checkouts on the demo's database; whether the second reaches the targets."""
    with connect(demo.url) as connection:
        counted = connection.execute(
            "SELECT count(*) FROM run_metadata"
            " WHERE user_id IN (SELECT id FROM users WHERE username = %s)",
            [USER],
        ).fetchone()
    assert counted is not None  # noqa: S101  a count is always answered
    with ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sides = []
        for number, folder in enumerate(folders):
            app = AppProcess(logs / f"log-{number}", settings_for(demo.url), directory=folder)
            stack.callback(app.stop)
            sides.append(Side(app.ready().url, browser, counted[0]))
        for number in range(TIMES):
            turns = sides[:: 1 if number % 2 else -1]
            for act in ACTS:
                for side in turns:
                    side.measure(act)
            if number < LOADS:
                for side in turns:
                    side.load()
    return report(*sides)


def report(before: Side, after: Side) -> bool:
    """Print what was measured; whether the targets are reached."""
    is_met = True
    print(
        f"Click to picture, medians of {TIMES}, in milliseconds (from the fastest to the slowest)"
    )
    for act in ACTS:
        earlier, now = before.milliseconds[act.name], after.milliseconds[act.name]
        ratio = statistics.median(now) / statistics.median(earlier)
        is_met = is_met and ratio <= MOST_TIMES
        print(f"{act.name:>8} {_words(earlier)} -> {_words(now)}  {ratio:.2f} times")
    shifts = [statistics.median(side.shifts) for side in (before, after)]
    loads = len(after.shifts)
    print(f"Layout shift of a cold load, median of {loads}: {shifts[0]:.3f} -> {shifts[1]:.3f}")
    is_met = is_met and shifts[1] <= MOST_SHIFT
    print(f"At most {MOST_TIMES} times, a shift of {MOST_SHIFT}: {'met' if is_met else 'MISSED'}")
    return is_met


def main() -> int:
    """Measure the two folders that are named."""
    folders = [Path(one).resolve() for one in sys.argv[1:]]
    program = find_browser()
    if program is None or len(folders) != 2:
        sys.stderr.write(f"{'Name two folders: BEFORE AFTER.' if program else WHAT_TO_DO}\n")
        return 2
    with (
        tempfile.TemporaryDirectory() as directory,
        closing(open_demo(Path(directory, "demo"), runs=RUNS)) as demo,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        is_met = measure(demo, browser, folders)
        browser.close()
    return 0 if is_met else 1


def _words(milliseconds: list[float]) -> str:
    middle, least, most = statistics.median(milliseconds), min(milliseconds), max(milliseconds)
    return f"{middle:4.0f} ({least:.0f} to {most:.0f})"


if __name__ == "__main__":
    raise SystemExit(main())
