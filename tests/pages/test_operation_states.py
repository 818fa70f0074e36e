"""Operations that did not go as they should: each is drawn, with what can be done about it."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pages.parts import session
from runmanager.records import OperationState
from tests.archives import mounted
from tests.hosts import connect, fill
from tests.outage import deletions_wait_at, is_waiting
from tests.pages.conftest import Visitor
from tests.pages.test_deletion import said
from tests.pages.test_operations import listed, opened
from tests.polling import wait_until
from tests.roles import DELETER, grants_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runmanager.records import OperationView
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter
    from tests.roles import Roles


# What compresses to nothing would fit.
TOO_MUCH = (
    "INSERT INTO logs (thread_id, message) SELECT %s, string_agg(md5(random()::text), '')"
    " FROM generate_series(1, 90000)"
)
WAITS_FOR_TABLE = "SELECT 1 FROM pg_locks WHERE relation = 'checkpoints'::regclass AND NOT granted"
ABOUT = (
    r"\*\*[\d,]+ runs\*\* and every trace of them will be deleted: about "
    r"\*\*[\d,]+ rows\*\*, [\d.]+ .B( \(± \S+ %\))?\."
)


@pytest.fixture
def manager(open_manager: OpenManager) -> RunManager:
    """Run Manager, which waits for a lock for as long as a test holds it."""
    return open_manager(lock_timeout=60)


def deleted_while(
    ada: Visitor, host: HostWriter, act: Callable[[], object], *thread_ids: str
) -> OperationView:
    """Delete these; ``act`` just before the first of them loses its own row, the last of it."""
    with deletions_wait_at(host, thread_ids[0]):
        ada.at().tick(*thread_ids).press("delete_selected").press("confirm_deletion")
        wait_until(lambda: is_waiting(host))
        act()
    ada.finish_deletion()
    return ada.operations[0]


def as_the_role_of_the_page(open_manager: OpenManager, roles: Roles) -> tuple[Visitor, str]:
    """Ada, where Run Manager has the rights of docs/own-database.md and no more; and its role."""
    role = roles.of_the_page(DELETER)
    manager = open_manager(roles.url(role), lock_timeout=60)
    session.provide(manager)
    return Visitor(manager).signed_in_as("ada"), role


def test_what_a_worker_still_writes_came_back_and_can_be_deleted_from_the_receipt(
    ada: Visitor, host: HostWriter
) -> None:
    run, other = host.add_runs(2)
    operation = deleted_while(
        ada, host, lambda: host.add_traces(run, checkpoints=0, blobs=0, logs=5), run, other
    )
    assert listed(ada)[0][2] == "2 runs deleted, 5 rows came back"
    opened(ada, operation)
    assert ":red-badge[came back] **1 run, 5 rows, still written by a worker.**" in said(ada)
    assert "5 logs" in ada.texts
    assert "nothing of these runs is left" not in said(ada)
    assert ada.app.button(key="delete_came_back").label == "Delete 1 run that came back"
    ada.press("delete_came_back")
    assert "1 run left only orphan rows: those are cleaned up." in said(ada)
    ada.look().press("confirm_deletion").finish_deletion()
    assert host.is_gone(run)
    assert "nothing of these runs is left." in said(opened(ada, ada.operations[0]))
    assert not ada.has_button("delete_came_back")


def test_what_could_not_be_looked_at_again_is_never_said_to_be_gone(
    host: HostWriter, open_manager: OpenManager
) -> None:
    session.provide(open_manager(statement_timeout=0.5, lock_timeout=60))
    ada = Visitor(session.service()).signed_in_as("ada")
    (run,) = host.add_runs(1)
    with connect(host.url) as other, ThreadPoolExecutor() as threads:
        other.autocommit = False

        def stand_in_line() -> None:
            # It has the table as soon as the deletion has committed, before anybody looks again.
            threads.submit(other.execute, "LOCK TABLE checkpoints IN ACCESS EXCLUSIVE MODE")
            wait_until(lambda: bool(host.execute(WAITS_FOR_TABLE)))

        operation = deleted_while(ada, host, stand_in_line, run)
        other.rollback()
    assert host.is_gone(run)
    assert listed(ada)[0][2] == "1 run deleted, could not look again"
    opened(ada, operation)
    assert ":orange-badge[could not look] **Whether nothing is left is not known.**" in said(ada)
    assert "Whether a worker has written more since then could not be looked at." in ada.texts
    assert "nothing of these runs is left" not in said(ada)
    assert not ada.has_button("delete_came_back")


def test_an_archive_that_goes_away_stops_the_deletion_which_says_so_and_can_go_on(
    ada: Visitor, host: HostWriter, state_dir: Path
) -> None:
    (run,) = host.add_runs(1)
    place = state_dir / "archive"
    away = place.with_name("away")
    operation = deleted_while(ada, host, lambda: place.rename(away), run)
    assert operation.state is OperationState.PAUSED
    opened(ada, operation)
    assert "‖ paused" in ada.status
    (doing,) = [one for one in ada.texts if one.startswith("Deleting:")]
    assert doing.startswith("Deleting: 0 of 1 run · Paused. ")
    assert "then try again" in doing
    assert str(place) not in doing or not place.exists()
    assert not host.is_gone(run)
    assert [result for _state, _what, result, _by in listed(ada)] == [
        doing.removeprefix("Deleting: ").replace(" of 1 run", " of 1")
    ]
    away.rename(place)
    opened(ada, operation).press("resume_operation").finish_deletion()
    assert "**1 run deleted**" in said(opened(ada, operation))
    assert host.is_gone(run)


def test_where_no_copy_can_be_kept_it_is_said_before_and_only_without_one_it_begins(
    host: HostWriter, open_manager: OpenManager, tmp_path: Path
) -> None:
    (run,) = host.add_runs(1)
    host.execute(TOO_MUCH, run)
    with mounted(tmp_path / "disk"):
        manager = open_manager(archive=str(tmp_path / "disk"), active_minutes=0)
        session.provide(manager)
        ada = Visitor(manager).signed_in_as("ada")
        ada.at().tick(run).press("delete_selected")
        assert "**A copy cannot be kept.**" in said(ada)
        assert any("free" in one and "disk" not in one for one in ada.texts)
        assert ada.app.button(key="confirm_deletion").disabled
        ada.app.checkbox(key="keep_no_copy").check()
        assert not ada.look().app.button(key="confirm_deletion").disabled
        ada.press("confirm_deletion").finish_deletion()
        assert host.is_gone(run)
        manager.close()


def test_what_undo_lacks_is_said_before_the_deletion_and_stops_the_restore_until_it_is_granted(
    host: HostWriter, open_manager: OpenManager, roles: Roles
) -> None:
    ada, role = as_the_role_of_the_page(open_manager, roles)
    roles.revoke(role, "INSERT ON checkpoints")
    (run,) = host.add_runs(1)
    before = host.contents()
    ada.at().tick(run).press("delete_selected")
    at = ada.texts.index("To undo it, this would be needed first:")
    needed = ada.texts[at + 1]
    assert "The database role may not put rows back into “checkpoints”" in needed
    assert not ada.app.button(key="confirm_deletion").disabled
    ada.press("confirm_deletion").finish_deletion()
    assert host.is_gone(run)
    ada.press("undo")
    assert ada.app.button(key="confirm_restore").disabled
    assert any("may not put rows back into “checkpoints”" in one for one in ada.texts)
    ada.press("cancel_restore")
    for grant in grants_in(needed):
        host.execute(grant)
    ada.press("undo").finish_deletion()
    assert "**1 run restored**" in said(ada)
    assert host.contents() == before


def test_what_is_counted_from_a_sample_is_said_to_be_about(ada: Visitor, host: HostWriter) -> None:
    fill(host, 10_002)
    ada.at().press("select_page").press("select_all").press("delete_selected")
    headline = next(one.value for one in ada.app.markdown if "every trace" in str(one.value))
    assert re.fullmatch(ABOUT, str(headline)), headline
    assert "Runs that write in these minutes are left out as it goes on." in said(ada)
