"""A filter's runs as a whole: their statuses, and their times, as a script reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.api.test_refusals import detail_of
from tests.conftest import every_shape

if TYPE_CHECKING:
    from tests.api.conftest import Caller, OpenCaller
    from tests.hosts import HostWriter

AFTERNOON = datetime(2026, 5, 3, 14, 0, tzinfo=UTC)


def add(host: HostWriter, *statuses: str | None, minutes: float = 0) -> None:
    """A run of each status, so many minutes after two o'clock."""
    for status in statuses:
        host.add_run(status=status, created_at=AFTERNOON + timedelta(minutes=minutes))


def bucket(start: str, end: str, **runs: int) -> dict[str, Any]:
    kinds = {"running": 0, "completed": 0, "failed": 0, "paused": 0, "other": 0}
    return {"from": start, "to": end} | kinds | runs


@every_shape
def test_every_status_is_counted_with_exactly_these_keys(host: HostWriter, caller: Caller) -> None:
    add(host, "completed", "failed", "FAILED", "failed", "frobnicating", None)
    answer = caller.json("/statuses")
    assert list(answer) == ["statuses", "accuracy"]
    assert answer["accuracy"] == "exact"
    found = {(one["status"], one["kind"], one["runs"]) for one in answer["statuses"]}
    assert all(list(one) == ["status", "kind", "runs"] for one in answer["statuses"])
    assert found == {
        ("completed", "completed", 1),
        ("failed", "failed", 2),
        ("FAILED", "failed", 1),
        ("frobnicating", "other", 1),
        (None, "other", 1),
    }


def test_a_status_is_counted_as_choosing_it_would_give(host: HostWriter, caller: Caller) -> None:
    add(host, "completed", "failed", "failed")
    add(host, "failed", minutes=60)
    until = (AFTERNOON + timedelta(minutes=30)).isoformat()
    for query in ({}, {"kind": "completed"}, {"status": ["failed", "none"]}, {"kind": "paused"}):
        answer = caller.json("/statuses", until=until, **query)
        counts = {one["status"]: one["runs"] for one in answer["statuses"]}
        assert counts == {"completed": 1, "failed": 2}
        for status, runs in counts.items():
            assert caller.json("/runs", until=until, status=status)["total"] == runs


def test_a_histogram_has_exactly_these_keys(host: HostWriter, caller: Caller) -> None:
    add(host, "completed", "Failed", "in_progress", None, minutes=2)
    add(host, "paused", "frobnicating", "frobnicating", minutes=17)
    host.add_run(created_at=None)
    since, until = AFTERNOON.isoformat(), (AFTERNOON + timedelta(minutes=30)).isoformat()
    answer = caller.json("/histogram", since=since, until=until, buckets=2)
    assert answer == {
        "buckets": [
            bucket("2026-05-03T14:00:00Z", "2026-05-03T14:15:00Z",
                   running=1, completed=1, failed=1, other=1),
            bucket("2026-05-03T14:15:00Z", "2026-05-03T14:30:00Z", paused=1, other=2),
        ],
        "accuracy": "exact",
    }  # fmt: skip
    assert list(answer["buckets"][0]) == [
        "from", "to", "running", "completed", "failed", "paused", "other",
    ]  # fmt: skip


def test_a_run_at_an_edge_is_in_the_span_that_begins_there(
    host: HostWriter, caller: Caller
) -> None:
    for minutes in (0, 15, 30):
        add(host, "failed", minutes=minutes)
    since, until = AFTERNOON.isoformat(), (AFTERNOON + timedelta(minutes=30)).isoformat()
    answer = caller.json("/histogram", since=since, until=until, buckets=2)
    assert [one["failed"] for one in answer["buckets"]] == [1, 1]


def test_a_kind_that_is_chosen_is_the_only_one_counted_over_time(
    host: HostWriter, caller: Caller
) -> None:
    add(host, "completed", "failed", "failed")
    (one,) = [
        one
        for one in caller.json("/histogram", kind="failed")["buckets"]
        if one["failed"] or one["completed"]
    ]
    assert (one["failed"], one["completed"]) == (2, 0)


