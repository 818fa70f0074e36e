"""Lists in another order: how far that goes, what is said where it ends, and by size."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runmanager.errors import InvalidRequestError, TooManyToSortError
from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from runmanager.queries.listing import sorted_pages
from runmanager.queries.listing.limits import Limits
from runmanager.sorting import Sort, SortKey
from tests.conftest import every_shape
from tests.hosts import fill

if TYPE_CHECKING:
    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

BY_NAME = Sort(SortKey.NAME, is_descending=False)
FEW = Limits(exact_to=3, gather_to=50, count_seconds=5)


def stored(host: HostWriter) -> dict[str, int]:
    """The stored bytes of each run's rows, by plain SQL."""
    found: dict[str, int] = {}
    for table in host.shape.tables:
        columns = host.execute(
            "SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = %s::regclass"
            " AND attnum > 0 AND NOT attisdropped",
            f"{host.shape.schema}.{table}",
        )
        total = " + ".join(f"coalesce(pg_column_size({name}), 0)" for (name,) in columns)
        of_table = f"SELECT thread_id::text, sum({total}) FROM {table} GROUP BY 1"  # noqa: S608
        for thread_id, size in host.execute(of_table):
            found[thread_id] = found.get(thread_id, 0) + int(size)
    return found


@every_shape
@pytest.mark.parametrize("is_descending", [True, False])
def test_by_size_all_rows_of_a_run_count(
    host: HostWriter, manager: RunManager, admin: Actor, is_descending: bool
) -> None:
    for number in range(9):
        run = host.add_run(name="x" * (number % 3))
        host.add_traces(run, checkpoints=1 + number % 4, logs=number)
    sizes = stored(host)
    runs = sorted(sizes, reverse=True)
    runs.sort(key=sizes.__getitem__, reverse=is_descending)
    sort = Sort(SortKey.SIZE, is_descending)
    found = []
    for number in (1, 2, 3):
        page = manager.finding.browse(admin, RunFilter(), PageRequest(number, 4), sort=sort)
        assert page.total == 9
        found += [(run.thread_id, run.stored_bytes) for run in page.items]
    assert found == [(run, sizes[run]) for run in runs]
    (one, *_others) = manager.finding.browse(admin, RunFilter(), PageRequest()).items
    assert one.stored_bytes is None


def test_more_runs_than_can_be_sorted_are_refused_in_a_sentence(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    fill(host, 1_200)
    manager = open_manager(limits=FEW)
    for read in (manager.finding.browse, manager.finding.list_runs):
        with pytest.raises(TooManyToSortError) as refused:
            read(admin, RunFilter(), PageRequest(), sort=BY_NAME)
        assert refused.value.message == (
            "About 1,200 runs match: up to 50 can be sorted by name. Narrow the filters."
        )
    host.execute("TRUNCATE run_metadata; ANALYZE")
    for _run in range(51):
        host.add_run(user="kate")
    with pytest.raises(TooManyToSortError, match=r"^More than 50 runs match: up to 50 can be"):
        manager.finding.browse(admin, RunFilter(username="kate"), PageRequest(), sort=BY_NAME)
    host.execute(
        "DELETE FROM run_metadata WHERE thread_id = (SELECT min(thread_id) FROM run_metadata)"
    )
    page = manager.finding.browse(admin, RunFilter(username="kate"), PageRequest(), sort=BY_NAME)
    assert page.total == 50


def test_what_the_planner_believes_refuses_nothing(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    fill(host, 1_200)
    host.execute("DELETE FROM run_metadata WHERE run_name NOT LIKE '%0'")
    host.execute("DELETE FROM run_metadata WHERE run_name NOT LIKE '%00'")
    manager = open_manager(limits=FEW)
    assert manager.finding.browse(admin, RunFilter(), PageRequest(), sort=BY_NAME).total == 12


def test_by_size_fewer_are_sorted(
    host: HostWriter, open_manager: OpenManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorted_pages, "SIZED", 5)
    host.add_runs(6)
    manager = open_manager()
    with pytest.raises(TooManyToSortError, match="up to 5 can be sorted by size"):
        manager.finding.browse(admin, RunFilter(), PageRequest(), sort=Sort(SortKey.SIZE))
    assert manager.finding.browse(admin, RunFilter(), PageRequest(), sort=BY_NAME).total == 6


def test_what_takes_too_long_to_find_is_refused(
    host: HostWriter, open_manager: OpenManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(host, 20_000)
    monkeypatch.setattr(sorted_pages, "SECONDS", 0.001)
    manager = open_manager(limits=replace(FEW, gather_to=100_000))
    with pytest.raises(TooManyToSortError, match="cannot be found in time to be sorted"):
        manager.finding.browse(admin, RunFilter("1"), PageRequest(), sort=BY_NAME)


def test_a_key_that_the_host_does_not_have_is_refused(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("ALTER TABLE run_metadata DROP completed_at")
    manager = open_manager()
    assert manager.finding.sorts == tuple(key for key in SortKey if key is not SortKey.TOOK)
    with pytest.raises(InvalidRequestError, match="cannot be sorted by duration"):
        manager.finding.browse(admin, RunFilter(), PageRequest(), sort=Sort(SortKey.TOOK))


def test_two_users_of_one_name_are_sorted_as_one(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("CREATE INDEX ON run_metadata (user_id)")
    ids = [host.add_user("kate"), host.add_user("kate"), host.add_user("abe")]
    runs = [
        host.add_run(created_at=f"2025-01-{day:02} 12:00+00", user_id=ids[day % 3])
        for day in range(1, 13)
    ]
    wanted = [run for n, run in enumerate(runs, 1) if n % 3 == 2][::-1]
    wanted += [run for n, run in enumerate(runs, 1) if n % 3 != 2][::-1]
    by_user = Sort(SortKey.USER, is_descending=False)
    for limits in (None, replace(FEW, gather_to=11)):
        manager = open_manager(limits=limits)
        page = manager.finding.browse(admin, RunFilter(), PageRequest(1, 10), sort=by_user)
        assert [run.thread_id for run in page.items] == wanted[:10]
