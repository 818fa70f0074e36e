"""Plans by the API: of ids or of a filter, kept for an hour, its maker's, and used once."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.restoring.schedule import sweep
from runmanager.store.tables import OPERATIONS
from tests.api.conftest import bearer, token
from tests.hosts import LONG_AGO

if TYPE_CHECKING:
    import pytest

    from tests.api.conftest import Caller, OpenCaller
    from tests.hosts import HostWriter

FUTURE = "2100-01-01T00:00:00Z"


def fill(host: HostWriter) -> list[str]:
    """Two failed runs of kate's, one that runs, and one of zoë's; their ids."""
    return [
        host.add_run("k-1", status="failed", user="kate", created_at=LONG_AGO),
        host.add_run(
            "k-2", status="failed", user="kate", workspace="Ops",
            created_at=LONG_AGO + timedelta(days=1),
        ),
        host.add_run("k-3", status="running", user="kate", created_at=LONG_AGO),
        host.add_run("z-1", status="frobnicating", user="zoë", created_at=LONG_AGO),
    ]  # fmt: skip


def wrong(caller: Caller, **body: Any) -> Any:
    """The one problem that a plan with this body has."""
    (problem,) = caller.plan(status=422, **body)["detail"]
    return problem


# Ids


def test_a_plan_of_ids_is_kept_and_starts_one_operation(host: HostWriter, caller: Caller) -> None:
    one, two, three = host.add_runs(3)
    plan = caller.plan(one, two)
    assert (plan["total"], plan["matching"], plan["sentence"], plan["until"]) == (2, None, "", None)
    assert (plan["about"], plan["looks_on"], plan["tally"]) == (False, False, None)
    assert not host.is_gone(one)
    response = caller.client.post("/operations", json={"plan_id": plan["plan_id"], "reason": "why"})
    assert response.status_code == 202
    begun = response.json()
    prefix = "/admin/run-manager"
    assert response.headers["location"] == f"{prefix}/operations/{begun['id']}"
    assert begun["total"] == 2
    ended = caller.finished(begun)
    assert (ended["done"], ended["failed"], ended["reason"]) == (2, 0, "why")
    assert host.is_gone(one)
    assert host.is_gone(two)
    assert not host.is_gone(three)


def test_a_plan_is_used_once(host: HostWriter, caller: Caller) -> None:
    (run,) = host.add_runs(1)
    plan = caller.plan(run)
    caller.finished(caller.start(plan))
    host.add_run(run)
    assert "started already" in caller.start(plan, 409)["detail"]
    assert not host.is_gone(run)


def test_a_plan_is_its_makers(host: HostWriter, caller: Caller) -> None:
    (run,) = host.add_runs(1)
    plan = caller.plan(run)
    other = bearer(token(host.add_user("zoë", is_admin=True)))
    body = {"plan_id": plan["plan_id"]}
    refused = caller.client.post("/operations", json=body, headers=other)
    assert refused.status_code == 404
    assert refused.json()["detail"].startswith("There is no operation with this id")
    assert not host.is_gone(run)
    caller.finished(caller.start(plan))
    assert host.is_gone(run)


def test_a_plan_that_nobody_made_is_404(caller: Caller) -> None:
    headers = {"Content-Type": "application/json"}
    for plan_id in ("", "none", "0" * 32, "\0", "a/b", "../x", "%2e", "x" * 300, "é"):
        body = json.dumps({"plan_id": plan_id})
        response = caller.client.post("/operations", content=body, headers=headers)
        assert response.status_code == 404, plan_id


def test_a_plan_is_good_for_an_hour(host: HostWriter, caller: Caller) -> None:
    (run,) = host.add_runs(1)
    plan = caller.plan(run)
    with caller.manager._store.write() as connection:
        connection.execute(sa.update(OPERATIONS).values(created_at=OPERATIONS.c.created_at - 3601))
    assert "an hour" in caller.start(plan, 410)["detail"]
    assert not host.is_gone(run)


def test_a_plan_s_hour_is_counted_by_the_store_s_clock(
    host: HostWriter, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be another machine's; the store of these tests takes this one's."""
    behind = SimpleNamespace(time=lambda: time.time() - 7200)
    monkeypatch.setattr("runmanager.store.operations.time", behind)
    (run,) = host.add_runs(1)
    caller.finished(caller.start(caller.plan(run)))
    assert host.is_gone(run)


