"""Who may act: an active admin, asked of the database at each call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pages.passwords import is_password
from runmanager import accounts
from runmanager.errors import NotAdminError, SignedOutError, WrongPasswordError
from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from runmanager.records import Actor, RunPage
from tests.conftest import every_shape
from tests.hosts import PASSWORD
from tests.readings import opened
from tests.tried import trying

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
    "finding.list_runs": lambda m, a: m.finding.list_runs(a, RunFilter(), PageRequest()),
    "finding.usernames": lambda m, a: m.finding.usernames(a),
    "finding.workspaces": lambda m, a: m.finding.workspaces(a),
    "reviewing.run": lambda m, a: m.reviewing.run(a, "x"),
    "reviewing.footprint": lambda m, a: m.reviewing.footprint(a, "x"),
    "reviewing.log_levels": lambda m, a: m.reviewing.log_levels(a, "x", "logs"),
    "reviewing.logs": lambda m, a: m.reviewing.logs(a, "x", "logs", PageRequest()),
    "reviewing.log_line": lambda m, a: m.reviewing.log_line(a, "x", "logs", "k"),
    "reviewing.whole_text": lambda m, a: m.reviewing.whole_text(a, "x", "error_message"),
    "reviewing.checkpoints": lambda m, a: m.reviewing.checkpoints(a, "x", PageRequest()),
    "reviewing.checkpoint": lambda m, a: m.reviewing.checkpoint(a, "x", "", "c"),
    "reviewing.blobs": lambda m, a: m.reviewing.blobs(a, "x", PageRequest()),
    "finding.choices_of": lambda m, a: m.finding.choices_of(a, ["username"], RunFilter()),
    "finding.choices": lambda m, a: m.finding.choices(a, "username", RunFilter()),
    "finding.require_admin": lambda m, a: m.finding.require_admin(a),
    "finding.browse": lambda m, a: m.finding.browse(a, RunFilter(), PageRequest()),
    "finding.search_on": lambda m, a: m.finding.search_on(a, RunFilter(), RunPage((), 0, 1, 50)),
    "triage.statuses": lambda m, a: m.triage.statuses(a, RunFilter()),
    "triage.histogram": lambda m, a: m.triage.histogram(a, RunFilter()),
    "triage.with_error": lambda m, a: m.triage.with_error(a, RunFilter(search="order")),
    "triage.hidden": lambda m, a: m.triage.hidden(a, RunFilter(), ["x"]),
    "triage.summaries": lambda m, a: m.triage.summaries(a, ["x"]),
    "preferences.get": lambda m, a: m.preferences.get(a, "columns"),
    "preferences.set": lambda m, a: m.preferences.set(a, "columns", "id"),
    "finding.freeze": lambda m, a: m.finding.freeze(a, RunFilter()),
    "finding.start_count": lambda m, a: m.finding.start_count(a, RunFilter()),
    "finding.count": lambda m, a: m.finding.count(a, "x"),
    "finding.stop_count": lambda m, a: m.finding.stop_count(a, "x"),
    "deleting.plan": lambda m, a: m.deleting.plan(a, ["x"]),
    "deleting.delete": lambda m, a: m.deleting.delete(a, ["x"], include_running=True),
    "deleting.plan_matching": lambda m, a: m.deleting.plan_matching(a, RunFilter(search="order")),
    "deleting.start_kept": lambda m, a: m.deleting.start_kept(a, "x"),
    "operations.list": lambda m, a: m.operations.list(a, PageRequest()),
    "operations.admins": lambda m, a: m.operations.admins(a),
    "operations.kept": lambda m, a: m.operations.kept(a),
    "operations.running": lambda m, a: m.operations.running(a),
    "operations.get": lambda m, a: m.operations.get(a, "x"),
    "operations.view": lambda m, a: m.operations.view(a, "x"),
    "operations.pause": lambda m, a: m.operations.pause(a, "x"),
    "operations.resume": lambda m, a: m.operations.resume(a, "x"),
    "operations.stop": lambda m, a: m.operations.stop(a, "x"),
    "operations.retry": lambda m, a: m.operations.retry(a, "x"),
    "operations.receipt_json": lambda m, a: m.operations.receipt_json(a, "x"),
    "operations.receipt_html": lambda m, a: m.operations.receipt_html(a, "x"),
    "operations.plan_restore": lambda m, a: m.operations.plan_restore(a, "x"),
    "operations.restore": lambda m, a: m.operations.restore(a, "x"),
    "operations.undo": lambda m, a: m.operations.undo(a, "x"),
    "operations.plan_purge": lambda m, a: m.operations.plan_purge(a, "x"),
    "deleting.plan_retry": lambda m, a: m.deleting.plan_retry(a, "x", ["y"], include_running=False),
    "operations.purge": lambda m, a: m.operations.purge(a, "x"),
}
# Each has a test of its own.
NEED_A_PLAN = {"deleting.start", "deleting.keep"}


@pytest.mark.parametrize("change", CHANGES)
def test_an_admin_who_is_no_longer_one_is_refused_at_once(
    host: HostWriter, manager: RunManager, admin: Actor, change: str
) -> None:
    ticket = manager.signing_in.sign_in("ada", PASSWORD).ticket
    assert manager.signing_in.actor_of(ticket) == admin
    manager.finding.usernames(admin)
    host.execute(f"{CHANGES[change]} WHERE id = '{admin.user_id}'")
    with pytest.raises(NotAdminError):
        manager.finding.usernames(admin)
    with pytest.raises((NotAdminError, WrongPasswordError)):
        manager.signing_in.sign_in("ada", PASSWORD)
    if change == "renamed":
        renamed = Actor(admin.user_id, "someone else")
        assert manager.signing_in.actor_of(ticket) == renamed
        return
    with pytest.raises(SignedOutError):
        manager.signing_in.actor_of(ticket)


def test_every_call_refuses_who_is_no_admin(host: HostWriter, manager: RunManager) -> None:
    kate = Actor(host.add_user("kate"), "kate")
    for name, call in CALLS.items():
        with trying(name), pytest.raises(NotAdminError):
            call(manager, kate)


def test_every_call_of_the_service_is_among_those_tested(manager: RunManager) -> None:
    subjects = {name: one for name, one in vars(manager).items() if not name.startswith("_")}
    public = {
        f"{subject}.{name}"
        for subject, one in subjects.items()
        for name in dir(one)
        if not name.startswith("_")
    }
    without_actor = {
        "finding.close",
        "finding.forget_totals",
        "finding.listed",
        "finding.offered",
        "finding.sorts",
        "reviewing.log_tables",
        "reviewing.unreadable",
        "deleting.archives",
        "deleting.denied",
        "deleting.reason_above",
        "operations.kinds",
    }
    making_an_actor = {name for name in public if name.startswith("signing_in.")}
    assert public - without_actor - making_an_actor - NEED_A_PLAN == set(CALLS)


def test_starting_a_deletion_refuses_who_is_no_admin(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    (run,) = host.add_runs(1)
    plan = manager.deleting.plan(admin, [run])
    with pytest.raises(NotAdminError):
        manager.deleting.start(Actor(host.add_user("kate"), "kate"), plan)
    assert host.count("run_metadata", run) == 1


def test_keeping_a_plan_refuses_who_is_no_admin(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    plan = manager.deleting.plan(admin, host.add_runs(1))
    with pytest.raises(NotAdminError):
        manager.deleting.keep(Actor(host.add_user("kate"), "kate"), plan)


@every_shape
def test_an_actor_that_cannot_be_is_refused(manager: RunManager) -> None:
    for user_id, name in (("x\0", "ada"), ("9" * 40, "ada"), ("", ""), ("\ud800", "\ud800")):
        with trying(user_id), pytest.raises(NotAdminError):
            manager.finding.usernames(Actor(user_id, name))


@pytest.mark.parametrize("name", ["a\0", "\ud800"])
def test_a_name_that_cannot_be_is_refused(manager: RunManager, admin: Actor, name: str) -> None:
    with pytest.raises(NotAdminError):
        manager.finding.usernames(Actor(admin.user_id, name))
    with pytest.raises(WrongPasswordError):
        manager.signing_in.sign_in(name, PASSWORD)
    with pytest.raises(NotAdminError):
        manager.signing_in.actor_named(name, is_username=True)


@every_shape
def test_an_admin_signs_in_whatever_the_case_of_their_name(
    manager: RunManager, admin: Actor
) -> None:
    assert manager.signing_in.sign_in(" ADA ", PASSWORD).actor == admin


def hash_of_cost(cost: int) -> str:
    return f"$2b${cost:02}$" + "x" * 53


def test_a_name_that_nobody_has_costs_what_an_admins_does(host: HostWriter) -> None:
    host.add_user("grace", is_admin=True)
    host.add_user("kate")
    for name, cost in (("ada", 10), ("grace", 14), ("kate", 6)):
        host.execute(
            "UPDATE users SET password_hash = %s WHERE username = %s", hash_of_cost(cost), name
        )
    with opened(host) as (connection, schema):

        def cost_for(name: str) -> str:
            account, hashed = accounts.named(connection, schema, name)
            assert account is None
            assert len(hashed) == 60
            assert not is_password("x", hashed[:4] + "04" + hashed[6:])
            return hashed[4:6]

        costs = {name: cost_for(name) for name in map("nobody {}".format, range(40))}
        # Which of them cannot be told beforehand, and is always the same one.
        assert set(costs.values()) == {"10", "14"}
        for name, wanted in costs.items():
            assert cost_for(f" {name.upper()}") == wanted
        assert accounts.named(connection, schema, "kate")[1] == hash_of_cost(6)
    host.execute("UPDATE users SET password_hash = NULL")
    with opened(host) as (connection, schema):
        assert accounts.named(connection, schema, "nobody")[1].startswith("$2b$12$")


def test_names_that_differ_only_in_case_are_taken_to_the_letter(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    other = Actor(host.add_user("Ada", is_admin=True), "Ada")
    for one in (admin, other):
        assert manager.signing_in.sign_in(one.username, PASSWORD).actor == one
    for name in ("ADA", " ada"):
        with pytest.raises(WrongPasswordError):
            manager.signing_in.sign_in(name, PASSWORD)


def test_a_name_that_two_users_have_is_nobodys(host: HostWriter, manager: RunManager) -> None:
    host.add_user("ada", is_admin=False)
    with pytest.raises(WrongPasswordError):
        manager.signing_in.sign_in("ada", PASSWORD)


def test_a_user_who_is_no_admin_does_not_stand_in_an_admins_way(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_user("ADA", is_admin=False)
    for name in ("ada", "Ada"):
        assert manager.signing_in.sign_in(name, PASSWORD).actor == admin


@pytest.mark.parametrize("hashed", [None, "", "secret", "$2b$short", "$1$" + "x" * 57])
def test_what_is_no_hash_lets_nobody_in(
    host: HostWriter, manager: RunManager, hashed: str | None
) -> None:
    host.execute("UPDATE users SET password_hash = %s", hashed)
    for password in (PASSWORD, hashed or "none"):
        with pytest.raises(WrongPasswordError):
            manager.signing_in.sign_in("ada", password)


def test_a_host_without_is_active_has_only_active_users(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("ALTER TABLE users DROP is_active")
    manager = open_manager()
    assert manager.signing_in.sign_in("ada", PASSWORD).actor == admin
    assert manager.finding.usernames(admin) == ()


@pytest.mark.parametrize("kind", ["smallint", "integer", "bigint"])
def test_an_admin_flag_may_be_a_number(
    host: HostWriter, open_manager: OpenManager, admin: Actor, kind: str
) -> None:
    host.execute("ALTER TABLE users ALTER is_admin DROP DEFAULT")
    host.execute(f"ALTER TABLE users ALTER is_admin TYPE {kind} USING is_admin::int")
    manager = open_manager()
    assert manager.signing_in.sign_in("ada", PASSWORD).actor == admin
    host.execute("UPDATE users SET is_admin = 0")
    with pytest.raises(NotAdminError):
        manager.signing_in.sign_in("ada", PASSWORD)
