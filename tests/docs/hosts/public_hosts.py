"""Databases of public applications: their tables and rows, and what docs/hosts/ has them do.

Their tables are facts written down here (``schemas/``), with rows for 36 runs (``rows/``) and what
a list of those runs shows (``lists/``). The views and the role are the document's own SQL.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from psycopg import sql

from runmanager.records import Actor
from tests.docs.reading import Document
from tests.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg
    import sqlalchemy as sa

FOLDER = ROOT / "tests" / "docs" / "hosts"
RUNS = 36
# Of no run: nothing may happen to what is kept under it.
NOBODY = "of-no-run"


@dataclass(frozen=True)
class PublicHost:
    """One public application.

    ``ids`` selects its runs, under whose ids its saver then keeps traces; one that has none brings
    checkpoints of its own.
    """

    name: str
    ids: str | None

    @property
    def document(self) -> Document:
        """Its page in docs/hosts/."""
        return Document(f"docs/hosts/{self.name}.md")

    @property
    def is_the_saver_alone(self) -> bool:
        """Whether there is nothing but the saver's tables."""
        return self.name == "saver"

    @property
    def may_have_checkpoints_of_no_run(self) -> bool:
        """Whether nothing ties each checkpoint to a run."""
        return self.ids is not None and not self.is_the_saver_alone

    def statements(self, of: str) -> str:
        """What is written down of it in one of the folders."""
        return (FOLDER / of / f"{self.name}.sql").read_text(encoding="utf-8")

    @property
    def trace_tables(self) -> tuple[str, ...]:
        """The tables that its page has RUNMANAGER_TRACE_TABLES name."""
        found = re.search(r"^export RUNMANAGER_TRACE_TABLES=(.+)$", self.document.text, re.M)
        return tuple(found[1].split(",")) if found else ()

    def told(self) -> dict[str, str]:
        """What its page says becomes of each table, by its first words."""
        section = self.document.section("What happens to each table")
        told: dict[str, str] = {}
        for names, words in re.findall(r"^\| (`.+`) \| (.+) \|$", section, re.M):
            told |= dict.fromkeys(re.findall(r"`(\w+)`", names), re.split("[:,]", words)[0])
        return told


PUBLIC_HOSTS = (
    PublicHost("original", "SELECT thread_id FROM run_metadata"),
    PublicHost("aegra", "SELECT thread_id FROM thread"),
    PublicHost("langgraph-platform", None),
    PublicHost("chainlit", "SELECT id::text FROM threads"),
    PublicHost("deer-flow", "SELECT thread_id FROM threads_meta"),
    PublicHost("fastapi-template", "SELECT id FROM session"),
    PublicHost("opengpts", "SELECT thread_id::text FROM thread"),
    PublicHost("saver", "SELECT 'thread-' || n FROM generate_series(1, 36) n"),
)


@dataclass(frozen=True)
class Listed:
    """What the list should show of one run."""

    thread_id: str
    name: str | None
    status: str | None
    created_at: datetime | None
    username: str | None
    workspace_id: str | None
    workspace_name: str | None


@dataclass
class PublicDatabase:
    """One of them with its rows, its views and its role; read here as a superuser, in plain SQL."""

    of: PublicHost
    url: sa.URL
    connection: psycopg.Connection[tuple[Any, ...]]

    def __post_init__(self) -> None:
        # The tests' superuser is called as the views' schema, which would stand first in its path.
        self.execute("SET search_path = public")
        # Roles belong to the whole server.
        self.role = f"role_{uuid.uuid4().hex[:12]}"

    def fill(self) -> None:
        """Make its tables and rows in an empty database."""
        if self.of.ids is not None:
            self.execute((FOLDER / "schemas" / "saver.sql").read_text(encoding="utf-8"))
        if not self.of.is_the_saver_alone:
            self.execute(self.of.statements("schemas"))
            self.execute(self.of.statements("rows"))
        if self.of.ids is not None:
            ids = [thread_id for (thread_id,) in self.execute(self.of.ids)]
            self.add_traces([*ids, NOBODY] if self.of.may_have_checkpoints_of_no_run else ids)

    def add_traces(self, thread_ids: Iterable[str]) -> None:
        """Let the saver write checkpoints, writes and blobs under these ids."""
        traces = (FOLDER / "rows" / "traces.sql").read_text(encoding="utf-8")
        written = traces.format(ids=sql.Literal(list(thread_ids)).as_string())
        self.execute(written)

    def execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement (or several without values) and return its rows, if it has any."""
        cursor = self.connection.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []

    def do_as_documented(self, heading: str) -> None:
        """Run the SQL that its page has below a heading, if it has that."""
        if f"\n## {heading}\n" in self.of.document.text:
            for block in self.of.document.blocks("sql", below=heading):
                self.execute(re.sub(r"\b(ROLE|TO) runmanager\b", rf"\1 {self.role}", block))

    @property
    def role_url(self) -> sa.URL:
        """The address at which the role that its page makes connects."""
        return self.url.set(username=self.role)

    def drop_role(self) -> None:
        """Take its role from the server."""
        self.execute(f"DROP OWNED BY {self.role} CASCADE; DROP ROLE {self.role}")

    def person(self, name: str) -> Actor:
        """The user of that name, as the view has them."""
        table = "users" if self.of.name == "original" else "runmanager.users"
        ((found,),) = self.execute(f"SELECT id::text FROM {table} WHERE username = %s", name)  # noqa: S608
        return Actor(found, name)

    def listed(self) -> list[Listed]:
        """Every run as its own tables have it, newest first, runs without a time last."""
        oldest = datetime.min.replace(tzinfo=UTC)
        runs = [Listed(*row) for row in self.execute(self.of.statements("lists"))]
        return sorted(runs, key=lambda run: run.created_at or oldest, reverse=True)

    def contents(self) -> dict[str, Counter[str]]:
        """Every row of every table as text, by the table's name."""
        tables = self.execute(
            "SELECT relname, c.oid::regclass::text FROM pg_class c"
            " WHERE relkind IN ('r', 'p') AND NOT relispartition AND relpersistence <> 't'"
            " AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')"
        )
        names = dict(tables)
        assert len(names) == len(tables)
        return {
            name: Counter(row for (row,) in self.execute(f"SELECT t::text FROM {table} t"))  # noqa: S608
            for name, table in names.items()
        }

    def behind_views(self) -> dict[str, str]:
        """The table behind each view that has only one, by the view's name."""
        rows = self.execute(
            "SELECT DISTINCT v.relname, t.relname FROM pg_class v"
            " JOIN pg_rewrite r ON r.ev_class = v.oid"
            " JOIN pg_depend d ON d.objid = r.oid AND d.classid = 'pg_rewrite'::regclass"
            " JOIN pg_class t ON t.oid = d.refobjid AND d.refclassid = 'pg_class'::regclass"
            " WHERE v.relkind = 'v' AND v.relnamespace::regnamespace::text = 'runmanager'"
            " AND t.relkind IN ('r', 'p')"
        )
        views = Counter(view for view, _table in rows)
        return {view: table for view, table in rows if views[view] == 1}

    def rows_of(self, table: str, thread_ids: list[str]) -> int:
        """How many rows of a table with a ``thread_id`` belong to these runs."""
        statement = f"SELECT count(*) FROM {table} WHERE thread_id::text = ANY(%s)"  # noqa: S608
        ((count,),) = self.execute(statement, thread_ids)
        return int(count)
