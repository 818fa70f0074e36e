"""axe-core of npm, put into a page: it looks there for what keeps people with disabilities out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from tests.browser.dashboard import IS_QUIET
from tests.npm import install

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER = Path(__file__).with_name("axe")
# The background of each theme: a page follows the viewer's system, and takes a moment for it.
BACKGROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 22, 28)"}
_SERIOUS = frozenset({"serious", "critical"})
_RUN = """() => axe.run(document, {resultTypes: ["violations"]}).then(
  ({ passes, violations }) => ({ passes: passes.length, violations }))"""


class Axe:
    """Looks at pages, and keeps the serious faults that it has found."""

    def __init__(self) -> None:
        install(FOLDER)
        self._source = (FOLDER / "node_modules" / "axe-core" / "axe.min.js").read_text()
        self.faults: list[str] = []

    def look(self, page: Page, place: str) -> None:
        """Look at what is on the screen, which is ``place``, in the light and the dark theme."""
        for scheme, background in BACKGROUNDS.items():
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # no Literal here
            shown = page.locator("[data-testid='stApp'], body:not(:has([data-testid='stApp']))")
            expect(shown).to_have_css("background-color", background)
            if page.get_by_test_id("stApp").count():
                # The script runs once more, for the labels that it tints itself.
                page.evaluate("new Promise(seen => setTimeout(seen, 200))")
                page.wait_for_function(IS_QUIET, arg=0)
            # A script that is typed into the console, so to say: the page's policy allows no other.
            page.evaluate(self._source)
            found: dict[str, Any] = page.evaluate(_RUN)
            assert found["passes"], f"nothing was looked at on {place}"
            self.faults += [
                f"{place}, {scheme}: {one['id']} ({one['impact']}): {node['target']} "
                f"{node['failureSummary']}"
                for one in found["violations"]
                if one["impact"] in _SERIOUS
                for node in one["nodes"]
            ]
