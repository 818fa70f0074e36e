"""The filters of the list, as parameters: what is offered, and what excludes itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runmanager.filters import ENTRIES
from tests.api.test_refusals import detail_of

if TYPE_CHECKING:
    from tests.api.conftest import Caller, OpenCaller
    from tests.hosts import HostWriter


def ids(answer: Any) -> set[str]:
    return {run["id"] for run in answer["runs"]}


@pytest.fixture
def four_runs(host: HostWriter) -> None:
    host.add_run("whole", user="kate", workspace="Ops")
    host.add_run("no-user", user_id="u-gone", workspace="Ops")
    host.add_run("no-workspace", user="kate", workspace_id="w-gone")
    host.add_run("neither", user_id=None, workspace_id=None)


def test_the_runs_without_a_user_or_workspace_are_found(caller: Caller, four_runs: None) -> None:
    expected = {
        "without=user": {"no-user", "neither"},
        "without=workspace": {"no-workspace", "neither"},
        "without=user,workspace": {"neither"},
        "without=workspace,user": {"neither"},
        "without=workspace&username=kate": {"no-workspace"},
        "without=": {"whole", "no-user", "no-workspace", "neither"},
    }
    assert {query: ids(caller.json(f"/runs?{query}")) for query in expected} == expected


def test_what_excludes_itself_or_is_no_such_word_is_refused(caller: Caller) -> None:
    for query in (
        "without=user&username=kate", "without=user,workspace&workspace=7", "without=name",
        "without=user,,workspace", "without=USER", "without=search", "without=user workspace",
    ):  # fmt: skip
        (problem,) = detail_of(caller.client.get(f"/runs?{query}"), 422)
        assert problem["loc"] == ["query", "without"], query


def test_what_is_offered_is_told_with_its_values(caller: Caller, four_runs: None) -> None:
    filters = {one["key"]: one for one in caller.json("/filters")["filters"]}
    assert filters["search"]["without"] is None
    assert filters["username"]["without"] == "user"
    assert filters["workspace"]["without"] == "workspace"
    users = caller.json("/filters/username/values")
    assert users == {"values": [{"value": "kate", "name": "kate"}], "is_complete": True}
    workspaces = caller.json("/filters/workspace/values")["values"]
    assert [one["name"] for one in workspaces] == ["Ops", None]
    for key in ("search", "else", "%00"):
        assert "no list of values" in detail_of(caller.client.get(f"/filters/{key}/values"), 404)


# Statuses, times, errors and durations

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def incident(host: HostWriter) -> None:
    """A failure an hour ago, a slow one before it, one that runs, and old ones of other words."""
    for run, hours, status, took, error in (
        ("failed", 1, "failed", 31, "TimeoutError: no answer\nat step 3"),
        ("slow", 2, "completed", 600, None),
        ("running", 3, "RUNNING", None, None),
        ("old", 100, "Time-out", 5, "100% of_it timed out"),
        ("odd", 200, "frobnicating", 5, "\n"),
        ("none", 300, None, None, None),
    ):
        began = NOW - timedelta(hours=hours)
        ended = None if took is None else began + timedelta(seconds=took)
        host.add_run(run, status=status, created_at=began, completed_at=ended, error_message=error)
    host.add_run("unstarted", status="paused", created_at=None, completed_at=NOW)


EVERY = ["failed", "slow", "running", "old", "odd", "none", "unstarted"]


def test_each_filter_finds_what_it_says(caller: Caller, incident: None) -> None:
    expected: tuple[tuple[dict[str, Any], list[str]], ...] = (
        ({"kind": "failed"}, ["failed", "old"]),
        ({"kind": ["failed", "running"]}, ["failed", "running", "old"]),
        ({"kind": ["running", "failed", "failed"]}, ["failed", "running", "old"]),
        ({"kind": "other"}, ["odd", "none"]),
        ({"kind": "paused"}, ["unstarted"]),
        ({"kind": ["paused", "completed"], "longer_than": "1"}, ["slow"]),
        ({"kind": ["", "completed"]}, ["slow"]),
        ({"status": "RUNNING"}, ["running"]),
        ({"status": "running"}, []),
        ({"status": ["Time-out", "frobnicating"]}, ["old", "odd"]),
        ({"status": "failed", "kind": "running"}, []),
        ({"since": "-90m"}, ["failed"]),
        ({"until": "-2d"}, ["old", "odd", "none"]),
        ({"since": "-5d", "until": "-90m"}, ["slow", "running", "old"]),
        ({"since": (NOW - timedelta(hours=2)).isoformat()}, ["failed", "slow"]),
        ({"until": (NOW - timedelta(hours=100)).isoformat()}, ["odd", "none"]),
        ({"error": "timeouterror"}, ["failed"]),
        ({"error": "STEP"}, ["failed"]),
        ({"error": "100% of_it"}, ["old"]),
        ({"error": "10%"}, []),
        ({"longer_than": "30"}, ["failed", "slow", "running"]),
        ({"longer_than": "31"}, ["slow", "running"]),
        ({"longer_than": "0.5m"}, ["failed", "slow", "running"]),
        ({"longer_than": "1h"}, ["running"]),
        ({"longer_than": "4h"}, []),
        ({"kind": "failed", "error": "time", "since": "-1d", "longer_than": "5"}, ["failed"]),
    )
    for query, found in expected:
        assert [run["id"] for run in caller.json("/runs", **query)["runs"]] == found, query


def test_an_empty_value_is_none(caller: Caller, incident: None) -> None:
    every = caller.json("/runs")
    assert [run["id"] for run in every["runs"]] == EVERY
    for key in (*ENTRIES, "without", "sort", "after"):
        assert caller.json(f"/runs?{key}=") == every, key
        if key not in {"sort", "after"}:
            for path in ("/statuses", "/histogram"):
                assert caller.json(f"{path}?{key}=") == caller.json(path), key


NO_TIME = "It must be a time in ISO 8601 with its zone, such as 2026-11-25T14:00:00Z, or a length "
NO_LENGTH = "It must be a number of seconds, or one with a unit such as 5m (s, m, h, d, w)."
REFUSED = (
    ("since=2026-11-25T14:00:00", "since", NO_TIME),
    ("since=2026-11-25", "since", NO_TIME),
    ("until=yesterday", "until", NO_TIME),
    ("until=24h", "until", NO_TIME),
    ("since=-24", "since", NO_TIME),
    ("since=-999999w", "since", NO_TIME),
    ("until=%00", "until", NO_TIME),
    ("since=-1h&until=-24h", "until", "It must come after “since”."),
    ("since=-1h&until=-1h", "until", "It must come after “since”."),
    ("since=2026-01-01T00:00Z&until=2026-01-01T01:00%2B01:00", "until", "It must come after"),
    ("kind=FAILED", "kind", "It must be one of these: running, completed, failed, paused, other."),
    ("kind=failed&kind=broken", "kind", "It must be one of these: "),
    ("kind=failed,paused", "kind", "It must be one of these: "),
    ("longer_than=long", "longer_than", NO_LENGTH),
    ("longer_than=-5m", "longer_than", NO_LENGTH),
    ("longer_than=NaN", "longer_than", NO_LENGTH),
    ("longer_than=1e9", "longer_than", NO_LENGTH),
    ("longer_than=999999999w", "longer_than", NO_LENGTH),
    ("longer_than=5m&longer_than=6m", "longer_than", "Given more than once"),
    ("since=-1h&since=-2h", "since", "Given more than once"),
    ("error=a&error=a", "error", "Given more than once"),
    (f"error={'a' * 1001}", "error", "String should have at most 1000 characters"),
    (f"since={'-' * 1001}", "since", "String should have at most 1000 characters"),
    ("&".join(f"status={one}" for one in range(51)), "status", "List should have at most 50 items"),
    ("&".join(["kind=failed"] * 51), "kind", "List should have at most 50 items"),
)


def test_what_cannot_be_read_is_refused_by_every_call_with_filters(caller: Caller) -> None:
    for query, key, why in REFUSED:
        for path in ("/runs", "/statuses", "/histogram"):
            (problem,) = detail_of(caller.client.get(f"{path}?{query}"), 422)
            assert problem["loc"] == ["query", key], (path, query)
            assert problem["msg"].startswith(why), (path, query)


def test_a_word_that_is_too_long_is_refused_by_its_place(caller: Caller) -> None:
    (problem,) = detail_of(caller.client.get(f"/runs?status=a&status={'b' * 1001}"), 422)
    assert problem["loc"] == ["query", "status", 1]


def test_an_unknown_order_is_refused(caller: Caller) -> None:
    sentence = "It must be one of these: started, -started, took, -took, "
    for sort in ("Name", "+name", "--name", "created_at", "name,took", "%00"):
        (problem,) = detail_of(caller.client.get(f"/runs?sort={sort}"), 422)
        assert problem["loc"] == ["query", "sort"], sort
        assert problem["msg"].startswith(sentence), sort


STRANGE = ("%00", "%ff", "%ED%A0%80", "%25", "_", "a" * 1000, "%F0%9F%9A%9A" * 300, "%5C")


def test_strange_texts_of_errors_and_statuses_are_only_texts(
    caller: Caller, incident: None
) -> None:
    for text in STRANGE:
        for key in ("error", "status"):
            for path in ("/runs", "/statuses", "/histogram"):
                status = caller.client.get(f"{path}?{key}={text}").status_code
                assert status == 200, (path, key, text)
        found = {run["id"] for run in caller.json(f"/runs?error={text}")["runs"]}
        assert found == ({"old"} if text in {"%25", "_"} else set()), text
        assert caller.json(f"/runs?status={text}")["total"] == 0, text


def test_more_runs_than_can_be_sorted_are_refused_in_a_sentence(
    host: HostWriter, caller: Caller
) -> None:
    host.execute(
        "INSERT INTO run_metadata (thread_id, status) SELECT n::text, 'completed'"
        " FROM generate_series(1, 2001) n; ANALYZE"
    )
    sentence = detail_of(caller.client.get("/runs?sort=size"), 422)
    assert "2,000" in sentence
    assert sentence.endswith(".")
    host.execute("DELETE FROM run_metadata WHERE thread_id = '1'; ANALYZE")
    assert len(caller.json("/runs?sort=size")["runs"]) == 50


def test_what_is_offered_is_told_with_where_its_values_are(caller: Caller) -> None:
    answer = caller.json("/filters")
    filters = {one["key"]: one for one in answer["filters"]}
    assert list(filters) == list(ENTRIES)
    assert {key for key, one in filters.items() if one["is_repeatable"]} == {"kind", "status"}
    listed = {key: one["values"] for key, one in filters.items() if one["values"]}
    base = "/admin/run-manager"
    assert listed == {
        "username": f"{base}/filters/username/values",
        "workspace": f"{base}/filters/workspace/values",
        "model": f"{base}/filters/model/values",
        "kind": f"{base}/statuses",
        "status": f"{base}/statuses",
    }
    for path in listed.values():
        caller.json(path.removeprefix(base))
    assert answer["sorts"] == ["started", "took", "name", "user", "status", "size"]
    for key in set(filters) - {"username", "workspace", "model"}:
        caller.json(f"/filters/{key}/values", 404)


def test_a_host_without_workspaces_names_has_runs_without_one(
    host: HostWriter, open_caller: OpenCaller
) -> None:
    host.execute("DROP TABLE workspaces")
    host.add_run("in-one", workspace_id="7")
    host.add_run("in-none", workspace_id=None)
    assert ids(open_caller().json("/runs", without="workspace")) == {"in-none"}


@pytest.mark.parametrize(
    ("query", "key", "column"),
    [
        ("model=m-1", "model", "llm_model"),
        ("without=model", "model", "llm_model"),
        ("error=timeout", "error", "error_message"),
        ("longer_than=5m", "longer_than", "completed_at"),
    ],
)
def test_what_the_host_has_no_column_for_is_not_offered_and_refused(
    host: HostWriter, open_caller: OpenCaller, query: str, key: str, column: str
) -> None:
    host.execute(f"ALTER TABLE run_metadata DROP COLUMN {column}")
    host.add_run()
    caller = open_caller()
    assert key not in {one["key"] for one in caller.json("/filters")["filters"]}
    for path in ("/runs", "/statuses", "/histogram"):
        detail = detail_of(caller.client.get(f"{path}?{query}"), 422)
        assert detail.startswith(f"Runs cannot be filtered by “{key}” here: ")


def test_a_host_that_keeps_no_ends_is_not_sorted_by_them(
    host: HostWriter, open_caller: OpenCaller
) -> None:
    host.execute("ALTER TABLE run_metadata DROP COLUMN completed_at")
    host.add_run()
    caller = open_caller()
    assert "took" not in caller.json("/filters")["sorts"]
    sentence = detail_of(caller.client.get("/runs?sort=-took"), 422)
    assert sentence == "The runs of this host cannot be sorted by duration."
    (run,) = caller.json("/runs")["runs"]
    assert run["completed_at"] is None
