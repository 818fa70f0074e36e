"""The API where the database role may only read: it says so, with the GRANT to make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.roles import READER, grants_in

if TYPE_CHECKING:
    from tests.api.conftest import Caller
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter
    from tests.roles import Roles


@pytest.fixture
def role(roles: Roles) -> str:
    """The page's role that only reads."""
    return roles.of_the_page(READER)


@pytest.fixture
def open_manager(open_manager: OpenManager, roles: Roles, role: str) -> OpenManager:
    """Opens Run Manager with that role."""

    def open_one(
        url: object = None, limits: object = None, triage_limits: object = None, **settings: Any
    ) -> Any:
        assert url is limits is triage_limits is None
        return open_manager(roles.url(role), **settings)

    return open_one


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/runs"), ("POST", "/deletion-plan")])
def test_a_deletion_that_the_role_may_not_do_is_answered_with_the_grants(
    host: HostWriter, caller: Caller, role: str, method: str, path: str
) -> None:
    (run,) = host.add_runs(1)
    response = caller.client.request(method, path, json={"thread_ids": [run]})
    assert response.status_code == 503
    assert "Retry-After" not in response.headers
    grants = grants_in(response.json()["detail"])
    assert grants[0] == f"GRANT DELETE, UPDATE (run_name) ON public.run_metadata TO {role};"
    assert all(host.counts(run).values())
    assert caller.json("/filters")["can_delete"] is False
    for grant in grants:
        host.execute(grant)
    assert caller.send(method, path, {"thread_ids": [run]})
    assert host.is_gone(run) == (method == "DELETE")
    assert caller.json("/filters")["can_delete"] is True


def test_a_read_only_role_answers_all_else(host: HostWriter, caller: Caller) -> None:
    (run,) = host.add_runs(1, user="kate", workspace="Ops")
    assert caller.json("/runs")["total"] == 1
    assert caller.json("/usernames") == {"usernames": ["kate"]}
    assert caller.json("/workspaces") == {"workspaces": [host.workspace("Ops")]}
    facts = caller.json(f"/runs/{run}")
    assert facts["denied"] == []
    for name in ("logs", "checkpoints", "blobs"):
        assert caller.json(f"/runs/{run}/{name}")["total"] == 1


def test_a_table_that_may_not_be_read_is_named_and_the_rest_answered(
    host: HostWriter, caller: Caller, roles: Roles, role: str
) -> None:
    roles.revoke(role, "SELECT ON logs")
    (run,) = host.add_runs(1)
    grant = f"GRANT SELECT ON public.logs TO {role};"
    assert grants_in(caller.json(f"/runs/{run}/logs", 503)["detail"]) == [grant]
    facts = caller.json(f"/runs/{run}")
    assert [grants_in(one) for one in facts["denied"]] == [[grant]]
    assert {one["table"] for one in facts["tables"]} == set(host.shape.tables) - {"logs"}
    assert caller.json(f"/runs/{run}/checkpoints")["total"] == 1


def test_who_is_not_signed_in_hears_nothing_of_tables_or_grants(
    caller: Caller, roles: Roles, role: str
) -> None:
    roles.revoke(role, "SELECT (password_hash) ON users")
    body = {"username": "ada", "password": "any"}
    response = caller.client.post("/token", data=body, headers={"Authorization": ""})
    assert response.status_code == 503
    for word in ("GRANT", "users", role):
        assert word not in response.text