def test_the_files_of_an_old_plan_are_not_looked_for(host: HostWriter, caller: Caller) -> None:
    (run,) = host.add_runs(1)
    plan = caller.plan(run)
    with caller.manager._store.write() as connection:
        connection.execute(sa.update(OPERATIONS).values(created_at=OPERATIONS.c.created_at - 3601))
    manager = caller.manager
    assert sweep(manager._access.database, manager._store, manager._keeping.place) == ()
    assert "an hour" in caller.start(plan, 410)["detail"]


def test_a_plan_of_another_schema_is_409(host: HostWriter, caller: Caller) -> None:
    (run,) = host.add_runs(1)
    plan = caller.plan(run)
    host.execute("CREATE TABLE notes (run text REFERENCES run_metadata ON DELETE CASCADE)")
    host.execute("INSERT INTO notes VALUES (%s)", run)
    assert "Plan it again" in caller.start(plan, 409)["detail"]
    assert not host.is_gone(run)


def test_a_plan_is_planned_by_nobody_else(host: HostWriter, caller: Caller) -> None:
    """A plan is no operation until it is started: no other admin meets it."""
    (run,) = host.add_runs(1)
    plan = caller.plan(run)
    assert caller.json("/operations")["total"] == 0
    path = f"/operations/{plan['plan_id']}"
    assert caller.json(path)["state"] == "planned"
    other = bearer(token(host.add_user("zoë", is_admin=True)))
    assert caller.client.get(path, headers=other).status_code == 404
    for verb in ("pause", "resume", "stop", "retry", "restore", "purge"):
        assert caller.client.post(f"{path}/{verb}", headers=other).status_code in {404, 409}
    caller.finished(caller.start(plan))


def test_a_reason_is_needed_above_a_number(host: HostWriter, open_caller: OpenCaller) -> None:
    caller = open_caller(reason_above=1)
    one, two = host.add_runs(2)
    plan = caller.plan(one, two)
    for reason in ({}, {"reason": ""}, {"reason": "  \n"}, {"reason": None}):
        assert "reason" in caller.start(plan, 422, **reason)["detail"]
    assert not host.is_gone(one)
    caller.finished(caller.start(plan, reason="GDPR"))
    assert host.is_gone(one)
    caller.finished(caller.start(caller.plan(host.add_run())))


def test_a_deletion_without_a_plan_can_give_no_reason_and_is_refused_above_that_number(
    host: HostWriter, open_caller: OpenCaller
) -> None:
    caller = open_caller(reason_above=1)
    one, two = host.add_runs(2)
    assert "reason" in caller.delete(one, two, status=422)["detail"]
    caller.delete(one, two, status=422, reason="GDPR")
    assert not host.is_gone(one)
    assert not host.is_gone(two)
    assert caller.json("/operations")["total"] == 0
    assert caller.delete(one)["deleted_count"] == 1


def test_no_copy_is_kept_where_that_is_said(host: HostWriter, caller: Caller) -> None:
    one, two = host.add_runs(2)
    plan = caller.plan(one)
    assert plan["archive"]["obstacle"] is None
    assert plan["archive"]["days"] == 30
    assert plan["undo_needs"] == []
    assert caller.finished(caller.start(plan, archive=False))["archive"] is None
    kept = caller.deletes(two)["archive"]
    assert kept["bytes"] > 0
    assert kept["until"]
    assert kept["purged_at"] is None


