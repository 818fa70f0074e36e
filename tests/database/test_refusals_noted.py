"""Whoever asks for an operation and is refused has a line in the audit log: one, by either door."""

from __future__ import annotations

import json
import logging
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from runmanager.errors import (
    ArchiveError,
    DatabaseError,
    InvalidRequestError,
    MissingGrantError,
    NotAdminError,
    OperationNotFoundError,
    OperationStateError,
    OutdatedPlanError,
    PlanExpiredError,
    PlanUsedError,
    RunManagerError,
)
from runmanager.records import Actor, Origin
from runmanager.store.tables import OPERATIONS
from tests.operations import delete, receipt_of, until
from tests.outage import away
from tests.roles import DELETER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter
    from tests.roles import Roles

ASKED: dict[str, Callable[[RunManager, Actor, str], object]] = {
    "deletion": lambda m, a, _one: m.deleting.start_kept(a, "a-plan", origin=Origin.PAGE),
    "retry": lambda m, a, one: m.operations.retry(a, one),
    "restore": lambda m, a, one: m.operations.restore(a, one),
    "undo": lambda m, a, one: m.operations.undo(a, one),
    "purge": lambda m, a, one: m.operations.purge(a, one),
    "pause": lambda m, a, one: m.operations.pause(a, one),
    "resume": lambda m, a, one: m.operations.resume(a, one),
    "stop": lambda m, a, one: m.operations.stop(a, one),
}


@pytest.fixture
def kate(host: HostWriter) -> Actor:
    """Somebody who is no admin any more."""
    return Actor(host.add_user("kate"), "kate")


