"""How many runs there are is known at once, and is nearly true, where they are many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.filters import RunFilter
from runmanager.paging import Exactness, PageRequest
from runmanager.queries.listing.limits import Limits

if TYPE_CHECKING:
    from runmanager.records import Actor, RunPage
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

FEW_COUNTED = Limits(exact_to=100, count_seconds=5)
ALL, KATES = 20_000, 5_000
# All runs of kate are in Ops: the shares of both, multiplied, would give a quarter of them.
FILL = """
    INSERT INTO run_metadata (thread_id, run_name, created_at, user_id, workspace_id)
    SELECT 'r-' || n, CASE n %% 4 WHEN 0 THEN 'Order ' ELSE 'Invoice ' END || n,
           timestamptz '2025-01-01' + n * interval '1 minute',
           CASE WHEN n %% 4 = 0 THEN %s END, CASE WHEN n %% 4 = 0 THEN %s END
    FROM generate_series(1, %s) n
"""


@pytest.fixture
def many(host: HostWriter) -> HostWriter:
    host.execute(FILL, host.user("kate"), host.workspace("Ops"), ALL)
    host.execute("CREATE INDEX ON run_metadata (created_at DESC)")
    host.execute("ANALYZE")
    return host


def first(manager: RunManager, admin: Actor, **conditions: str) -> RunPage:
    run_filter = RunFilter.from_query(conditions)
    page = manager.finding.browse(admin, run_filter, PageRequest(), None)
    assert len(page.items) == 50
    return page


def total_of_kate_in_ops(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> tuple[int, Exactness]:
    manager = open_manager(limits=FEW_COUNTED)
    page = first(manager, admin, username="kate", workspace=host.workspace("Ops"))
    return page.total, page.exactness


def test_the_total_of_many_runs_is_nearly_true(
    many: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    manager = open_manager(limits=FEW_COUNTED)
    ops = many.workspace("Ops")
    for number, conditions in (
        (ALL, {}),
        (KATES, {"username": "kate"}),
        (KATES, {"workspace": ops}),
        (KATES, {"username": "kate", "workspace": ops}),
        (KATES, {"search": "order"}),
        (KATES, {"username": "kate", "search": "order"}),
    ):
        page = first(manager, admin, **conditions)
        assert page.exactness is Exactness.ABOUT, conditions
        assert 0.6 * number < page.total < 1.5 * number, conditions


def test_a_view_has_no_pages_to_take_a_sample_of(
    many: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    many.execute("ALTER TABLE run_metadata RENAME TO runs_inside")
    many.execute("CREATE VIEW run_metadata AS SELECT * FROM runs_inside")
    assert total_of_kate_in_ops(many, open_manager, admin) == (100, Exactness.AT_LEAST)


def test_few_runs_of_two_conditions_are_counted(
    many: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    many.execute(
        "UPDATE run_metadata SET workspace_id = NULL WHERE created_at > '2025-01-01 06:00'"
    )
    assert total_of_kate_in_ops(many, open_manager, admin) == (90, Exactness.EXACT)


def test_a_table_that_was_never_analysed_is_counted_as_far_as_goes(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(FILL, host.user("kate"), host.workspace("Ops"), 2000)
    assert total_of_kate_in_ops(host, open_manager, admin) == (100, Exactness.AT_LEAST)
