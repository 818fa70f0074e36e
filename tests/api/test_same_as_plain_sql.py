"""List, statuses and histogram on random runs: the API, the page's service and plain SQL agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runmanager.filters import KINDS, RunFilter
from runmanager.paging import PageRequest
from runmanager.sorting import SORTS
from tests.api.plain import KIND_OF, Plain, moment
from tests.examples import some_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runmanager.records import Actor, Histogram, RunPage, StatusCounts
    from tests.api.conftest import Caller
    from tests.hosts import HostWriter

# The night in which Berlin's clocks go from two to three.
NIGHT = datetime(2026, 3, 29, tzinfo=UTC)
ZONES = ["", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"]
COLUMNS = (
    "thread_id", "run_name", "status", "created_at", "completed_at", "error_message", "llm_model",
    "user_id", "workspace_id",
)  # fmt: skip

times = st.one_of(
    st.none(),
    st.sampled_from(["infinity", "-infinity"]),
    st.integers(-3, 12).map(lambda quarters: NIGHT + timedelta(minutes=15 * quarters)),
    st.integers(-200, 200).map(lambda hours: NIGHT + timedelta(hours=hours)),
)
statuses = st.sampled_from(list(KIND_OF))
runs = st.lists(
    st.tuples(
        st.sampled_from(["Order 1", "order 2", "100% of_it", "注文", "", None]),
        statuses,
        times,
        st.one_of(st.none(), times),
        st.sampled_from(["TimeoutError: 30 s\nat step", "timeouterror", "100%", "", None]),
        st.sampled_from(["m-1", "m-2", None]),
        st.sampled_from(["kate", "zoë", None]),
        st.sampled_from(["Ops", None]),
    ),
    max_size=16,
)
moments = st.one_of(
    st.integers(-10, 20).map(lambda quarters: NIGHT + timedelta(minutes=15 * quarters)),
    st.integers(-250, 250).map(lambda hours: NIGHT + timedelta(hours=hours)),
).flatmap(
    lambda time: st.sampled_from(ZONES[1:]).map(
        lambda zone: time.astimezone(ZoneInfo(zone)).isoformat()
    )
)
entries: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "search": st.sampled_from(["order", "%", "R-0", "注"]),
        "username": st.sampled_from(["kate", "nobody"]),
        "without": st.sampled_from(["workspace", "model", "workspace,model"]),
        "kind": st.lists(st.sampled_from(sorted(set(KIND_OF.values()))), min_size=1, max_size=3),
        "status": st.lists(statuses.filter(bool), min_size=1, max_size=3),
        "since": moments,
        "until": moments,
        "error": st.sampled_from(["timeout", "TIMEOUTERROR:", "100%", "step"]),
        "longer_than": st.sampled_from(["1", "15m", "0.5h", "3d", "999999h"]),
    },
)
queries = entries.filter(
    lambda query: (
        not {"since", "until"} <= set(query) or moment(query["since"]) < moment(query["until"])
    )
)


def write(host: HostWriter, rows: list[tuple[Any, ...]]) -> None:
    """Nothing but these runs."""
    people = {"kate": host.user("kate"), "zoë": host.user("zoë")}
    spaces = {"Ops": host.workspace("Ops")}
    host.execute("DELETE FROM run_metadata")
    with host.connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO run_metadata ({', '.join(COLUMNS)}) VALUES (%s{', %s' * 8})",  # noqa: S608
            [
                (f"r-{number:02}", *row, people.get(user), spaces.get(space))
                for number, (*row, user, space) in enumerate(rows)
            ],
        )


def ids(answer: Any) -> list[str]:
    return [run["id"] for run in answer["runs"]]


def of_page(page: RunPage) -> list[tuple[object, ...]]:
    """What page and API both tell of a run."""
    return [
        (run.thread_id, run.title, run.status, run.kind.shown, run.username, run.workspace_id,
         run.error, run.completed_at and run.completed_at.isoformat().replace("+00:00", "Z"))
        for run in page.items
    ]  # fmt: skip


def of_api(answer: Any) -> list[tuple[object, ...]]:
    return [
        (run["id"], run["name"], run["result"], run["kind"], run["username"], run["workspace"],
         run["error"], run["completed_at"])
        for run in answer["runs"]
    ]  # fmt: skip


def read_on(caller: Caller, query: Mapping[str, Any], sort: str) -> list[str]:
    """Every run of a query, three at a time, each from where the last ones ended."""
    found: list[str] = []
    answer = caller.json("/runs", **query, sort=sort, page_size=3)
    while True:
        found += ids(answer)
        if answer["next"] is None:
            return found
        assert len(answer["runs"]) == 3
        answer = caller.json("/runs", **query, sort=sort, page_size=3, after=answer["next"])


def test_the_list_is_that_of_the_page_and_of_plain_sql(
    host: HostWriter, caller: Caller, admin: Actor
) -> None:
    plain, found = Plain(host), set()

    @settings(max_examples=some_of(80), suppress_health_check=[HealthCheck.too_slow])
    @given(rows=runs, query=queries, sort=st.sampled_from(SORTS), number=st.integers(1, 3))
    def compare(rows: list[Any], query: dict[str, Any], sort: Any, number: int) -> None:
        write(host, rows)
        newest_first = plain.ids(query)
        answer = caller.json("/runs", **query, page_size=200)
        assert ids(answer) == newest_first
        assert (answer["total"], answer["total_is_exact"]) == (len(newest_first), True)
        assert read_on(caller, query, "-started") == newest_first
        assert read_on(caller, query, "started") == newest_first[::-1]
        run_filter, request = RunFilter.from_query(query), PageRequest(number, 4)
        page = caller.manager.finding.list_runs(admin, run_filter, request, sort)
        answer = caller.json("/runs", **query, sort=sort.text, page=number, page_size=4)
        assert of_api(answer) == of_page(page)
        assert answer["total"] == page.total == len(newest_first)
        every = caller.json("/runs", **query, sort=sort.text, page_size=200)
        assert sorted(ids(every)) == sorted(newest_first)
        found.add(len(newest_first))

    compare()
    assert len(found) > 2  # the filters did select


def of_counts(counts: StatusCounts) -> list[tuple[object, ...]]:
    return [(one.status, one.kind.shown, one.runs) for one in counts.items]


def test_the_statuses_are_those_of_the_page_and_of_plain_sql(
    host: HostWriter, caller: Caller, admin: Actor
) -> None:
    plain, found = Plain(host), set()

    @settings(max_examples=some_of(80), suppress_health_check=[HealthCheck.too_slow])
    @given(rows=runs, query=queries)
    def compare(rows: list[Any], query: dict[str, Any]) -> None:
        write(host, rows)
        answer = caller.json("/statuses", **query)
        counted = {one["status"]: one["runs"] for one in answer["statuses"] if one["runs"]}
        assert counted == plain.statuses(query)
        assert answer["accuracy"] == "exact"
        assert len({one["status"] for one in answer["statuses"]}) == len(answer["statuses"])
        assert all(one["kind"] == KIND_OF[one["status"]] for one in answer["statuses"])
        run_filter = RunFilter.from_query(query)
        asked = [(one["status"], one["kind"], one["runs"]) for one in answer["statuses"]]
        assert asked == of_counts(caller.manager.triage.statuses(admin, run_filter))
        found.add(len(counted))

    compare()
    assert len(found) > 2


def of_histogram(histogram: Histogram) -> list[tuple[object, ...]]:
    return [
        (one.start, one.end, *(one.runs.get(kind, 0) for kind in KINDS))
        for one in histogram.buckets
    ]


def test_the_histogram_is_that_of_the_page_and_of_plain_sql(
    host: HostWriter, caller: Caller, admin: Actor
) -> None:
    plain, found = Plain(host), set()

    @settings(max_examples=some_of(80), suppress_health_check=[HealthCheck.too_slow])
    @given(
        rows=runs, query=queries, number=st.sampled_from([1, 2, 5, 60, 200]),
        zone=st.sampled_from(ZONES),
    )  # fmt: skip
    def compare(rows: list[Any], query: dict[str, Any], number: int, zone: str) -> None:
        write(host, rows)
        answer = caller.json("/histogram", **query, buckets=number, zone=zone)
        buckets = answer["buckets"]
        assert answer["accuracy"] == "exact"
        assert len(buckets) <= number
        for one, following in pairwise(buckets):
            assert one["to"] == following["from"]
        for one in buckets:
            counted = {kind: one[kind] for kind in KINDS}
            assert counted == plain.between(query, one["from"], one["to"])
        assert sum(one[kind] for one in buckets for kind in KINDS) == plain.dated(query)
        histogram = caller.manager.triage.histogram(
            admin, RunFilter.from_query(query), number, ZoneInfo(zone or "UTC")
        )
        assert of_histogram(histogram) == [
            (datetime.fromisoformat(one["from"]), datetime.fromisoformat(one["to"]),
             *(one[kind] for kind in KINDS))
            for one in buckets
        ]  # fmt: skip
        found.add(len(buckets))

    compare()
    assert len(found) >= 3
