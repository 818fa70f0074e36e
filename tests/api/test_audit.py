"""The audit log: a JSON line when an operation begins and one when it has ended, by either door."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runmanager.audit import MAX_FAILED, log_end, log_refused, log_start
from runmanager.deletion import DELETION
from runmanager.records import Actor, FailedRun, Origin, Receipt
from tests import operations
from tests.api.conftest import bearer, token

if TYPE_CHECKING:
    from runmanager.service import RunManager
    from tests.api.conftest import Caller
    from tests.hosts import HostWriter


@pytest.fixture(autouse=True)
def at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "runmanager.audit")


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    texts = [one.getMessage() for one in caplog.records if one.name == "runmanager.audit"]
    assert all(text.isascii() and text.isprintable() for text in texts)
    return [json.loads(text) for text in texts]


def assert_just_now(text: str) -> None:
    time = datetime.fromisoformat(text)
    assert time.tzinfo is not None
    assert abs(datetime.now(UTC) - time) < timedelta(minutes=1)


def test_a_deletion_by_the_api(
    host: HostWriter, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    host.add_run("busy", status="running")
    run = host.add_run("r-1", status="frobnicating")
    host.add_traces(run, checkpoints=1, writes=1, blobs=1, logs=2)
    body = {"thread_ids": ["none", run, run, "busy"], "include_running": False}
    operation = caller.send("DELETE", "/runs", body)["operation_id"]
    start, end = lines(caplog)
    assert_just_now(start.pop("time"))
    assert_just_now(end.pop("time"))
    assert 0 <= end.pop("seconds") < 60
    plan = {
        "asked": 3,
        "include_running": False,
        "left_out": 1,
        "held": 0,
        "left_behind": {},
        "unknown_statuses": [{"status": "frobnicating", "runs": 1}],
    }
    who = {"actor": "ada", "actor_id": host.admin.user_id, "how": "api", "operation": operation}
    assert start == who | plan | {
        "event": "deletion started",
        "runs": 2,
        "filter": "",
        "until": None,
        "reason": None,
        "archive": True,
    }
    assert end == who | plan | {
        "event": "deletion ended",
        "deleted": 1,
        "failed": 1,
        "first_failed": [{"thread_id": "none", "error": "Run not found"}],
        "rows": {
            "run_metadata": 1, "checkpoint_blobs": 1, "checkpoint_writes": 1, "checkpoints": 1,
            "logs": 2,
        },
        "kept": {},
        "also_gone": {},
        "came_back": {},
        "stopped": False,
        "interruptions": 0,
    }  # fmt: skip


def test_a_deletion_by_the_page(
    host: HostWriter, manager: RunManager, admin: Actor, caplog: pytest.LogCaptureFixture
) -> None:
    operations.delete(manager, admin, host.add_runs(2))
    start, end = lines(caplog)
    assert (start["how"], start["actor"], start["runs"]) == ("page", "ada", 2)
    assert (end["how"], end["deleted"], end["failed"]) == ("page", 2, 0)
    assert start["operation"] == end["operation"]


def test_a_deletion_by_filter_says_which_runs_and_why(
    host: HostWriter, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    host.add_runs(3, user="kate")
    plan = caller.plan(filter={"username": "kate"}, until="2100-01-01T00:00:00Z")
    assert lines(caplog) == []
    begun = caller.start(plan, reason="GDPR 17", archive=False)
    caller.finished(begun)
    start, end = lines(caplog)
    assert (start["operation"], start["runs"], end["deleted"]) == (begun["id"], 3, 3)
    assert (start["filter"], start["reason"]) == ("user “kate”", "GDPR 17")
    assert start["until"] == "2100-01-01T00:00:00+00:00"
    assert start["archive"] is False


def test_no_line_holds_the_ids_of_all_runs(
    host: HostWriter, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    runs = host.add_runs(300)
    asked = [*runs, *(f"none-{number}" for number in range(100))]
    caller.delete(*asked)
    start, end = lines(caplog)
    assert (start["runs"], end["deleted"], end["failed"]) == (400, 300, 100)
    assert len(end["first_failed"]) == MAX_FAILED == 20
    assert not any(run in json.dumps([start, end]) for run in runs)
    assert all(len(one.getMessage()) < 4000 for one in caplog.records)


def test_what_changed_nothing_writes_nothing(
    host: HostWriter, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    run = host.add_run()
    caller.json("/runs")
    caller.plan(run)
    caller.delete(status=422)
    caller.send("POST", "/operations", {"plan_id": "none"}, 404)
    assert lines(caplog) == []


def test_an_id_or_a_name_cannot_write_a_line_of_its_own(
    host: HostWriter, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    name = 'ada\n2026-01-01 INFO runmanager.audit: {"event": "deletion started"}'
    host.execute("UPDATE users SET username = %s", name)
    strange = [
        'x\n{"event":"deletion ended","actor":"eve"}',
        "\r",
        "\u2028",
        "\x1b[2J",
        '","deleted":9,"',
        "🚚",
    ]
    caller.delete(*strange, "a\0b")
    start, end = lines(caplog)
    assert start["actor"] == end["actor"] == name
    assert [one["thread_id"] for one in end["first_failed"]] == [*strange, "a\0b"]
    assert (end["deleted"], end["failed"]) == (0, len(strange) + 1)


def test_a_restore_and_a_purge_name_the_operation_that_they_are_of(
    host: HostWriter, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    (run,) = host.add_runs(1)
    ended = caller.deletes(run)["id"]
    caplog.clear()
    for verb in ("restore", "purge"):
        begun = caller.post(ended, verb)
        caller.finished(begun)
        start, end = lines(caplog)
        assert (start["event"], end["event"]) == (f"{verb} started", f"{verb} ended")
        assert start["operation"] == end["operation"] == begun["id"]
        assert start["of"] == ended
        assert (start["actor"], start["how"], start["runs"]) == ("ada", "api", 1)
        caplog.clear()


def test_an_attempt_by_who_is_no_admin_is_a_line(
    host: HostWriter, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    run, other = host.add_runs(2)
    ended = caller.deletes(other)["id"]
    kate = host.add_user("kate")
    caller.client.headers.update(bearer(token(kate)))
    caplog.clear()
    caller.json("/runs", 403)
    caller.json(f"/operations/{ended}", 403)
    caller.send("POST", "/deletion-plan", {"thread_ids": [run]}, 403)
    assert lines(caplog) == []
    caller.delete(run, status=403)
    caller.send("POST", "/operations", {"plan_id": "x"}, 403)
    caller.post(ended, "restore", 403)
    found = lines(caplog)
    for line in found:
        assert_just_now(line.pop("time"))
        assert line.pop("why").startswith("Only active administrators")
    assert found == [
        {
            "event": "refused",
            "actor": str(kate),
            "actor_id": None,
            "how": "api",
            "asked": asked,
            "operation": of,
        }
        for asked, of in (("deletion", None), ("deletion", None), ("restore", ended))
    ]


def test_what_an_admin_asks_for_and_is_refused_is_one_line(
    host: HostWriter, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    ended = caller.deletes(host.add_run())["id"]
    caller.finished(caller.post(ended, "purge"))
    plan = caller.plan(host.add_run())
    caller.finished(caller.start(plan))
    caplog.clear()
    verbs = ("restore", "purge", "retry", "pause", "resume", "stop")
    for verb in verbs:
        caller.post(ended, verb, 409)
    caller.start(plan, 409)
    assert [(one["asked"], one["operation"]) for one in lines(caplog)] == [
        *[(verb, ended) for verb in verbs], ("deletion", plan["plan_id"]),
    ]  # fmt: skip
    assert {(one["event"], one["actor"], one["actor_id"], one["how"]) for one in lines(caplog)} == {
        ("refused", "ada", host.admin.user_id, "api")
    }


def test_who_is_turned_away_after_they_came_in_has_one_line(
    host: HostWriter,
    caller: Caller,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = host.add_run()
    actor_named = caller.manager.signing_in.actor_named

    def demoted_then(name: str, *, is_username: bool) -> Actor:
        actor = actor_named(name, is_username=is_username)
        host.execute("UPDATE users SET is_admin = false")
        return actor

    monkeypatch.setattr(caller.manager.signing_in, "actor_named", demoted_then)
    caller.delete(run, status=403)
    (line,) = lines(caplog)
    assert (line["asked"], line["actor"], line["how"]) == ("deletion", "ada", "api")


def test_who_proves_nothing_writes_no_line(
    host: HostWriter, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    run = host.add_run()
    caller.client.headers.update(bearer(token("ada", key="another secret, longer than 32 bytes")))
    caller.delete(run, status=401)
    assert lines(caplog) == []


# The lines themselves

ADA = Actor("1", "ada")


def receipt(failed: int) -> Receipt:
    """A receipt of so many failures."""
    reason = "too long " * 1000
    return Receipt(
        kind=DELETION, actor=ADA, started_at=datetime.now(UTC), seconds=1.23456, done=(),
        failed=tuple(FailedRun(f"{number}" * 1000, "title", reason) for number in range(failed)),
        tables=(("logs", 2),), was_stopped=True, operation_id="op", origin="page",
        done_total=12_408, failed_total=99_999,
    )  # fmt: skip


def test_a_line_is_short_however_much_there_is_to_say(caplog: pytest.LogCaptureFixture) -> None:
    log_end(receipt(100))
    log_start("op", DELETION, ADA, Origin.API, total=5, sentence="x" * 9000, reason="y" * 9000)
    end, start = lines(caplog)
    assert (end["deleted"], end["failed"], end["seconds"]) == (12_408, 99_999, 1.235)
    assert len(end["first_failed"]) == 20
    assert end["stopped"] is True
    assert len(start["filter"]) == len(start["reason"]) == 501
    assert all(len(one.getMessage()) < 50_000 for one in caplog.records)


def test_what_is_refused_is_a_line_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    log_refused("restore", "eve\n", Origin.PAGE, "no admin", operation_id="op")
    (line,) = lines(caplog)
    line.pop("time")
    assert line == {
        "event": "refused", "asked": "restore", "operation": "op", "actor": "eve\n",
        "actor_id": None, "how": "page", "why": "no admin",
    }  # fmt: skip
