"""The lists behind the filters: what runs name, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.filters import RunFilter
from runmanager.queries.listing import facets
from tests.conftest import every_shape

if TYPE_CHECKING:
    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter


@pytest.fixture(params=["no index", "indexes", "indexes and idle users"])
def manager(
    host: HostWriter, open_manager: OpenManager, request: pytest.FixtureRequest
) -> RunManager:
    """The service on a host whose runs are found by user and workspace, or are read one by one."""
    if request.param != "no index":
        host.execute("CREATE INDEX ON run_metadata (user_id)")
        host.execute("CREATE INDEX ON run_metadata (workspace_id)")
    if request.param == "indexes and idle users":
        for number in range(30):
            host.add_user(f"idle {number}")
        # The statistics outlive what they are of, and are read at the start.
        host.add_runs(3, user="idle 0")
        host.execute("ANALYZE")
        host.execute("DELETE FROM run_metadata")
    manager = open_manager()
    assert manager._access._schema[1].has_idle_users is (request.param == "indexes and idle users")
    return manager


@every_shape
def test_users_with_runs_are_listed_once_and_sorted(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    for name in ("zoe", "kate", "kate", "Émile", "Bob"):
        host.add_run(user=name)
    host.add_user("idle")
    host.add_run(user_id=host.add_user("kate"))  # another of the same name
    host.add_run(user_id=host.add_user(None))
    host.add_run(user_id=host.add_user(""))
    host.add_run()
    assert manager.finding.usernames(admin) == ("Bob", "kate", "zoe", "Émile")


@every_shape
def test_workspaces_are_those_that_runs_name(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    for name in ("Ops", "Lab", "Ops"):
        host.add_run(workspace=name)
    host.workspace("Idle")
    host.add_run()
    found = manager.finding.workspaces(admin)
    assert {one.value for one in found} == {host.workspace("Ops"), host.workspace("Lab")}
    if not host.shape.is_minimal:
        assert [one.name for one in found] == ["Lab", "Ops"]


def test_workspaces_are_narrowed_by_the_rest_of_the_filter(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_run(user="kate", workspace="Ops")
    host.add_run(user="tom", workspace="Lab")
    found = manager.finding.workspaces(admin, RunFilter(username="kate"))
    assert [one.name for one in found] == ["Ops"]
    assert manager.finding.workspaces(admin, RunFilter(username="nobody")) == ()


def test_workspaces_of_more_runs_than_are_looked_through_are_those_of_all(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facets, "NARROWED_TO", 2)
    for _run in range(3):
        host.add_run(user="kate", workspace="Ops")
    host.add_run(user="tom", workspace="Lab")
    for user, names in (("kate", ["Lab", "Ops"]), ("tom", ["Lab"])):
        found = manager.finding.workspaces(admin, RunFilter(username=user))
        assert [one.name for one in found] == names


def test_a_workspace_whose_row_is_gone_stands_last_under_its_id(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_run(workspace="Gone")
    host.add_run(workspace="Ops")
    host.execute("DELETE FROM workspaces WHERE name = 'Gone'")
    assert [(one.value, one.name) for one in manager.finding.workspaces(admin)] == [
        (host.workspace("Ops"), "Ops"),
        (host.workspace("Gone"), None),
    ]