def test_a_body_of_another_shape_starts_nothing(host: HostWriter, caller: Caller) -> None:
    (run,) = host.add_runs(1)
    good = {"plan_id": caller.plan(run)["plan_id"]}
    bodies: list[Any] = [
        None, [], {}, {"plan_id": 1}, {"plan_id": None}, {"plan_id": [good["plan_id"]]},
        good | {"reason": 1}, good | {"archive": "false"}, good | {"archive": 0},
        good | {"arhcive": False}, good | {"reason": "x" * 1001}, good | {"thread_ids": [run]},
    ]  # fmt: skip
    for body in bodies:
        caller.send("POST", "/operations", body, 422)
    assert not host.is_gone(run)
    assert caller.json("/operations")["total"] == 0


# Filters


def test_a_plan_of_a_filter_says_which_runs_it_takes(host: HostWriter, caller: Caller) -> None:
    fill(host)
    before = datetime.now(UTC)
    plan = caller.plan(filter={"username": "kate", "kind": ["failed"]})
    assert (plan["total"], plan["matching"]) == (2, 2)
    assert plan["sentence"] == "user “kate” and kind “failed”"
    assert before - timedelta(seconds=5) < datetime.fromisoformat(plan["until"])
    assert plan["by_status"] == {"failed": 2}
    tally = plan["tally"]
    assert tally["statuses"] == [{"status": "failed", "kind": "failed", "runs": 2}]
    assert tally["users"] == [{"name": "kate", "runs": 2}]
    found = sorted(tally["workspaces"], key=str)
    assert found == [{"name": "Ops", "runs": 1}, {"name": None, "runs": 1}]
    assert (tally["first"], tally["last"]) == ("2025-01-01T12:00:00Z", "2025-01-02T12:00:00Z")
    assert {one["table"]: one["rows"] for one in plan["tables"]}["run_metadata"] == 2
    assert caller.finished(caller.start(plan))["done"] == 2
    assert [host.is_gone(run) for run in ("k-1", "k-2", "k-3", "z-1")] == [True, True, False, False]


def test_running_runs_stay_unless_they_are_meant(host: HostWriter, caller: Caller) -> None:
    fill(host)
    plan = caller.plan(filter={"username": "kate"})
    assert (plan["total"], plan["running"]) == (2, 1)
    plan = caller.plan(filter={"username": "kate"}, include_running=True)
    assert (plan["total"], plan["running"]) == (3, 0)
    assert caller.finished(caller.start(plan))["done"] == 3


def test_an_unknown_status_counts_as_ended_and_is_named(host: HostWriter, caller: Caller) -> None:
    fill(host)
    plan = caller.plan(filter={"username": "zoë"})
    assert plan["unknown_statuses"] == [{"status": "frobnicating", "runs": 1}]


def test_the_cut_off_and_the_exceptions_stay(host: HostWriter, caller: Caller) -> None:
    fill(host)
    middle = (LONG_AGO + timedelta(hours=1)).isoformat()
    plan = caller.plan(filter={"username": "kate"}, until=middle)
    assert (plan["total"], plan["until"]) == (1, "2025-01-01T13:00:00Z")
    excepting: dict[str, Any] = {
        "filter": {"kind": ["failed", "other"]},
        "except": ["k-1", "none", "k-1"],
    }
    plan = caller.plan(**excepting)
    assert plan["total"] == 2
    caller.finished(caller.start(plan))
    assert [host.is_gone(run) for run in ("k-1", "k-2", "k-3", "z-1")] == [False, True, False, True]


def test_what_comes_to_match_later_stays(host: HostWriter, caller: Caller) -> None:
    fill(host)
    plan = caller.plan(filter={"kind": ["failed"]}, until=FUTURE)
    late = host.add_run("late", status="failed", created_at=LONG_AGO)
    assert caller.finished(caller.start(plan))["done"] == 2
    assert not host.is_gone(late)


