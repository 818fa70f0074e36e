"""Takes the README's pictures from a fresh demo: run as ``python -m tests.browser.screenshot``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect, sync_playwright

from runmanager.demo.people import ADMIN_PASSWORD, ADMIN_USERNAME
from tests.browser.conftest import ARGUMENTS
from tests.browser.dashboard import Dashboard
from tests.browser_needed import WHAT_TO_DO, find_browser
from tests.processes import ROOT, AppProcess

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DOCS = ROOT / "docs"
SIZE = {"width": 1440, "height": 900}


def main() -> int:
    """Start the demo, take the pictures, and put them into docs/."""
    program = find_browser()
    if program is None:
        sys.stderr.write(f"{WHAT_TO_DO}\n")
        return 1
    DOCS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        app = AppProcess(
            Path(directory, "log"), {"RUNMANAGER_DEMO_DIR": str(Path(directory, "demo"))}
        )
        try:
            app.ready()
            browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
            _take_list(browser, app.url, DOCS / "screenshot.png")
            _take_confirmation(browser, app.url, DOCS / "screenshot-dark.png")
            browser.close()
        finally:
            app.stop()
    return 0


def _signed_in(browser: Browser, base: str, scheme: str, **query: str) -> Dashboard:
    # Not a Literal for Playwright's stubs: "light" or "dark".
    context = browser.new_context(viewport=SIZE, color_scheme=scheme)  # type: ignore[arg-type]
    ada = Dashboard(context, base).visit("/", **query)
    ada.fill_form(ADMIN_USERNAME, ADMIN_PASSWORD)
    expect(ada.area("heading")).to_be_visible(timeout=30_000)
    ada.settle()
    return ada


def _select_some(ada: Dashboard) -> None:
    for row in (1, 2, 4):
        ada.runs.tick(row)
    expect(ada.button("Delete 3")).to_be_visible()


def _take_list(browser: Browser, base: str, file: Path) -> None:
    ada = _signed_in(browser, base, "light", username="kate")
    _select_some(ada)
    # There and back: no cell is marked any more, and the ticks stay.
    ada.turn_page()
    expect(ada.area("footer")).to_contain_text("51–")  # noqa: RUF001
    ada.turn_page("Page 1")
    expect(ada.area("footer")).to_contain_text("1–50")  # noqa: RUF001
    ada.settle()
    ada.page.mouse.move(900, 20)
    ada.page.screenshot(path=file)


def _take_confirmation(browser: Browser, base: str, file: Path) -> None:
    ada = _signed_in(browser, base, "dark", username="kate", kind="failed")
    _select_some(ada)
    ada.ask_to_delete_selected(3)
    ada.settle()
    ada.page.screenshot(path=file)


if __name__ == "__main__":
    raise SystemExit(main())