def test_days_begin_where_the_zone_says(host: HostWriter, caller: Caller) -> None:
    # The last Sunday of March has 23 hours in Berlin.
    for day in range(26, 32):
        host.add_run(created_at=datetime(2026, 3, day, 12, tzinfo=UTC))
    query = {
        "since": "2026-03-27T00:00:00+01:00", "until": "2026-03-31T00:00:00+02:00", "buckets": 4,
    }  # fmt: skip
    in_berlin = caller.json("/histogram", zone="Europe/Berlin", **query)["buckets"]
    assert [one["from"] for one in in_berlin] == [
        "2026-03-26T23:00:00Z", "2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z",
        "2026-03-29T22:00:00Z",
    ]  # fmt: skip
    assert in_berlin[-1]["to"] == "2026-03-30T22:00:00Z"
    assert [one["completed"] for one in in_berlin] == [1] * 4
    in_utc = caller.json("/histogram", **{**query, "buckets": 5})["buckets"]
    assert [one["from"][11:] for one in in_utc[1:]] == ["00:00:00Z"] * (len(in_utc) - 1)


def test_there_are_no_more_spans_than_asked_for(host: HostWriter, caller: Caller) -> None:
    for minutes in (0, 1, 61, 5000, 100_000):
        add(host, "failed", minutes=minutes)
    for number in (1, 2, 7, 60, 200):
        answer = caller.json("/histogram", buckets=number)
        assert 1 <= len(answer["buckets"]) <= number
        assert sum(one["failed"] for one in answer["buckets"]) == 5, number


def test_where_nothing_is_the_answers_are_empty(host: HostWriter, caller: Caller) -> None:
    assert caller.json("/statuses") == {"statuses": [], "accuracy": "exact"}
    assert caller.json("/histogram") == {"buckets": [], "accuracy": "exact"}
    host.add_run(created_at=None)
    assert caller.json("/histogram") == {"buckets": [], "accuracy": "exact"}


def test_a_number_of_spans_out_of_bounds_is_refused(caller: Caller) -> None:
    for query in (
        "buckets=0", "buckets=201", "buckets=-1", "buckets=", "buckets=1.5", "buckets=%00",
        f"buckets={'9' * 5000}", "buckets=60&buckets=60",
    ):  # fmt: skip
        (problem,) = detail_of(caller.client.get(f"/histogram?{query}"), 422)
        assert problem["loc"] == ["query", "buckets"], query
        assert "9" * 100 not in str(problem)


def test_a_zone_that_is_not_known_is_refused(caller: Caller) -> None:
    sentence = "It must be the IANA name of a time zone, such as Europe/Berlin."
    for zone in (
        "Europe/Atlantis", "Europe", "/etc/passwd", "../../etc/passwd", "%00", "%ff", " ",
        "UTC%0A", "a" * 300, "é",
    ):  # fmt: skip
        (problem,) = detail_of(caller.client.get(f"/histogram?zone={zone}"), 422)
        assert (problem["loc"], problem["msg"]) == (["query", "zone"], sentence), zone


def test_what_a_list_takes_and_a_count_does_not_is_refused(caller: Caller) -> None:
    for path in ("/statuses", "/histogram"):
        for name in ("page", "page_size", "sort", "after"):
            (problem,) = detail_of(caller.client.get(f"{path}?{name}=1"), 422)
            assert problem["msg"] == "Unknown query parameter"


def test_a_host_that_keeps_its_times_as_texts_has_no_spans(
    host: HostWriter, open_caller: OpenCaller
) -> None:
    host.execute("ALTER TABLE run_metadata DROP created_at, ADD created_at text")
    host.add_run(created_at="2026-05-03T14:00:00Z")
    caller = open_caller()
    assert caller.json("/histogram") == {"buckets": [], "accuracy": "exact"}
    assert {"since", "until"}.isdisjoint(one["key"] for one in caller.json("/filters")["filters"])
    for path in ("/runs", "/statuses", "/histogram"):
        sentence = detail_of(caller.client.get(f"{path}?since=-24h"), 422)
        assert sentence.startswith("Runs cannot be filtered by “since” here: ")
    assert [one["runs"] for one in caller.json("/statuses")["statuses"]] == [1]
