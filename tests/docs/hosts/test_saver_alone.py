"""docs/hosts/saver.md: the registry of threads is kept by the host's database itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from tests.docs.hosts.public_hosts import PUBLIC_HOSTS, RUNS
from tests.graphs import run_graph, saver_at
from tests.operations import delete, deleted

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.docs.hosts.public_hosts import PublicDatabase

pytestmark = pytest.mark.parametrize(
    "public_host", [one for one in PUBLIC_HOSTS if one.is_the_saver_alone], indirect=True
)


def ids(manager: RunManager, admin: Actor) -> list[str]:
    """The ids of all runs in the list, newest first."""
    page = manager.finding.list_runs(admin, RunFilter(), PageRequest(1, 200))
    return [run.thread_id for run in page.items]


@pytest.fixture
def application(host: PublicDatabase) -> Iterator[sa.URL]:
    """The address at which the application connects, whose role knows of no registry."""
    name = f"{host.role}_app"
    tables = "checkpoints, checkpoint_writes, checkpoint_blobs"
    host.execute(f"CREATE ROLE {name} LOGIN")
    host.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {name}")
    yield host.url.set(username=name)
    host.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_a_thread_is_registered_when_the_saver_first_writes(
    manager: RunManager, admin: Actor, application: sa.URL
) -> None:
    with saver_at(application) as saver:
        run_graph(saver, "new")
    assert len(ids(manager, admin)) == RUNS + 1
    assert ids(manager, admin)[0] == "new"
    created_at = manager.reviewing.run(admin, "new").summary.created_at
    assert created_at is not None
    assert abs(datetime.now(UTC) - created_at) < timedelta(minutes=1)


def test_a_thread_that_writes_on_after_its_deletion_is_in_the_list_again(
    manager: RunManager, admin: Actor, application: sa.URL
) -> None:
    with saver_at(application) as saver:
        run_graph(saver, "new")
        assert deleted(delete(manager, admin, ["new"], include_running=True)) == {"new"}
        assert "new" not in ids(manager, admin)
        run_graph(saver, "new")
    assert "new" in ids(manager, admin)


def test_statements_on_a_schedule_serve_instead_of_the_trigger(
    host: PublicDatabase, manager: RunManager, admin: Actor
) -> None:
    host.execute("DROP TRIGGER register_threads ON checkpoints")
    host.add_traces(["new"])
    gone = host.listed()[0].thread_id
    host.execute("DELETE FROM checkpoints WHERE thread_id = %s", gone)
    assert "new" not in ids(manager, admin)
    host.do_as_documented("Threads that are there already")
    assert set(ids(manager, admin)) == {run.thread_id for run in host.listed()}
    assert "new" in ids(manager, admin)
    assert gone not in ids(manager, admin)
