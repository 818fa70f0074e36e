"""Right after a start, by either command, nobody sees anything but the sign-in form."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.dashboard import Dashboard
from tests.pages.found import page_files
from tests.processes import PYTHON_APP, AppProcess, address, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import BrowserContext

    from tests.hosts import HostWriter

STREAMLIT_RUN = (sys.executable, "-m", "streamlit", "run", "app.py")


@pytest.mark.parametrize("command", [PYTHON_APP, STREAMLIT_RUN], ids=["python", "streamlit run"])
def test_nobody_sees_anything_right_after_a_start(
    host: HostWriter,
    new_context: Callable[..., BrowserContext],
    tmp_path: Path,
    command: tuple[str, ...],
) -> None:
    host.add_run("secret-run", name="Merger talks", user="kate")
    app = AppProcess(tmp_path / "log", settings_for(host.url), command).ready()
    try:
        visitor = Dashboard(new_context(), app.url)
        pages = [f"/{path.stem}?id=secret-run" for path in page_files()]
        for path in (*pages, "/shell", "/"):
            visitor.visit(path)
            visitor.expect_only_sign_in()
            expect(visitor.page.get_by_text("Merger talks")).to_have_count(0)
            expect(visitor.page.get_by_text("kate")).to_have_count(0)
        app.process.send_signal(signal.SIGTERM)
        app.process.wait(20)
        assert "Traceback" not in app.said
        assert address(host.url) not in app.said
    finally:
        app.stop()
