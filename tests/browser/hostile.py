"""Goes wherever a hostile host's texts are shown, and looks at what the browser makes of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playwright.sync_api import expect

from tests.browser.grid import Grid
from tests.texts import FOREIGN, MARK, OWNED

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Page, Request, Route

    from tests.browser.dashboard import Dashboard

# What of the host's text has become anything but text: Markdown, a tag, a link, an icon, a script.
_LOOK = f"""() => {{
  const mark = /{MARK}/, found = [];
  const tags = "a,b,strong,em,i,u,s,del,h1,h2,h3,h4,h5,h6,blockquote,li,sup,sub,label,style,script";
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {{
    const parent = texts.currentNode.parentElement, text = texts.currentNode.data;
    if (mark.test(text)) {{
      // A chip is a button, and its label Markdown, in which every sign has been escaped.
      if (parent.closest('[data-testid="stMarkdownContainer"]')
          && !parent.closest("[class*='st-key-chip-']")) found.push("Markdown: " + text);
      const tag = parent.closest(tags);
      if (tag) found.push(tag.tagName + ": " + text);
    }}
    if (/\\u{{1F480}}/u.test(text)) found.push("emoji: " + text);
  }}
  for (const one of document.querySelectorAll(
      "a[href],img,iframe,script[src],link,form,source,object,embed,base,svg,video,audio")) {{
    const where = ["href", "src", "action", "data", "srcset", "alt", "onload"]
      .map((name) => one.getAttribute(name) || "").join(" ");
    if (where.includes("{FOREIGN}") || where.includes("{OWNED}") || /streamlit.*logo/i.test(where))
      found.push(one.tagName + " to " + where);
  }}
  for (const one of document.querySelectorAll("[data-testid='stIconMaterial']"))
    if (/skull/.test(one.textContent)) found.push("icon: " + one.textContent);
  for (const one of document.querySelectorAll(
      ".katex,.stMarkdownBadge,.stMarkdownColoredText,.stMarkdownColoredBackground"))
    if (!/^(Error|error|check_circle|running)$/.test(one.textContent))
      found.push("styled: " + one.textContent);
  for (const one of document.querySelectorAll("[data-testid='stHtml'] .run-status *"))
    found.push("inside a status: " + one.outerHTML);
  for (const one of document.querySelectorAll("*"))
    for (const attribute of one.attributes)
      if (/^on/.test(attribute.name)) found.push(attribute.name + ": " + attribute.value);
  if (window.{OWNED}) found.push("a script has run");
  if (window.polluted || {{}}.polluted) found.push("the prototype of all objects was changed");
  return found;
}}"""
_SHOWN = f"() => document.documentElement.outerHTML.match(/{MARK}/g) || []"


@dataclass
class Seen:
    """What was looked at, and what was found there that is not text."""

    places: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    marks: set[str] = field(default_factory=set)
    shown: int = 0
    scripts: int = 0
    foreign: list[str] = field(default_factory=list)

    def watch(self, page: Page, base: str) -> None:
        """Listen for dialogs, and for requests to anybody else, which are not let out."""
        own = urlsplit(base).netloc

        def hear(dialog: Dialog) -> None:
            self.scripts += 1
            dialog.dismiss()

        def note(request: Request) -> None:
            address = urlsplit(request.url)
            if address.scheme not in {"data", "blob"} and address.netloc != own:
                self.foreign.append(request.url)

        def hold(route: Route) -> None:
            is_own = urlsplit(route.request.url).netloc == own
            (route.continue_ if is_own else route.abort)()

        page.on("dialog", hear)
        page.on("request", note)
        page.on("popup", lambda one: self.foreign.append(one.url))
        page.route("**/*", hold)

    def look(self, ada: Dashboard, place: str) -> None:
        """Look at what is on the screen, which is ``place``."""
        self.places.append(place)
        found: list[str] = ada.page.evaluate(_LOOK)
        self.scripts += found.count("a script has run")
        self.found += [f"{place}: {one[:200]}" for one in found]
        shown: list[str] = ada.page.evaluate(_SHOWN)
        self.shown += len(set(shown))
        self.marks |= set(shown)


def look_at_list(ada: Dashboard, seen: Seen) -> None:
    """The list, what its filters offer, and what is said when one of them is chosen."""
    ada.visit("/", page_size="200")
    expect(ada.runs.root).to_be_visible()
    ada.settle()
    seen.look(ada, "list")
    for label in ("User", "Workspace", "Model"):
        ada.visit("/", page_size="10")
        expect(ada.runs.root).to_be_visible()
        ada.settle()
        ada.page.get_by_test_id("stSidebar").get_by_role("combobox", name=label).click()
        options = ada.page.get_by_role("option")
        expect(options.first).to_be_visible()
        seen.look(ada, f"what {label} offers")
        options.filter(has_text=re.compile(MARK)).first.click()
        expect(ada.chips).to_have_count(1)
        ada.settle()
        seen.look(ada, f"{label} chosen")


def look_at_run(ada: Dashboard, seen: Seen, thread_id: str) -> None:
    """A run's page, with a line of its log and a checkpoint opened."""
    ada.visit("/run", id=thread_id)
    expect(ada.page.get_by_text("Rows and bytes")).to_be_visible()
    ada.settle()
    seen.look(ada, "run")
    for pager, area in (("log_page", "log-line"), ("checkpoint_page", "opened-checkpoint")):
        _table(ada, pager).choose(0)
        expect(ada.area(area)).to_be_visible()
        ada.settle()
        seen.look(ada, area)


def look_at_deletion(ada: Dashboard, seen: Seen) -> None:
    """The confirmation of the deletion of the run that is shown, and its result: it is refused."""
    ada.press("Delete this run")
    expect(ada.dialog.get_by_text("will be deleted")).to_be_visible()
    ada.settle()
    seen.look(ada, "confirmation")
    for name in ("Left out", "Tables", "Kept and left behind"):
        ada.dialog.get_by_role("tab", name=name).click()
        ada.settle()
        seen.look(ada, f"confirmation, {name}")
    ada.confirm("Delete 1 run")
    expect(ada.area("result")).to_be_visible(timeout=30_000)
    ada.settle()
    seen.look(ada, "result")


def look_at_address(ada: Dashboard, seen: Seen, text: str) -> None:
    """Addresses that say ``text`` wherever they can."""
    names = (
        "username", "workspace", "model", "without", "kind", "status", "since", "until", "error",
        "longer_than", "sort", "columns", "page", "page_size", "x",
    )  # fmt: skip
    for place, path, query in (
        ("address of a search", "/", {"search": text}),
        ("address of a status", "/", {"status": text}),
        ("address of an error", "/", {"error": text}),
        ("address of a list", "/", dict.fromkeys(names, text)),
        ("address of a run", "/run", {"id": text}),
    ):
        ada.visit(path, **query)
        expect(ada.page.locator(".st-key-heading, .st-key-top").first).to_be_visible()
        ada.settle()
        seen.look(ada, place)


def _table(ada: Dashboard, pager: str) -> Grid:
    root = ada.page.locator(f"[class*='st-key-whole-{pager}'] [data-testid='stDataFrame']")
    # Far below the window a table is not drawn.
    root.scroll_into_view_if_needed()
    return Grid(ada.page, root)
