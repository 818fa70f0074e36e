"""created_at of every type that hosts keep times in: listed in order, opened, planned, deleted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from runmanager.queries.listing.limits import Limits, SearchBudget
from tests.operations import delete
from tests.statements import recorded_with_values
from tests.texts import texts

if TYPE_CHECKING:
    from runmanager.records import Actor, RunPage
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

BERLIN = ZoneInfo("Europe/Berlin")
ALL = RunFilter()
# So few are many: pages are read from place to place, and searched slice by slice.
MANY = Limits(exact_to=3, count_seconds=5, search=SearchBudget(first=2, growth=2, seconds=60))
IMPATIENT = Limits(exact_to=3, count_seconds=5, search=SearchBudget(first=2, growth=2, seconds=0))
SIZE = 4


@dataclass(frozen=True)
class Kind:
    """How a host keeps its times: the column's type, and made of a timestamptz."""

    type: str
    made: str

    def of(self, time: datetime) -> datetime:
        """What a time is that the host has kept like this."""
        if self.type != "date":
            return time
        day = time.astimezone(BERLIN).date()
        return datetime(day.year, day.month, day.day, tzinfo=BERLIN).astimezone(UTC)


KINDS = {
    "timestamptz": Kind("timestamptz", "{}"),
    "timestamp": Kind("timestamp", "{} AT TIME ZONE 'Europe/Berlin'"),
    "date": Kind("date", "({} AT TIME ZONE 'Europe/Berlin')::date"),
    "text": Kind("text", "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"),
    "varchar": Kind(
        "varchar(40)", "to_char({} AT TIME ZONE 'Europe/Berlin', 'YYYY-MM-DD HH24:MI:SS.US')"
    ),
}
COLUMNS = "thread_id, run_name, status, {} AS created_at, user_id, workspace_id"
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
every_place = pytest.mark.parametrize("is_view", [False, True], ids=["table", "view"])

