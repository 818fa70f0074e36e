"""While Run Manager's own store is away: runs are listed, and what is missing is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pages.parts import session
from runmanager.paging import PageRequest
from runmanager.work import turns
from tests.database.test_store_faults import away, in_postgres
from tests.outage import deletions_wait_at, is_waiting
from tests.pages.conftest import Visitor
from tests.polling import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy as sa

    from tests.conftest import OpenManager
    from tests.hosts import HostWriter
    from tests.stores import StorePlace

CANNOT = "Run Manager's store cannot be reached"


@pytest.fixture
def visitor_of_two(
    open_manager: OpenManager,
    store_place: StorePlace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Visitor, sa.URL]:
    """Ada, where the store is a PostgreSQL database; and its address."""
    assert store_place.url is not None
    monkeypatch.setattr(turns, "FIRST_WAIT_SECONDS", 0.1)
    archive = str(tmp_path / "archive")
    manager = open_manager(state_url=store_place.url, archive=archive, lock_timeout=60)
    session.provide(manager)
    return Visitor(manager).signed_in_as("ada"), store_place.url


@in_postgres
def test_runs_are_listed_and_the_bar_says_what_cannot_be_looked_at(
    visitor_of_two: tuple[Visitor, sa.URL], host: HostWriter
) -> None:
    ada, url = visitor_of_two
    runs = host.add_runs(3)
    with deletions_wait_at(host, runs[0]):
        ada.at().tick(runs[0]).press("delete_selected").press("confirm_deletion")
        wait_until(lambda: is_waiting(host))
        with away(url):
            ada.look()
            assert set(ada.rows) == set(runs)
            assert any(text.startswith(CANNOT) for text in ada.texts)
            ada.at("operations.py")
            assert any(CANNOT in text for text in ada.texts)
            assert str(url.database) not in ada.everything
    # It has gone on by itself, and the page finds it.
    service = session.service().operations

    def is_over() -> bool:
        ended = service.list(ada.actor, PageRequest()).items
        return [one.is_over and one.done == 1 for one in ended] == [True]

    wait_until(is_over)
    assert set(ada.at().rows) == set(runs[1:])
    assert not any(text.startswith(CANNOT) for text in ada.texts)
    ada.at("operations.py")
    assert not any(CANNOT in text for text in ada.texts)
    assert len(ada.tables("State", "Runs")[0]) == 1


@in_postgres
def test_nothing_is_begun_that_cannot_be_written_down(
    visitor_of_two: tuple[Visitor, sa.URL], host: HostWriter
) -> None:
    ada, url = visitor_of_two
    (run,) = host.add_runs(1)
    ada.at().tick(run).press("delete_selected")
    with away(url):
        ada.press("confirm_deletion")
        assert any(CANNOT in text for text in ada.texts)
    assert not host.is_gone(run)
    ada.look()
    assert ada.operations == ()
