"""The four endpoints that front ends are written against: their JSON, to the letter."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest

from runmanager.deletion import MAX_RUNS, STILL_RUNNING
from runmanager.deletion.reasons import ACTIVE, NOT_FOUND
from tests.conftest import every_shape
from tests.hosts import LONG_AGO

if TYPE_CHECKING:
    from tests.api.conftest import Caller, OpenCaller
    from tests.hosts import HostWriter

EVENING = datetime(2026, 5, 3, 16, 2, 11, 532000, tzinfo=timezone(timedelta(hours=2)))


def ids(answer: Any) -> list[str]:
    return [run["id"] for run in answer["runs"]]


@every_shape
def test_a_run_is_listed_with_exactly_these_keys(host: HostWriter, caller: Caller) -> None:
    run = host.add_run(name="Order 1", created_at=EVENING, user="kate", workspace="Ops")
    workspace = host.workspace("Ops")
    response = caller.client.get("/runs")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.text == json.dumps(
        {
            "runs": [
                {
                    "id": run,
                    "name": "Order 1",
                    "result": "completed",
                    "time": "2026-05-03T14:02:11.532000Z",
                    "username": "kate",
                    "workspace": workspace,
                    "kind": "completed",
                    "completed_at": None,
                    "error": None,
                }
            ],
            "total": 1,
            "total_is_exact": True,
            "page": 1,
            "page_size": 50,
            "next": None,
        },
        separators=(",", ":"),
    )
    assert isinstance(workspace, str)


def test_what_is_not_there_is_null_and_a_name_falls_back_to_the_id(
    host: HostWriter, caller: Caller
) -> None:
    for number, name in enumerate((None, "", "  \n")):
        host.add_run(f"r-{number}", name=name, status=None, created_at=None)
    assert caller.json("/runs")["runs"] == [
        {
            "id": run,
            "name": run,
            "result": None,
            "time": None,
            "username": None,
            "workspace": None,
            "kind": "other",
            "completed_at": None,
            "error": None,
        }
        for run in ("r-2", "r-1", "r-0")
    ]


def test_a_user_that_is_gone_leaves_null_and_a_workspace_that_is_gone_its_id(
    host: HostWriter, caller: Caller
) -> None:
    host.add_run("r-1", user_id="gone", workspace_id="gone too")
    (run,) = caller.json("/runs")["runs"]
    assert (run["username"], run["workspace"]) == (None, "gone too")


def test_a_time_is_iso_8601_in_utc(host: HostWriter, caller: Caller) -> None:
    times: dict[datetime | str, str] = {
        LONG_AGO: "2025-01-01T12:00:00Z",
        "infinity": "9999-12-31T23:59:59.999999Z",
        "-infinity": "0001-01-01T00:00:00Z",
        "0044-03-15 12:00:00+00 BC": "0001-01-01T00:00:00Z",
        "0800-12-25 00:00:00+00": "0800-12-25T00:00:00Z",
    }
    for stored in times:
        host.add_run(str(stored), created_at=stored)
    shown = {str(stored): text for stored, text in times.items()}
    assert {run["id"]: run["time"] for run in caller.json("/runs")["runs"]} == shown
    assert {run: caller.json(f"/runs/{quote(run)}")["time"] for run in shown} == shown


def test_the_newest_comes_first_and_those_without_a_time_last(
    host: HostWriter, caller: Caller
) -> None:
    for run, hours in (("b", 1), ("a", 1), ("z", 0)):
        host.add_run(run, created_at=LONG_AGO + timedelta(hours=hours))
    host.add_run("never", created_at=None)
    assert ids(caller.json("/runs")) == ["b", "a", "z", "never"]


def test_pages_hold_every_run_once_and_one_past_the_end_none(
    host: HostWriter, caller: Caller
) -> None:
    for number in range(5):
        host.add_run(f"r-{number}")
    pages = [caller.json("/runs", page=page, page_size=2) for page in (1, 2, 3, 4)]
    assert [ids(page) for page in pages] == [["r-4", "r-3"], ["r-2", "r-1"], ["r-0"], []]
    assert [(page["total"], page["page"], page["page_size"]) for page in pages] == [
        (5, 1, 2), (5, 2, 2), (5, 3, 2), (5, 4, 2),
    ]  # fmt: skip
    assert caller.json("/runs", page=1_000_000_000, page_size=200) == {
        "runs": [],
        "total": 5,
        "total_is_exact": True,
        "page": 1_000_000_000,
        "page_size": 200,
        "next": None,
    }


def test_a_total_that_takes_too_long_to_count_is_a_lower_bound(
    host: HostWriter, open_caller: OpenCaller
) -> None:
    for number in range(20):
        host.add_run(f"r-{number:02}", created_at=LONG_AGO + timedelta(hours=number))
    # Each run but the newest ten takes a second to look at.
    host.execute("ALTER TABLE run_metadata RENAME TO runs_inside")
    host.execute("CREATE INDEX ON runs_inside (created_at DESC)")
    host.execute(
        "CREATE VIEW run_metadata AS SELECT * FROM runs_inside"
        " WHERE thread_id > 'r-09' OR pg_sleep(1) IS NOT NULL"
    )
    for plan in ("seqscan", "sort", "bitmapscan"):
        host.execute(f"ALTER DATABASE {host.url.database} SET enable_{plan} = off")
    answer = open_caller(statement_timeout=0.5).json("/runs", page_size=3)
    assert ids(answer) == ["r-19", "r-18", "r-17"]
    assert (answer["total"], answer["total_is_exact"]) == (4, False)


def test_empty_filters_are_no_filters(host: HostWriter, caller: Caller) -> None:
    host.add_run("r-1", user="kate")
    host.add_run("r-2")
    every = caller.client.get("/runs?page=1&page_size=50&username=&workspace=&search=")
    assert every.json() == caller.json("/runs")
    assert every.json()["total"] == 2


def test_filters_combine(host: HostWriter, caller: Caller) -> None:
    host.add_run("r-1", name="100% Order", user="kate", workspace="Ops")
    host.add_run("r-2", name="100x order", user="kate", workspace="Ops")
    host.add_run("r-3", name="100% order", user="kate", workspace="Sales")
    host.add_run("r-4", name="100% order", user="Kate", workspace="Ops")
    ops = host.workspace("Ops")
    assert ids(caller.json("/runs", username="kate", workspace=ops, search="0% ORD")) == ["r-1"]
    assert ids(caller.json("/runs", username="kate")) == ["r-3", "r-2", "r-1"]
    assert ids(caller.json("/runs", search="R-4")) == ["r-4"]
    assert caller.json("/runs", workspace="none")["total"] == 0


@every_shape
def test_usernames_and_workspaces_are_those_of_runs_sorted_and_distinct(
    host: HostWriter, caller: Caller
) -> None:
    for name in ("zoë", "kate", "Zack"):
        host.add_run(user=name, workspace=f"of {name}")
        host.add_run(user=name, workspace=f"of {name}")
    host.add_user("idle")
    host.workspace("idle")
    host.add_run()
    nameless = host.add_user(None)
    host.add_run(user_id=nameless)
    assert caller.client.get("/usernames").json() == {"usernames": ["Zack", "kate", "zoë"]}
    assert caller.client.get("/workspaces").json() == {
        "workspaces": sorted(host.workspace(f"of {name}") for name in ("zoë", "kate", "Zack"))
    }


def test_an_empty_host_answers_empty_lists(host: HostWriter, caller: Caller) -> None:
    assert caller.json("/runs") == {
        "runs": [], "total": 0, "total_is_exact": True, "page": 1, "page_size": 50, "next": None,
    }  # fmt: skip
    assert caller.json("/usernames") == {"usernames": []}
    assert caller.json("/workspaces") == {"workspaces": []}


@every_shape
def test_a_deletion_takes_every_trace_and_says_how_many(host: HostWriter, caller: Caller) -> None:
    one, two, three = host.add_runs(3)
    response = caller.client.request("DELETE", "/runs", json={"thread_ids": [three, one]})
    assert response.status_code == 200
    operation = response.json()["operation_id"]
    assert response.text == (f'{{"deleted_count":2,"failed":[],"operation_id":"{operation}"}}')
    assert operation
    assert host.is_gone(one)
    assert host.is_gone(three)
    assert not host.is_gone(two)


def test_what_failed_stands_in_the_order_asked_and_once(host: HostWriter, caller: Caller) -> None:
    host.execute("CREATE TABLE holds (run_id text REFERENCES run_metadata (thread_id))")
    a, b, c = host.add_runs(3)
    host.execute("INSERT INTO holds VALUES (%s)", b)
    host.execute("UPDATE run_metadata SET status = 'running' WHERE thread_id = %s", c)
    asked = ["z-unknown", c, a, b, a, "a-unknown", c, ""]
    answer = caller.delete(*asked, include_running=False)
    assert [one["thread_id"] for one in answer["failed"]] == ["z-unknown", c, b, "a-unknown", ""]
    errors = {one["thread_id"]: one["error"] for one in answer["failed"]}
    assert errors["z-unknown"] == errors["a-unknown"] == errors[""] == NOT_FOUND == "Run not found"
    assert errors[c] == STILL_RUNNING == "Run is still running"
    assert "holds" in errors[b]
    assert answer["deleted_count"] == 1
    assert list(answer) == ["deleted_count", "failed"]
    assert list(answer["failed"][0]) == ["thread_id", "error"]


def test_a_running_run_is_deleted_when_it_is_asked_for(host: HostWriter, caller: Caller) -> None:
    run = host.add_run(status="running")
    assert caller.delete(run) == {"deleted_count": 1, "failed": []}
    assert host.is_gone(run)


def test_what_was_taken_as_ended_without_knowing_is_answered(
    host: HostWriter, caller: Caller
) -> None:
    one, two, three, four = (host.add_run(status=status) for status in ("x", None, "x", "done"))
    assert caller.delete(one, two, four, include_running=False) == {
        "deleted_count": 3,
        "failed": [],
        "unknown_statuses": [{"status": "x", "runs": 1}, {"status": None, "runs": 1}],
    }
    # Whoever deletes what runs as well takes nothing as ended.
    assert caller.delete(three) == {"deleted_count": 1, "failed": []}


def test_a_run_that_has_just_written_stays_where_running_ones_do(
    host: HostWriter, caller: Caller
) -> None:
    quiet, active = host.add_runs(2)
    host.execute("UPDATE logs SET created_at = now() WHERE thread_id = %s", active)
    plan = caller.plan(quiet, active, include_running=False)
    assert (plan["total"], plan["active"]) == (1, [active])
    answer = caller.delete(quiet, active, include_running=False)
    assert answer == {"deleted_count": 1, "failed": [{"thread_id": active, "error": ACTIVE}]}
    assert not host.is_gone(active)
    assert caller.plan(active)["active"] == []
    assert caller.delete(active) == {"deleted_count": 1, "failed": []}


def test_what_a_worker_writes_meanwhile_is_answered(
    host: HostWriter, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = host.add_runs(2)

    def still_writing() -> None:
        host.add_traces(two, checkpoints=0, blobs=0, logs=2)

    # What is called behind each commit.
    monkeypatch.setattr(caller.manager.finding, "forget_totals", still_writing)
    answer = caller.delete(one, two)
    assert (answer["deleted_count"], answer["failed"]) == (2, [])
    assert (answer["came_back"], answer["came_back_ids"]) == ({"logs": 2}, [two])
    assert "still writing" in answer["remarks"][0]
    monkeypatch.undo()
    assert caller.delete(two)["deleted_count"] == 1
    assert host.is_gone(two)


def test_ids_that_no_database_could_hold_are_unknown(host: HostWriter, caller: Caller) -> None:
    strange = ["a\0b", "\n", "é" * 5000, "%00", "'; DROP TABLE run_metadata --", "9" * 50]
    answer = caller.delete(*strange)
    assert answer["deleted_count"] == 0
    assert answer["failed"] == [{"thread_id": one, "error": "Run not found"} for one in strange]


def test_half_a_character_is_unknown_too(caller: Caller) -> None:
    response = caller.client.request(
        "DELETE",
        "/runs",
        content=b'{"thread_ids":["\\ud800"]}',
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code == 200
    assert response.content.startswith(
        b'{"deleted_count":0,"failed":[{"thread_id":"\\ud800","error":"Run not found"}],'
    )


def test_as_many_ids_as_may_be_are_deleted_in_one_request(host: HostWriter, caller: Caller) -> None:
    host.execute(
        "INSERT INTO run_metadata (thread_id) SELECT 'r-' || n FROM generate_series(1, %s) n",
        MAX_RUNS,
    )
    answer = caller.delete(*(f"r-{number}" for number in range(1, MAX_RUNS + 1)))
    assert answer == {"deleted_count": MAX_RUNS, "failed": []}
    assert caller.json("/runs")["total"] == 0


def test_one_id_too_many_deletes_nothing(host: HostWriter, caller: Caller) -> None:
    run = host.add_run()
    assert (
        "at most 10000" in caller.delete(*([run] * (MAX_RUNS + 1)), status=422)["detail"][0]["msg"]
    )
    assert not host.is_gone(run)


OTHER_SHAPES: tuple[object, ...] = (
    {},
    {"thread_ids": []},
    {"thread_ids": None},
    {"thread_ids": "r-1"},
    {"thread_ids": [1]},
    {"thread_ids": [None]},
    {"thread_ids": [["r-1"]]},
    {"thread_ids": {"0": "r-1"}},
    {"thread_ids": ["r-1"], "include_running": "no"},
    {"thread_ids": ["r-1"], "include_running": None},
    {"thread_ids": ["r-1"], "include_runing": False},
    {"ids": ["r-1"]},
    ["r-1"],
    "r-1",
    None,
    7,
)


def test_a_body_of_another_shape_deletes_nothing(host: HostWriter, caller: Caller) -> None:
    host.add_run("r-1")
    for body in OTHER_SHAPES:
        caller.send("DELETE", "/runs", body, 422)
        caller.send("POST", "/deletion-plan", body, 422)
        assert not host.is_gone("r-1")


NO_JSON = (
    b"",
    b"{",
    b'{"thread_ids":["r-1"]',
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"thread_ids":' + b"[" * 400_000,
    b'{"thread_ids":[' + b"9" * 5000 + b"]}",
    b'{"thread_ids":[NaN]}',
    b'{"thread_ids":["r-1"]} x',
)


def test_a_body_that_is_no_json_is_refused(host: HostWriter, caller: Caller) -> None:
    host.add_run("r-1")
    for body in NO_JSON:
        response = caller.client.request(
            "DELETE", "/runs", content=body, headers={"Content-Type": "application/json"}
        )
        assert response.status_code == 422
        assert list(response.json()) == ["detail"]
        assert len(response.content) < 1000
        assert not host.is_gone("r-1")


def test_a_time_without_a_zone_is_utc(host: HostWriter, caller: Caller) -> None:
    host.execute("ALTER TABLE run_metadata ALTER created_at TYPE timestamp")
    host.add_run("r-1", created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).replace(tzinfo=None))
    assert caller.json("/runs")["runs"][0]["time"] == "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("kind", "stored", "time"),
    [
        ("timestamp", "2026-07-01 14:00", "2026-07-01T12:00:00Z"),
        ("date", "2026-07-01", "2026-06-30T22:00:00Z"),
        ("text", "2026-07-01T14:00:00", "2026-07-01T12:00:00Z"),
        ("text", "2026-07-01T14:00:00.5-04:00", "2026-07-01T18:00:00.500000Z"),
        ("text", "at noon", None),
    ],
)
def test_a_time_is_answered_in_utc_however_the_host_keeps_it(
    host: HostWriter, open_caller: OpenCaller, kind: str, stored: str, time: str | None
) -> None:
    host.execute(f"ALTER TABLE run_metadata DROP created_at, ADD created_at {kind}")
    run = host.add_run(created_at=stored)
    caller = open_caller(timestamp_zone=ZoneInfo("Europe/Berlin"))
    (listed,) = caller.json("/runs")["runs"]
    opened = caller.json(f"/runs/{run}")
    assert (listed["time"], opened["time"]) == (time, time)
