"""docs/hosts/: on each public application's tables runs are listed, found and opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.errors import NotAdminError, WrongPasswordError
from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from tests.docs.hosts.public_hosts import RUNS, Listed
from tests.hosts import HASH, PASSWORD

if TYPE_CHECKING:
    from runmanager.records import Actor, RunSummary
    from runmanager.service import RunManager
    from tests.docs.hosts.public_hosts import PublicDatabase

# Where a bcrypt hash can be put; deer-flow's own are of another kind.
HASHES = {
    "original": "users",
    "aegra": "runmanager.users",
    "langgraph-platform": "runmanager.users",
    "chainlit": "runmanager.admins",
    "fastapi-template": None,
    "opengpts": "runmanager.admins",
    "saver": "runmanager.users",
}
ALL = PageRequest(1, 200)


def shown(run: RunSummary) -> Listed:
    """What the list shows of a run."""
    return Listed(
        run.thread_id,
        run.name,
        run.status,
        run.created_at,
        run.username,
        run.workspace_id,
        run.workspace_name,
    )


def found(manager: RunManager, admin: Actor, run_filter: RunFilter) -> list[Listed]:
    """All runs that a filter finds, once in one list and once by browsing."""
    listed = manager.finding.list_runs(admin, run_filter, ALL)
    browsed = manager.finding.browse(admin, run_filter, ALL)
    assert listed.total == len(listed.items)
    assert listed.items == browsed.items
    return [shown(run) for run in listed.items]


def test_its_pages_show_every_run_once_as_its_own_tables_have_it(
    host: PublicDatabase, manager: RunManager, admin: Actor
) -> None:
    seen: list[Listed] = []
    for number in range(1, 6):
        page = manager.finding.list_runs(admin, RunFilter(), PageRequest(number, 10))
        assert page.total == RUNS
        seen += [shown(run) for run in page.items]
    assert seen == host.listed()
    assert len({run.thread_id for run in seen}) == RUNS


def test_runs_are_found_by_their_user(
    host: PublicDatabase, manager: RunManager, admin: Actor
) -> None:
    expected = [run for run in host.listed() if run.username == "kate"]
    assert len(expected) == RUNS / 2
    assert found(manager, admin, RunFilter(username="kate")) == expected
    assert "kate" in manager.finding.usernames(admin)


def test_runs_are_found_by_their_workspace(
    host: PublicDatabase, manager: RunManager, admin: Actor
) -> None:
    workspaces = {(run.workspace_id, run.workspace_name) for run in host.listed()}
    offered = {(one.value, one.name) for one in manager.finding.workspaces(admin)}
    assert offered == {one for one in workspaces if one[0] is not None}
    for workspace_id, _name in offered:
        expected = [run for run in host.listed() if run.workspace_id == workspace_id]
        assert found(manager, admin, RunFilter(workspace=workspace_id)) == expected


def test_runs_are_found_by_a_word_of_their_name_and_a_part_of_their_id(
    host: PublicDatabase, manager: RunManager, admin: Actor
) -> None:
    runs = host.listed()
    expected = [run for run in runs if "payroll" in (run.name or "").lower()]
    assert len(expected) == RUNS / 4
    assert found(manager, admin, RunFilter(search="PAYROLL")) == expected
    part = runs[5].thread_id[2:].upper()
    expected = [run for run in runs if part.lower() in run.thread_id.lower()]
    assert runs[5] in expected
    assert found(manager, admin, RunFilter(search=part)) == expected


def test_a_run_is_opened_with_its_checkpoints(
    host: PublicDatabase, manager: RunManager, admin: Actor
) -> None:
    for expected in host.listed()[::9]:
        thread_id = expected.thread_id
        run = manager.reviewing.run(admin, thread_id)
        assert run.has_row
        assert shown(run.summary) == expected
        checkpoints = manager.reviewing.checkpoints(admin, thread_id, ALL)
        assert checkpoints.total == host.rows_of("checkpoints", [thread_id]) > 0
        first = checkpoints.items[0]
        assert first.checkpoint_id is not None
        opened = manager.reviewing.checkpoint(
            admin, thread_id, first.namespace, first.checkpoint_id
        )
        ((writes,),) = host.execute(
            "SELECT count(*) FROM checkpoint_writes"
            " WHERE thread_id::text = %s AND checkpoint_id::text = %s",
            thread_id,
            first.checkpoint_id,
        )
        assert len(opened.writes) == first.writes == writes > 0
        blobs = manager.reviewing.blobs(admin, thread_id, ALL)
        assert blobs.total == host.rows_of("checkpoint_blobs", [thread_id]) > 0


def test_an_admin_signs_in_where_the_users_have_a_bcrypt_hash(
    host: PublicDatabase, manager: RunManager, admin: Actor
) -> None:
    if host.of.name in HASHES:
        table = HASHES[host.of.name]
        if table is not None:
            host.execute(f"UPDATE {table} SET password_hash = %s", HASH)  # noqa: S608
        signed_in = manager.signing_in.sign_in("ada", PASSWORD)
        assert signed_in.actor == admin
    else:
        with pytest.raises(WrongPasswordError):
            manager.signing_in.sign_in("ada", PASSWORD)
    with pytest.raises((WrongPasswordError, NotAdminError)):
        manager.signing_in.sign_in("kate", PASSWORD)
