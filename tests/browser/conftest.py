"""A browser and a running Run Manager for each worker, fresh cookies and rows for each test."""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.dashboard import Dashboard
from tests.browser_needed import WHAT_TO_DO, find_browser
from tests.hosts import HostWriter, connect
from tests.processes import AppProcess, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    import psycopg
    import sqlalchemy as sa
    from playwright.sync_api import Browser, BrowserContext

    from tests.conftest import Server
    from tests.hosts import Shape

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDE = {"width": 1280, "height": 800}
expect.set_options(timeout=15_000)


class Site:
    """A host's database with Run Manager on it."""

    def __init__(self, shape: Shape, url: sa.URL, log: Any) -> None:
        self._shape = shape
        self._url = url
        self._connection: psycopg.Connection[Any] = connect(url)
        # Ids are never used twice: what an earlier test started belongs to another admin.
        self._numbers = count(1)
        self.app = AppProcess(log, settings_for(url)).ready()

    def emptied(self) -> HostWriter:
        """The database without a row but that of an admin who can sign in."""
        self._connection.execute("DROP TABLE IF EXISTS invoices")
        self._connection.execute("DROP TRIGGER IF EXISTS gate ON run_metadata")
        # One at a time: a page of the test before may still be reading, and waits for nothing
        # that this holds.
        for table in (*self._shape.tables, "users", "workspaces"):
            self._connection.execute(f"TRUNCATE {table}".encode())
        return HostWriter(self._shape, self._url, self._connection, _numbers=self._numbers)

    def close(self) -> None:
        """End the process and the connection."""
        self.app.stop()
        self._connection.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser."""
    program = find_browser()
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(WHAT_TO_DO)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def sites(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Shape], Site]]:
    """Opens a site of one shape, once."""
    opened: dict[Shape, Site] = {}

    def open_site(shape: Shape) -> Site:
        if shape not in opened:
            url = server.url(server.create(shape), shape)
            opened[shape] = Site(shape, url, tmp_path_factory.mktemp(shape.name) / "log")
        return opened[shape]

    yield open_site
    for site in opened.values():
        site.close()


@pytest.fixture
def site(chromium: Browser, sites: Callable[[Shape], Site], shape: Shape) -> Site:
    """The site of the test's shape; without a browser none is needed."""
    return sites(shape)


@pytest.fixture
def host(site: Site) -> HostWriter:
    """The site's database, emptied."""
    return site.emptied()


@pytest.fixture
def new_context(chromium: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Opens browser contexts: each has its own cookies."""
    opened: list[BrowserContext] = []

    def open_context(**options: Any) -> BrowserContext:
        opened.append(chromium.new_context(**{"viewport": WIDE} | options))
        return opened[-1]

    yield open_context
    for context in opened:
        context.close()


@pytest.fixture
def tab(
    site: Site, host: HostWriter, new_context: Callable[..., BrowserContext]
) -> Callable[..., Dashboard]:
    """Opens tabs, each in a browser context of its own; ``of`` is who has signed in before."""

    def open_tab(of: str | None = "ada", base: str | None = None, **options: Any) -> Dashboard:
        opened = Dashboard(new_context(**options), base or site.app.url)
        return opened.signed_in_as(of) if of else opened

    return open_tab