@pytest.fixture
def refused(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """The lines of refusals by now."""
    caplog.set_level(logging.INFO, "runmanager.audit")

    def read() -> list[dict[str, Any]]:
        lines = [json.loads(one.getMessage()) for one in caplog.records if "audit" in one.name]
        return [line for line in lines if line["event"] == "refused"]

    return read


def deleted(manager: RunManager, admin: Actor, *runs: str) -> str:
    """The id of a deletion of these that has ended."""
    return delete(manager, admin, runs).operation_id


@pytest.mark.parametrize("asked", ASKED)
def test_who_is_no_admin_any_more_has_a_line_for_whatever_they_ask(
    host: HostWriter,
    manager: RunManager,
    admin: Actor,
    kate: Actor,
    refused: Callable[[], list[dict[str, Any]]],
    asked: str,
) -> None:
    operation = deleted(manager, admin, host.add_run())
    with pytest.raises(NotAdminError):
        ASKED[asked](manager, kate, operation)
    (line,) = refused()
    assert line.pop("time")
    assert line.pop("why").startswith("Only active administrators")
    assert line == {
        "event": "refused",
        "asked": "restore" if asked == "undo" else asked,
        "operation": "a-plan" if asked == "deletion" else operation,
        "actor": "kate",
        "actor_id": kate.user_id,
        "how": "page",
    }


@pytest.mark.parametrize("origin", Origin)
def test_a_deletion_that_is_refused_has_one_line_by_either_door(
    host: HostWriter,
    manager: RunManager,
    admin: Actor,
    kate: Actor,
    refused: Callable[[], list[dict[str, Any]]],
    origin: Origin,
) -> None:
    run = host.add_run()
    plan = manager.deleting.plan(admin, [run])
    with pytest.raises(NotAdminError):
        manager.deleting.start(kate, plan, origin=origin)
    (line,) = refused()
    assert (line["asked"], line["operation"], line["how"]) == ("deletion", None, origin.value)
    assert host.count("run_metadata", run) == 1


def test_a_plan_that_is_used_too_old_or_outdated_is_a_refusal(
    host: HostWriter,
    manager: RunManager,
    admin: Actor,
    refused: Callable[[], list[dict[str, Any]]],
) -> None:
    used, old, outdated = (
        manager.deleting.keep(admin, manager.deleting.plan(admin, [run]))
        for run in host.add_runs(3)
    )
    operation = manager.deleting.start(admin, used)
    receipt_of(manager, admin, operation.operation_id)
    with manager._store.write() as connection:
        is_old = OPERATIONS.c.id == old.plan_id
        connection.execute(
            sa.update(OPERATIONS).where(is_old).values(created_at=OPERATIONS.c.created_at - 3601)
        )
    for plan, why in ((used, PlanUsedError), (old, PlanExpiredError)):
        with pytest.raises(why):
            manager.deleting.start(admin, plan)
    host.execute("CREATE TABLE notes (run text REFERENCES run_metadata ON DELETE CASCADE)")
    with pytest.raises(OutdatedPlanError):
        manager.deleting.start(admin, outdated)
    assert [(one["asked"], one["operation"], one["actor"]) for one in refused()] == [
        ("deletion", plan.plan_id, "ada") for plan in (used, old, outdated)
    ]
    assert [one["why"] for one in refused()] == [
        error().message for error in (PlanUsedError, PlanExpiredError, OutdatedPlanError)
    ]


def test_an_archive_that_cannot_be_written_is_a_refusal(
    host: HostWriter,
    open_manager: OpenManager,
    admin: Actor,
    refused: Callable[[], list[dict[str, Any]]],
    tmp_path: Path,
) -> None:
    archive = tmp_path / "archive"
    manager = open_manager(archive=str(archive))
    run = host.add_run()
    plan = manager.deleting.plan(admin, [run])
    shutil.rmtree(archive)
    archive.write_text("no folder any more")
    with pytest.raises(ArchiveError):
        manager.deleting.start(admin, plan)
    (line,) = refused()
    assert (line["asked"], line["how"]) == ("deletion", "page")
    assert "try again" in line["why"]
    assert str(tmp_path) not in line["why"]
    assert host.count("run_metadata", run) == 1


def test_a_grant_that_is_taken_away_is_a_refusal(
    host: HostWriter,
    open_manager: OpenManager,
    admin: Actor,
    roles: Roles,
    refused: Callable[[], list[dict[str, Any]]],
) -> None:
    role = roles.of_the_page(DELETER)
    manager = open_manager(roles.url(role))
    plan = manager.deleting.plan(admin, [host.add_run()])
    roles.revoke(role, "DELETE ON run_metadata")
    with pytest.raises(MissingGrantError):
        manager.deleting.start(admin, plan)
    (line,) = refused()
    assert "DELETE" in line["why"]


def test_what_cannot_be_asked_of_an_operation_is_a_refusal(
    host: HostWriter,
    manager: RunManager,
    admin: Actor,
    refused: Callable[[], list[dict[str, Any]]],
) -> None:
    operation = deleted(manager, admin, host.add_run())
    purge = manager.operations.purge(admin, operation).operation_id
    until(lambda: manager.operations.view(admin, purge).is_over)
    verbs = ("retry", "restore", "undo", "purge", "pause", "resume", "stop")
    for asked in verbs:
        with pytest.raises(OperationStateError):
            ASKED[asked](manager, admin, operation)
    assert [one["asked"] for one in refused()] == [
        "restore" if asked == "undo" else asked for asked in verbs
    ]
    assert {one["operation"] for one in refused()} == {operation}


def test_what_is_asked_for_wrongly_or_of_nothing_is_no_refusal(
    host: HostWriter,
    open_manager: OpenManager,
    admin: Actor,
    kate: Actor,
    refused: Callable[[], list[dict[str, Any]]],
) -> None:
    manager = open_manager(reason_above=0)
    plan = manager.deleting.plan(admin, [host.add_run()])
    with pytest.raises(InvalidRequestError):
        manager.deleting.start(admin, plan)
    with pytest.raises(OperationNotFoundError):
        manager.operations.restore(admin, "nothing")
    # To look at things is not to ask for any.
    looks: tuple[Callable[[], object], ...] = (
        lambda: manager.deleting.plan(kate, ["x"]),
        lambda: manager.operations.plan_restore(kate, "x"),
        lambda: manager.operations.view(kate, "x"),
    )
    for look in looks:
        with pytest.raises(NotAdminError):
            look()
    assert refused() == []


def test_a_database_that_is_away_refuses_nobody(
    host: HostWriter,
    manager: RunManager,
    admin: Actor,
    refused: Callable[[], list[dict[str, Any]]],
) -> None:
    plan = manager.deleting.plan(admin, [host.add_run()])
    with away(host), pytest.raises(RunManagerError) as met:
        manager.deleting.start(admin, plan)
    assert isinstance(met.value, DatabaseError)
    assert refused() == []
