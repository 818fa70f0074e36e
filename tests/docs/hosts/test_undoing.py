"""docs/hosts/: what the role that each page makes deletes can be undone, to the last column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.hosts.public_hosts import PUBLIC_HOSTS
from tests.restoring import undoing

if TYPE_CHECKING:
    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.docs.hosts.public_hosts import PublicDatabase

CHAINLIT = next(one for one in PUBLIC_HOSTS if one.name == "chainlit")


def test_what_the_role_that_its_page_makes_deletes_comes_back_as_it_was(
    host: PublicDatabase,
) -> None:
    runs = [run.thread_id for run in host.listed()]
    before = host.contents()
    with undoing(host.role_url, host.of.trace_tables) as undo:
        undo.delete(runs)
        assert host.listed() == []
        outcome = undo.restore(runs)
    assert (outcome.failed, outcome.told) == ({}, ())
    assert host.contents() == before


def test_a_plan_says_that_undo_lacks_nothing(
    host: PublicDatabase, manager: RunManager, admin: Actor
) -> None:
    plan = manager.deleting.plan(admin, [run.thread_id for run in host.listed()])
    assert plan.undo_lacks == ()


@pytest.mark.parametrize("public_host", [CHAINLIT], indirect=True)
def test_a_plan_names_the_columns_that_would_be_lost_behind_a_view(
    host: PublicDatabase, manager: RunManager, admin: Actor
) -> None:
    host.execute(f"REVOKE DELETE ON threads FROM {host.role}")
    plan = manager.deleting.plan(admin, [run.thread_id for run in host.listed()])
    (lack,) = plan.undo_lacks
    assert lack.startswith(
        "The view “run_metadata” does not show the columns “tags” and “userIdentifier” of the table"
    )
    assert lack.endswith("is not archived, until it is granted SELECT and DELETE there.")
