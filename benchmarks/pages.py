"""Script time and click-to-paint of the runs page with 50 and 200 rows.

Run as ``python -m benchmarks.pages``. It starts the demo in a folder of its own and turns pages in
a real browser, 50 and 200 rows taking turns. Script time is from the browser's message until the
server's last answer to it; click-to-paint is from the click until the first frame that shows the
new page's position.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from runmanager.demo.sample import ADMIN_PASSWORD, ADMIN_USERNAME
from tests.browser.conftest import ARGUMENTS
from tests.browser_needed import find_browser
from tests.processes import AppProcess

if TYPE_CHECKING:
    from playwright.sync_api import Page, WebSocket

ROUNDS = 15

_PAINTED = """(wanted) => new Promise((done) => {
  const look = () => {
    const footer = document.querySelector('.st-key-footer');
    if (footer && footer.textContent.startsWith(wanted)) {
      requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())));
    } else {
      requestAnimationFrame(look);
    }
  };
  look();
})"""


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        demo = AppProcess(Path(folder) / "log", {"RUNMANAGER_DEMO_DIR": f"{folder}/demo"})
        browser = playwright.chromium.launch(executable_path=find_browser(), args=ARGUMENTS)
        try:
            url = demo.ready().url
            sheets = {size: _open(browser.new_page(), url, size) for size in (50, 200)}
            paints: dict[int, list[float]] = {50: [], 200: []}
            for turn in range(ROUNDS):
                for size, (page, _scripts) in sheets.items():
                    paints[size].append(_turn_page(page, 2 + turn % 2, size))
        finally:
            browser.close()
            demo.stop()
    for size, (_page, scripts) in sheets.items():
        print(
            f"{size:>3} rows: click to paint {statistics.median(paints[size]):.0f} ms "
            f"(worst {max(paints[size]):.0f}), script {statistics.median(scripts[-ROUNDS:]):.0f} ms"
        )
    print(f"medians of {ROUNDS} page turns, interleaved, on {os.cpu_count()} cores")


def _turn_page(page: Page, number: int, size: int) -> float:
    first = (number - 1) * size + 1
    button = page.get_by_role("button", name=f"Page {number}", exact=True)
    button.wait_for()
    started = button.evaluate("(e) => { const now = performance.now(); e.click(); return now; }")
    painted = page.evaluate(_PAINTED, f"{first:,}")
    page.wait_for_timeout(300)
    return float(painted) - float(started)


def _open(page: Page, url: str, size: int) -> tuple[Page, list[float]]:
    scripts: list[float] = []
    sent = [0.0]

    def on_socket(socket: WebSocket) -> None:
        socket.on("framesent", lambda _data: sent.__setitem__(0, time.perf_counter()))
        socket.on("framereceived", on_frame)

    def on_frame(_data: str | bytes) -> None:
        # The last frame of a run is the one that says it has finished; later ones replace it.
        elapsed = (time.perf_counter() - sent[0]) * 1000
        if scripts and scripts_turn[0] == sent[0]:
            scripts[-1] = elapsed
        else:
            scripts.append(elapsed)
            scripts_turn[0] = sent[0]

    scripts_turn = [0.0]
    page.on("websocket", on_socket)
    page.set_viewport_size({"width": 1280, "height": 860})
    page.goto(f"{url}/?page_size={size}")
    page.get_by_label("Name").fill(ADMIN_USERNAME)
    page.get_by_label("Password", exact=True).fill(ADMIN_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.locator(".st-key-footer").wait_for()
    page.wait_for_timeout(2000)
    return page, scripts


if __name__ == "__main__":
    main()
