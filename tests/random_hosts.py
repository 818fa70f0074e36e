"""Hosts that nobody designed: tables that hang on runs in any way, made at random, and their truth.

Each has rows whose ids are unique in the whole database, so that what is really gone can be told
by comparing all rows before and after, without any knowledge of Run Manager's.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RUNS = tuple(f"run-{number}" for number in range(5))
ORPHAN = "run-without-row"
RULES = ("CASCADE", "CASCADE", "CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "NO ACTION")
ROLE = "random_host_role"


@dataclass(frozen=True)
class Reference:
    """A foreign key of a table to ``to``: the runs (None), or a table by its number."""

    to: int | None
    rule: str
    by_number: bool = False
    is_required: bool = False


@dataclass(frozen=True)
class Sheet:
    """One table of a random host; ``kind`` is plain, partitioned or inherited."""

    kind: str
    schema: str
    has_thread_id: bool
    is_composite: bool
    references: tuple[Reference, ...]
    rows: tuple[tuple[int, ...], ...]
    trigger: str | None = None
    policy: str | None = None
    may_delete: bool = True
    may_read: bool = True


@dataclass(frozen=True)
class RandomHost:
    """A whole host. ``runs_as`` says how run_metadata is made, ``chosen`` which runs go."""

    runs_as: str
    reruns: str | None
    parents: tuple[int | None, ...]
    sheets: tuple[Sheet, ...]
    named: frozenset[int]
    chosen: frozenset[int]
    with_orphan: bool
    batch_size: int

    @property
    def is_pure(self) -> bool:
        """Whether no trigger decides over rows, so that a plan can know all that will happen."""
        return all(sheet.trigger in {None, "audit"} for sheet in self.sheets)

    @property
    def thread_ids(self) -> list[str]:
        """The ids whose deletion is asked for."""
        return [RUNS[one] for one in sorted(self.chosen)] + ([ORPHAN] if self.with_orphan else [])

    @property
    def trace_tables(self) -> tuple[str, ...]:
        """What RUNMANAGER_TRACE_TABLES names."""
        return tuple(self.shown(number) for number in sorted(self.named))

    def shown(self, number: int) -> str:
        """What Run Manager calls a table."""
        schema = self.sheets[number].schema
        return name(number) if schema == "public" else f"{schema}.{name(number)}"


def name(number: int) -> str:
    """What a table is called."""
    return f"t{number}"


@st.composite
def references(draw: st.DrawFn, number: int, count: int) -> Reference:
    """A foreign key of the table ``number``: mostly to the runs or to an earlier table."""
    to = draw(st.sampled_from([None, None, *range(number), *range(number), *range(count)]))
    rule = draw(st.sampled_from(RULES))
    earlier = to is None or to < number
    return Reference(
        to,
        rule,
        by_number=to is None and draw(st.booleans()),
        is_required=earlier and draw(st.integers(0, 4)) == 0,
    )


@st.composite
def sheets(draw: st.DrawFn, number: int, count: int) -> Sheet:
    """One table with a few rows."""
    found = tuple(draw(st.lists(references(number, count), max_size=2)))
    picks = st.tuples(*[st.integers(-1, 5) for _ in range(len(found) + 1)])
    return Sheet(
        kind=draw(st.sampled_from(["plain", "plain", "plain", "partitioned", "inherited"])),
        schema=draw(st.sampled_from(["public", "public", "public", "elsewhere"])),
        has_thread_id=draw(st.integers(0, 2)) == 0,
        is_composite=draw(st.integers(0, 3)) == 0,
        references=found,
        rows=tuple(draw(st.lists(picks, min_size=1, max_size=6))),
        trigger=draw(st.sampled_from([None] * 9 + ["audit", "keep", "raise", "delete"])),
        policy=draw(st.sampled_from([None] * 12 + ["open", "hidden", "half", "restricted"])),
        may_delete=draw(st.integers(0, 5)) > 0,
        may_read=draw(st.integers(0, 15)) > 0,
    )


@st.composite
def random_hosts(draw: st.DrawFn) -> RandomHost:
    """Any host."""
    count = draw(st.integers(1, 6))
    made = tuple(draw(sheets(number, count)) for number in range(count))
    nameable = [
        number
        for number, sheet in enumerate(made)
        if sheet.has_thread_id or _hangs_on_runs(made, number)
    ]
    named = draw(st.frozensets(st.sampled_from(nameable), max_size=2)) if nameable else frozenset()
    rule = draw(st.sampled_from([None, None, "CASCADE", "SET NULL", "RESTRICT", "NO ACTION"]))
    parents = st.none() | st.integers(0, len(RUNS) - 1)
    return RandomHost(
        runs_as=draw(st.sampled_from(["table", "table", "partitioned", "view", "renamed view"])),
        reruns=rule,
        parents=tuple(draw(parents) for _ in RUNS),
        sheets=made,
        named=named,
        chosen=draw(st.frozensets(st.integers(0, len(RUNS) - 1), min_size=1)),
        with_orphan=draw(st.booleans()),
        batch_size=draw(st.sampled_from([1, 2, 200])),
    )


def _hangs_on_runs(made: tuple[Sheet, ...], number: int) -> bool:
    """Whether a key of this table leads to the runs by rules that take rows along, for sure."""
    return any(
        reference.to is None
        or (
            reference.to < number
            and any(one.rule == "CASCADE" for one in made[reference.to].references)
            and all(one.rule == "CASCADE" for one in made[reference.to].references)
            and _hangs_on_runs(made, reference.to)
        )
        for reference in made[number].references
    )


@dataclass
class Built:
    """A random host in a database, and what is in it at any moment."""

    host: RandomHost
    connection: psycopg.Connection[Any]
    keys: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)

    def build(self) -> None:
        """Make the tables, fill them, and give the role its rights."""
        host = self.host
        self.connection.execute(_runs_ddl(host))
        for number, sheet in enumerate(host.sheets):
            self.connection.execute(_ddl(host, number, sheet))
        self.connection.execute("CREATE TABLE elsewhere.audit_log (said text)")
        for number, sheet in enumerate(host.sheets):
            self._fill(number, sheet)
        for number, sheet in enumerate(host.sheets):
            for statement in _constraints(host, number, sheet):
                self.connection.execute(statement)
        for number, sheet in enumerate(host.sheets):
            self.connection.execute(_guards(host, number, sheet))
        self.connection.execute(_grants(host))

    def _fill(self, number: int, sheet: Sheet) -> None:
        for at, picks in enumerate(sheet.rows):
            key = number * 100 + at
            values: dict[str, object] = {"id": key, "org": 1}
            if sheet.has_thread_id:
                values["thread_id"] = _thread_id(picks[-1])
            for which, reference in enumerate(sheet.references):
                target = self._target(reference, picks[which], number, at)
                if target is None and reference.is_required:
                    break
                values |= _values(self.host, reference, which, target)
            else:
                into = _insert_into(sheet, number, at)
                columns = ", ".join(values)
                marks = ", ".join(["%s"] * len(values))
                self.connection.execute(
                    f"INSERT INTO {into} ({columns}) VALUES ({marks})", list(values.values())
                )

    def _target(self, reference: Reference, pick: int, number: int, at: int) -> int | None:
        """The row that is referred to: a run's number, or a row's id."""
        if pick < 0:
            return None
        if reference.to is None:
            return pick if pick < len(RUNS) else None
        wanted = reference.to * 100 + pick
        if reference.to == number and pick >= len(self.host.sheets[number].rows):
            return None
        if reference.to > number or (reference.to == number and pick > at):
            return wanted if pick < len(self.host.sheets[reference.to].rows) else None
        found = self.connection.execute(
            f"SELECT 1 FROM ONLY {_place(self.host, reference.to)} WHERE id = %s"
            if self.host.sheets[reference.to].kind != "partitioned"
            else f"SELECT 1 FROM {_place(self.host, reference.to)} WHERE id = %s",
            [wanted],
        ).fetchone()
        return wanted if found else None

    def rows(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Every row by table and key; an heir's or a partition's under the table above it."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for shown, table, key in self.tables():
            rows = self.connection.execute(
                f"SELECT {key}::text, to_jsonb(t) FROM {table} t"
            ).fetchall()
            found[shown] = dict(rows)
        return found

    def tables(self) -> Iterable[tuple[str, str, str]]:
        """What each table is called by Run Manager, its name in SQL, and its key."""
        runs = {"view": "thread", "renamed view": "thread"}.get(self.host.runs_as, "run_metadata")
        key = "pk" if runs == "thread" and self.host.runs_as == "renamed view" else "thread_id"
        yield "run_metadata", runs, key
        for number in range(len(self.host.sheets)):
            yield self.host.shown(number), _place(self.host, number), "id"

    def without(self, thread_ids: Iterable[str]) -> dict[str, dict[str, dict[str, Any]]] | None:
        """Every row that would be there if the database itself deleted these runs' own rows.

        None where it would refuse. Nothing is changed.
        """
        _shown, runs, key = next(iter(self.tables()))
        try:
            with self.connection.transaction(force_rollback=True):
                self.connection.execute(
                    f"DELETE FROM {runs} WHERE {key} = ANY(%s)", [list(thread_ids)]
                )
                return self.rows()
        except psycopg.Error:
            return None


def removed(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> Counter[str]:
    """How many rows of each table are gone."""
    return +Counter(
        {table: len(rows.keys() - after[table].keys()) for table, rows in before.items()}
    )


def cleared(
    before: Mapping[str, Mapping[str, Any]],
    after: Mapping[str, Mapping[str, Any]],
) -> Counter[str]:
    """How many references were set to NULL in rows that are still there, by table."""
    found: Counter[str] = Counter()
    for table, rows in before.items():
        for key, row in rows.items():
            now = after[table].get(key)
            for column, value in row.items():
                is_reference = column.startswith("ref") or column == "parent_thread_id"
                if now is not None and is_reference and value is not None and now[column] is None:
                    found[table] += 1
    return found


def _runs_ddl(host: RandomHost) -> str:
    rule = "" if host.reruns is None else f" REFERENCES {{table}} ON DELETE {host.reruns}"
    columns = (
        "thread_id text PRIMARY KEY, run_name text, status text, created_at timestamptz,"
        " user_id text, workspace_id text, number int NOT NULL, parent_thread_id text"
    )
    tables = {
        "table": f"CREATE TABLE run_metadata ({columns}{rule}, UNIQUE (number))",
        "partitioned": (
            f"CREATE TABLE run_metadata ({columns}{rule}, UNIQUE (number, thread_id))"
            " PARTITION BY HASH (thread_id);"
            "CREATE TABLE run_0 PARTITION OF run_metadata FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
            "CREATE TABLE run_1 PARTITION OF run_metadata FOR VALUES WITH (MODULUS 2, REMAINDER 1)"
        ),
        "view": (
            f"CREATE TABLE thread ({columns}{rule}, UNIQUE (number));"
            "CREATE VIEW run_metadata AS TABLE thread"
        ),
        "renamed view": (
            "CREATE TABLE thread (pk text PRIMARY KEY, title text, state text, made timestamptz,"
            f" owner text, team text, number int NOT NULL UNIQUE, parent_thread_id text{rule});"
            "CREATE VIEW run_metadata AS SELECT pk AS thread_id, title AS run_name,"
            " state AS status, made AS created_at, owner AS user_id, team AS workspace_id,"
            " parent_thread_id FROM thread"
        ),
    }
    table = "thread" if "view" in host.runs_as else "run_metadata"
    values = ", ".join(
        f"('{RUNS[at]}', 'n', 'completed', now(), NULL, NULL, {at},"
        f" {'NULL' if parent is None else repr(RUNS[parent])})"
        for at, parent in enumerate(host.parents)
    )
    return (
        "CREATE SCHEMA elsewhere;"
        "CREATE TABLE users (id text PRIMARY KEY, username text, password_hash text,"
        " is_admin boolean);"
        "INSERT INTO users VALUES ('1', 'ada', NULL, true);"
        f"{tables[host.runs_as].format(table=table)};"
        f"INSERT INTO {table} VALUES {values};"
    )


def _place(host: RandomHost, number: int) -> str:
    return f"{host.sheets[number].schema}.{name(number)}"


def _ddl(host: RandomHost, number: int, sheet: Sheet) -> str:
    key = "id, org" if sheet.is_composite else "id"
    columns = ["id int NOT NULL", "org int NOT NULL DEFAULT 1"]
    if sheet.has_thread_id:
        columns.append("thread_id text")
    for which, reference in enumerate(sheet.references):
        kind = "text" if reference.to is None and not _by_number(host, reference) else "int"
        columns.append(f"ref{which} {kind}{' NOT NULL' if reference.is_required else ''}")
        if _is_composite(host, reference):
            columns.append(f"org{which} int DEFAULT 1")
    table = _place(host, number)
    made = f"CREATE TABLE {table} ({', '.join(columns)}, PRIMARY KEY ({key}))"
    if sheet.kind == "partitioned":
        return (
            f"{made} PARTITION BY HASH (id);"
            f"CREATE TABLE {table}_0 PARTITION OF {table} FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
            f"CREATE TABLE {table}_1 PARTITION OF {table} FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        )
    if sheet.kind == "inherited":
        return f"{made}; CREATE TABLE {table}_heir (PRIMARY KEY (id)) INHERITS ({table});"
    return made


def _by_number(host: RandomHost, reference: Reference) -> bool:
    return reference.to is None and reference.by_number and host.runs_as != "partitioned"


def _is_composite(host: RandomHost, reference: Reference) -> bool:
    return reference.to is not None and host.sheets[reference.to].is_composite


def _values(
    host: RandomHost, reference: Reference, which: int, target: int | None
) -> dict[str, object]:
    if reference.to is None and not _by_number(host, reference):
        return {f"ref{which}": None if target is None else RUNS[target]}
    return {f"ref{which}": target}


def _insert_into(sheet: Sheet, number: int, at: int) -> str:
    table = f"{sheet.schema}.{name(number)}"
    return f"{table}_heir" if sheet.kind == "inherited" and at % 3 == 2 else table


def _thread_id(pick: int) -> str | None:
    if pick < 0:
        return None
    return RUNS[pick] if pick < len(RUNS) else ORPHAN


def _constraints(host: RandomHost, number: int, sheet: Sheet) -> Iterable[str]:
    runs = "thread" if "view" in host.runs_as else "run_metadata"
    for which, reference in enumerate(sheet.references):
        own, to = f"ref{which}", ""
        if reference.to is None:
            column = "pk" if host.runs_as == "renamed view" else "thread_id"
            to = f"{runs} ({'number' if _by_number(host, reference) else column})"
        elif _is_composite(host, reference):
            own, to = f"{own}, org{which}", f"{_place(host, reference.to)} (id, org)"
        else:
            to = f"{_place(host, reference.to)} (id)"
        only = "ONLY " if sheet.kind == "inherited" else ""
        # What refers to a row that was left out, or to an heir's, refers to nothing.
        yield _unresolved(host, number, sheet, which, reference)
        yield (
            f"ALTER TABLE {only}{_place(host, number)} ADD CONSTRAINT {name(number)}_{which}"
            f" FOREIGN KEY ({own}) REFERENCES {to} ON DELETE {reference.rule}"
        )


def _unresolved(
    host: RandomHost, number: int, sheet: Sheet, which: int, reference: Reference
) -> str:
    if reference.to is None:
        return "SELECT 1"
    to = host.sheets[reference.to]
    only = "" if to.kind == "partitioned" else "ONLY "
    known = f"SELECT id FROM {only}{_place(host, reference.to)}"
    table = _place(host, number)
    column = f"ref{which}"
    if reference.is_required:
        return f"DELETE FROM {table} WHERE {column} NOT IN ({known})"
    return f"UPDATE {table} SET {column} = NULL WHERE {column} NOT IN ({known})"


def _guards(host: RandomHost, number: int, sheet: Sheet) -> str:
    table, own = _place(host, number), name(number)
    bodies = {
        "audit": ("AFTER", f"INSERT INTO elsewhere.audit_log VALUES ('{own}'); RETURN NULL;"),
        "keep": ("BEFORE", "IF OLD.id % 5 = 0 THEN RETURN NULL; END IF; RETURN OLD;"),
        "raise": ("BEFORE", "IF OLD.id % 5 = 0 THEN RAISE 'no'; END IF; RETURN OLD;"),
        "delete": ("AFTER", f"DELETE FROM {_place(host, 0)} WHERE id = 1; RETURN NULL;"),
    }
    statements = []
    if sheet.trigger is not None:
        when, body = bodies[sheet.trigger]
        statements.append(
            f"CREATE FUNCTION {own}_f() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
            f" AS $$ BEGIN {body} END $$;"
            f"CREATE TRIGGER {own}_t {when} DELETE ON {table} FOR EACH ROW"
            f" EXECUTE FUNCTION {own}_f();"
        )
    policies = {
        "open": "CREATE POLICY p ON {0} USING (true);",
        "hidden": "",
        "half": "CREATE POLICY p ON {0} USING (id % 2 = 0);",
        "restricted": (
            "CREATE POLICY p ON {0} USING (true);"
            "CREATE POLICY r ON {0} AS RESTRICTIVE USING (id % 2 = 0);"
        ),
    }
    if sheet.policy is not None:
        statements.append(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;")
        statements.append(policies[sheet.policy].format(table))
    return "".join(statements) or "SELECT 1"


def _grants(host: RandomHost) -> str:
    statements = [
        f"GRANT USAGE ON SCHEMA elsewhere TO {ROLE};",
        f"GRANT SELECT, DELETE, UPDATE ON run_metadata TO {ROLE};",
        f"GRANT SELECT ON users TO {ROLE};",
    ]
    if "view" in host.runs_as:
        statements.append(f"GRANT SELECT ON thread TO {ROLE};")
    for number, sheet in enumerate(host.sheets):
        rights = [
            right
            for right, is_given in (("SELECT", sheet.may_read), ("DELETE", sheet.may_delete))
            if is_given
        ]
        if rights:
            statements.append(f"GRANT {', '.join(rights)} ON {_place(host, number)} TO {ROLE};")
            if sheet.kind == "inherited":
                statements.append(
                    f"GRANT {', '.join(rights)} ON {_place(host, number)}_heir TO {ROLE};"
                )
    return "".join(statements)
