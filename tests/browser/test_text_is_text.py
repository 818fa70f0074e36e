"""In a browser, too, what the host or an address says is text: it links, draws and runs nothing.

Every hostile text stands in the list, and all of them in each place of two runs' pages. The long
form, with each text in each place by itself, is ``python -m tests.security.texts``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.dashboard import Dashboard
from tests.browser.hostile import (
    Seen,
    look_at_address,
    look_at_deletion,
    look_at_list,
    look_at_run,
)
from tests.hostile_host import FAILS, add_hostile_run, add_hostile_runs, add_names
from tests.hosts import HostWriter, connect
from tests.processes import AppProcess, settings_for
from tests.texts import HOSTILE, together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import BrowserContext

    from tests.conftest import Server
    from tests.hosts import Shape

GROUPS = 2


@pytest.fixture
def host(server: Server, shape: Shape) -> Iterator[HostWriter]:
    """A host of its own: what it calls its tables and columns is hostile as well."""
    database = server.create(shape)
    with connect(server.url(database, shape)) as connection:
        host = HostWriter(shape, server.url(database, shape), connection)
        add_names(host)
        yield host
    server.drop(database)


@pytest.fixture
def app(host: HostWriter, tmp_path: Path) -> Iterator[AppProcess]:
    """Run Manager on that host."""
    # Its runs write at this moment.
    settings = settings_for(host.url) | {"RUNMANAGER_ACTIVE_MINUTES": "0"}
    running = AppProcess(tmp_path / "log", settings).ready()
    yield running
    running.stop()


def test_hostile_texts_stay_text_in_every_place(
    host: HostWriter, app: AppProcess, new_context: Callable[..., BrowserContext]
) -> None:
    combined = [together(HOSTILE[first::GROUPS]) for first in range(GROUPS)]
    parent = add_hostile_runs(host, HOSTILE)[0]
    runs = [add_hostile_run(host, text, 100 + n, parent) for n, text in enumerate(combined)]
    host.add_trigger("run_metadata", FAILS)
    # Without the policy of ours: what it would have stopped is seen as well.
    ada = Dashboard(new_context(bypass_csp=True), app.url).signed_in_as("ada")
    seen = Seen()
    seen.watch(ada.page, app.url)
    look_at_list(ada, seen)
    for run in runs:
        look_at_run(ada, seen, run)
    look_at_deletion(ada, seen)
    look_at_address(ada, seen, combined[0][:1500])
    assert seen.found == []
    assert seen.foreign == []
    assert seen.scripts == 0
    assert ada.complaints == []
    # It was all there to be seen.
    assert seen.marks >= {one.mark for one in HOSTILE}
