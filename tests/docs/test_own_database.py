"""docs/own-database.md: its SQL is run as it stands, and Run Manager works with that role."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

import psycopg
import pytest

from runmanager.errors import (
    MissingGrantError,
    NoPasswordsError,
    NotAdminError,
    SignedOutError,
)
from runmanager.filters import RunFilter
from runmanager.host.catalog import REQUIRED
from runmanager.host.privileges import USED_OF_USERS
from runmanager.host.values import LANGGRAPH_TABLES, LOG_TABLES
from runmanager.paging import PageRequest
from runmanager.records import Actor, SignInMethod, Statuses, StatusKind
from runmanager.records.statuses import _WORDS
from runmanager.restoring import undo_lacks
from runmanager.settings import Settings
from tests.conftest import every_shape
from tests.hosts import PASSWORD, connect
from tests.operations import delete, until
from tests.restoring import undoing
from tests.roles import DELETER, PAGE, READER, of_the_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter
    from tests.roles import Roles

ROLE = "runmanager_of_the_page"


def statements(holding: str) -> str:
    """The SQL of one block. Its role has another name here: the tests' superuser has that one."""
    return re.sub(r"\b(ROLE|TO) runmanager\b", rf"\1 {ROLE}", PAGE.block("sql", holding))


SEARCH_PATH = statements("IN DATABASE app")
VIEWS = statements("CREATE VIEW runmanager.run_metadata")
ADMINS = statements("CREATE TABLE runmanager.admins")
ADMITTING = statements("INSERT INTO runmanager.admins")
MEMBERS = """
    CREATE TABLE members (id text PRIMARY KEY, login text, email text);
    INSERT INTO members VALUES
        ('1', 'ada', 'ada@example.org'), ('2', 'grace', NULL), ('3', 'kate', NULL);
"""
OTHER_NAMES = """
    CREATE TABLE accounts (id text PRIMARY KEY, email text, password_hash text, role text);
    CREATE TABLE threads (
        id text PRIMARY KEY, title text, state text, started_at timestamptz, account_id text);
    INSERT INTO accounts VALUES ('1', 'ada@example.org', '-', 'admin'), ('2', 'kate', '-', 'user');
    INSERT INTO threads VALUES ('a', 'Old order', 'completed', now() - interval '1 day', '2');
    INSERT INTO threads VALUES ('b', 'New order', 'completed', now(), '2');
"""


