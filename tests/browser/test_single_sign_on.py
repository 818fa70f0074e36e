"""Single sign-on in a real browser, which holds back what a policy does not allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.dashboard import Dashboard
from tests.entrance.openid_provider import RealProvider
from tests.processes import AppProcess, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import BrowserContext

    from tests.hosts import HostWriter


def test_a_click_leads_to_the_provider_and_back_and_another_one_out_of_both(
    host: HostWriter, new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    host.add_run("r1")
    host.add_run("r2")
    with RealProvider({"ada-there": {"preferred_username": "ada"}}) as provider:
        settings = settings_for(host.url) | provider.environment
        settings["RUNMANAGER_STATE_DIR"] = str(tmp_path / "state")
        app = AppProcess(tmp_path / "log", settings).ready()
        try:
            provider.start(app.url)
            ada = Dashboard(new_context(), app.url).visit("/", search="r1")
            ada.page.get_by_role("link", name="Sign in with 127.0.0.1").click()
            ada.page.get_by_label("Account").fill("ada-there")
            ada.page.get_by_role("button", name="Continue").click()
            ada.expect_ids("r1")
            ada.settle()
            # What a page has not loaded yet when one signs out is not given out any more.
            expect(ada.page.get_by_role("combobox", name="Rows per page")).to_be_visible()
            expect(ada.page.get_by_role("toolbar", name="Status")).to_be_visible()
            ada.page.get_by_role("button", name="Sign out", exact=True).click()
            ada.page.get_by_role("button", name="Sign out here").click()
            expect(ada.page.get_by_label("Password")).to_be_visible()
            assert ada.page.url == f"{app.url}/"
            assert [one for one in ada.complaints if provider.issuer not in one] == []
            # Both have forgotten it: the way back in leads past the provider's own form.
            ada.page.get_by_role("link", name="Sign in with 127.0.0.1").click()
            expect(ada.page.get_by_label("Account")).to_be_visible()
        finally:
            app.stop()
