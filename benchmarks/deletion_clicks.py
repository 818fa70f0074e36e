"""From the click that deletes to the result, and from Undo to what is restored, in a browser.

Run as ``python -m benchmarks.deletion_clicks BEFORE AFTER``, two folders with a checkout each, of
which the second has Undo. Both serve one demo's database (``RUNS``, 3,000), each by a process of
its own, and are used in turns in one Chromium of 1280 by 800: ``TIMES`` (10) times, whoever was
first being second the next time.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from benchmarks.verdicts import Figures, Row, Target, table
from runmanager.demo import open_demo
from runmanager.demo.people import ADMIN_PASSWORD, ADMIN_USERNAME
from tests.browser.conftest import ARGUMENTS, WIDE
from tests.browser.dashboard import Dashboard
from tests.browser_needed import WHAT_TO_DO, find_browser
from tests.processes import AppProcess, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser

    from runmanager.demo import Demo

RUNS = int(os.environ.get("RUNS", "3000"))
TIMES = int(os.environ.get("TIMES", "10"))
UNDONE = 50
MOST_MORE, MOST_TO_RESTORED = 200, 2000


@dataclass
class Side:
    """The page of one checkout, in a tab of its own, and what was measured there."""

    ada: Dashboard
    one: list[float] = field(default_factory=list)
    restored: list[float] = field(default_factory=list)

    def delete(self, count: int) -> float:
        """Delete the newest runs; milliseconds from the confirming click to the result."""
        self.ada.page.bring_to_front()
        # Which nobody is at work on.
        self.ada.visit(kind="completed", until="-1h")
        self.ada.settle()
        if count == UNDONE:
            self.ada.select_page()
        else:
            for row in range(count):
                self.ada.runs.click(row, "")
        self.ada.ask_to_delete_selected(count)
        label = f"Delete {count} run{'s' * (count > 1)}"
        self.ada.settle()
        return self._wait_for(lambda: self.ada.confirm(label), f"{count} run")

    def undo(self) -> float:
        """Undo what was deleted last; milliseconds until it is said to be restored."""
        self.ada.settle()
        return self._wait_for(self.ada.button("Undo").click, "restored")

    def _wait_for(self, click: Callable[[], None], words: str) -> float:
        began = time.perf_counter()
        click()
        # Looks at each frame; what “expect” does is look ever more seldom.
        self.ada.area("result").get_by_text(words).first.wait_for()
        return 1000 * (time.perf_counter() - began)


def measure(demo: Demo, browser: Browser, folders: list[Path]) -> list[Row]:
    """The lines of the table."""
    with ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sides = []
        for number, folder in enumerate(folders):
            app = AppProcess(logs / f"log-{number}", settings_for(demo.url), directory=folder)
            stack.callback(app.stop)
            # Not a TypedDict of Playwright's.
            context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
            ada = Dashboard(context, app.ready().url)
            sides.append(Side(ada.signed_in_as(ADMIN_USERNAME, ADMIN_PASSWORD)))
        for number in range(TIMES):
            for side in sides[:: 1 if number % 2 else -1]:
                side.one.append(side.delete(1))
            sides[-1].delete(UNDONE)
            sides[-1].restored.append(sides[-1].undo())
    before, after = (statistics.median(side.one) for side in sides)
    return [
        Row(
            f"one run, click to result (before: {before:.0f})",
            Figures(after),
            Target(at_most=round(before + MOST_MORE)),
        ),
        Row(
            f"undo of {UNDONE} runs, click to “restored”",
            Figures(statistics.median(sides[-1].restored)),
            Target(at_most=MOST_TO_RESTORED),
        ),
    ]


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
        rows = measure(demo, browser, folders)
        browser.close()
    print(table(rows))
    return 1 if any("MISSED" in row.verdict for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