@pytest.fixture
def role(host: HostWriter) -> Iterator[str]:
    """A role by the name that the page's other statements have here; dropped with the test."""
    yield ROLE
    host.execute(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


def titles(manager: RunManager, admin: Actor) -> list[str]:
    """The titles of the first page."""
    page = manager.finding.list_runs(admin, RunFilter(), PageRequest())
    return [run.title for run in page.items]


@every_shape
@pytest.mark.parametrize("of", [READER, DELETER])
def test_each_role_that_it_makes_finds_and_reviews(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles, of: str
) -> None:
    first, _second = host.add_runs(2, user="kate", workspace="Ops")
    manager = open_manager(roles.url(roles.of_the_page(of)))
    signed_in = manager.signing_in.sign_in("ada", PASSWORD)
    assert manager.signing_in.actor_of(signed_in.ticket) == admin
    assert manager.signing_in.actor_named(admin.user_id, is_username=False) == admin
    run_filter = RunFilter(search="order", username="kate", workspace=host.workspace("Ops"))
    assert manager.finding.list_runs(admin, run_filter, PageRequest()).total == 2
    assert len(manager.finding.browse(admin, run_filter, PageRequest()).items) == 2
    for key in manager.finding.listed:
        if key != "search":
            assert manager.finding.choices(admin, key, RunFilter()).is_complete
    assert manager.finding.usernames(admin) == ("kate",)
    assert len(manager.finding.workspaces(admin)) == 1
    count = manager.finding.start_count(admin, run_filter)
    until(lambda: manager.finding.count(admin, count.count_id).total == 2)
    assert manager.reviewing.run(admin, first).has_row
    assert manager.reviewing.whole_text(admin, first, "run_name") == "Order processing"
    tables, left = manager.reviewing.footprint(admin, first)
    assert ({one.table for one in tables}, left) == (set(host.shape.tables), ())
    traces = 0 if host.shape.is_minimal else 1
    assert manager.reviewing.logs(admin, first, None, PageRequest()).total == traces
    assert manager.reviewing.checkpoints(admin, first, PageRequest()).total == traces
    assert manager.reviewing.blobs(admin, first, PageRequest()).total == traces
    assert manager.reviewing.unreadable == {}


@every_shape
def test_only_the_role_that_deletes_deletes(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    going, staying = host.add_runs(2)
    before = host.contents()
    reading = open_manager(roles.url(roles.of_the_page(READER)))
    assert reading.deleting.denied is not None
    with pytest.raises(MissingGrantError):
        reading.deleting.plan(admin, [going])
    assert host.contents() == before
    deleting = open_manager(roles.url(roles.of_the_page(DELETER)))
    assert deleting.deleting.denied is None
    receipt = delete(deleting, admin, [going])
    assert [run.thread_id for run in receipt.done] == [going], receipt.failed
    assert host.is_gone(going)
    assert not host.is_gone(staying)


@every_shape
def test_the_role_that_deletes_can_undo_it(host: HostWriter, roles: Roles) -> None:
    runs = host.add_runs(2)
    host.execute("UPDATE run_metadata SET run_name = 'Late'")
    before = host.contents()
    with undoing(roles.url(roles.of_the_page(DELETER))) as undo:
        with undo.database.read() as connection:
            assert undo_lacks(connection, undo.host(connection)) == ()
        undo.delete(runs)
        outcome = undo.restore(runs)
    assert (outcome.failed, outcome.told, host.contents()) == ({}, (), before)


@every_shape
@pytest.mark.parametrize("of", [READER, DELETER])
def test_no_role_that_it_makes_may_do_more(host: HostWriter, roles: Roles, of: str) -> None:
    role = roles.of_the_page(of)
    users = [
        column for column in USED_OF_USERS if not (column == "is_active" and host.shape.is_minimal)
    ]
    may = {("users", "SELECT", column) for column in users}
    if not host.shape.is_minimal:
        may |= {("workspaces", "SELECT", column) for column in ("id", "name")}
    may |= {(table, "SELECT", "") for table in host.shape.tables}
    if of == DELETER:
        may |= {(table, "DELETE", "") for table in host.shape.tables}
        may |= {(table, "INSERT", "") for table in host.shape.tables}
        if host.shape.logs:
            may |= {(f"{host.shape.logs}_id_seq", right, "") for right in ("SELECT", "UPDATE")}
        may.add(("run_metadata", "UPDATE", "run_name"))
    granted = host.execute(
        "SELECT relname, privilege_type, '' FROM pg_class, aclexplode(relacl)"
        " WHERE grantee = %s::regrole"
        " UNION ALL SELECT attrelid::regclass::text, privilege_type, attname"
        " FROM pg_attribute, aclexplode(attacl) WHERE grantee = %s::regrole",
        role,
        role,
    )
    assert set(granted) == may


@pytest.mark.parametrize("shape", ["schema"], indirect=True)
def test_a_schema_of_another_name_is_found_by_the_search_path_of_the_role(
    host: HostWriter, open_manager: OpenManager, admin: Actor, role: str
) -> None:
    host.add_run(name="Order")
    host.execute(of_the_page(DELETER, role, host.shape))
    host.execute(SEARCH_PATH.replace("DATABASE app", f"DATABASE {host.url.database}"))
    # Its address names no search_path.
    url = host.url.set(username=role).difference_update_query(["options"])
    manager = open_manager(url)
    assert titles(manager, admin) == ["Order"]
    manager.close()


def test_a_host_with_other_names_is_described_by_views(
    host: HostWriter, open_manager: OpenManager, role: str
) -> None:
    host.execute("DROP TABLE run_metadata, users, workspaces")
    host.execute(OTHER_NAMES)
    host.execute(f"CREATE ROLE {role} LOGIN")
    host.execute(VIEWS)
    host.execute(
        f"GRANT SELECT, DELETE ON checkpoints, checkpoint_writes, checkpoint_blobs, logs TO {role}"
    )
    host.add_traces("a")
    ada = Actor("1", "ada@example.org")
    manager = open_manager(host.url.set(username=role))
    assert titles(manager, ada) == ["New order", "Old order"]
    receipt = delete(manager, ada, ["a"])
    assert [run.thread_id for run in receipt.done] == ["a"], receipt.failed
    assert host.execute("SELECT id FROM threads") == [("b",)]
    assert host.execute("SELECT count(*) FROM checkpoints") == [(0,)]
    manager.close()


@pytest.fixture
def members(host: HostWriter, role: str) -> None:
    """A host whose people have neither passwords nor an admin flag, with the page's admins."""
    host.execute("DROP TABLE users")
    host.execute(MEMBERS)
    host.execute(f"CREATE ROLE {role} LOGIN")
    # Without its first two statements: the role is there, and its users are those of the view.
    host.execute(of_the_page(DELETER, role, host.shape).split(";", 2)[2])
    host.execute(ADMINS)


def test_admins_beside_the_views_sign_in_by_single_sign_on_and_tokens(
    host: HostWriter, open_manager: OpenManager, members: None, role: str
) -> None:
    (run,) = host.add_runs(1)
    manager = open_manager(host.url.set(username=role))
    with pytest.raises(NotAdminError):
        manager.signing_in.sign_in_as("username", "ada", SignInMethod.OIDC)
    host.execute(ADMITTING)
    ada = Actor("1", "ada")
    for column, text in (("id", "1"), ("username", "ada"), ("email", "ada@example.org")):
        signed_in = manager.signing_in.sign_in_as(column, text, SignInMethod.OIDC)
        assert manager.signing_in.actor_of(signed_in.ticket) == ada
        assert manager.signing_in.actor_by(column, text) == ada
    for other in ("grace", "kate"):
        with pytest.raises(NotAdminError):
            manager.signing_in.actor_named(other, is_username=True)
    with pytest.raises(NoPasswordsError):
        manager.signing_in.sign_in("ada", PASSWORD)
    receipt = delete(manager, ada, [run])
    assert [one.thread_id for one in receipt.done] == [run], receipt.failed
    assert host.is_gone(run)
    manager.close()


@pytest.mark.parametrize("ends", ["DELETE FROM members WHERE id = '2'", "as the page says"])
def test_admins_beside_the_views_end_with_their_row_or_their_account(
    host: HostWriter, open_manager: OpenManager, members: None, role: str, ends: str
) -> None:
    manager = open_manager(host.url.set(username=role))
    host.execute("INSERT INTO runmanager.admins VALUES ('2')")
    ticket = manager.signing_in.sign_in_as("username", "grace", SignInMethod.PROXY).ticket
    assert manager.signing_in.actor_of(ticket) == Actor("2", "grace")
    host.execute(ADMITTING if ends == "as the page says" else ends)
    with pytest.raises(SignedOutError):
        manager.signing_in.actor_of(ticket)
    manager.close()


def test_no_role_of_the_page_makes_an_admin(host: HostWriter, members: None, role: str) -> None:
    with (
        connect(host.url.set(username=role)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("INSERT INTO runmanager.admins VALUES ('3')")


def test_its_table_names_what_is_required_and_what_goes() -> None:
    section = PAGE.section("Which tables and columns does it need?")
    rows = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("| `")]
    required = {}
    for tables, columns in rows:
        for table in tables.replace(" or ", ", ").split(","):
            names = [one.split("`")[1] for one in columns.split(",") if "`" in one]
            required[table.strip(" `")] = tuple(names)
    assert {name: columns for name, columns in required.items() if columns} == REQUIRED
    assert required.keys() == {*REQUIRED, "workspaces", *LANGGRAPH_TABLES, *LOG_TABLES}


def test_it_names_every_word_for_a_run_that_still_runs() -> None:
    section = PAGE.section("Which runs still run?")
    running, others = section.split(", in any case,")
    words = re.findall(r"`([a-z_]+)`", running)
    plain = [word.replace("_", "") for word in words]
    assert sorted(plain) == _WORDS[StatusKind.RUNNING].split()
    for word in re.findall(r"`([a-z]+)`", others):
        assert Statuses().kind(word) not in {StatusKind.RUNNING, StatusKind.UNKNOWN}, word
    settings = Settings.from_environment(exported("RUNMANAGER_RUNNING_WORDS"))
    assert len(settings.running_words) == 2
    for word in (*words, *settings.running_words):
        assert settings.conventions.statuses.kind(word) is StatusKind.RUNNING


def test_each_type_that_it_names_for_a_time_is_read_by_the_clock_that_is_set(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    section = PAGE.section("Of which type may a time be?")
    listed = section.split("may be ")[1].split(".")[0]
    *types, text = re.findall(r"`([^`]+)`", listed)
    assert types == ["timestamptz", "timestamp", "date"]
    zone = Settings.from_environment(exported("RUNMANAGER_TIMESTAMP_ZONE")).timestamp_zone
    assert zone.key != "UTC"
    midnight = datetime(2026, 5, 3, tzinfo=zone)
    for kind, written in [(one, midnight.isoformat()) for one in types] + [("text", text)]:
        host.execute("DELETE FROM run_metadata")
        host.execute(f"ALTER TABLE run_metadata DROP created_at, ADD created_at {kind}")
        host.add_run(created_at=written)
        page = open_manager(timestamp_zone=zone).finding.list_runs(
            admin, RunFilter(), PageRequest()
        )
        (run,) = page.items
        assert run.created_at == (midnight if kind != "text" else datetime.fromisoformat(text))


def exported(name: str) -> dict[str, str]:
    """What the page's one line of shell sets this variable to."""
    (value,) = re.findall(rf"^export {name}=(\S+)", PAGE.block("sh", name), re.M)
    return {name: value}
