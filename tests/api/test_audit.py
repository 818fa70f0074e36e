"""The audit log: one JSON line for each deletion, whichever door it came in by."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runmanager.deletion import Deletion
from tests import operations

if TYPE_CHECKING:
    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.api.conftest import Caller
    from tests.hosts import HostWriter


@pytest.fixture(autouse=True)
def at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "runmanager.audit")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name == "runmanager.audit"]


def only_line(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    (line,) = lines(caplog)
    assert line.isascii()
    assert line.isprintable()
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def test_a_deletion_by_the_api(
    host: HostWriter, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    host.add_run("busy", status="running")
    run = host.add_run("r-1", status="frobnicating")
    host.add_traces(run, checkpoints=1, writes=1, blobs=1, logs=2)
    caller.delete("none", run, run, "busy", include_running=False)
    line = only_line(caplog)
    began = datetime.fromisoformat(line.pop("time"))
    assert began.tzinfo is not None
    assert abs(datetime.now(UTC) - began) < timedelta(minutes=1)
    assert 0 <= line.pop("seconds") < 60
    assert line == {
        "event": "deletion",
        "actor": "ada",
        "actor_id": host.admin.user_id,
        "how": "api",
        "asked": ["none", "r-1", "busy"],
        "include_running": False,
        "left_out": ["busy"],
        "held": [],
        "left_behind": {},
        "unknown_statuses": [{"status": "frobnicating", "runs": 1}],
        "deleted": 1,
        "failed": [{"thread_id": "none", "error": "Run not found"}],
        "rows": {
            "run_metadata": 1, "checkpoint_blobs": 1, "checkpoint_writes": 1, "checkpoints": 1,
            "logs": 2,
        },
        "kept": {},
        "also_gone": {},
        "came_back": {},
        "stopped": False,
    }  # fmt: skip


def test_a_deletion_by_the_page(
    host: HostWriter, manager: RunManager, admin: Actor, caplog: pytest.LogCaptureFixture
) -> None:
    runs = host.add_runs(2)
    operations.delete(manager, admin, runs)
    line = only_line(caplog)
    assert (line["how"], line["actor"], line["asked"]) == ("page", "ada", runs)
    assert (line["deleted"], line["failed"]) == (2, [])


def test_what_changed_nothing_writes_nothing(
    host: HostWriter, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    run = host.add_run()
    caller.json("/runs")
    caller.send("POST", "/deletion-plan", {"thread_ids": [run]})
    caller.delete(status=422)
    assert lines(caplog) == []


def test_an_id_or_a_name_cannot_write_a_line_of_its_own(
    host: HostWriter, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    name = 'ada\n2026-01-01 INFO runmanager.audit: {"event": "deletion"}'
    host.execute("UPDATE users SET username = %s", name)
    strange = [
        'x\n{"event":"deletion","actor":"eve"}',
        "\r",
        "\u2028",
        "\x1b[2J",
        '","deleted":9,"',
        "🚚",
    ]
    for run in strange:
        host.add_run(run)
    assert caller.delete(*strange, "a\0b")["deleted_count"] == len(strange)
    line = only_line(caplog)
    assert line["actor"] == name
    assert line["asked"] == [*strange, "a\0b"]
    assert line["deleted"] == len(strange)


def test_an_admin_demoted_in_the_middle_is_in_the_line(
    host: HostWriter, manager: RunManager, admin: Actor, caplog: pytest.LogCaptureFixture
) -> None:
    run = host.add_run()
    plan = manager.deleting.plan(admin, [run])
    operation = manager._operations.start(admin, Deletion(plan))
    manager._operations.receipt(admin, operation.operation_id)
    assert only_line(caplog)["deleted"] == 1
    caplog.clear()
    host.execute("UPDATE users SET is_admin = false")
    operation = manager._operations.start(admin, Deletion(plan))
    manager._operations.receipt(admin, operation.operation_id)
    line = only_line(caplog)
    assert line["deleted"] == 0
    assert line["failed"][0]["error"].startswith("Only active administrators")
