"""docs/own-database.md: its SQL is run as it stands, and Run Manager works with that role."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from runmanager.errors import DatabaseDeniedError
from runmanager.filters import RunFilter
from runmanager.host.catalog import REQUIRED
from runmanager.host.values import LANGGRAPH_TABLES, LOG_TABLES
from runmanager.paging import PageRequest
from runmanager.records import Actor
from tests.docs.reading import Document
from tests.operations import delete

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

PAGE = Document("docs/own-database.md")
ROLE = "runmanager_of_the_page"


def statements(holding: str) -> str:
    """The SQL of one block. Its role has another name here: the tests' superuser has that one."""
    return re.sub(r"\b(ROLE|TO) runmanager\b", rf"\1 {ROLE}", PAGE.block("sql", holding))


GRANTS = statements("CREATE ROLE")
SEARCH_PATH = statements("IN DATABASE app")
VIEWS = statements("CREATE VIEW")
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
    """The role that the page makes; it is dropped with the test."""
    yield ROLE
    host.execute(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


def titles(manager: RunManager, admin: Actor) -> list[str]:
    """The titles of the first page."""
    page = manager.finding.list_runs(admin, RunFilter(), PageRequest())
    return [run.title for run in page.items]


def test_the_role_that_it_grants_to_finds_reviews_and_deletes(
    host: HostWriter, open_manager: OpenManager, admin: Actor, role: str
) -> None:
    host.execute(GRANTS)
    going, staying = host.add_runs(2, user="kate", workspace="Ops")
    manager = open_manager(host.url.set(username=role))
    assert len(titles(manager, admin)) == 2
    assert manager.finding.usernames(admin) == ("kate",)
    assert manager.reviewing.run(admin, going).has_row
    tables, left = manager.reviewing.footprint(admin, going)
    assert ({one.table for one in tables}, left) == (set(host.shape.tables), ())
    assert len(manager.reviewing.logs(admin, going, "logs", PageRequest()).items) == 1
    receipt = delete(manager, admin, [going])
    assert [run.thread_id for run in receipt.done] == [going], receipt.failed
    assert host.is_gone(going)
    assert not host.is_gone(staying)
    manager.close()


@pytest.mark.parametrize(
    "taken", ["SELECT ON run_metadata", "UPDATE (run_name) ON run_metadata", "DELETE ON logs"]
)
def test_without_one_of_its_rights_nothing_goes_and_the_page_is_named(
    host: HostWriter, open_manager: OpenManager, admin: Actor, role: str, taken: str
) -> None:
    host.execute(GRANTS)
    host.execute(f"REVOKE {taken} FROM {role}")
    (run,) = host.add_runs(1)
    manager = open_manager(host.url.set(username=role))
    try:
        failed = delete(manager, admin, [run]).failed
    except DatabaseDeniedError as error:
        reason = error.message
    else:
        reason = failed[0].error
    assert "docs/own-database.md" in reason
    assert all(host.counts(run).values())
    manager.close()


@pytest.mark.parametrize("shape", ["schema"], indirect=True)
def test_a_schema_of_another_name_is_found_by_the_search_path_of_the_role(
    host: HostWriter, open_manager: OpenManager, admin: Actor, role: str
) -> None:
    host.add_run(name="Order")
    host.execute(GRANTS)
    host.execute(f"GRANT USAGE ON SCHEMA app TO {role}")
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
