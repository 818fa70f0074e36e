"""When the database goes away under a page: it says so, and recovers at "Try again"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pages.parts import session
from tests.outage import away
from tests.pages.conftest import Visitor
from tests.pages.found import PAGE_NAMES

if TYPE_CHECKING:
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter


@pytest.mark.parametrize("page", PAGE_NAMES)
def test_a_page_says_that_the_database_is_away_and_recovers(
    ada: Visitor, host: HostWriter, provided: RunManager, page: str
) -> None:
    run = host.add_run()
    provided.deleting.delete(ada.actor, [host.add_run()], include_running=False)
    ada.at(page, id=run)
    with away(host):
        ada.look()
        assert "**The database did not answer**" in [one.value for one in ada.app.markdown]
        assert [button.label for button in ada.app.button] == ["Try again"]
        assert not list(ada.app.dataframe)
        assert "host=" not in ada.everything
        assert "runmanager:" not in ada.everything
    ada.press("try_again")
    assert not ada.has_button("try_again")
    assert list(ada.app.dataframe)


def test_the_page_names_the_error_by_the_id_that_the_log_has(
    ada: Visitor, host: HostWriter, caplog: pytest.LogCaptureFixture
) -> None:
    ada.at()
    with away(host):
        ada.look()
    told = re.search(r"The database cannot be reached\..* \(error (\w{8})\)", "\n".join(ada.texts))
    assert told is not None
    assert re.search(rf"DatabaseAwayError from .*, by \S+:\d+ \(error {told[1]}\)", caplog.text)
    assert "host=" not in caplog.text


def test_a_selection_outlives_it(ada: Visitor, host: HostWriter) -> None:
    ids = host.add_runs(2)
    ada.at().tick(*ids)
    with away(host):
        ada.look()
    ada.press("try_again")
    assert ada.selection == set(ids)


def test_nothing_is_deleted_by_a_confirmation_that_met_it(ada: Visitor, host: HostWriter) -> None:
    (run,) = host.add_runs(1)
    ada.at().tick(run).press("delete_selected")
    with away(host):
        ada.app.button(key="confirm_deletion").click()
        ada.look()
    ada.press("try_again")
    assert not host.is_gone(run)
    assert ada.has_button("confirm_deletion") or ada.has_button("delete_selected")


def test_a_slow_database_is_stopped_and_said_to_be_slow(
    host: HostWriter, open_manager: OpenManager
) -> None:
    manager = open_manager(statement_timeout=0.2)
    session.provide(manager)
    host.add_run()
    ada = Visitor(manager).signed_in_as("ada").at()
    host.execute("ALTER TABLE run_metadata RENAME TO runs_inside")
    host.execute("CREATE VIEW run_metadata AS SELECT r.* FROM runs_inside r, pg_sleep(60)")
    ada.look()
    assert "**The database did not answer**" in [one.value for one in ada.app.markdown]
    assert any("took too long" in one for one in ada.texts)


@pytest.mark.parametrize("button", ["fold_histogram", "columns_reset"])
def test_what_an_admin_chooses_meanwhile_is_no_error_of_our_own(
    ada: Visitor, host: HostWriter, button: str
) -> None:
    host.add_run()
    ada.at()
    with away(host):
        # A traceback of the page's own fails this.
        ada.press(button)
    assert list(ada.look().app.dataframe)