def test_an_empty_filter_must_be_meant(host: HostWriter, caller: Caller) -> None:
    runs = fill(host)
    bodies: list[dict[str, Any]] = [
        {"filter": {}},
        {"filter": {"search": "", "username": "", "kind": [], "without": ""}},
        {"filter": {"search": "  "}},
        {"filter": {}, "all": False},
        {"filter": {}, "until": FUTURE, "except": ["k-1"]},
    ]
    for body in bodies:
        problem = wrong(caller, **body)
        assert problem["loc"][0] == "body"
        assert "“all”" in problem["msg"]
    plan = caller.plan(filter={}, all=True, include_running=True)
    assert plan["total"] == len(runs)
    assert "every run" in plan["sentence"].lower()
    assert caller.finished(caller.start(plan))["done"] == len(runs)
    assert caller.json("/runs")["total"] == 0


def test_both_forms_at_once_are_refused(host: HostWriter, caller: Caller) -> None:
    fill(host)
    for body in (
        {"thread_ids": ["k-1"], "filter": {"username": "kate"}},
        {"thread_ids": ["k-1"], "until": FUTURE},
        {"thread_ids": ["k-1"], "except": []},
        {"thread_ids": ["k-1"], "all": True},
        {"thread_ids": [], "filter": {}, "all": True},
        {"all": True},
        {"until": FUTURE},
        {},
    ):
        caller.send("POST", "/deletion-plan", body, 422)


def test_a_filter_that_cannot_be_read_plans_nothing(caller: Caller) -> None:
    filters: tuple[tuple[dict[str, Any], str], ...] = (
        ({"usernmae": "kate"}, "usernmae"),
        ({"username": ["kate"]}, "username"),
        ({"username": 7}, "username"),
        ({"username": None}, "username"),
        ({"kind": "failed"}, "kind"),
        ({"kind": ["flaky"]}, "kind"),
        ({"status": [1]}, "status"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-11-25T14:00:00"}, "since"),
        ({"longer_than": "long"}, "longer_than"),
        ({"since": FUTURE, "until": "2026-11-25T14:00:00Z"}, "until"),
        ({"without": "user", "username": "kate"}, "without"),
        ({"without": "everything"}, "without"),
        ({"search": "x" * 1001}, "search"),
        ({"page": "1"}, "page"),
        ({"sort": "started"}, "sort"),
    )
    for run_filter, where in filters:
        problem = wrong(caller, filter=run_filter)
        assert where in problem["loc"], run_filter


def test_a_cut_off_is_a_time_with_its_zone(caller: Caller) -> None:
    times: list[Any] = [
        "now", "-24h", "", "2026-11-25", "2026-11-25T14:00:00", 1764072000, [], True,
    ]  # fmt: skip
    for until in times:
        assert "until" in wrong(caller, filter={"search": "x"}, until=until)["loc"], until


def test_exceptions_are_ids(caller: Caller) -> None:
    wrong_ones: list[Any] = ["k-1", [1], None, {}, [["k-1"]]]
    for excepting in wrong_ones:
        body: dict[str, Any] = {"filter": {"search": "x"}, "except": excepting}
        assert "except" in wrong(caller, **body)["loc"], excepting


def test_a_filter_is_an_object(caller: Caller) -> None:
    wrong_ones: list[Any] = [None, [], "kind=failed", 1]
    for run_filter in wrong_ones:
        caller.plan(status=422, filter=run_filter)


def test_what_the_host_has_no_column_for_is_refused(
    host: HostWriter, open_caller: OpenCaller
) -> None:
    host.execute("ALTER TABLE run_metadata DROP error_message")
    assert "detail" in open_caller().plan(status=422, filter={"error": "Timeout"})


def test_strange_values_are_only_values(host: HostWriter, caller: Caller) -> None:
    fill(host)
    for text in ("%", "\0", "'; DROP TABLE run_metadata --", "\\", "🚚", "\u202e"):
        run_filter = {"search": text, "username": text}
        body: dict[str, Any] = {"filter": run_filter, "until": FUTURE, "except": [text]}
        assert caller.plan(**body)["total"] == 0
    assert caller.json("/runs")["total"] == 4
