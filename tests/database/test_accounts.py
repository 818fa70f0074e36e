"""Who may act: an active admin, asked of the database at each call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.errors import NotAdminError
from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from runmanager.records import Actor, RunPage
from tests.conftest import every_shape
from tests.hosts import HASH

if TYPE_CHECKING:
    from collections.abc import Callable

    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

CHANGES = {
    "demoted": "UPDATE users SET is_admin = false",
    "of unknown role": "UPDATE users SET is_admin = NULL",
    "deactivated": "UPDATE users SET is_active = false",
    "of unknown activity": "UPDATE users SET is_active = NULL",
    "deleted": "DELETE FROM users",
    "renamed": "UPDATE users SET username = 'someone else'",
}
CALLS: dict[str, Callable[[RunManager, Actor], object]] = {
    "list_runs": lambda m, a: m.list_runs(a, RunFilter(), PageRequest()),
    "usernames": lambda m, a: m.usernames(a),
    "workspaces": lambda m, a: m.workspaces(a),
    "run": lambda m, a: m.run(a, "x"),
    "footprint": lambda m, a: m.footprint(a, "x"),
    "log_levels": lambda m, a: m.log_levels(a, "x", "logs"),
    "logs": lambda m, a: m.logs(a, "x", "logs", PageRequest()),
    "checkpoints": lambda m, a: m.checkpoints(a, "x", PageRequest()),
    "checkpoint": lambda m, a: m.checkpoint(a, "x", "", "c"),
    "blobs": lambda m, a: m.blobs(a, "x", PageRequest()),
    "browse": lambda m, a: m.browse(a, RunFilter(), PageRequest()),
    "search_on": lambda m, a: m.search_on(a, RunFilter(), RunPage((), 0, 1, 50)),
    "start_count": lambda m, a: m.start_count(a, RunFilter()),
    "count": lambda m, a: m.count(a, "x"),
    "stop_count": lambda m, a: m.stop_count(a, "x"),
    "plan_deletion": lambda m, a: m.plan_deletion(a, ["x"]),
    "delete": lambda m, a: m.delete(a, ["x"], include_running=True),
    "operation": lambda m, a: m.operation(a, "x"),
    "running_operations": lambda m, a: m.running_operations(a),
    "stop_operation": lambda m, a: m.stop_operation(a, "x"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_admin_who_is_no_longer_one_is_refused_at_once(
    host: HostWriter, manager: RunManager, admin: Actor, change: str
) -> None:
    manager.usernames(admin)
    host.execute(f"{CHANGES[change]} WHERE id = '{admin.user_id}'")
    with pytest.raises(NotAdminError):
        manager.usernames(admin)
    with pytest.raises(NotAdminError):
        manager.actor_for("ada")
    assert "ada" not in {one.username for one in manager.sign_in_credentials()}


@pytest.mark.parametrize("call", CALLS)
def test_every_call_refuses_who_is_no_admin(
    host: HostWriter, manager: RunManager, call: str
) -> None:
    kate = Actor(host.add_user("kate"), "kate")
    with pytest.raises(NotAdminError):
        CALLS[call](manager, kate)


def test_every_call_of_the_service_is_among_those_tested(manager: RunManager) -> None:
    public = {name for name in dir(manager) if not name.startswith("_")}
    signing_in = {"sign_in_credentials", "actor_for", "actor_named", "sign_in"}
    without_actor = {"open", "close", "log_tables", "is_database_reachable", *signing_in}
    assert public - without_actor - {"start_deletion"} == set(CALLS)


def test_starting_a_deletion_refuses_who_is_no_admin(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    (run,) = host.add_runs(1)
    plan = manager.plan_deletion(admin, [run])
    with pytest.raises(NotAdminError):
        manager.start_deletion(Actor(host.add_user("kate"), "kate"), plan)
    assert host.count("run_metadata", run) == 1


@every_shape
@pytest.mark.parametrize(
    "actor", [Actor("x\0", "ada"), Actor("9" * 40, "ada"), Actor("", ""), Actor("\ud800", "\ud800")]
)
def test_an_actor_that_cannot_be_is_refused(manager: RunManager, actor: Actor) -> None:
    with pytest.raises(NotAdminError):
        manager.usernames(actor)


@pytest.mark.parametrize("name", ["a\0", "\ud800"])
def test_a_name_that_cannot_be_is_refused(manager: RunManager, admin: Actor, name: str) -> None:
    with pytest.raises(NotAdminError):
        manager.usernames(Actor(admin.user_id, name))
    with pytest.raises(NotAdminError):
        manager.actor_for(name)


@every_shape
def test_an_admin_signs_in_whatever_the_case_of_their_name(
    manager: RunManager, admin: Actor
) -> None:
    assert manager.actor_for(" ADA ") == admin
    (credential,) = manager.sign_in_credentials()
    assert (credential.username, credential.password_hash) == ("ada", HASH)


def test_names_that_differ_only_in_case_let_neither_in(
    host: HostWriter, manager: RunManager
) -> None:
    host.add_user("Ada", is_admin=True)
    assert manager.sign_in_credentials() == ()
    with pytest.raises(NotAdminError):
        manager.actor_for("ada")


def test_a_user_who_is_no_admin_does_not_stand_in_an_admins_way(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_user("ADA", is_admin=False)
    assert manager.actor_for("ada") == admin
    assert len(manager.sign_in_credentials()) == 1


@pytest.mark.parametrize("hashed", [None, "", "secret", "$2b$short", "$1$" + "x" * 57])
def test_only_a_bcrypt_hash_lets_in(
    host: HostWriter, manager: RunManager, hashed: str | None
) -> None:
    host.execute("UPDATE users SET password_hash = %s", hashed)
    assert manager.sign_in_credentials() == ()


def test_a_host_without_is_active_has_only_active_users(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("ALTER TABLE users DROP is_active")
    manager = open_manager()
    assert manager.actor_for("ada") == admin
    assert manager.usernames(admin) == ()


def test_is_admin_may_be_a_number(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("ALTER TABLE users ALTER is_admin DROP DEFAULT")
    host.execute("ALTER TABLE users ALTER is_admin TYPE integer USING is_admin::int")
    manager = open_manager()
    assert manager.actor_for("ada") == admin


@pytest.mark.parametrize("kind", ["smallint", "integer", "bigint"])
def test_an_admin_flag_may_be_a_number(
    host: HostWriter, open_manager: OpenManager, admin: Actor, kind: str
) -> None:
    host.execute("ALTER TABLE users ALTER is_admin DROP DEFAULT")
    host.execute(f"ALTER TABLE users ALTER is_admin TYPE {kind} USING is_admin::int")
    manager = open_manager()
    assert manager.actor_for("ada") == admin
    host.execute("UPDATE users SET is_admin = 0")
    with pytest.raises(NotAdminError):
        manager.actor_for("ada")