# Every third hour of five days from the last days of summer time on, two of each moment.
MOMENTS = [
    datetime(2026, 10, 24, tzinfo=UTC) + timedelta(hours=3 * (number // 2)) for number in range(25)
]


def filled(host: HostWriter) -> dict[str, datetime | None]:
    """Runs with these moments, and some without; the ids in no order of time."""
    times: list[datetime | None] = [*MOMENTS, None, None, None]
    ids = host.new_ids(len(times))
    runs = dict(zip(ids[::2] + ids[1::2], times, strict=True))
    for number, (thread_id, time) in enumerate(runs.items()):
        host.add_run(thread_id, name="Order" if number % 3 else "Invoice", created_at=time)
    return runs


def opened(
    host: HostWriter, open_manager: OpenManager, kind: Kind, limits: Limits, *, is_view: bool
) -> RunManager:
    """Run Manager on runs whose times are of this kind: in the table, or by a view before it."""
    made = kind.made.format("created_at")
    url = host.url
    if is_view:
        host.execute(
            "CREATE SCHEMA runmanager; CREATE VIEW runmanager.run_metadata AS"  # noqa: S608
            f" SELECT {COLUMNS.format(f'({made})::{kind.type}')} FROM public.run_metadata"
        )
        url = url.update_query_dict({"options": "-csearch_path=runmanager,public"})
    else:
        host.execute(
            f"ALTER TABLE run_metadata ALTER created_at TYPE {kind.type} USING {made};"
            "CREATE INDEX ON run_metadata (created_at DESC)"
        )
    return open_manager(url, limits, timestamp_zone=BERLIN)


def in_order(runs: dict[str, datetime | None], kind: Kind) -> list[str]:
    """Python's own order: newest first by what is kept, then by id, those without a time last."""

    def key(run: str) -> tuple[datetime, str]:
        time = runs[run]
        return (datetime.min.replace(tzinfo=UTC) if time is None else kind.of(time), run)

    return sorted(runs, key=key, reverse=True)


def ids(page: RunPage) -> list[str]:
    return [run.thread_id for run in page.items]


def turned(manager: RunManager, admin: Actor, page: RunPage, pages: int) -> list[str]:
    """The ids of ``page`` and of all pages behind it (or before it), each read from the last."""
    found = [ids(page)]
    while page.has_next if pages > 0 else page.has_previous:
        page = manager.finding.browse(admin, ALL, page.request.turned(pages), page)
        found.append(ids(page))
        assert len(found) < len(MOMENTS), "it does not come to an end"
    return [one for page_ids in found[:: 1 if pages > 0 else -1] for one in page_ids]


@every_kind
@every_place
def test_runs_are_listed_in_the_order_of_their_times_by_every_way(
    host: HostWriter, open_manager: OpenManager, admin: Actor, kind: Kind, is_view: bool
) -> None:
    runs = filled(host)
    expected = in_order(runs, kind)
    manager = opened(host, open_manager, kind, MANY, is_view=is_view)
    listed = manager.finding.list_runs(admin, ALL, PageRequest(1, 200))
    assert ids(listed) == expected
    for run in listed.items:
        time = runs[run.thread_id]
        assert run.created_at == (None if time is None else kind.of(time))
    first = manager.finding.browse(admin, ALL, PageRequest(1, SIZE))
    assert turned(manager, admin, first, 1) == expected
    last = manager.finding.browse(admin, ALL, PageRequest(1, SIZE, from_end=True))
    assert turned(manager, admin, last, -1) == expected
    for number in range(1, 8):
        jumped = manager.finding.browse(admin, ALL, PageRequest(number, SIZE))
        assert ids(jumped) == expected[(number - 1) * SIZE : number * SIZE]


@every_kind
@every_place
def test_runs_are_searched_slice_by_slice(
    host: HostWriter, open_manager: OpenManager, admin: Actor, kind: Kind, is_view: bool
) -> None:
    runs = filled(host)
    expected = in_order(runs, kind)
    oldest = [run for run in expected if runs[run] is not None][-1]
    host.execute("UPDATE run_metadata SET run_name = 'Rare' WHERE thread_id = %s", oldest)
    manager = opened(host, open_manager, kind, IMPATIENT, is_view=is_view)
    rare = RunFilter(search="rare")
    page = manager.finding.browse(admin, rare, PageRequest())
    assert page.items == ()
    assert page.searched_to is not None
    assert page.searched_to in {kind.of(time) for time in MOMENTS}
    while page.resume is not None:
        page = manager.finding.search_on(admin, rare, page)
    assert ids(page) == [oldest]


@every_kind
@every_place
def test_a_run_is_opened_planned_and_deleted(
    host: HostWriter, open_manager: OpenManager, admin: Actor, kind: Kind, is_view: bool
) -> None:
    run = host.add_run(created_at=MOMENTS[0])
    host.add_traces(run)
    manager = opened(host, open_manager, kind, MANY, is_view=is_view)
    detail = manager.reviewing.run(admin, run)
    assert detail.summary.created_at == kind.of(MOMENTS[0])
    assert detail.others == ()
    plan = manager.deleting.plan(admin, [run])
    assert [one.created_at for one in plan.runs] == [kind.of(MOMENTS[0])]
    delete(manager, admin, [], plan=plan)
    assert host.is_gone(run)


@every_kind
def test_an_index_serves_the_list_whatever_the_type(
    host: HostWriter, open_manager: OpenManager, admin: Actor, kind: Kind
) -> None:
    moment = "timestamptz '2020-01-01' + n * interval '1 hour'"
    manager = opened(host, open_manager, kind, MANY, is_view=False)
    host.execute(
        "INSERT INTO run_metadata (thread_id, created_at)"  # noqa: S608
        f" SELECT 'r' || n, {kind.made.format(f'({moment})')} FROM generate_series(1, 3000) n;"
        "ANALYZE run_metadata"
    )
    with recorded_with_values(manager) as sent:
        page = manager.finding.browse(admin, ALL, PageRequest(1, SIZE))
        page = manager.finding.browse(admin, ALL, page.request.turned(1), page)
        manager.finding.browse(admin, ALL, page.request.turned(-1), page)
        manager.finding.browse(admin, ALL, PageRequest(300, SIZE))
    ordered = [one for one in sent if "run_metadata.created_at DESC" in one[0]]
    assert len(ordered) >= 4
    for statement, values in ordered:
        plan = host.connection.execute(f"EXPLAIN {statement}".encode(), values)
        lines = [line for (line,) in plan]
        assert any("run_metadata_created_at_idx on run_metadata" in line for line in lines), lines
        assert not any("Seq Scan on run_metadata" in line for line in lines), lines


@pytest.mark.parametrize("text", ["yesterday", "", "1735732800", "2025-13-01"])
def test_a_text_that_is_no_time_is_shown_as_it_is_and_fails_nothing(
    host: HostWriter, open_manager: OpenManager, admin: Actor, text: str
) -> None:
    host.execute(
        "ALTER TABLE run_metadata ALTER created_at TYPE text, ALTER completed_at TYPE text"
    )
    runs = [host.add_run(created_at=text, completed_at=text) for _number in range(5)]
    manager = open_manager(limits=MANY)
    page = manager.finding.browse(admin, ALL, PageRequest(1, 2))
    assert turned(manager, admin, page, 1) == runs[::-1]
    assert page.items[0].created_at is None
    found = manager.reviewing.run(admin, runs[0])
    assert (found.summary.created_at, found.completed_at) == (None, None)
    assert texts(found.others) == {"created_at": text, "completed_at": text}
    delete(manager, admin, runs)
    assert all(host.is_gone(run) for run in runs)


@pytest.mark.parametrize(
    ("kind", "stored", "said"),
    [
        ("timestamp", "2025-07-01 14:00", datetime(2025, 7, 1, 12, tzinfo=UTC)),
        ("date", "2025-07-01", datetime(2025, 6, 30, 22, tzinfo=UTC)),
        ("text", "2025-07-01T14:00:00", datetime(2025, 7, 1, 12, tzinfo=UTC)),
        ("varchar", "2025-07-01T14:00:00Z", datetime(2025, 7, 1, 14, tzinfo=UTC)),
    ],
)
def test_when_a_run_ended_is_read_in_the_same_way(
    host: HostWriter, open_manager: OpenManager, admin: Actor, kind: str, stored: str,
    said: datetime,
) -> None:  # fmt: skip
    host.execute(f"ALTER TABLE run_metadata DROP completed_at, ADD completed_at {kind}")
    manager = open_manager(timestamp_zone=BERLIN)
    found = manager.reviewing.run(admin, host.add_run(completed_at=stored))
    assert found.completed_at == said
    assert found.others == ()


def test_times_of_a_log_are_of_the_same_zone(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("ALTER TABLE logs ALTER created_at TYPE timestamp")
    run = host.add_run()
    host.execute("INSERT INTO logs (thread_id, created_at) VALUES (%s, '2025-07-01 14:00')", run)
    manager = open_manager(timestamp_zone=BERLIN)
    (entry,) = manager.reviewing.logs(admin, run, None, PageRequest()).items
    assert entry.time == datetime(2025, 7, 1, 12, tzinfo=UTC)
    assert manager.reviewing.log_line(admin, run, None, entry.key).time == entry.time


@pytest.mark.parametrize("local", ["2025-03-30 02:30", "2025-10-26 02:30"])
@pytest.mark.parametrize("kind", ["timestamp", "text"])
def test_an_hour_that_a_clock_leaps_over_or_shows_twice_fails_nothing(
    host: HostWriter, open_manager: OpenManager, admin: Actor, local: str, kind: str
) -> None:
    host.execute(f"ALTER TABLE run_metadata DROP created_at, ADD created_at {kind}")
    runs = [host.add_run(created_at=local) for _number in range(5)]
    manager = open_manager(limits=MANY, timestamp_zone=BERLIN)
    page = manager.finding.browse(admin, ALL, PageRequest(1, 2))
    assert turned(manager, admin, page, 1) == runs[::-1]
    assert page.items[0].created_at is not None
